// The module `cloudflare:workers`.

import { env, exports } from "./env.js";
import { runInBackground } from "./background.js";
import { RpcStub, RpcTarget } from "./rpc.js";

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

export const waitUntil = runInBackground;

export { RpcStub, RpcTarget, env, exports };
