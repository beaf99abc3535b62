// What must wait while a section or a transaction is open?
//
// The host holds back the other events. But code of another event that was
// woken in the event that opens the section goes on there, where the host cannot tell the two
// apart. So what was begun before the section is not delivered before its end, as at the host.

const open = []; // numbers of the sections that are open, from the outermost to the innermost
let newest = 0;
let waiting = [];

// Opens a section; the result ends it.
export function enter() {
  const number = ++newest;
  open.push(number);
  return () => {
    open.splice(open.indexOf(number), 1);
    for (const go of waiting.splice(0)) go();
  };
}

// When something is begun; see `admitted`.
export const stamp = () => open.at(-1) ?? 0;

export const isClosed = () => open.length > 0;

export const isHeld = (begun) => open.length > 0 && open.at(-1) > begun;

// Ends when what was begun then may go on.
export async function admitted(begun) {
  while (isHeld(begun)) await new Promise((go) => waiting.push(go));
}
