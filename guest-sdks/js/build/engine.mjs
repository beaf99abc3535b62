// How does esbuild make code for the engine?

import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { smaller } from "./alias.mjs";
import { node } from "./node.mjs";

export const sdk = resolve(dirname(fileURLToPath(import.meta.url)), "..");
export const source = join(sdk, "src");

// Settings of esbuild, together with those of a source.
export function inEngine({ alias, define, plugins = [], ...others }) {
  return {
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    target: "es2023",
    platform: "neutral",
    // As wrangler has them.
    mainFields: ["browser", "module", "main"],
    conditions: ["workerd", "worker", "browser"],
    external: ["durable:object/*", "wasi:*"],
    alias: { ...smaller, ...alias },
    define: { "process.env.NODE_ENV": '"production"', "global.process.env.NODE_ENV": '"production"', ...define },
    logLevel: "silent",
    plugins: [...plugins, node(sdk)],
    ...others,
  };
}
