// Do the promises of the platform hold, inside QuickJS, as an object that Abide serves?
//
//     ABIDE_BIN=target/debug/abide node run.mjs [PATTERN]
//
// runs those tests whose names have the pattern in them.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as wait } from "node:timers/promises";
import { accepts, fixtures } from "./oracle.mjs";
import { component } from "../../build/build.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../../../..");
const abide = resolve(process.env.ABIDE_BIN ?? join(root, "target/debug/abide"));
const pattern = process.argv[2] ?? "";
const idleMs = 200;

// The web's globals alone; the modules of Node.js, under which async functions are built
// otherwise; and those modules as they are required, without that.
const components = { platform: { main: "suites.js" }, node: { main: "node-suites.js", nodejs: true }, required: { main: "required-suites.js" } };

async function built(folder) {
  const define = { FIXTURES: JSON.stringify(await fixtures()) };
  for (const [name, { main, nodejs }] of Object.entries(components)) {
    const entry = `
import { begin } from "../../src/platform/begin.js";
import { inOwnTask } from "../../src/objects/event.js";
import { answer } from "./${main}";
export * from "./${main}";
export const fetchHandler = { fetch: (request) => inOwnTask(() => answer(request)) };
begin();`;
    await writeFile(join(folder, `${name}.wasm`), await component({ main: join(here, main), wit: join(root, "wit"), define, entry, nodejs }));
  }
}

// Starts a server, calls `work` with its address, and stops it.
async function served(folder, work) {
  const config = join(folder, "abide.toml");
  await writeFile(config, [
    "show_errors = true",
    ...Object.keys(components).map((name) => `[classes.${name}]\ncomponent = "${name}.wasm"\nhibernate = "drop-memory"\nenv = { GREETING = "hello" }`),
    `[limits]\ncpu_ms_max = 300000\nidle_timeout_ms = ${idleMs}`,
  ].join("\n"));
  const server = spawn(abide, ["serve", "--config", config, "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  const ended = new Promise((done) => server.on("close", done).on("error", done));
  try {
    const url = await new Promise((found, failed) => {
      const read = (chunk) => {
        log += chunk;
        const match = /https?:\/\/127\.0\.0\.1:\d+/.exec(log);
        if (match) found(match[0]);
      };
      server.stdout.on("data", read);
      server.stderr.on("data", read);
      server.on("error", failed);
      server.on("close", (code) => failed(new Error(`abide ended with ${code}:\n${log}`)));
    });
    return await work(url, () => log);
  } finally {
    server.kill("SIGTERM");
    await ended;
  }
}

// What takes several events, or several objects.
async function acrossEvents(ask) {
  const report = [];
  const check = (name, holds) => report.push(holds ? { name } : { name, failure: "it does not hold" });
  await ask("a", "hold"); // a timer, which keeps the instance however slow this machine is
  const [first, again, other] = [await ask("a", "instance"), await ask("a", "instance"), await ask("b", "instance")];
  check("random: an instance draws once, and no two draw the same", String(first) === String(again) && first.every((draw, at) => draw !== other[at]));
  await wait(idleMs * 5);
  const awake = await ask("a", "instance");
  check("timers: a pending one keeps the instance", String(awake) === String(first));
  await ask("a", "free");
  let left = false;
  for (let tries = 0; !left && tries < 50; tries++) {
    await wait(idleMs * 3);
    left = String(await ask("a", "instance")) !== String(awake);
  }
  check("timers: one that another event clears keeps it no longer, nor does a time-out that nobody listens to", left);
  const refused = await accepts(await ask("b", "made"));
  check(`crypto: Node.js takes what the platform made: ${refused.join(", ") || "all"}`, refused.length === 0);
  return report;
}

const folder = await mkdtemp(join(tmpdir(), "abide-platform-"));
try {
  await built(folder);
  const failed = await served(folder, async (url, log) => {
    const ask = async (object, path, name = "platform") => {
      const response = await fetch(`${url}/${name}/${object}/${encodeURIComponent(path)}`);
      const text = await response.text();
      if (!response.ok) throw new Error(`${response.status}: ${text}\n${log()}`);
      return JSON.parse(text);
    };
    const report = [...(await ask("tests", pattern)), ...(await ask("tests", pattern, "node")), ...(await ask("tests", pattern, "required")), ...(await acrossEvents(ask))];
    const failures = report.filter(({ failure }) => failure !== undefined);
    for (const { name, failure } of failures) console.error(`FAILED ${name}\n  ${failure.replaceAll("\n", "\n  ")}`);
    console.log(`${report.length - failures.length} passed, ${failures.length} failed`);
    if (process.env.LOG) console.log(log());
    return failures.length || report.length === 0;
  });
  process.exitCode = failed ? 1 : 0;
} finally {
  await rm(folder, { recursive: true });
}
