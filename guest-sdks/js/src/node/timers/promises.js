// node:timers/promises.

const waited = (begin, end, value, { signal } = {}) =>
  new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(abortion(signal));
      return;
    }
    const id = begin(() => {
      signal?.removeEventListener("abort", aborted);
      resolve(value);
    });
    const aborted = () => {
      end(id);
      reject(abortion(signal));
    };
    signal?.addEventListener("abort", aborted, { once: true });
  });

const abortion = (signal) => Object.assign(new Error("The operation was aborted", { cause: signal.reason }), { name: "AbortError", code: "ABORT_ERR" });

export const setTimeout = (ms, value, options) => waited((done) => globalThis.setTimeout(done, ms), clearTimeout, value, options);
export const setImmediate = (value, options) => waited((done) => globalThis.setImmediate(done), clearImmediate, value, options);

export async function* setInterval(ms, value, options) {
  for (;;) yield setTimeout(ms, value, options);
}

export const scheduler = { wait: (ms, options) => setTimeout(ms, undefined, options), yield: () => setImmediate() };

export default { setTimeout, setImmediate, setInterval, scheduler };
