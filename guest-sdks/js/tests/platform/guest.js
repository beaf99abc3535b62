// The object that runs the tests: `GET /<class>/<name>/<pattern>` answers with what came of
// those whose names have the pattern in them. Some promises are about several events, and
// take steps.

import { encode } from "../../src/platform/text/utf8.js";
import { run, steps } from "./harness.js";

export const lifecycle = { start: async () => {} };
export const alarmHandler = { alarm: async () => {} };
export const rpcHandler = { call: async () => {}, callReference: async () => {}, release: async () => {} };
export const websocketHandler = { message: async () => {}, close: async () => {}, error: async () => {} };

export async function answer({ url }) {
  try {
    const [, pattern] = /^[^/]*\/\/[^/?]*(?:\/[^/?]*){2}\/(.*)$/.exec(url);
    const report = steps.has(pattern) ? await steps.get(pattern)() : await run(decodeURIComponent(pattern));
    return { status: 200, headers: [], body: { tag: "bytes", val: encode(JSON.stringify(report)) } };
  } catch ({ name, stack }) {
    throw { name, message: stack, flags: {}, details: null };
  }
}
