// Which parts of the platform does a source need beyond those that all have?
//
// Every part costs each component some hundred kilobytes. A global can only be used by its
// name, so what no file mentions is left out. Files of the SDK itself do not count.

import { readFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";

const subtle = /\b(?:subtle|SubtleCrypto|CryptoKey|DigestStream)\b/;
const mentioned = [
  ["platform/optional/channel.js", /\bMessage(?:Channel|Port)\b/],
  ["platform/optional/compression.js", /\b(?:De)?[Cc]ompressionStream\b/],
  ["platform/optional/intl.js", /\bIntl\b|\btoLocale(?:Date|Time)?String\b|\blocaleCompare\b/],
  ["platform/optional/pattern.js", /\bURLPattern\b/],
  ["platform/optional/subtle.js", subtle],
  ["platform/optional/aes.js", /\bAES\b/i, subtle],
  ["platform/optional/curves.js", /\bEC(?:DSA|DH)\b|25519\b/i, subtle],
  ["platform/optional/rsa.js", /\bRSA/i, subtle],
];
const mentionedOfNode = [
  ["node/globals/buffer.js", /\bBuffer\b/],
  ["node/globals/process.js", /\b(?:process|global)\b/],
  ["node/globals/timers.js", /\bset(?:Timeout|Interval|Immediate)\b/],
  ["node/optional/ciphers.js", /\bcreate(?:C|Dec)ipheriv\b/],
];

// `files` are all that a source consists of.
export async function features(files, sdk, nodejs) {
  const others = files.filter((path) => !within(path, join(sdk, "src")) && !within(path, join(sdk, "node_modules")));
  const texts = await Promise.all(others.map((path) => readFile(path, "utf8").catch(() => ""))); // some are no files
  const wanted = (nodejs ? [...mentioned, ...mentionedOfNode] : mentioned).filter(([, ...words]) => words.every((word) => texts.some((text) => word.test(text))));
  return {
    modules: wanted.map(([path]) => join(sdk, "src", path)),
    contexts: files.includes(join(sdk, "src/node/async_hooks.js")),
  };
}

function within(path, folder) {
  const way = relative(folder, path);
  return !way.startsWith("..") && !way.startsWith(sep);
}
