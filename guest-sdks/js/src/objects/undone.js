// Was what somebody has read undone since?
//
// Each transaction and each savepoint is a section in the one that was open before it.

let innermost = null;

export function beginSection() {
  innermost = { outer: innermost, isUndone: false };
  return innermost;
}

export function endSection(section, isUndone) {
  section.isUndone = isUndone;
  innermost = section.outer;
}

export const sectionNow = () => innermost;

export function isUndone(section) {
  for (let at = section; at !== null; at = at.outer) if (at.isUndone) return true;
  return false;
}
