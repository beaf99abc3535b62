// Modules that there are at Cloudflare and not here: they can be imported, and their use is
// a clear error.

export function missingModules() {
  return {
    name: "missing",
    setup(build) {
      build.onResolve({ filter: /^cloudflare:/ }, ({ path }) => ({ path, namespace: "missing" }));
      build.onLoad({ filter: /.*/, namespace: "missing" }, ({ path }) => ({
        contents: missing(path),
        loader: "js",
      }));
    },
  };
}

// A module of CommonJS, so that it may be asked for any name: esbuild gives what it makes
// of one the same prototype.
function missing(path) {
  return `
const fail = (name) => () => { throw new Error(name + " is of " + ${JSON.stringify(path)} + ", which Abide does not have."); };
const isKept = (key) => typeof key === "symbol" || key === "prototype" || key === "name";
const use = (name) => new Proxy(class {}, {
  construct: fail(name),
  apply: fail(name),
  get: (target, key) => isKept(key) ? target[key] : use(name + "." + key),
});
const any = new Proxy({}, { get: (target, key) => typeof key === "symbol" ? undefined : use(key) });
module.exports = Object.create(any, { __esModule: { value: true } });
`;
}
