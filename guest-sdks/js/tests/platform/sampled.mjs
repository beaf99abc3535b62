// Inputs drawn with a seed, and what becomes of them. Node.js and the guest both run this, and
// must agree. Left out is what Node.js 20 does otherwise than the standards: `^` in paths, what
// is relative to an opaque path, `..` after an unknown scheme, a port that is none, windows-1252,
// and what is not percent-encoded rightly beside other scripts in a query.

// Park and Miller's generator.
function drawn(seed) {
  let state = seed;
  const next = (below) => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
  const one = (list) => list[next(list.length)];
  return { next, one };
}

const parts = ["href", "origin", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"];
const schemes = ["http:", "https:", "ws:", "wss:", "ftp:", "file:", "foo:", "mailto:", "data:", "javascript:", "HtTp:", "h t:", "1a:", "a+b-c.d:", ""];
const slashes = ["//", "//", "//", "/", "", "///", "\\\\", "/\\"];
const users = ["", "", "", "", "u@", "u:p@", "u:p:q@", "@", "a@b@", "ü:%@", ":@", "u%41:!'()*@"];
const hosts = [
  "example.com", "EXAMPLE.com", "127.0.0.1", "0x7f.1", "1.2.3", "256.1.1.1", "[::1]", "[1:2::3]", "[::ffff:1.2.3.4]", "[::g]", "[1:2:3:4:5:6:7:8]", "[1::2::3]", "a.b-c", "a_b", "xn--nxasmq6b", "ä.de", "日本.jp", "ß.x", "a..b", "a.",
  "%41.com", "a%00b", "a b", "", "localhost", "1e3", "ＡＢＣ.com", "☃.net", "-a.com", "a-.com", "999999999", "4294967296", "08.1", "0", "a<b", "a|b", "a%", "1.2.3.4.", "0x.0x", "b\u00adc", "ex%2Fa", "a,b;c=d", "\u200b",
];
const ports = ["", "", "", ":80", ":443", ":8080", ":0", ":65535", ":65536", ":08", ":a", ":", ":8a", ":1\t2"];
const paths = [
  "", "/", "/a/b", "/a/../b", "/./a", "/y/%2e/%2E%2e/x", "/a b", "/ä", "/a;b=c", "/a/..", '/"<>`{}|[]', "\\a\\b", "/a//b", "/%zz", "/%41", "/\t\nx", "/C:/x", "/C|/..", "C|", "a", "a/b", "../x", "./", "/.", "//x", "/a/./", "/\ud800", "/~'!$&()*+,=:@",
];
const queries = ["", "", "?", "?a=b", "?a b'\"<>", "?ä", "?%", "?{}|\\^`", "??", "?\ud800"];
const fragments = ["", "", "#", "#a", '#a b`<>"', "#ä", "##", "#{}|\\^"];
const bases = ["http://a/b/c?d#e", "https://u:p@h:81/x/y/", "file:///C:/a/b", "file://h/p", "foo://h/p?q"];
const values = ["", "x", "a:b", "https", "http:", "80", "443", "8x", "99999", "ä b", "a/b?c#d", "?q", "#f", "..", "[::1]", "1.2.3.4", "h:99", "\\", "%41", "'\"<>", "a@b", "\t7\n", " "];

const shown = (url) => parts.map((part) => url[part]).join(" ");
const attempt = (work) => {
  try {
    return work();
  } catch (error) {
    return error.name;
  }
};

export function addresses(count) {
  const { next, one } = drawn(7);
  const results = [];
  for (let at = 0; at < count; at++) {
    const relative = next(4) === 0;
    const authority = one(slashes) + one(users) + one(hosts) + one(ports);
    const text = (relative ? (next(3) === 0 ? authority : "") : one(schemes) + authority) + one(paths) + one(queries) + one(fragments);
    const base = relative || next(8) === 0 ? one(bases) : undefined;
    results.push([JSON.stringify([text, base]), attempt(() => shown(new URL(text, base)))]);
  }
  for (let at = 0; at < count / 2; at++) {
    const [from, part, value] = [one([...bases, "http://example.com:8080/a?b#c", "mailto:x"]), one(parts.filter((name) => name !== "origin")), one(values)];
    if (part === "port" && /^[[%]/.test(value)) continue;
    results.push([JSON.stringify([from, part, value]), attempt(() => {
      const url = new URL(from);
      url[part] = value;
      return shown(url);
    })]);
  }
  return results;
}

const pieces = ["a", "b", "=", "=", "&", "&", "+", "%20", "%41", "%e2%82%ac", "%C3%A4", "ä", "€", "💩", "\ud800", "'", "!", "~", "*", "-", ".", "_", "(", ")", "?", "#", ";", "/", "\0"];

export function queriesOf(count) {
  const { next, one } = drawn(11);
  return Array.from({ length: count }, () => {
    const text = Array.from({ length: next(8) }, () => one(pieces)).join("");
    const params = new URLSearchParams(text);
    return [JSON.stringify(text), JSON.stringify([...params]) + params];
  });
}

const bytes = [0, 10, 65, 97, 127, 128, 0x81, 0xbf, 0xc0, 0xc2, 0xc3, 0xdf, 0xe0, 0xe2, 0x82, 0xac, 0xed, 0xa0, 0x9f, 0xef, 0xbb, 0xbf, 0xf0, 0x9f, 0x92, 0xa9, 0xf4, 0x90, 0xf5, 0xff, 0xd8, 0xdc, 0x3d];

export function texts(count) {
  const { next, one } = drawn(13);
  return Array.from({ length: count }, () => {
    const data = Uint8Array.from({ length: next(12) }, () => one(bytes));
    const [encoding, fatal, ignoreBOM, size] = [one(["utf-8", "utf-8", "utf-16le", "utf-16be"]), next(4) === 0, next(4) === 0, 1 + next(5)];
    const whole = attempt(() => new TextDecoder(encoding, { fatal, ignoreBOM }).decode(data));
    const inParts = attempt(() => {
      const decoder = new TextDecoder(encoding, { fatal, ignoreBOM });
      let text = "";
      for (let at = 0; at < data.length; at += size) text += decoder.decode(data.subarray(at, at + size), { stream: true });
      return text + decoder.decode();
    });
    return [JSON.stringify([[...data], encoding, fatal, ignoreBOM, size]), JSON.stringify([whole, inParts])];
  });
}

export const sampled = () => ({ addresses: addresses(3000), queries: queriesOf(500), texts: texts(2000) });
