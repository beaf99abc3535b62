// A Worker of what people really use: each package from npm, as it is.

import { Hono } from "hono";
import { routePartykitRequest } from "partyserver";

export { Api } from "./api";
export { Chat, Lounge } from "./chat";
export { Ledger } from "./ledger";
export { Notes } from "./notes";
export { Small } from "./small";

const app = new Hono<{ Bindings: Record<string, any> }>();

app.get("/", (c) => c.text("hono stands in front"));
app.get("/json/:name", (c) => c.json({ name: c.req.param("name"), query: c.req.query("q") ?? null }));
app.all("/api/:name/*", (c) => c.env.Api.getByName(c.req.param("name")).fetch(c.req.raw));
app.get("/notes/:name", async (c) => c.json(await c.env.Notes.getByName(c.req.param("name")).all()));
app.post("/notes/:name", async (c) => c.json(await c.env.Notes.getByName(c.req.param("name")).add(await c.req.json())));
app.post("/ledger/:name", async (c) => c.json(await c.env.Ledger.getByName(c.req.param("name")).book(await c.req.json())));
app.all("/small/:name/*", (c) => c.env.Small.getByName(c.req.param("name")).fetch(c.req.raw));
app.all("/parties/*", async (c) => (await routePartykitRequest(c.req.raw, c.env)) ?? c.notFound());
app.onError((error, c) => c.text(`hono caught: ${error.message}`, 500));

export default app;
