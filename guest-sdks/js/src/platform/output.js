// How do lines reach the host's log?

import { getStderr } from "wasi:cli/stderr@0.2.0";
import { getStdout } from "wasi:cli/stdout@0.2.0";
import { encode } from "./text/utf8.js";

const WRITE_MAX = 4096; // bytes that one call may write

// The stream is not kept: its number at build time means nothing to an instance.
function write(stream, text) {
  const bytes = encode(`${text}\n`);
  try {
    for (let at = 0; at < bytes.length; at += WRITE_MAX) stream.blockingWriteAndFlush(bytes.subarray(at, at + WRITE_MAX));
  } catch {
    // Nobody reads what is printed; that is no reason to fail.
  } finally {
    stream[Symbol.dispose]();
  }
}

export const print = (text) => write(getStdout(), text);
export const printError = (text) => write(getStderr(), text);
