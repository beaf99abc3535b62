// Do the promises of objects to each other hold?
//
//     ABIDE_BIN=target/debug/abide node run.mjs [PATTERN]
//     WORKERD_BIN=…/workerd node run.mjs [PATTERN]
//
// runs those tests whose names have the pattern in them, each in an object of its own. The second way
// asks Cloudflare's own runtime.

import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as wait } from "node:timers/promises";
import { build } from "esbuild";
import { component } from "../../build/build.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../../../..");
const main = join(here, "worker.js");
const pattern = process.argv[2] ?? "";
const TEST_MS_MAX = 120_000;
const CLASSES = ["Subject", "Other"];

// Writes what is served to the folder; gives the command.
async function abide(folder) {
  const options = { main, wit: join(root, "wit"), classes: CLASSES, nodejs: true };
  await writeFile(join(folder, "objects.wasm"), await component(options));
  await writeFile(join(folder, "gateway.wasm"), await component({ ...options, world: "gateway" }));
  const classes = CLASSES.map((name) => `[classes.${name}]\ncomponent = "objects.wasm"\noutbound = ["127.0.0.1:*"]`);
  await writeFile(join(folder, "abide.toml"), ["show_errors = true", ...classes, '[gateway]\ncomponent = "gateway.wasm"'].join("\n"));
  const binary = resolve(process.env.ABIDE_BIN ?? join(root, "target/debug/abide"));
  return [binary, "serve", "--config", join(folder, "abide.toml"), "--listen", "127.0.0.1:0"];
}

async function workerd(folder) {
  await build({ entryPoints: [main], bundle: true, format: "esm", external: ["cloudflare:*", "node:*"], outfile: join(folder, "worker.js") });
  await mkdir(join(folder, "data"));
  const each = (text) => CLASSES.map(text).join(", ");
  await writeFile(join(folder, "config.capnp"), `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker.js", esModule = embed "worker.js")],
      compatibilityDate = "2026-06-01", compatibilityFlags = ["nodejs_compat"],
      durableObjectStorage = (localDisk = "data"),
      bindings = [${each((name) => `(name = "${name}", durableObjectNamespace = "${name}")`)}],
      durableObjectNamespaces = [${each((name) => `(className = "${name}", uniqueKey = "${name}", enableSql = true)`)}])),
    (name = "internet", network = (allow = ["public", "private", "local"])),
    (name = "data", disk = (path = "${join(folder, "data")}", writable = true))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]);
`);
  return [resolve(process.env.WORKERD_BIN), "serve", join(folder, "config.capnp"), "--control-fd=1"];
}

// Starts a server, calls `work` with its address, and stops it.
async function served([binary, ...args], work) {
  const server = spawn(binary, args, { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise((done) => server.on("close", done).on("error", done));
  let log = "";
  try {
    const url = await new Promise((found, failed) => {
      const read = (chunk) => {
        log += chunk;
        const port = /"port":(\d+)|https?:\/\/127\.0\.0\.1:(\d+)/.exec(log);
        if (port) found(`http://127.0.0.1:${port[1] ?? port[2]}`);
      };
      server.stdout.on("data", read);
      server.stderr.on("data", read);
      server.on("error", failed);
      server.on("close", (code) => failed(new Error(`the server ended with ${code}:\n${log}`)));
    });
    return await work(url, () => log);
  } finally {
    server.kill("SIGTERM");
    await ended;
  }
}

const folder = await mkdtemp(join(tmpdir(), "abide-objects-"));
try {
  const command = await (process.env.WORKERD_BIN ? workerd : abide)(folder);
  process.exitCode = await served(command, async (url, log) => {
    let [passed, failed] = [0, 0];
    const names = await (await fetch(`${url}/Subject/names`)).json();
    for (const name of names.filter((name) => name.includes(pattern))) {
      const report = await fetch(`${url}/Subject/${encodeURIComponent(name)}/${encodeURIComponent(name)}`, { signal: AbortSignal.timeout(TEST_MS_MAX) })
        .then(async (response) => (response.ok ? response.json() : [{ name, failure: `${response.status}: ${await response.text()}` }]))
        .catch((error) => [{ name, failure: String(error) }]);
      const failures = report.filter(({ failure }) => failure !== undefined);
      for (const { name, failure } of failures) console.error(`FAILED ${name}\n  ${failure.replaceAll("\n", "\n  ")}`);
      passed += report.length - failures.length;
      failed += failures.length;
    }
    await wait(50); // for the log
    console.log(`${passed} passed, ${failed} failed`);
    if (process.env.LOG) console.log(log());
    return failed > 0 || passed === 0 ? 1 : 0;
  });
} finally {
  await rm(folder, { recursive: true });
}
