// Modules of the SDK that a script shares with the template.

import { readFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { sdk, source } from "./engine.mjs";

const SHARED = 'globalThis[Symbol.for("durable-object:shared")]';

export function sharedModules() {
  const { exports: exportsOf, host } = JSON.parse(readFileSync(join(sdk, "shared.json"), "utf8"));
  const shared = (path) => ({ path, namespace: "shared" });
  return {
    name: "shared",
    setup(build) {
      build.onResolve({ filter: /^cloudflare:workers$/ }, () => shared("objects/workers.js"));
      build.onResolve({ filter: /^(?:durable|wasi):/ }, ({ path }) =>
        host.includes(path) ? shared(path) : { errors: [{ text: `The template has no "${path}".` }] },
      );
      build.onResolve({ filter: ending(Object.keys(exportsOf)) }, ({ path, resolveDir }) => {
        const within = relative(source, join(resolveDir, path));
        return exportsOf[within] === undefined ? undefined : shared(within);
      });
      build.onLoad({ filter: /.*/, namespace: "shared" }, ({ path }) => {
        if (host.includes(path)) return { contents: `module.exports = ${SHARED}[${JSON.stringify(path)}];` };
        const names = exportsOf[path];
        const lines = names.map((name) =>
          name === "default" ? "export default shared.default;" : `export const ${name} = shared.${name};`,
        );
        return { contents: [`const shared = ${SHARED}[${JSON.stringify(path)}];`, ...lines].join("\n") };
      });
    },
  };
}

// Relative paths to any of these files. What esbuild need not ask about is bundled sooner.
function ending(files) {
  const names = new Set(files.map((file) => basename(file).replaceAll(".", "\\.")));
  return new RegExp(`^\\.{1,2}/(?:.*/)?(?:${[...names].join("|")})$`);
}
