// hono as the router inside of an object.

import { DurableObject } from "cloudflare:workers";
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";

export class Api extends DurableObject {
  private readonly app = new Hono()
    .basePath("/api/:name")
    .get("/count", (c) => c.json({ count: this.count() }))
    .post("/count", async (c) => {
      const { by } = await c.req.json<{ by: number }>();
      if (!Number.isInteger(by)) throw new HTTPException(400, { message: "by is no whole number" });
      this.ctx.storage.kv.put("count", this.count() + by);
      c.header("x-counted", String(by));
      return c.json({ count: this.count() }, 201);
    })
    .get("/stream", (c) => c.body(new Response("a\nb\n").body));

  private count(): number {
    return this.ctx.storage.kv.get<number>("count") ?? 0;
  }

  fetch(request: Request) {
    return this.app.fetch(request);
  }
}
