// How is a body that is compressed read, and one compressed? Both give a source, see `http/body.js`.

import { Gunzip, Gzip } from "fflate";

export { gzipSync } from "fflate";

// So much at once: what is read of it may be a thousand times as large.
const PART_BYTES = 8192;

const failed = () => new TypeError("Gzip decompression failed.");

export function gunzipped(source) {
  return coded(source, (given) => {
    let isWhole = false;
    const coder = new Gunzip((chunk, isLast) => {
      isWhole = isLast;
      given(chunk);
    });
    return (bytes, isLast) => {
      try {
        coder.push(bytes, isLast);
      } catch {
        throw isLast && bytes.length === 0 ? endedEarly() : failed();
      }
      if (isLast && !isWhole) throw endedEarly();
    };
  });
}

const endedEarly = () => new TypeError("Gzip compressed stream ended prematurely.");

export function gzipped(source) {
  return coded(source, (given) => {
    const coder = new Gzip(given);
    return (bytes, isLast) => coder.push(bytes, isLast);
  });
}

function coded(source, begin) {
  let left = new Uint8Array(0);
  let isOver = false;
  const done = [];
  const push = begin((chunk) => chunk.length > 0 && done.push(chunk));
  return {
    async read() {
      while (done.length === 0 && !isOver) {
        if (left.length === 0) {
          const chunk = await source.read();
          isOver = chunk === null;
          left = chunk ?? new Uint8Array(0);
        }
        const part = left.slice(0, PART_BYTES); // which the coder keeps
        left = left.subarray(part.length);
        if (isOver || part.length > 0) push(part, isOver);
      }
      return done.shift() ?? null;
    },
    cancel(reason) {
      source.cancel(reason);
    },
  };
}
