// Which encodings can be decoded, and by which names are they known?

import * as utf8 from "./utf8.js";

const CHUNK = 8192; // as many characters as one call may have arguments

function fromUnits(units) {
  let text = "";
  for (let at = 0; at < units.length; at += CHUNK) text += String.fromCharCode.apply(null, units.subarray(at, at + CHUNK));
  return text;
}

function utf16(name, swapped) {
  const text = (bytes) => {
    const even = bytes.slice(0, bytes.length & ~1);
    if (swapped) for (let at = 0; at < even.length; at += 2) [even[at], even[at + 1]] = [even[at + 1], even[at]];
    return fromUnits(new Uint16Array(even.buffer));
  };
  return {
    name,
    // A character that is cut is one mistake, however much of it is there.
    decode(bytes) {
      const whole = text(bytes);
      return whole.toWellFormed() + (bytes.length % 2 && !/[\ud800-\udbff]$/.test(whole) ? "\ufffd" : "");
    },
    strictly(bytes) {
      const whole = text(bytes);
      if (bytes.length % 2 || !whole.isWellFormed()) throw new TypeError(name);
      return whole;
    },
    unfinished(bytes) {
      const odd = bytes.length % 2;
      const high = bytes[bytes.length - odd - (swapped ? 2 : 1)];
      return odd + (high >= 0xd8 && high <= 0xdb ? 2 : 0);
    },
  };
}

// What windows-1252 has in place of the control characters of Latin-1.
const in1252 = "\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178";
const windows1252 = (bytes) => utf8.toLatin1(bytes).replace(/[\x80-\x9f]/g, (char) => in1252[char.charCodeAt(0) - 0x80]);

const encodings = [
  [{ name: "utf-8", decode: utf8.decode, strictly: utf8.decodeStrictly, unfinished: utf8.unfinished },
    "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8"],
  [utf16("utf-16le", false), "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le"],
  [utf16("utf-16be", true), "unicodefffe utf-16be"],
  [{ name: "windows-1252", decode: windows1252, strictly: windows1252, unfinished: () => 0 },
    "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252"],
];
const byLabel = new Map(encodings.flatMap(([encoding, labels]) => labels.split(" ").map((label) => [label, encoding])));

export function labelled(label) {
  const encoding = byLabel.get(label.replace(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, "").toLowerCase());
  if (encoding) return encoding;
  throw new RangeError(`"${label}" is not a valid encoding label that Abide knows; it has utf-8, utf-16le, utf-16be and windows-1252.`);
}
