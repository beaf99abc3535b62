// The test object in JavaScript: where the bindings call it.
//
// Its routes are listed in ../src/lib.rs. This module runs once, at build time; what
// it leaves in memory is what every instance begins with.

import * as events from "./events.js";
import { answer, failure } from "./routes.js";
import { inTask } from "./wakeups.js";

export const lifecycle = {
  start: () => inTask(async () => events.countStart()),
};

export const fetchHandler = {
  fetch: (request) =>
    inTask(async () => {
      events.begin();
      try {
        return await answer(request);
      } catch (thrown) {
        // What is not an error of the contract would trap, and so end the events
        // beside this one.
        throw thrown instanceof Error ? failure(thrown.message, thrown.name) : thrown;
      } finally {
        events.end();
      }
    }),
};

export const alarmHandler = {
  alarm: async () => {},
};

export const rpcHandler = {
  call: async (method) => {
    throw failure(`The RPC receiver does not implement the method "${method}".`);
  },
};

export const websocketHandler = {
  message: async () => {},
  close: async () => {},
  error: async () => {},
};
