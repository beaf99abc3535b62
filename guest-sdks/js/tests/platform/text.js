// TextEncoder, TextDecoder, atob and btoa.

import { equal, ok, same, test, throws } from "./harness.js";

const bytes = (...values) => Uint8Array.from(values);

test("text: what is encoded is UTF-8, with lone surrogates replaced", () => {
  const encoder = new TextEncoder();
  for (const [text, ...expected] of [
    [""],
    ["abc", 97, 98, 99],
    ["é", 0xc3, 0xa9],
    ["€", 0xe2, 0x82, 0xac],
    ["💩", 0xf0, 0x9f, 0x92, 0xa9],
    ["\ud800", 0xef, 0xbf, 0xbd],
    ["a\udfffb", 97, 0xef, 0xbf, 0xbd, 98],
    ["\0", 0],
  ]) {
    same(encoder.encode(text), expected, JSON.stringify(text));
  }
  equal(encoder.encode().length, 0);
  equal(encoder.encoding, "utf-8");
});

test("text: long text comes back from UTF-8 as it was, whichever way is taken", () => {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  for (const piece of ["a", "é", "€", "💩", "abcdefg\x7f", "\x80", "aé€💩\0"]) {
    for (const count of [1, 7, 511, 512, 513, 1024, 5000]) {
      const text = piece.repeat(count);
      const encoded = new TextEncoder().encode(text);
      ok(decoder.decode(encoded) === text, `${JSON.stringify(piece)} ${count} times`);
      const shifted = new Uint8Array(encoded.length + 3);
      shifted.set(encoded, 3);
      ok(decoder.decode(shifted.subarray(3)) === text, `${JSON.stringify(piece)} ${count} times, not aligned`);
    }
  }
});

test("text: what is longer than a MiB goes in pieces that cut no character", () => {
  for (const shift of [0, 1, 2, 3]) {
    const text = "x".repeat(shift) + "aé€💩".repeat(300_000);
    const bytes = new TextEncoder().encode(text);
    equal(bytes.length, shift + 3_000_000);
    ok(new TextDecoder().decode(bytes) === text, shift);
  }
  const broken = new Uint8Array(3_000_000).fill(0xff, 1 << 20, (1 << 20) + 2);
  equal(new TextDecoder().decode(broken).indexOf("\ufffd\ufffd\0"), 1 << 20);
});

test("text: encodeInto says what it read and wrote, and cuts no character", () => {
  for (const [text, room, read, ...written] of [
    ["abc", 2, 2, 97, 98],
    ["é", 1, 0],
    ["aé", 2, 1, 97],
    ["a💩", 4, 1, 97],
    ["a💩", 5, 3, 97, 0xf0, 0x9f, 0x92, 0xa9],
    ["\ud800", 3, 1, 0xef, 0xbf, 0xbd],
    ["abc", 5, 3, 97, 98, 99],
  ]) {
    const target = new Uint8Array(room);
    const result = new TextEncoder().encodeInto(text, target);
    equal(result.read, read, `${text} into ${room}`);
    equal(result.written, written.length, `${text} into ${room}`);
    same(target.subarray(0, result.written), written);
  }
});

test("text: what is not UTF-8 becomes U+FFFD, one for each longest beginning of a character", () => {
  const decoder = new TextDecoder();
  for (const [expected, ...given] of [
    ["\ufffd", 0xff],
    ["\ufffdA", 0xc3, 0x41],
    ["\ufffd\ufffd", 0xc0, 0x80],
    ["\ufffd\ufffd\ufffd", 0xe0, 0x80, 0x80],
    ["\ufffd", 0xe2, 0x82],
    ["\ufffdA", 0xe2, 0x82, 0x41],
    ["\ufffd\ufffd\ufffd", 0xed, 0xa0, 0x80],
    ["\ufffd", 0xf0, 0x9f, 0x92],
    ["\ufffd\ufffd\ufffd\ufffd", 0xf4, 0x90, 0x80, 0x80],
    ["\ufffd\ufffd\ufffd\ufffd", 0xf0, 0x80, 0x80, 0x80],
    ["a\ufffdb€\ufffd", 97, 0x80, 98, 0xe2, 0x82, 0xac, 0xe2],
    ["\ufffd💩", 0xf0, 0xf0, 0x9f, 0x92, 0xa9],
  ]) {
    equal(decoder.decode(bytes(...given)), expected, given.map((byte) => byte.toString(16)).join(" "));
    throws(TypeError, () => new TextDecoder("utf-8", { fatal: true }).decode(bytes(...given)));
  }
});

test("text: a stream may be cut anywhere", () => {
  const text = "a\ufeffé€💩z";
  const whole = new TextEncoder().encode(`\ufeff${text}`);
  for (let size = 1; size <= whole.length; size++) {
    const decoder = new TextDecoder();
    let decoded = "";
    for (let at = 0; at < whole.length; at += size) decoded += decoder.decode(whole.subarray(at, at + size), { stream: true });
    equal(decoded + decoder.decode(), text, `in pieces of ${size}`);
  }
  const decoder = new TextDecoder();
  equal(decoder.decode(bytes(0xe2, 0x82), { stream: true }), "");
  equal(decoder.decode(), "\ufffd");
  equal(decoder.decode(bytes(0xf0, 0x9f), { stream: true }) + decoder.decode(bytes(0x41), { stream: true }), "\ufffdA");
});

test("text: a BOM is taken off once, unless it is to be kept", () => {
  equal(new TextDecoder().decode(bytes(0xef, 0xbb, 0xbf, 65)), "A");
  equal(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes(0xef, 0xbb, 0xbf, 65)), "\ufeffA");
  equal(new TextDecoder().decode(bytes(0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf)), "\ufeff");
  const again = new TextDecoder();
  equal(again.decode(bytes(0xef, 0xbb, 0xbf, 65)) + again.decode(bytes(0xef, 0xbb, 0xbf, 66)), "AB");
});

test("text: other encodings are known by their labels", () => {
  for (const [label, name] of [
    ["utf8", "utf-8"], [" UTF-8\n", "utf-8"], ["unicode-1-1-utf-8", "utf-8"], ["utf-16", "utf-16le"], ["UCS-2", "utf-16le"],
    ["latin1", "windows-1252"], ["ascii", "windows-1252"], ["iso-8859-1", "windows-1252"], ["utf-16be", "utf-16be"],
  ]) {
    equal(new TextDecoder(label).encoding, name, label);
  }
  throws(RangeError, () => new TextDecoder("no-such-encoding"));
  equal(new TextDecoder("latin1").decode(bytes(0x41, 0xe9, 0x80, 0x81)), "Aé€\x81");
  equal(new TextDecoder("utf-16le").decode(bytes(0x3d, 0xd8, 0xa9, 0xdc, 0x41, 0)), "💩A");
  equal(new TextDecoder("utf-16be").decode(bytes(0xd8, 0x3d, 0xdc, 0xa9)), "💩");
  equal(new TextDecoder("utf-16le").decode(bytes(0x3d, 0xd8, 0x41)), "\ufffd");
  const cut = new TextDecoder("utf-16le");
  equal(cut.decode(bytes(0x3d), { stream: true }) + cut.decode(bytes(0xd8, 0xa9), { stream: true }) + cut.decode(bytes(0xdc)), "💩");
});

test("text: every view of a buffer can be decoded", () => {
  const buffer = bytes(0, 97, 98, 99, 0).buffer;
  equal(new TextDecoder().decode(buffer), "\0abc\0");
  equal(new TextDecoder().decode(new DataView(buffer, 1, 3)), "abc");
  equal(new TextDecoder().decode(new Uint16Array(bytes(97, 98).buffer)), "ab");
  throws(TypeError, () => new TextDecoder().decode("abc"));
  throws(TypeError, () => new TextDecoder().decode(null));
});

test("text: Base64 is forgiving as the web has it", () => {
  equal(btoa("\xff\x00a"), "/wBh");
  equal(atob(" YW Jj\n"), "abc");
  equal(atob("YQ"), "a");
  equal(atob(""), "");
  throws("InvalidCharacterError", () => atob("a"));
  throws("InvalidCharacterError", () => atob("YQ=a"));
  throws("InvalidCharacterError", () => atob("~~~~"));
  throws("InvalidCharacterError", () => btoa("\u0100"));
});
