// In which context does code run? What AsyncLocalStorage keeps follows it from here.
//
// A context is a Map that is never changed, or undefined. A turn of QuickJS begins without
// one; who runs a callback later takes the context along with `contextual`.

let current;

export function context() {
  return current;
}

// Runs `callback` in `wanted`, and goes back to the context before.
export function runIn(wanted, callback, receiver, args) {
  const before = current;
  current = wanted;
  try {
    return Reflect.apply(callback, receiver, args);
  } finally {
    current = before;
  }
}

// `enterWith`: from now on, until the turn ends.
export function enter(wanted) {
  current = wanted;
}

export function contextual(callback) {
  if (current === undefined) return callback;
  const wanted = current;
  return function (...args) {
    return runIn(wanted, callback, this, args);
  };
}
