// How do modules become a component?
//
// The engine keeps what it parses, and the memory that it took for that is in the component
// too. So it gets many small modules rather than one large one, and can use that memory
// again for the next: this makes a component a fifth smaller.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { build } from "esbuild";
import { componentize } from "componentize-qjs";
import { withLimits } from "./limits.mjs";

// `settings` are those of esbuild, with `stdin`. `first` are modules that are evaluated before
// all others; each of theirs becomes one of its own. The others stay together, for esbuild
// looks after the order of evaluation only within a module.
export async function component({ settings, first, witPath, world }) {
  const moduleRoot = await mkdtemp(join(tmpdir(), "durable-object-"));
  try {
    const entryPoints = await within(settings, first);
    const { metafile } = await build({ ...settings, entryPoints, splitting: true, metafile: true, write: true, outdir: moduleRoot, outbase: "/", chunkNames: "chunk-[hash]" });
    const outputs = new Map(Object.entries(metafile.outputs).filter(([, { entryPoint }]) => entryPoint).map(([path, { entryPoint }]) => [entryPoint, resolve(path)]));
    const from = (path) => JSON.stringify(`./${relative(moduleRoot, outputs.get(path))}`);
    const named = (path) => from(relative(process.cwd(), path));
    const { resolveDir, sourcefile } = settings.stdin;
    const imports = first.map((path) => `import ${named(path)};`);
    const jsSource = [...imports, `export * from ${named(join(resolveDir, sourcefile))};`].join("\n");
    const jsPath = join(moduleRoot, "component.js");
    await writeFile(jsPath, jsSource);
    const made = await componentize({ witPath, world, jsSource, jsPath, moduleRoot });
    return withLimits(made.component);
  } finally {
    await rm(moduleRoot, { recursive: true });
  }
}

// Those and all of their own files that they import.
async function within(settings, first) {
  const { metafile } = await build({ ...settings, stdin: undefined, entryPoints: first, outdir: "/", write: false, metafile: true });
  return Object.keys(metafile.inputs).map((path) => resolve(path)).filter((path) => path.startsWith(dirname(first[0])));
}
