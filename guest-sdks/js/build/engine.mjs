// How does esbuild make code for the engine?

import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { smaller } from "./alias.mjs";

export const sdk = resolve(dirname(fileURLToPath(import.meta.url)), "..");
export const source = join(sdk, "src");

export function inEngine({ contexts = false } = {}) {
  return {
    target: "es2023",
    // What AsyncLocalStorage keeps can follow promises, but not `await`.
    supported: contexts ? { "async-await": false, "async-generator": false, "for-await": false } : {},
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["workerd", "worker", "import", "module", "default"],
    external: ["durable:object/*", "wasi:*"],
    alias: smaller,
    logLevel: "silent",
  };
}
