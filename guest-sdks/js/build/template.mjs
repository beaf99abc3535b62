// What does every script begin in?
//
//     node template.mjs CONTRACT OUT
//
// The SDK in its engine, as a component that a host gives scripts to (see `begin` in
// wit/javascript.wit). Beside it, `shared.json` tells which modules of the SDK a script
// shares with it, and what they export.

import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { inEngine, sdk, source } from "./engine.mjs";
import { component as inModules } from "./modules.mjs";
import { NESTED_COMPONENT, sections } from "./wasm.mjs";

const FIRST = ["platform/index.js", "script/begin.js"];

// The modules of the SDK that are always there. Others come with the scripts that need them.
async function modules() {
  const stdin = { contents: FIRST.map((path) => `import ${JSON.stringify(join(source, path))};`).join("\n"), resolveDir: source };
  const { metafile } = await build(inEngine({ stdin }));
  const paths = Object.keys(metafile.inputs).map((path) => relative(source, resolve(path)));
  const imports = Object.values(metafile.inputs).flatMap((input) => input.imports);
  return {
    paths: paths.filter((path) => path.endsWith(".js") && !path.startsWith(".")).sort(),
    // The host's own.
    host: [...new Set(imports.filter(({ external }) => external).map(({ path }) => path))].sort(),
  };
}

// What each module exports.
async function exportsOf(paths) {
  const entryPoints = paths.map((path) => join(source, path));
  const { metafile } = await build(inEngine({ entryPoints, outdir: "out", outbase: source, packages: "external" }));
  const outputs = Object.values(metafile.outputs).filter((output) => output.entryPoint);
  return Object.fromEntries(outputs.map((output) => [relative(source, resolve(output.entryPoint)), output.exports]));
}

function entry({ paths, host }) {
  const from = (path) => JSON.stringify(join(source, path));
  const shared = [...paths, ...host].map((path, at) => `${JSON.stringify(path)}: shared${at}`);
  return [
    `import ${from(FIRST[0])};`,
    ...paths.map((path, at) => `import * as shared${at} from ${from(path)};`),
    `import { share } from ${from(FIRST[1])};`,
    ...host.map((path, at) => `import * as shared${paths.length + at} from ${JSON.stringify(path)};`),
    `share({ ${shared.join(", ")} });`,
    `export { begin, lifecycle, fetchHandler, alarmHandler, rpcHandler, websocketHandler } from ${from(FIRST[1])};`,
  ].join("\n");
}

export async function template(contract) {
  const found = await modules();
  const settings = inEngine({
    // Where this is run, for there esbuild looks for the name.
    stdin: { contents: entry(found), resolveDir: process.cwd(), sourcefile: "template.js" },
    // Names stay: people see those of classes.
    minifyWhitespace: true,
  });
  const first = ["early.js", "index.js"].map((name) => join(source, "platform", name));
  const witPath = await mkdtemp(join(tmpdir(), "durable-object-"));
  try {
    await cp(contract, witPath, { recursive: true });
    await cp(join(sdk, "wit"), witPath, { recursive: true });
    const whole = await inModules({ settings, first, witPath, world: "javascript-template" });
    return { component: innermost(whole), shared: { exports: await exportsOf(found.paths), host: found.host } };
  } finally {
    await rm(witPath, { recursive: true });
  }
}

// What componentize-qjs makes is a component around two: the one with the engine, and one
// that stands in for what a host has only while a component is made. Only the first can be
// begun with a script.
function innermost(component) {
  let found = component.subarray(0, 0);
  for (const { id, body } of sections(component)) {
    if (id === NESTED_COMPONENT && body.length > found.length) found = body;
  }
  return found.length > 0 ? found : component;
}

const [, script, contract, out] = process.argv;
if (resolve(script ?? "") === fileURLToPath(import.meta.url)) {
  const { component, shared } = await template(resolve(contract));
  await writeFile(join(dirname(resolve(out)), "shared.json"), JSON.stringify(shared));
  await writeFile(out, component);
}
