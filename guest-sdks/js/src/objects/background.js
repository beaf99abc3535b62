// What becomes of work that nobody awaits?

import { report } from "./errors.js";

// The object stays awake while it waits for something of the host; its error is logged.
export function runInBackground(promise) {
  Promise.resolve(promise).catch((error) => report(error, "Uncaught in waitUntil():"));
}
