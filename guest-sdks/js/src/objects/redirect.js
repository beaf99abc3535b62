// Where does a request go on to, whose answer sends the client elsewhere?
//
// As browsers do it, and as the host would: but it does not tell where the answer came from.

import { decode } from "../platform/text/utf8.js";
import { dropped, isPulled, untilAborted, wireBody } from "./body.js";
import { checked } from "./errors.js";
import { fetchable, messageOf, responseFrom, wireUrl } from "./message.js";

const FOLLOWED_MAX = 20;
const REDIRECTS = [301, 302, 303, 307, 308];

// Fields that speak of a body, and what is only for the server that it was sent to.
const OF_BODY = ["content-encoding", "content-language", "content-location", "content-type"];
const SECRETS = ["authorization", "cookie", "proxy-authorization"];

const without = (fields, names) => fields.filter(([name]) => !names.includes(name));

// The response to a request that is sent by `send`, a function from the contract's request to the
// future of its answer's value.
export async function followed(request, signal, send) {
  const { redirect } = request;
  let asked = messageOf(request);
  asked.source = untilAborted(asked.source, signal);
  for (let count = 0; ; count++) {
    const { method, url, headers, source } = asked;
    const answer = checked(await send({ method, url: wireUrl(url), headers, body: wireBody(source), upgrade: null }));
    let isLast = false;
    try {
      const next = nextOf(asked, answer, redirect);
      isLast = next === null;
      if (isLast) return responseFrom(answer, { url, redirected: count > 0, signal });
      if (count === FOLLOWED_MAX) throw new TypeError("Too many redirects.");
      signal?.throwIfAborted();
      asked = next;
    } finally {
      if (!isLast) dropped(answer.body);
    }
  }
}

// What is asked next; null if the answer is the last.
function nextOf({ method, url, headers, source }, { status, headers: fields }, redirect) {
  if (!REDIRECTS.includes(status) || redirect === "manual") return null;
  const location = fields.find(([name]) => name === "location");
  if (location === undefined) return null;
  const place = decode(location[1]);
  if (redirect === "error") throw new TypeError(`${url} sends the client to ${place}`);
  const to = URL.parse(place, url);
  if (to === null) throw new TypeError("Invalid Location header; unable to follow redirect.");
  const from = new URL(url);
  if (status === 303 ? method !== "GET" && method !== "HEAD" : status < 303 && method === "POST") {
    [method, source, headers] = ["GET", null, without(headers, OF_BODY)];
  }
  if (isPulled(source)) {
    throw new TypeError(`${url} sends the client to ${place}, but the request's body was a stream and cannot be sent again`);
  }
  if (to.origin !== from.origin) headers = without(headers, SECRETS);
  return { method, url: fetchable(to.href), headers, source };
}
