// The host's WebSockets, of which a Worker in front of objects has none.

import * as host from "durable:object/websockets@0.1.0";

export const sockets = { ...host };

// In a Worker in front of objects: the host would end it, and all that it does.
export function haveNone() {
  for (const name of Object.keys(sockets)) sockets[name] = none;
}

export function none() {
  throw new Error(
    "A Worker in front of objects has no WebSockets of its own: pass the request on to an object, stub.fetch(request), which accepts the socket.",
  );
}
