// Which end of which socket does a request ask for?
//
// A request that came has a token for the client's socket, and one made from it passes that on: the
// server that takes it is connected with the client. Any other request that asks for a
// socket gets a token of its own, and this object is the other end.

import { sockets } from "./sockets.js";
import { upgradeOf } from "./message.js";
import { WebSocket } from "./websocket.js";

// The token to send along, and the socket of the response, if that is one.
export function asked(request) {
  const passed = upgradeOf(request);
  if (passed !== undefined && passed !== null) return { token: passed, socket: () => WebSocket.passed(passed) };
  const token = sockets.handshake();
  return { token, socket: () => WebSocket.reached(token) };
}
