// Stands before the classes of objects.mjs: as a Worker does at Cloudflare.
import { env, WorkerEntrypoint } from "cloudflare:workers";

export default class extends WorkerEntrypoint {
  async fetch(request) {
    const url = new URL(request.url);
    const [, name, object, ...rest] = url.pathname.split("/");
    if (url.searchParams.get("key") !== "sesame") return new Response("who are you?", { status: 403 });
    if (name === "version") return new Response(String(await env.objects.getByName(object).version));
    const namespace = this.env[name];
    if (namespace === undefined) return new Response("no such class", { status: 404 });
    url.pathname = `/${name}/${object}/${rest.join("/")}`;
    this.ctx.waitUntil(scheduler.wait(1));
    const answer = await namespace.getByName(object).fetch(new Request(url, request));
    if (answer.status === 101) return answer;
    const headers = new Headers(answer.headers);
    headers.append("x-by", "gateway");
    return new Response(answer.body, { status: answer.status, headers });
  }
}
