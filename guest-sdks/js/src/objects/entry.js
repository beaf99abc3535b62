// What does the host call in a component with classes?

import * as state from "durable:object/state@0.1.0";
import { answer } from "./answer.js";
import { offer } from "./entrypoint.js";
import { bind, env, exports, fill } from "./env.js";
import { report, wireError } from "./errors.js";
import { inOwnTask } from "./event.js";
import { answer as answerCall, answerReference, isGiven, noRpc, release } from "./rpc.js";
import { DurableObjectState } from "./state.js";
import { dataOf, WebSocket } from "./websocket.js";
import { DurableObject } from "./workers.js";
import "./globals.js";

// The one object of this instance.
let object = null;

export function objects(main, { classes: named, ...given }) {
  const classes = {};
  for (const [name, spec] of Object.entries(named)) {
    classes[name] = { hasSql: true, ...(typeof spec === "string" ? { export: spec } : spec) };
  }
  bind({ classes, ...given });
  offer(main);

  return {
    lifecycle: { start: () => event("in the constructor", () => start(main, classes)) },
    fetchHandler: { fetch: (request, caller) => answer(request, caller, fetch) },
    alarmHandler: { alarm: (info) => event("in alarm()", () => alarm(info)) },
    rpcHandler: {
      call: (method, args) => called(() => answerCall(receiver(), method, args)),
      callReference: (mine, method, args) => called(() => answerReference(mine, method, args)),
      release: (mine) => event("in [Symbol.dispose]()", async () => release(mine)),
    },
    websocketHandler: {
      message: (line, message) => event("in webSocketMessage()", () => onMessage(line, message)),
      close: (line, code, reason, wasClean) =>
        event("in webSocketClose()", () => onClose(line, code, reason, wasClean)),
      error: (line, message) => event("in webSocketError()", () => onError(line, message)),
    },
  };
}

// Runs one event. Its error is the caller's; one that no caller gets is logged too.
function event(where, work, given) {
  return inOwnTask(async () => {
    try {
      return await work();
    } catch (error) {
      if (where !== null) report(error, `Uncaught ${where}:`);
      throw wireError(error);
    }
  }, given);
}

const called = (work) => event(null, work, isGiven);

function start(main, classes) {
  fill();
  const name = state.className();
  const spec = classes[name];
  if (spec === undefined) {
    throw new Error(`this component has no class "${name}"; it has ${Object.keys(classes).join(", ")}`);
  }
  const Class = main[spec.export];
  if (typeof Class !== "function") {
    throw new Error(`the module exports no class "${spec.export}"; it exports ${Object.keys(main).join(", ")}`);
  }
  const about = { hasSql: spec.hasSql, hasAlarm: typeof Class.prototype.alarm === "function" };
  object = new Class(new DurableObjectState(about, exports), env);
}

function fetch(request) {
  if (typeof object.fetch !== "function") throw new TypeError("Handler does not export a fetch() function.");
  return object.fetch(request);
}

async function alarm({ retryCount, isRetry, scheduledTime }) {
  if (typeof object.alarm !== "function") throw new TypeError("Handler does not export an alarm() function.");
  await object.alarm({ retryCount, isRetry, scheduledTime });
}

function receiver() {
  if (!(object instanceof DurableObject)) throw noRpc();
  return object;
}

async function onMessage(line, message) {
  const data = dataOf(message);
  if (WebSocket.happens(line, { type: "message", data })) return;
  await object.webSocketMessage?.(WebSocket.withLine(line), data);
}

async function onClose(line, code, reason, wasClean) {
  try {
    if (WebSocket.happens(line, { type: "close", code, reason, wasClean })) return;
    await object.webSocketClose?.(WebSocket.withLine(line), code, reason, wasClean);
  } finally {
    WebSocket.forget(line);
  }
}

async function onError(line, message) {
  if (WebSocket.happens(line, { type: "error", message })) return;
  await object.webSocketError?.(WebSocket.withLine(line), new Error(message));
}
