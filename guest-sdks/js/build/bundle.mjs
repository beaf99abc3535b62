// From folders to the scripts that objects begin with.
//
//     node bundle.mjs
//
// reads what to bundle from standard input until that ends, one line of JSON each: `main`, the
// module with the classes; `folder`, to which paths in messages are relative; `settings` of the
// wrangler file; `color`, whether messages may have colors. It answers with a line each:
// `bundled`, or nothing where that failed, and what is `said` of it.

import { createInterface } from "node:readline";
import { isAbsolute, join, resolve } from "node:path";
import { build, formatMessages } from "esbuild";
import { complete } from "./complete.mjs";
import { inEngine, sdk } from "./engine.mjs";
import { linesOf } from "./lines.mjs";
import { missingModules } from "./missing.mjs";
import { rules } from "./rules.mjs";
import { sharedModules } from "./shared.mjs";
import { telling } from "./unawaited.mjs";

// As `src/script/begin.js` knows it.
const SCRIPT = "__script";

function settingsOf({ main, folder, settings }) {
  const { alias, define, minify = false, jsx_factory, jsx_fragment, tsconfig } = settings;
  const from = JSON.stringify(main);
  return inEngine({
    absWorkingDir: folder,
    stdin: {
      contents: [`export * from ${from};`, `import * as all from ${from};`, "export default all.default;"].join("\n"),
      resolveDir: folder,
      sourcefile: "<script>",
    },
    outfile: "script.js",
    format: "iife",
    globalName: SCRIPT,
    // The value of the whole script is what it exports.
    footer: { js: SCRIPT },
    legalComments: "none",
    keepNames: true,
    // There need not be a default export.
    logOverride: { "import-is-undefined": "silent" },
    minify,
    sourcemap: "external",
    sourcesContent: false,
    alias,
    define,
    jsxFactory: jsx_factory,
    jsxFragment: jsx_fragment,
    tsconfig: tsconfig === undefined ? undefined : resolve(folder, tsconfig),
    nodePaths: [join(sdk, "node_modules")],
    plugins: [sharedModules(), missingModules(), rules(settings.rules ?? [], folder)],
  });
}

// Files of this machine that went into a bundle.
function sourcesOf({ inputs }, folder) {
  const paths = Object.keys(inputs).map((path) => path.replace(/^(?:content|bytes):/, ""));
  const files = paths.filter((path) => !/^[\w-]+:/.test(path) && !path.startsWith("<"));
  return files.map((path) => (isAbsolute(path) ? path : resolve(folder, path))).filter((path) => !path.startsWith(sdk));
}

async function bundle(asked) {
  const { main, folder } = asked;
  const nodejs = asked.settings.compatibility_flags?.some((flag) => flag.startsWith("nodejs_")) ?? false;
  const { settings, least, isComplete } = await complete({ main, nodejs, settings: settingsOf(asked) });
  const { outputFiles } = isComplete ? least : await build(settings);
  const text = (isMap) => outputFiles.find(({ path }) => path.endsWith(".map") === isMap).text;
  return {
    bundled: { script: telling(text(false)), map: linesOf(JSON.parse(text(true))), sources: sourcesOf(least.metafile, folder) },
    said: await shown(least.warnings, "warning", asked.color),
  };
}

// What esbuild says of its format means nothing to people.
function explained(error) {
  if (!error.text.startsWith("Top-level await ")) return error;
  return { ...error, text: "Top-level await does not work here: the top level runs when it is built, and cannot wait; await in a handler, or in a constructor inside of ctx.blockConcurrencyWhile()" };
}

async function shown(messages, kind, color) {
  const texts = await formatMessages(messages, { kind, color, terminalWidth: 100 });
  return texts.join("");
}

async function answer(line) {
  const asked = JSON.parse(line);
  try {
    return await bundle(asked);
  } catch (error) {
    return { said: error.errors === undefined ? `${error.stack ?? error}\n` : await shown(error.errors.map(explained), "error", asked.color) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
}
