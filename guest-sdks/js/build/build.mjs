// How does a module with classes become a component?
//
//     node build.mjs options.json
//
// The options: see README.md, "The build".

import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { smaller } from "./alias.mjs";
import { contexts } from "./contexts.mjs";
import { features } from "./features.mjs";
import { component as inModules } from "./modules.mjs";
import { node } from "./node.mjs";

const sdk = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const source = join(sdk, "src");

// What the platform needs is known once all sources are; so a source that needs more than
// the least is bundled twice.
async function settingsOf(options) {
  const settings = {
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    target: "es2023",
    platform: "neutral",
    mainFields: ["browser", "module", "main"],
    conditions: ["workerd", "worker", "browser"],
    external: ["durable:object/*", "wasi:*"],
    alias: { "cloudflare:workers": resolve(source, "objects/workers.js"), ...absent(options), ...smaller, ...options.alias },
    define: options.define,
    logLevel: "silent",
  };
  const least = await build(bundled(options, settings, []));
  const needed = await features(least.metafile.inputs, sdk, options.nodejs);
  const plugins = needed.contexts ? [await contexts(options.main, settings)] : [];
  return bundled(options, { ...settings, plugins }, needed.modules);
}

function bundled(options, settings, modules) {
  const first = [join(source, "platform/index.js"), ...modules].map((path) => `import ${JSON.stringify(path)};\n`).join("");
  const stdin = { contents: first + (options.entry ?? entry(options)), resolveDir: dirname(resolve(options.main)), sourcefile: "entry.js" };
  return { ...settings, stdin, plugins: [...(settings.plugins ?? []), node(sdk)] };
}

// What the contract does not give to a gateway.
function absent({ world }) {
  return world === "gateway" ? { "durable:object/websockets@0.1.0": resolve(source, "objects/no-websockets.js") } : {};
}

// The module that the component's exports are taken from. What it imports is evaluated in
// this order, so the class finds the globals of the platform.
function entry({ main, world = "durable-object", classes = [], bindings }) {
  const names = Array.isArray(classes) ? Object.fromEntries(classes.map((name) => [name, name])) : classes;
  const given = { classes: names, bindings: bindings ?? Object.fromEntries(Object.keys(names).map((name) => [name, name])) };
  const gateway = world === "gateway";
  const from = (path) => JSON.stringify(resolve(source, path));
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
  const settings = { ...(await settingsOf(options)), minifyWhitespace: true };
  const world = options.world === "gateway" ? "javascript-gateway" : "javascript-object";
  const first = ["early.js", "index.js"].map((name) => join(source, "platform", name));
  return withContract(options, (witPath) => inModules({ settings, first, witPath, world }));
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
