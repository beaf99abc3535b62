// From a folder to the script that an object begins with.
//
//     node bundle.mjs OPTIONS
//
// OPTIONS is a file with JSON: `main`, the module with the classes; `folder`, to which paths
// in messages are relative; `out`, where the script goes, and `told`, what is told of it;
// `settings` of the wrangler file.

import { readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import { build, formatMessages } from "esbuild";
import { inEngine, sdk } from "./engine.mjs";
import { features } from "./features.mjs";
import { linesOf } from "./lines.mjs";
import { missingModules } from "./missing.mjs";
import { node } from "./node.mjs";
import { rules } from "./rules.mjs";
import { sharedModules } from "./shared.mjs";

// As `src/script/begin.js` knows it.
const SCRIPT = "__script";

function optionsOf({ main, folder, settings }, { modules, contexts }) {
  const { alias, define, minify = false, jsx_factory, jsx_fragment, tsconfig } = settings;
  const engine = inEngine({ contexts });
  const from = JSON.stringify(main);
  return {
    ...engine,
    absWorkingDir: folder,
    stdin: {
      contents: [...modules.map((path) => `import ${JSON.stringify(path)};`), `export * from ${from};`, `import * as all from ${from};`, "export default all.default;"].join("\n"),
      resolveDir: folder,
      sourcefile: "<script>",
    },
    bundle: true,
    write: false,
    outfile: "script.js",
    format: "iife",
    globalName: SCRIPT,
    // The value of the whole script is what it exports.
    footer: { js: SCRIPT },
    legalComments: "none",
    keepNames: true,
    metafile: true,
    // There need not be a default export.
    logOverride: { "import-is-undefined": "silent" },
    minify,
    sourcemap: "external",
    sourcesContent: false,
    alias: { ...engine.alias, ...alias },
    define: { "process.env.NODE_ENV": '"production"', "global.process.env.NODE_ENV": '"production"', ...define },
    jsxFactory: jsx_factory,
    jsxFragment: jsx_fragment,
    tsconfig: tsconfig === undefined ? undefined : resolve(folder, tsconfig),
    nodePaths: [join(sdk, "node_modules")],
    plugins: [sharedModules(), missingModules(), rules(settings.rules ?? []), node(sdk)],
  };
}

// Files of this machine that went into a bundle.
function sourcesOf({ inputs }, folder) {
  const paths = Object.keys(inputs).map((path) => path.replace(/^(?:content|bytes):/, ""));
  const files = paths.filter((path) => !/^[\w-]+:/.test(path) && !path.startsWith("<"));
  return files.map((path) => (isAbsolute(path) ? path : resolve(folder, path))).filter((path) => !path.startsWith(sdk));
}

// What the platform needs is known once all sources are; so a source that needs more than
// the least is bundled twice.
export async function bundle(asked) {
  const least = await build(optionsOf(asked, { modules: [], contexts: false }));
  const nodejs = asked.settings.compatibility_flags?.some((flag) => flag.startsWith("nodejs_")) ?? false;
  const inputs = Object.fromEntries(Object.keys(least.metafile.inputs).map((path) => [resolve(asked.folder, path), true]));
  const needed = await features(inputs, sdk, nodejs);
  const made = needed.modules.length || needed.contexts ? await build(optionsOf(asked, needed)) : least;
  const [map, script] = made.outputFiles;
  const isMap = map.path.endsWith(".map");
  const text = (isMap ? script : map).text;
  const mapText = (isMap ? map : script).text;
  return { text, map: linesOf(JSON.parse(mapText)), sources: sourcesOf(made.metafile, asked.folder), warnings: made.warnings };
}

async function tell(messages, kind, color) {
  const texts = await formatMessages(messages, { kind, color, terminalWidth: 100 });
  process.stderr.write(texts.join(""));
}

const [, , given] = process.argv;
const asked = JSON.parse(readFileSync(given, "utf8"));
try {
  const { text, map, sources, warnings } = await bundle(asked);
  await tell(warnings, "warning", asked.color);
  await writeFile(asked.out, text);
  await writeFile(asked.told, JSON.stringify({ sources, map }));
} catch (error) {
  if (error.errors === undefined) process.stderr.write(`${error.stack ?? error}\n`);
  else await tell(error.errors, "error", asked.color);
  process.exitCode = 1;
}
