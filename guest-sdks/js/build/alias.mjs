// Which packages are replaced by something smaller?

import { fileURLToPath } from "node:url";

const source = (path) => fileURLToPath(new URL(`../src/${path}`, import.meta.url));

export const smaller = { tr46: source("platform/url/names.js"), punycode: "punycode/punycode.es6.js" };
