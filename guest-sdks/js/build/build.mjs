// How does a module with classes become a component?
//
//     node build.mjs options.json
//
// The options: see README.md, "The build".

import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { complete } from "./complete.mjs";
import { inEngine, sdk, source } from "./engine.mjs";
import { component as inModules } from "./modules.mjs";

// What stands at the top is evaluated before all else, see `inModules`.
const FIRST = ["early.js", "index.js"].map((name) => join(source, "platform", name));

async function settingsOf(options) {
  const { main, nodejs, define } = options;
  const settings = inEngine({
    stdin: { contents: options.entry ?? entry(options), resolveDir: dirname(resolve(main)), sourcefile: "entry.js" },
    alias: { "cloudflare:workers": join(source, "objects/workers.js"), ...absent(options), ...options.alias },
    define,
    minifyWhitespace: true,
  });
  return (await complete({ main, nodejs, settings })).settings;
}

// What the contract does not give to a gateway.
function absent({ world }) {
  return world === "gateway" ? { "durable:object/websockets@0.1.0": join(source, "objects/no-websockets.js") } : {};
}

// The module that the component's exports are taken from. What it imports is evaluated in
// this order, so the class finds the globals of the platform.
function entry({ main, world = "durable-object", classes = [], bindings }) {
  const names = Array.isArray(classes) ? Object.fromEntries(classes.map((name) => [name, name])) : classes;
  const given = { classes: names, bindings: bindings ?? Object.fromEntries(Object.keys(names).map((name) => [name, name])) };
  const gateway = world === "gateway";
  const from = (path) => JSON.stringify(join(source, path));
  return `
import { begin } from ${from("platform/begin.js")};
import { ${gateway ? "gateway" : "objects"} } from ${from(gateway ? "objects/gateway.js" : "objects/entry.js")};
import * as main from ${JSON.stringify(resolve(main))};
const handlers = ${gateway ? "gateway" : "objects"}(main, ${JSON.stringify(given)});
export const fetchHandler = handlers.fetchHandler;
${gateway ? "" : ["lifecycle", "alarmHandler", "rpcHandler", "websocketHandler"].map((name) => `export const ${name} = handlers.${name};`).join("\n")}
begin();
`;
}

// The contract's worlds, and what QuickJS needs of WASI.
async function withContract(options, work) {
  const folder = await mkdtemp(join(tmpdir(), "durable-object-"));
  try {
    await cp(resolve(options.wit), folder, { recursive: true });
    await cp(join(sdk, "wit"), folder, { recursive: true });
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

export async function component(options) {
  const settings = await settingsOf(options);
  const world = options.world === "gateway" ? "javascript-gateway" : "javascript-object";
  return withContract(options, (witPath) => inModules({ settings, first: FIRST, witPath, world }));
}

const [, script, given] = process.argv;
if (resolve(script ?? "") === fileURLToPath(import.meta.url)) {
  try {
    const options = JSON.parse(await readFile(given, "utf8"));
    await writeFile(options.out, await component(options));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
