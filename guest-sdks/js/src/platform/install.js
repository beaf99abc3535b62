// How does something become a global, as the web has them?

export function install(globals) {
  for (const [name, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
  }
}

// Something that Abide does not have, so that its use says so, and not its import.
export function missing(name, why) {
  const fail = () => {
    throw new Error(`${name} is not supported by Abide: ${why}`);
  };
  return new Proxy(function () {}, { get: fail, set: fail, apply: fail, construct: fail, has: fail });
}

const webPrototypes = new WeakSet();

// Whether this is the prototype of one of the web's classes.
export function isOfTheWeb(prototype) {
  return webPrototypes.has(prototype);
}

// Classes of which no object has a copy, like the web's, and their names, which the bundler might
// have changed.
export function withoutCopies(types) {
  for (const [name, type] of Object.entries(types)) {
    webPrototypes.add(type.prototype);
    Object.defineProperty(type, "name", { value: name, configurable: true });
  }
}

// What the web's classes have: members that can be listed, and a name, which the bundler
// might have changed.
export function likeTheWeb(type, name) {
  const members = Object.getOwnPropertyDescriptors(type.prototype);
  for (const key of Object.keys(members)) {
    if (key !== "constructor") Object.defineProperty(type.prototype, key, { ...members[key], enumerable: true });
  }
  webPrototypes.add(type.prototype);
  Object.defineProperty(type, "name", { value: name, configurable: true });
  Object.defineProperty(type.prototype, Symbol.toStringTag, { value: name, configurable: true });
  return type;
}
