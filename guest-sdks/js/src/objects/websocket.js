// What is a WebSocket to the code that uses it?
//
// A socket is first one of these:
//
// * an end of a pair. It gets its line when its other end leaves in a response (`bind`), and what
//   is said before waits for that. When both ends are accepted here they talk to each other;
// * the far end of a socket that a request asked for (`reached`), which has a line once it is
//   accepted;
// * the client's, passed on with its request (`passed`), which is another's and only goes back.
//
// Its line is a number of the host. A socket that was accepted with hibernation is known by
// that number alone, and made anew when the object is.

import { sockets } from "./sockets.js";
import { asking, report } from "./errors.js";
import { keep, kept } from "./kinds.js";
import { bytesIn } from "../platform/http/blob.js";
import { likeTheWeb } from "../platform/install.js";
import { encode } from "../platform/text/utf8.js";

const REASON_BYTES_MAX = 123;
const STATES = { open: 1, closing: 2, closed: 3 };

// Those with a line, by its number.
const byLine = new Map();

export class WebSocket extends EventTarget {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSING = 2;
  static CLOSED = 3;
  static READY_STATE_CONNECTING = 0;
  static READY_STATE_OPEN = 1;
  static READY_STATE_CLOSING = 2;
  static READY_STATE_CLOSED = 3;

  #line = null;
  #peer = null; // the other end of a pair
  #token = null; // asked for, and accepted by nobody yet
  #isPassed = false;
  #mode = null; // "hibernating" or "plain", once it is accepted
  #state = WebSocket.OPEN;
  #waiting = []; // what was said without a line
  #early = []; // events of a socket that nobody has accepted yet
  #tags = [];
  #attachment = null;
  #allowsHalfOpen = false;
  #saidClose = false;
  #isOver = false; // its end was told
  #handlers = {};
  url = null;
  protocol = "";
  extensions = "";
  #binaryType = "blob";
  #giveUp = null; // ends the attempt to connect
  #isDeaf = false; // it was closed before it was open

  constructor(url, protocols) {
    super();
    if (url === UNCONNECTED) return;
    if (arguments.length === 0) throw new TypeError("Failed to construct 'WebSocket': constructor parameter 1 is not of type 'string'.");
    this.#state = WebSocket.CONNECTING;
    this.url = String(url);
    this.#giveUp = connect(this, this.url, protocols);
  }

  get binaryType() {
    return this.#binaryType;
  }

  // As the web has it, other values change nothing.
  set binaryType(type) {
    if (type === "blob" || type === "arraybuffer") this.#binaryType = type;
  }

  static pair() {
    const [one, other] = [new WebSocket(UNCONNECTED), new WebSocket(UNCONNECTED)];
    one.#peer = other;
    other.#peer = one;
    return [one, other];
  }

  // The client's socket, which is another's already.
  static passed(token) {
    const socket = new WebSocket(UNCONNECTED);
    socket.#token = token;
    socket.#isPassed = true;
    return socket;
  }

  // The far end of a socket that this object asked for.
  static reached(token) {
    const socket = new WebSocket(UNCONNECTED);
    socket.#token = token;
    return socket;
  }

  static withLine(line) {
    let socket = byLine.get(line);
    if (socket === undefined) {
      socket = new WebSocket(UNCONNECTED);
      socket.#line = line;
      socket.#mode = "hibernating";
      byLine.set(line, socket);
    }
    return socket;
  }

  static lineOf(socket) {
    return socket.#line;
  }

  static tagsOf(socket) {
    if (socket.#mode !== "hibernating") throw new Error("you must call 'acceptWebSocket()' before attempting to access the tags of a WebSocket.");
    return socket.#line === null ? [...socket.#tags] : asking(() => sockets.tags(socket.#line));
  }

  // Its end was told. Code may keep it, and say what nobody hears.
  static forget(line) {
    const socket = byLine.get(line);
    byLine.delete(line);
    if (socket === undefined) return;
    if (socket.#mode === "hibernating") {
      try {
        [socket.#tags, socket.#attachment] = [sockets.tags(line), sockets.attachment(line)];
      } catch {
        // A reset has dropped it.
      }
    }
    socket.#line = null;
    socket.#state = WebSocket.CLOSED;
    socket.#isOver = true;
  }

  // Those accepted with hibernation that have no line yet, the newest first.
  static unbound(tag) {
    return [...unbound].reverse().filter((socket) => tag === undefined || socket.#tags.includes(tag));
  }

  // Forgets those whose other end has left in no response.
  static abandon() {
    for (const socket of unbound) socket.#state = WebSocket.CLOSED;
    unbound.clear();
  }

  // With hibernation.
  static accept(socket, tags) {
    if (socket.#mode !== null) throw new Error("Cannot call `acceptWebSocket()` if the WebSocket was already accepted via `accept()`");
    if (socket.#isPassed) throw passedOn();
    if (socket.#line !== null || (socket.#peer !== null && socket.#peer.#mode !== null)) {
      throw new Error("Cannot call `acceptWebSocket()` on this WebSocket because its pair has already been accepted or used in a Response.");
    }
    socket.#mode = "hibernating";
    socket.#tags = tags;
    if (socket.#token !== null) socket.#bind(socket.#token);
    else unbound.add(socket);
  }

  // This end leaves in the response to the request with that token.
  static leave(socket, token) {
    if (socket.#isPassed) return;
    if (socket.#token !== null) return relay(socket, token);
    const peer = socket.#peer;
    if (peer === null || socket.#mode !== null) throw new TypeError("This WebSocket was accepted here, so it cannot be returned in a response.");
    if (token === null || token === undefined) {
      throw new TypeError(
        'Worker tried to return WebSocket in a response to a request which did not contain the header "Upgrade: websocket".',
      );
    }
    peer.#bind(token);
  }

  #bind(token) {
    unbound.delete(this);
    this.#token = null;
    this.#line =
      this.#mode === "hibernating"
        ? asking(() => sockets.accept(token, this.#tags))
        : asking(() => sockets.acceptPlain(token));
    byLine.set(this.#line, this);
    if (this.#attachment !== null) asking(() => sockets.setAttachment(this.#line, this.#attachment));
    this.#attachment = null;
    for (const [call, ...args] of this.#waiting.splice(0)) call(this.#line, ...args);
  }

  accept(options) {
    if (this.#mode === "hibernating") throw new TypeError("Can't accept() WebSocket after enabling hibernation.");
    if (this.#isPassed) throw passedOn();
    this.#allowsHalfOpen = Boolean(options?.allowHalfOpen);
    if (this.#mode === "plain") return;
    this.#mode = "plain";
    if (this.#token !== null) this.#bind(this.#token);
    for (const event of this.#early.splice(0)) queueMicrotask(() => this.#happen(event));
  }

  get readyState() {
    if (this.#line === null || this.#isDeaf) return this.#state;
    return STATES[sockets.readyState(this.#line)];
  }

  // Of a socket that was never connected nobody hears anything, and a hibernating one of which the
  // other end has left is told to nobody either, as at Cloudflare.
  send(message) {
    if (arguments.length === 0) throw new TypeError(`Failed to execute 'send' on 'WebSocket': parameter 1 is not of type 'ArrayBuffer or ArrayBufferView or string'.`);
    if (this.#mode === null && this.#state >= WebSocket.CLOSING) return;
    if (this.#mode === "hibernating" && this.#isOver && !this.#saidClose) return;
    if (this.#mode === null) {
      if (this.#state === WebSocket.CONNECTING) throw new DOMException("WebSocket is not open yet.", "InvalidStateError");
      throw new TypeError("You must call accept() on this WebSocket before sending messages.");
    }
    const wire = messageOf(message);
    if (this.#line !== null) {
      asking(() => sockets.send(this.#line, wire));
      return;
    }
    if (this.#state >= WebSocket.CLOSING) throw new TypeError("Can't call WebSocket send() after close().");
    if (this.#peer?.#mode === "plain") this.#peer.#hears({ type: "message", data: dataOf(wire) });
    else this.#waiting.push([sockets.send, wire]);
  }

  close(code, reason) {
    const number = code === undefined || code === null ? null : Number(code);
    const text = reason === undefined ? "" : String(reason).toWellFormed();
    if (this.#mode === null && this.#state === WebSocket.OPEN) {
      throw new TypeError("You must call accept() on this WebSocket before sending messages.");
    }
    if (number !== null && !mayBeSent(number)) {
      throw new DOMException(`Invalid WebSocket close code: ${code}.`, "InvalidAccessError");
    }
    if (text !== "" && number === null) {
      throw new DOMException("If you specify a WebSocket close reason, you must also specify a code.", "InvalidAccessError");
    }
    if (text.length * 3 > REASON_BYTES_MAX && encode(text).length > REASON_BYTES_MAX) {
      throw new DOMException("WebSocket close reason must not be longer than 123 bytes when UTF-8 encoded.", "SyntaxError");
    }
    if (this.readyState === WebSocket.CLOSED) return;
    this.#saidClose = true;
    if (this.#state === WebSocket.CONNECTING) {
      this.#state = WebSocket.CLOSING;
      return this.#giveUp();
    }
    if (this.#line !== null) return asking(() => sockets.close(this.#line, number, text));
    if (this.#state >= WebSocket.CLOSING) return;
    this.#state = WebSocket.CLOSING;
    if (this.#peer?.#mode !== "plain") {
      this.#waiting.push([sockets.close, number, text]);
      return;
    }
    const isSecond = this.#peer.#state === WebSocket.CLOSING;
    if (isSecond) this.#state = this.#peer.#state = WebSocket.CLOSED;
    this.#peer.#hears({ type: "close", code: number ?? 1005, reason: text, wasClean: true });
  }

  serializeAttachment(value) {
    const bytes = keep(value);
    if (this.#line !== null) {
      asking(() => sockets.setAttachment(this.#line, bytes));
      return;
    }
    if (bytes.length > 16384) {
      throw new Error(`A WebSocket 'attachment' cannot be larger than 16384 bytes.'attachment' was ${bytes.length} bytes.`);
    }
    this.#attachment = bytes;
  }

  deserializeAttachment() {
    const bytes = this.#line === null ? this.#attachment : asking(() => sockets.attachment(this.#line));
    return bytes === null ? null : kept(bytes);
  }

  // An event of the other end, in the same instance.
  #hears(event) {
    queueMicrotask(() => this.#happen(event));
  }

  #happen(event) {
    if (this.#isDeaf) return;
    if (this.#mode === null) return this.#early.push(event);
    const { type, ...init } = event;
    if (init.data instanceof ArrayBuffer && this.#binaryType === "blob") init.data = new Blob([init.data]);
    const made = type === "message" ? new MessageEvent(type, init) : type === "close" ? new CloseEvent(type, init) : errorEvent(init);
    if (type === "close" && !this.#allowsHalfOpen) this.#answer(init);
    this.dispatchEvent(made);
  }

  // The other end's close, before code hears of it.
  #answer({ code, reason }) {
    try {
      this.close(mayBeSent(code) ? code : undefined, mayBeSent(code) ? reason : undefined);
    } catch {
      // The connection is gone already.
    }
  }

  // What the host says of one without hibernation; false for others.
  static happens(line, event) {
    const socket = byLine.get(line);
    if (socket === undefined || socket.#mode === "hibernating") return false;
    socket.#happen(event);
    return true;
  }

  // A connection that this object asked for is open, or has failed.
  static opened(socket, token, protocol) {
    const isClosed = socket.#state !== WebSocket.CONNECTING;
    socket.#mode = "plain";
    socket.#bind(token);
    if (isClosed) {
      socket.#isDeaf = true;
      asking(() => sockets.close(socket.#line, null, ""));
      return WebSocket.failed(socket, NOT_ESTABLISHED);
    }
    socket.#state = WebSocket.OPEN;
    socket.protocol = protocol;
    socket.dispatchEvent(new Event("open"));
  }

  static failed(socket, message) {
    socket.#state = WebSocket.CLOSED;
    socket.dispatchEvent(errorEvent({ message }));
    socket.dispatchEvent(new CloseEvent("close", { code: 1006, reason: message, wasClean: false }));
  }

  static {
    for (const type of ["open", "message", "close", "error"]) {
      Object.defineProperty(WebSocket.prototype, `on${type}`, {
        enumerable: true,
        configurable: true,
        get() {
          return this.#handlers[type] ?? null;
        },
        set(handler) {
          const before = this.#handlers[type];
          if (before) this.removeEventListener(type, before);
          this.#handlers[type] = typeof handler === "function" ? handler : null;
          if (typeof handler === "function") this.addEventListener(type, handler);
        },
      });
    }
    for (const [name, value] of Object.entries({ CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 })) {
      Object.defineProperty(WebSocket.prototype, name, { value, enumerable: true });
    }
  }
}

export const NOT_ESTABLISHED = "Failed to establish websocket connection";

const UNCONNECTED = Symbol("unconnected");
const unbound = new Set();

export let connect;

// How a socket that code opens by its URL is connected.
export function connectBy(how) {
  connect = how;
}

// What WebSocketPair makes: an object whose values are the two ends.
export class WebSocketPair {
  constructor() {
    [this[0], this[1]] = WebSocket.pair();
  }
}

export class WebSocketRequestResponsePair {
  constructor(request, response) {
    if (arguments.length < 2) {
      throw new TypeError(`Failed to construct 'WebSocketRequestResponsePair': constructor parameter ${arguments.length + 1} is not of type 'string'.`);
    }
    this.#request = String(request);
    this.#response = String(response);
  }

  #request;
  #response;

  get request() {
    return this.#request;
  }

  get response() {
    return this.#response;
  }
}

function passedOn() {
  return new TypeError(
    "This WebSocket belongs to the client: its request was passed on. To stand between the two, ask for a socket with a request of your own, new Request(url, { headers: { Upgrade: \"websocket\" } }).",
  );
}

function mayBeSent(code) {
  return Number.isInteger(code) && code >= 1000 && code < 5000 && ![1004, 1005, 1006, 1015].includes(code);
}

function messageOf(message) {
  if (message instanceof ArrayBuffer) return { tag: "binary", val: new Uint8Array(message) };
  if (ArrayBuffer.isView(message)) {
    return { tag: "binary", val: new Uint8Array(message.buffer, message.byteOffset, message.byteLength) };
  }
  if (message instanceof Blob) return { tag: "binary", val: bytesIn(message) };
  return { tag: "text", val: `${message}`.toWellFormed() };
}

// A message of the contract, as code gets it.
export function dataOf({ tag, val }) {
  if (tag === "text") return val;
  return val.byteLength === val.buffer.byteLength ? val.buffer : val.slice().buffer;
}

function errorEvent({ message }) {
  return new ErrorEvent("error", { message, error: new Error(message) });
}

// Both ends have their line here: passes on whatever is said on either.
function relay(far, token) {
  const near = WebSocket.reached(token);
  for (const [from, to] of [
    [near, far],
    [far, near],
  ]) {
    from.addEventListener("message", ({ data }) => attempt(() => to.send(data)));
    from.addEventListener("close", ({ code, reason }) => attempt(() => (mayBeSent(code) ? to.close(code, reason) : to.close())));
  }
  for (const end of [near, far]) {
    end.binaryType = "arraybuffer";
    end.accept();
  }
}

function attempt(say) {
  try {
    say();
  } catch (error) {
    report(error, "A WebSocket that is passed on:");
  }
}

likeTheWeb(WebSocket, "WebSocket");
likeTheWeb(WebSocketPair, "WebSocketPair");
likeTheWeb(WebSocketRequestResponsePair, "WebSocketRequestResponsePair");
