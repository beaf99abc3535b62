// A counter. `/NAME` says what the counter NAME is at; a POST counts one further.

import { DurableObject } from "cloudflare:workers";

interface Env {
  COUNTER: DurableObjectNamespace<Counter>;
}

export class Counter extends DurableObject<Env> {
  value(): number {
    return this.ctx.storage.kv.get<number>("value") ?? 0;
  }

  increment(by = 1): number {
    const value = this.value() + by;
    this.ctx.storage.kv.put("value", value);
    return value;
  }
}

// Every request comes here, and nobody reaches a counter past it.
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const name = new URL(request.url).pathname.slice(1);
    if (name === "") return new Response("name a counter: /NAME\n", { status: 404 });
    const counter = env.COUNTER.getByName(name);
    const value = request.method === "POST" ? await counter.increment() : await counter.value();
    return new Response(`${value}\n`);
  },
};
