// The object that runs the tests: `GET /<class>/<name>/<pattern>` answers with what came of
// those whose names have the pattern in them. Some promises are about several events, and
// take steps.

import { encode } from "../../src/platform/text/utf8.js";
import { run, steps } from "./harness.js";

// The result of an event is only taken from the event itself, see tests/guests/javascript.
async function inTask(handler) {
  const { readable, writable } = wit.Stream(wit.Stream.U8);
  const woken = readable.read(1);
  let result;
  let failure;
  handler().then(
    (value) => {
      result = value;
      writable.drop();
    },
    (error) => {
      failure = error;
      writable.drop();
    },
  );
  await woken;
  readable.drop();
  if (failure) throw { name: failure.name, message: failure.stack, flags: {}, details: null };
  return result;
}

export const lifecycle = { start: async () => {} };
export const alarmHandler = { alarm: async () => {} };
export const rpcHandler = { call: async () => {}, callReference: async () => {}, release: async () => {} };
export const websocketHandler = { message: async () => {}, close: async () => {}, error: async () => {} };

export const fetchHandler = {
  fetch: (request) =>
    inTask(async () => {
      const [, pattern] = /^[^/]*\/\/[^/?]*(?:\/[^/?]*){2}\/(.*)$/.exec(request.url);
      const report = steps.has(pattern) ? await steps.get(pattern)() : await run(decodeURIComponent(pattern));
      return { status: 200, headers: [], body: { tag: "bytes", val: encode(JSON.stringify(report)) } };
    }),
};
