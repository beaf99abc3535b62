// What must wait while a section is open?
//
// The host holds back the other events, see `section.js`. But code of another event that was
// woken in the event that opens the section goes on there, where the host cannot tell the two
// apart. So what was begun before the section is not delivered before its end, as at the host.

const open = []; // from the outermost to the innermost, which may be yet to run
let waiting = [];

// The innermost section that runs: what is done now is done in it.
export const innermost = () => open.findLast((section) => section.isRunning);

// A section holds back others from now on; each has a greater number than those before.
export const enter = (section) => open.push(section);

// The innermost has ended. `next` is done before anything goes on that waited for it.
export function leave(next) {
  open.pop();
  next();
  for (const go of waiting.splice(0)) go();
}

// When something is begun; see `admitted`.
export const stamp = () => innermost()?.number ?? 0;

export const isClosed = () => open.length > 0;

export const isHeld = (begun) => open.length > 0 && open.at(-1).number > begun;

// Ends when what was begun then may go on.
export async function admitted(begun) {
  while (isHeld(begun)) await new Promise((go) => waiting.push(go));
}
