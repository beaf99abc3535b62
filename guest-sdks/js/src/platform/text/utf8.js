// How does text become UTF-8, and UTF-8 text?
//
// QuickJS has neither, but it has in C what Base64 and URLs need. Over those both ways are
// some twenty times as fast as a loop in JavaScript. Base64 takes more memory than the text,
// so a long one goes piece by piece.

const notAscii = /[^\x00-\x7f]/;
const TINY = 24; // where a loop costs less than any call
const SHORT = 512; // where looking at each character costs less than trying
export const PIECE = 1 << 20;

export function encode(text) {
  if (text.length > PIECE) return encodeInPieces(text);
  if (text.length > SHORT) return encodeLong(text);
  if (text.length <= TINY) return encodeTiny(text);
  return encodeShort(text);
}

function encodeTiny(text) {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < bytes.length; at++) {
    const code = text.charCodeAt(at);
    if (code > 0x7f) return encodeShort(text);
    bytes[at] = code;
  }
  return bytes;
}

function encodeShort(text) {
  return ofLatin1(notAscii.test(text) ? unescape(encodeURIComponent(text.toWellFormed())) : text);
}

function encodeLong(text) {
  try {
    const bytes = ofLatin1(text);
    if (isAscii(bytes)) return bytes;
  } catch {
    // It has characters that are not Latin-1.
  }
  return ofLatin1(unescape(encodeURIComponent(text.toWellFormed())));
}

function encodeInPieces(text) {
  let bytes = new Uint8Array(text.length);
  let at = 0;
  for (const piece of pieces(text)) {
    const more = encode(piece);
    if (at + more.length > bytes.length) {
      const longer = new Uint8Array(Math.max(at + more.length, Math.ceil(1.5 * bytes.length)));
      longer.set(bytes);
      bytes = longer;
    }
    bytes.set(more, at);
    at += more.length;
  }
  return at === bytes.length ? bytes : bytes.slice(0, at);
}

// No piece ends within a character.
export function* pieces(text) {
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + PIECE, text.length);
    if (end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end--;
    yield text.slice(at, end);
    at = end;
  }
}

// How many bytes it is in UTF-8, without these.
export function lengthOf(text) {
  let length = 0;
  for (const piece of pieces(text)) length += encode(piece).length;
  return length;
}

// What is not UTF-8 becomes U+FFFD, as the web has it.
export function decode(bytes) {
  if (bytes.length <= PIECE) return decodePiece(bytes);
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    let piece = bytes.subarray(at, at + PIECE);
    if (at + PIECE < bytes.length) piece = piece.subarray(0, PIECE - unfinished(piece));
    text += decodePiece(piece);
    at += piece.length;
  }
  return text;
}

function decodePiece(bytes) {
  const latin1 = toLatin1(bytes);
  if (bytes.length > SHORT ? isAscii(bytes) : !notAscii.test(latin1)) return latin1;
  try {
    return decodeURIComponent(escape(latin1));
  } catch {
    return decodeBroken(bytes);
  }
}

// As Cloudflare keeps a text whose surrogates have no partner: as UTF-8 that is broken.
export function withoutLone(text) {
  return text.isWellFormed() ? text : text.replace(/[\ud800-\udfff]/gu, "\ufffd\ufffd\ufffd");
}

// Throws URIError where the bytes are not UTF-8.
export function decodeStrictly(bytes) {
  const latin1 = toLatin1(bytes);
  return notAscii.test(latin1) ? decodeURIComponent(escape(latin1)) : latin1;
}

// Of a string of characters up to U+00FF its bytes; throws where there are others.
export function ofLatin1(text) {
  return Uint8Array.fromBase64(btoa(text));
}

export function toLatin1(bytes) {
  return atob(bytes.toBase64());
}

export function isAscii(bytes) {
  let at = 0;
  const end = bytes.length;
  for (; at < end && (bytes.byteOffset + at) % 4 !== 0; at++) if (bytes[at] > 0x7f) return false;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, (end - at) >> 2);
  const whole = words.length & ~7;
  let word = 0;
  for (; word < whole; word += 8) {
    const all =
      words[word] | words[word + 1] | words[word + 2] | words[word + 3] |
      words[word + 4] | words[word + 5] | words[word + 6] | words[word + 7];
    if (all & 0x80808080) return false;
  }
  for (at += word * 4; at < end; at++) if (bytes[at] > 0x7f) return false;
  return true;
}

// How many bytes at the end begin a character that the next bytes may finish.
export function unfinished(bytes) {
  const end = bytes.length;
  for (let back = 1; back <= 3 && back <= end; back++) {
    const byte = bytes[end - back];
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return isBeginning(bytes, end - back, end) ? back : 0;
  }
  return 0;
}

function isBeginning(bytes, at, end) {
  const { length, low, high } = lead(bytes[at]);
  if (length <= end - at) return false;
  if (at + 1 < end && (bytes[at + 1] < low || bytes[at + 1] > high)) return false;
  return at + 2 >= end || (bytes[at + 2] & 0xc0) === 0x80;
}

// How long a character is that begins with this byte, and what its second byte may be.
function lead(byte) {
  if (byte >= 0xc2 && byte <= 0xdf) return { length: 2, low: 0x80, high: 0xbf };
  if (byte >= 0xe0 && byte <= 0xef) {
    return { length: 3, low: byte === 0xe0 ? 0xa0 : 0x80, high: byte === 0xed ? 0x9f : 0xbf };
  }
  if (byte >= 0xf0 && byte <= 0xf4) {
    return { length: 4, low: byte === 0xf0 ? 0x90 : 0x80, high: byte === 0xf4 ? 0x8f : 0xbf };
  }
  return { length: 0, low: 0, high: 0 };
}

function decodeBroken(bytes) {
  let text = "";
  let good = 0; // where what is not yet decoded begins
  let at = 0;
  const end = bytes.length;
  while (at < end) {
    if (bytes[at] < 0x80) {
      at++;
      continue;
    }
    const { length, low, high } = lead(bytes[at]);
    let next = at + 1;
    if (length && next < end && bytes[next] >= low && bytes[next] <= high) {
      next++;
      while (next < at + length && next < end && (bytes[next] & 0xc0) === 0x80) next++;
    }
    if (next - at !== length) {
      text += decodeStrictly(bytes.subarray(good, at)) + "\ufffd";
      good = next;
    }
    at = next;
  }
  return text + decodeStrictly(bytes.subarray(good, end));
}
