// How is a source bundled with what it needs of the platform?
//
// That is known once all of its files are; so a source that needs more than the least is
// bundled twice.

import { resolve } from "node:path";
import { build } from "esbuild";
import { contexts } from "./contexts.mjs";
import { sdk } from "./engine.mjs";
import { features } from "./features.mjs";

// `settings` are those of esbuild, with `stdin`, which imports `main`. Gives those with all
// that is needed, and what esbuild made with the first.
export async function complete({ main, nodejs, settings }) {
  const least = await build(settings);
  const folder = settings.absWorkingDir ?? process.cwd();
  const files = Object.keys(least.metafile.inputs).map((path) => resolve(folder, path));
  const needed = await features(files, sdk, nodejs);
  if (needed.modules.length === 0 && !needed.contexts) return { settings, least, isComplete: true };
  const imports = needed.modules.map((path) => `import ${JSON.stringify(path)};\n`).join("");
  const stdin = { ...settings.stdin, contents: imports + settings.stdin.contents };
  const before = needed.contexts ? [await contexts(main, settings)] : [];
  return { settings: { ...settings, stdin, plugins: [...before, ...settings.plugins] }, least, isComplete: false };
}
