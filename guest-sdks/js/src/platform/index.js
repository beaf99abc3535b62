// The globals of the web. Whoever imports this has them.
//
// First come those that libraries look for while they are loaded. What is large and seldom
// used is in optional/; build/features.mjs tells which of it a source needs.

import "./early.js";

import { structuredClone } from "./clone.js";
import { performance } from "./clock.js";
import { console, reportError } from "./console/index.js";
import { crypto, Crypto } from "./crypto/index.js";
import { AbortController, AbortSignal } from "./events/abort.js";
import * as events from "./events/event.js";
import { EventTarget } from "./events/target.js";
import { Blob, File } from "./http/blob.js";
import { FormData } from "./http/form.js";
import { Headers } from "./http/headers.js";
import { Request } from "./http/request.js";
import { Response } from "./http/response.js";
import { install } from "./install.js";
import { navigator, caches, HTMLRewriter, WebAssembly } from "./others.js";
import { random } from "./random.js";
import { FixedLengthStream, IdentityTransformStream } from "./streams/identity.js";
import * as streams from "./streams/index.js";
import { TextDecoderStream, TextEncoderStream } from "./streams/text.js";
import { clearInterval, clearTimeout, queueMicrotask, scheduler, setImmediate, setInterval, setTimeout } from "./timers.js";
import { URLSearchParams } from "./url/params.js";
import { URL } from "./url/url.js";

const { isDisturbed, lengths, sourceOfStream, streamOfSource, ...streamTypes } = streams;
const { stateOf, ...eventTypes } = events;

install({
  ...eventTypes, EventTarget, AbortController, AbortSignal,
  ...streamTypes, FixedLengthStream, IdentityTransformStream, TextDecoderStream, TextEncoderStream,
  URL, URLSearchParams,
  Blob, File, FormData, Headers, Request, Response,
  crypto, Crypto,
  setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate: clearTimeout, queueMicrotask, scheduler,
  console, performance, reportError, structuredClone, navigator, caches, HTMLRewriter, WebAssembly,
  self: globalThis,
});
Math.random = random;
