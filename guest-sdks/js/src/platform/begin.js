// Does an instance run yet, or is this still the build?
//
// What stands at the top level of a module runs once, when the component is built, and its
// memory is what every instance begins with. So what differs from instance to instance, or
// needs an event, must not be had there.

let begun = false;

// Called as the last thing of a build.
export function begin() {
  begun = true;
}

export function hasBegun() {
  return begun;
}

export function onlyInEvents() {
  if (!begun) {
    throw new Error(
      "Disallowed operation called within global scope. Asynchronous I/O (ex: fetch() or connect()), setting a timeout, and generating random values are not allowed within global scope. To fix this error, perform this operation within a handler.",
    );
  }
}
