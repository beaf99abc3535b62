// What stands in a gateway for the host's WebSockets, of which a gateway has none.

function none() {
  throw new Error(
    "A Worker in front of objects has no WebSockets of its own: pass the request on to an object, stub.fetch(request), which accepts the socket.",
  );
}

export {
  none as accept,
  none as acceptPlain,
  none as attachment,
  none as autoResponseTimestamp,
  none as close,
  none as getAutoResponse,
  none as getEventTimeout,
  none as handshake,
  none as list,
  none as readyState,
  none as send,
  none as setAttachment,
  none as setAutoResponse,
  none as setEventTimeout,
  none as tags,
};
