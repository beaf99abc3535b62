// How do contexts follow `await`?
//
// What AsyncLocalStorage keeps can follow promises, but QuickJS lets nobody look at `await`.
// So where that is used, the source is bundled by itself first, with its async functions
// turned into generators and promises. The SDK's own files stay as they are.

import { build } from "esbuild";
import { dirname, join, resolve } from "node:path";
import { filter, moduleOf, required } from "./node.mjs";

const lowered = { "async-await": false, "async-generator": false, "for-await": false };

// Imports of the SDK stay imports. What is required is imported by a module of its own.
const withoutSdk = {
  name: "without-sdk",
  setup(build) {
    const outside = (path, kind) => (kind === "require-call" ? { path, namespace: "required" } : { path, external: true });
    build.onResolve({ filter: /^(?:cloudflare|durable|wasi):/ }, ({ path, kind }) => outside(path, kind));
    build.onResolve({ filter }, ({ path, kind }) => {
      const name = moduleOf(path);
      return name === undefined ? undefined : outside(`node:${name}`, kind);
    });
    build.onResolve({ filter: /^imported:/ }, ({ path }) => ({ path: path.slice("imported:".length), namespace: "imported" }));
    build.onLoad({ filter: /./, namespace: "imported" }, ({ path }) => ({ contents: `import * as all from ${JSON.stringify(path)}; export { all };` }));
    build.onLoad({ filter: /./, namespace: "required" }, ({ path }) => ({ contents: required(`require("imported:${path}").all`) }));
  },
};

const alone = { stdin: undefined, format: "esm", globalName: undefined, footer: undefined, minify: false, sourcemap: "inline", supported: lowered };

// A plugin that gives the source so, in place of its main file.
export async function contexts(main, settings) {
  const path = resolve(main);
  const result = await build({ ...settings, ...alone, entryPoints: [path], outfile: join(dirname(path), "alone.js"), plugins: [withoutSdk, ...settings.plugins] });
  const contents = result.outputFiles[0].text;
  return {
    name: "contexts",
    setup(build) {
      const filter = new RegExp(`^${path.replace(/[^\w/]/g, "\\$&")}$`);
      build.onLoad({ filter, namespace: "file" }, () => ({ contents, loader: "js", resolveDir: dirname(path) }));
    },
  };
}
