// What Abide does not have, and small things.

import { likeTheWeb, missing } from "./install.js";

class Navigator {
  get userAgent() {
    return "Cloudflare-Workers"; // by which libraries know how they should behave
  }

  get hardwareConcurrency() {
    return 1;
  }

  get language() {
    return "en";
  }

  get languages() {
    return ["en"];
  }
}

export const navigator = new (likeTheWeb(Navigator, "Navigator"))();
export const caches = missing("caches", "there is no cache beside the objects; keep what you want to keep in an object's storage.");
export const HTMLRewriter = missing("HTMLRewriter", "use an HTML parser from npm, such as htmlparser2 or parse5.");
export const WebAssembly = missing("WebAssembly", "JavaScript itself runs in WebAssembly here, and cannot start any. Write the object in a language that compiles to it.");
