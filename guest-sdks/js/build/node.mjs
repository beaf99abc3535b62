// Where do the modules of Node.js come from?
//
// From src/node, and what that has not from unenv, as in Cloudflare's own tools.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { builtinModules } from "node:module";
import { dirname, join } from "node:path";

const names = new Set(builtinModules.filter((name) => !name.startsWith("_")));

// All that may name such a module, and nothing that is a file.
export const filter = /^(?:node:)?[a-z0-9_]+(?:\/[a-z0-9_]+)*\/?$/;

// What a path names: packages write `string_decoder/` too.
export function moduleOf(path) {
  const name = path.replace(/^node:/, "").replace(/\/$/, "");
  return path.startsWith("node:") || names.has(name) ? name : undefined;
}

// What is required is the module's default, which may be a function, with all else on it.
export const required = (all) => `
  const all = ${all};
  module.exports = all.default ?? all;
  for (const name of Object.keys(all)) if (!(name in module.exports)) module.exports[name] = all[name];
`;

export const node = (sdk) => ({
  name: "node",
  setup(build) {
    build.onResolve({ filter }, ({ path, kind }) => {
      const name = moduleOf(path);
      if (kind === "entry-point" || name === undefined) return undefined;
      const own = join(sdk, "src/node", `${name}.js`);
      const theirs = join(sdk, "node_modules/unenv/dist/runtime/node", `${name}.mjs`);
      const found = [own, theirs].find((candidate) => existsSync(candidate));
      if (!found) return { errors: [{ text: `Node.js's module "${name}" is not supported by Abide.` }] };
      if (kind === "require-call") return { path: name, namespace: "required", pluginData: found };
      return { path: found, sideEffects: found === own ? undefined : false };
    });
    // It looks at an async generator, which must be one also where such are built otherwise.
    build.onLoad({ filter: /internal[\\/]events[\\/]events\.mjs$/ }, async ({ path }) => ({
      contents: (await readFile(path, "utf8")).replace("async function* () {}", 'new Function("return async function* () {}")()'),
    }));
    // Its path does not end as the file's does, for by that esbuild tells modules of ES from others.
    build.onLoad({ filter: /./, namespace: "required" }, ({ pluginData: found }) => ({
      contents: required(`require(${JSON.stringify(found)})`),
      resolveDir: dirname(found),
    }));
  },
});
