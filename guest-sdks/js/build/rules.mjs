// Files that are imported as what they contain, as wrangler's `rules` say.

import { readFile } from "node:fs/promises";
import { dirname, isAbsolute, relative, resolve } from "node:path";

const DEFAULTS = [
  { type: "Text", globs: ["**/*.txt", "**/*.html", "**/*.sql"] },
  { type: "Data", globs: ["**/*.bin"] },
  { type: "CompiledWasm", globs: ["**/*.wasm", "**/*.wasm?module"] },
];

export function rules(own, folder) {
  const taken = own.filter(({ type }) => ["Text", "Data", "CompiledWasm"].includes(type));
  // A rule without "fallthrough" takes the place of the default of its type.
  const kept = DEFAULTS.filter(({ type }) => !own.some((rule) => rule.type === type && rule.fallthrough !== true));
  const all = [...taken, ...kept].map(({ type, globs }) => ({ type, patterns: globs.map(patternOf) }));
  return {
    name: "rules",
    setup(build) {
      const typeOf = (path) => all.find(({ patterns }) => patterns.some((pattern) => pattern.test(path)))?.type;
      const some = new RegExp(all.flatMap(({ patterns }) => patterns.map(({ source }) => source)).join("|"));
      build.onResolve({ filter: some }, async ({ path, resolveDir, importer, kind, pluginData }) => {
        if (pluginData?.isAsked || kind === "entry-point" || typeOf(path) === undefined) return undefined;
        const bare = path.replace(/\?module$/, "");
        if (isAbsolute(bare) || bare.startsWith(".")) return { path: resolve(resolveDir, bare), namespace: "content", pluginData: typeOf(path) };
        const found = await build.resolve(bare, { resolveDir, importer, kind, pluginData: { isAsked: true } });
        return found.errors.length > 0 ? { errors: found.errors } : { path: found.path, namespace: "content", pluginData: typeOf(path) };
      });
      build.onLoad({ filter: /.*/, namespace: "content" }, async ({ path, pluginData: type }) => {
        if (type === "CompiledWasm") {
          const text = `${relative(folder, path)} is WebAssembly, which QuickJS cannot run; take a build of the package without it, or write the class in a language that compiles to WebAssembly`;
          return { errors: [{ text }] };
        }
        const contents = await readFile(path);
        const watchFiles = [path];
        if (type === "Text") return { contents, loader: "text", watchFiles };
        // Cloudflare gives an ArrayBuffer.
        return {
          contents: `import bytes from ${JSON.stringify(`${path}?bytes`)}; export default bytes.buffer;`,
          resolveDir: dirname(path),
          watchFiles,
        };
      });
      build.onResolve({ filter: /\?bytes$/ }, ({ path }) => ({ path: path.slice(0, -"?bytes".length), namespace: "bytes" }));
      build.onLoad({ filter: /.*/, namespace: "bytes" }, async ({ path }) => ({ contents: await readFile(path), loader: "binary" }));
    },
  };
}

// As gitignore and wrangler have them: `*` within a folder, `**` across.
function patternOf(glob) {
  const special = /[.+^${}()|[\]\\]/g;
  const text = glob.replace(special, "\\$&").replace(/\*\*\/|\*\*|\*|\?/g, (part) => {
    if (part === "**/") return "(?:.*/)?";
    if (part === "**") return ".*";
    return part === "*" ? "[^/]*" : "\\?";
  });
  return new RegExp(`^(?:\\.{0,2}/)*${text}$`);
}
