// What becomes of an error that nobody waits for? It is in the log.

// Calls back whoever asked for it. It may be an async function.
export function run(callback, receiver, ...args) {
  try {
    unawaited(callback.apply(receiver, args));
  } catch (error) {
    globalThis.reportError(error);
  }
}

// Takes what a call gave that nobody looks at, and that may be a promise.
export function unawaited(result) {
  if (result instanceof Promise) result.then(undefined, (error) => globalThis.reportError(error));
}
