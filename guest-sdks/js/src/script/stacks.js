// Which line of which file is a line of a stack?
//
// `build/lines.mjs` makes the table: the files, and per piece of the script where its first
// line comes from and, line by line, how far the next is from that. Only the pieces that a
// stack leads to are read.

import { namePlaces } from "../platform/stacks.js";

let table = null;

const SCRIPT = "<input>";

// From now on stacks tell the places in the files that a script was bundled from. What lies
// in the SDK itself is left out.
export function useMap(map) {
  table = map ?? null;
  if (table !== null) namePlaces(nameOf);
}

function nameOf(site) {
  if (site.getFileName() !== SCRIPT) return null;
  const number = site.getLineNumber();
  return placeOf(number) ?? `script:${number}`;
}

function placeOf(number) {
  const piece = table.pieces[Math.floor((number - 1) / table.pieceLines)];
  if (piece === undefined) return null;
  let [file, line] = piece;
  let found = null;
  for (const entry of piece[2].split(";").slice(0, ((number - 1) % table.pieceLines) + 1)) {
    found = null;
    if (entry === "") continue;
    const [fileStep, lineStep] = entry.split(",").map(Number);
    file += fileStep;
    line += lineStep;
    found = `${table.files[file]}:${line}`;
  }
  return found;
}
