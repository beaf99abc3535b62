// itty-router, nanoid, zod and yjs.

import { DurableObject } from "cloudflare:workers";
import { AutoRouter, error } from "itty-router";
import { nanoid } from "nanoid";
import * as Y from "yjs";
import { z } from "zod";

const Person = z.object({ name: z.string().min(1), age: z.number().int().nonnegative(), mail: z.email().optional() });

export class Small extends DurableObject {
  private readonly router = AutoRouter({ base: "/small/:name" })
    .get("/id", () => ({ ids: [nanoid(), nanoid()] }))
    .post("/person", async (request) => {
      const read = Person.safeParse(await request.json());
      return read.success ? read.data : error(400, { issues: read.error.issues.map((issue) => issue.path.join(".")) });
    })
    .get("/merged", () => {
      const [one, other] = [new Y.Doc(), new Y.Doc()];
      one.getText("t").insert(0, "hello");
      other.getText("t").insert(0, "world ");
      Y.applyUpdate(one, Y.encodeStateAsUpdate(other));
      Y.applyUpdate(other, Y.encodeStateAsUpdate(one));
      return { same: one.getText("t").toString() === other.getText("t").toString(), length: one.getText("t").length };
    });

  fetch(request: Request) {
    return this.router.fetch(request);
  }
}
