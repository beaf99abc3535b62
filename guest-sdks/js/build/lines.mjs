// From a source map to a short table of lines: see `src/script/stacks.js`. Lines of packages
// are left out; there are many, and nobody here wrote them.

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const VALUE = new Map([...DIGITS].map((digit, value) => [digit, value]));
const PIECE_LINES = 256;

export function linesOf({ sources, mappings }) {
  let [source, line] = [0, 0];
  let last = [0, 0];
  const pieces = [];
  for (const [at, segments] of mappings.split(";").entries()) {
    if (at % PIECE_LINES === 0) pieces.push({ begin: last, entries: [] });
    let first = null;
    for (const segment of segments.split(",")) {
      const [, sourceStep, lineStep] = numbersOf(segment);
      if (sourceStep === undefined) continue;
      source += sourceStep;
      line += lineStep;
      if (!sources[source].includes("node_modules/")) first ??= [source, line + 1];
    }
    pieces.at(-1).entries.push(first === null ? "" : `${first[0] - last[0]},${first[1] - last[1]}`);
    last = first ?? last;
  }
  return {
    files: sources,
    pieceLines: PIECE_LINES,
    pieces: pieces.map(({ begin, entries }) => [...begin, entries.join(";")]),
  };
}

// Numbers in base 64, the sign in the lowest bit.
function numbersOf(segment) {
  const numbers = [];
  let [number, shift] = [0, 0];
  for (const digit of segment) {
    const value = VALUE.get(digit);
    number += (value & 31) << shift;
    shift += 5;
    if (value & 32) continue;
    numbers.push(number & 1 ? -(number >> 1) : number >> 1);
    [number, shift] = [0, 0];
  }
  return numbers;
}
