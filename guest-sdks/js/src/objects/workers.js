// The module `cloudflare:workers`.

import { env, exports } from "./env.js";
import { runInBackground } from "./background.js";
import { RpcPromise, RpcProperty } from "./pipeline.js";
import { RpcStub, RpcTarget } from "./rpc.js";
import { DurableObjectStub as ServiceStub } from "./stub.js";
import { missing, withoutCopies } from "../platform/install.js";
import "./writable.js";

export class DurableObject {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}

export class WorkerEntrypoint {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}

export class WorkflowEntrypoint {
  constructor() {
    throw new Error("Abide has no Workflows.");
  }
}

withoutCopies({ DurableObject, WorkerEntrypoint });

const ONE_ENV = "there is one `env`; give functions what they need as arguments.";
export const withEnv = missing("withEnv", ONE_ENV);
export const withExports = missing("withExports", ONE_ENV);
export const withEnvAndExports = missing("withEnvAndExports", ONE_ENV);
export const abortIsolate = missing("abortIsolate", "an object ends with `ctx.abort()`.");
export const cache = missing("cache", "there is no cache beside the objects; keep what you want to keep in an object's storage.");
export const restore = missing("restore", "a stub cannot be kept in storage; keep its object's name or id.");

// Nobody looks at spans. That there is no `startActiveSpan` tells libraries so.
const SPAN = { isTraced: false, setAttribute() {}, end() {} };
export const tracing = { enterSpan: (_, work, ...args) => work(SPAN, ...args) };

export const waitUntil = runInBackground;

export { RpcPromise, RpcProperty, RpcStub, RpcTarget, ServiceStub, env, exports };
