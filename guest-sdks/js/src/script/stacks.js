// Which line of which file is a line of a stack?
//
// `build/lines.mjs` makes the table: the files, and per piece of the script where its first
// line comes from and, line by line, how far the next is from that. Only the pieces that a
// stack leads to are read.

let table = null;

const SCRIPT = "<input>";

// From now on stacks tell the places in the files that a script was bundled from. What lies
// in the SDK itself is left out.
export function useMap(map) {
  table = map ?? null;
  if (table !== null) Error.prepareStackTrace = (error, sites) => stackOf(sites);
}

function stackOf(sites) {
  const lines = [];
  for (const site of sites) {
    if (site.getFileName() !== SCRIPT) continue;
    const number = site.getLineNumber();
    const place = placeOf(number) ?? `script:${number}`;
    lines.push(`    at ${site.getFunctionName() || "<anonymous>"} (${place})\n`);
  }
  return lines.join("");
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
