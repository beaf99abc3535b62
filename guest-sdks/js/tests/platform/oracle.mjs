// What does Node.js's own crypto.subtle give? That of the platform must agree with it, in
// both directions.

import { sampled } from "./sampled.mjs";

const { subtle } = globalThis.crypto;
const hex = (buffer) => Buffer.from(buffer).toString("hex");
const bytes = (text) => Buffer.from(text, "hex");
const message = new TextEncoder().encode("the message, which is the same everywhere");

const signatures = [
  ...["P-256", "P-384", "P-521"].map((namedCurve) => [`ECDSA ${namedCurve}`, { name: "ECDSA", namedCurve }, { name: "ECDSA", hash: "SHA-256" }]),
  ["Ed25519", { name: "Ed25519" }, { name: "Ed25519" }],
  ...["RSASSA-PKCS1-v1_5", "RSA-PSS"].flatMap((name) =>
    ["SHA-1", "SHA-256", "SHA-512"].map((hash) => [
      `${name} ${hash}`, { name, hash, modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) }, { name, saltLength: 20 },
    ]),
  ),
];

const plain = (algorithm) => {
  const { modulusLength, publicExponent, ...rest } = algorithm;
  return rest;
};

// Keys and signatures that the platform must take.
export async function fixtures() {
  const made = [];
  for (const [name, algorithm, parameters] of signatures) {
    const { privateKey, publicKey } = await subtle.generateKey(algorithm, true, ["sign", "verify"]);
    made.push({
      name, algorithm: plain(algorithm), parameters,
      jwk: await subtle.exportKey("jwk", privateKey),
      publicJwk: await subtle.exportKey("jwk", publicKey),
      pkcs8: hex(await subtle.exportKey("pkcs8", privateKey)),
      spki: hex(await subtle.exportKey("spki", publicKey)),
      signature: hex(await subtle.sign(parameters, privateKey, message)),
    });
  }
  const { privateKey, publicKey } = await subtle.generateKey({ name: "RSA-OAEP", hash: "SHA-256", modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) }, true, ["encrypt", "decrypt"]);
  const oaep = { jwk: await subtle.exportKey("jwk", privateKey), sealed: hex(await subtle.encrypt({ name: "RSA-OAEP", label: message }, publicKey, message.subarray(0, 20))) };
  const agreements = [];
  for (const algorithm of [...["P-256", "P-384", "P-521"].map((namedCurve) => ({ name: "ECDH", namedCurve })), { name: "X25519" }]) {
    const [mine, theirs] = [await subtle.generateKey(algorithm, true, ["deriveBits"]), await subtle.generateKey(algorithm, true, ["deriveBits"])];
    agreements.push({
      algorithm, pkcs8: hex(await subtle.exportKey("pkcs8", mine.privateKey)), raw: hex(await subtle.exportKey("raw", theirs.publicKey)),
      bits: hex(await subtle.deriveBits({ name: algorithm.name, public: theirs.publicKey }, mine.privateKey, 256)),
    });
  }
  return { message: hex(message), signatures: made, oaep, agreements, deterministic: await deterministic(subtle, hex, bytes), written: written(), sampled: sampled() };
}

// Whatever comes out the same each time. The guest runs this very function.
export async function deterministic(subtle, hex, bytes) {
  const results = {};
  const secret = bytes("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
  const data = bytes("00".repeat(3) + "ff".repeat(200) + "0a0b");
  for (const hash of ["SHA-1", "SHA-256", "SHA-384", "SHA-512"]) {
    for (const size of [0, 1, 55, 56, 64, 119, 205]) results[`${hash} ${size}`] = hex(await subtle.digest(hash, data.subarray(0, size)));
    const key = await subtle.importKey("raw", secret, { name: "HMAC", hash }, true, ["sign"]);
    results[`HMAC ${hash}`] = hex(await subtle.sign("HMAC", key, data));
    results[`HMAC ${hash} JWK`] = JSON.stringify(await subtle.exportKey("jwk", key), ["kty", "k", "alg", "key_ops", "ext"]);
    const hkdf = await subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
    results[`HKDF ${hash}`] = hex(await subtle.deriveBits({ name: "HKDF", hash, salt: data.subarray(0, 7), info: data.subarray(0, 9) }, hkdf, 336));
    const pbkdf2 = await subtle.importKey("raw", secret, "PBKDF2", false, ["deriveBits"]);
    results[`PBKDF2 ${hash}`] = hex(await subtle.deriveBits({ name: "PBKDF2", hash, salt: data.subarray(0, 8), iterations: 7 }, pbkdf2, 320));
  }
  for (const length of [128, 256]) {
    const raw = secret.subarray(0, length / 8);
    const iv = data.subarray(1, 17);
    for (const [name, parameters] of [
      ["AES-GCM", { iv: data.subarray(0, 12) }], ["AES-GCM", { iv: data.subarray(0, 16), additionalData: data }], ["AES-CBC", { iv }],
      ["AES-CTR", { counter: iv, length: 64 }], ["AES-CTR", { counter: bytes("ff".repeat(16)), length: 5 }],
    ]) {
      const key = await subtle.importKey("raw", raw, name, true, ["encrypt", "decrypt"]);
      for (const size of [0, 1, 16, 205]) {
        const sealed = await subtle.encrypt({ name, ...parameters }, key, data.subarray(0, size));
        results[`${name} ${length} ${JSON.stringify(Object.keys(parameters))} ${parameters.length ?? ""} ${size}`] = hex(sealed);
        if (hex(await subtle.decrypt({ name, ...parameters }, key, sealed)) !== hex(data.subarray(0, size))) throw new Error(`${name} does not come back`);
      }
      results[`${name} ${length} JWK`] = JSON.stringify(await subtle.exportKey("jwk", key), ["kty", "k", "alg", "key_ops", "ext"]);
    }
    const wrapping = await subtle.importKey("raw", raw, "AES-KW", true, ["wrapKey", "unwrapKey"]);
    const wrapped = await subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, true, ["sign"]);
    const sealed = await subtle.wrapKey("raw", wrapped, wrapping, "AES-KW");
    results[`AES-KW ${length}`] = hex(sealed);
    const back = await subtle.unwrapKey("raw", sealed, wrapping, "AES-KW", { name: "HMAC", hash: "SHA-256" }, true, ["sign"]);
    if (hex(await subtle.exportKey("raw", back)) !== hex(secret)) throw new Error("AES-KW does not come back");
  }
  return results;
}

// What the platform has made, which Node.js must take.
export async function accepts({ made }) {
  const refused = [];
  for (const { name, algorithm, parameters, publicJwk, spki, signature } of made) {
    for (const [format, key] of [["jwk", publicJwk], ["spki", bytes(spki)]]) {
      const imported = await subtle.importKey(format, key, algorithm, true, ["verify"]);
      if (!(await subtle.verify(parameters, imported, bytes(signature), message))) refused.push(`${name} as ${format}`);
    }
  }
  return refused;
}

// Numbers, times and words, as they are written in English. The guest runs this too.
export function written() {
  const results = {};
  const put = (name, work) => {
    let text;
    try {
      text = work();
    } catch (error) {
      text = error.name;
    }
    results[name] = String(text).replaceAll("\u202f", " ");
  };
  const numbers = [0, -0, 1, -1, 12.5, 0.005, 1.005, 999.999, 1234.5678, -1234567.891, 1e21, 0.1 + 0.2, 123456789012345, NaN, -Infinity, 12345678901234567890n];
  const formats = [
    {}, { maximumFractionDigits: 0 }, { minimumFractionDigits: 2 }, { minimumFractionDigits: 1, maximumFractionDigits: 2 }, { style: "percent" }, { style: "percent", maximumFractionDigits: 1 },
    { style: "currency", currency: "USD" }, { style: "currency", currency: "eur" }, { style: "currency", currency: "JPY" }, { style: "currency", currency: "CHF" },
    { style: "currency", currency: "USD", currencyDisplay: "code" }, { style: "currency", currency: "USD", maximumFractionDigits: 0 }, { style: "currency", currency: "USD", currencySign: "accounting" },
    { useGrouping: false }, { minimumIntegerDigits: 2 }, { maximumSignificantDigits: 3 }, { minimumSignificantDigits: 5 }, { signDisplay: "always" }, { signDisplay: "exceptZero" }, { signDisplay: "never" },
    { notation: "compact" }, { notation: "compact", compactDisplay: "long" }, { notation: "compact", maximumFractionDigits: 1 }, { style: "unit", unit: "kilometer" }, { style: "unit", unit: "day", unitDisplay: "long" },
    { style: "unit", unit: "kilometer-per-hour" }, { style: "currency" }, { maximumFractionDigits: 101 }, { style: "x" },
  ];
  for (const format of formats) for (const number of numbers) put(`number ${JSON.stringify(format)} ${typeof number === "bigint" ? `${number}n` : Object.is(number, -0) ? "-0" : number}`, () => new Intl.NumberFormat("en-US", format).format(number));
  put("number parts", () => JSON.stringify(new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" }).formatToParts(-1234.5)));
  const dates = [0, Date.UTC(2026, 10, 5, 19, 4, 9, 87), Date.UTC(1999, 11, 31, 0, 0, 0), Date.UTC(2026, 0, 1, 12, 30)];
  const times = [
    {}, { dateStyle: "full" }, { dateStyle: "long" }, { dateStyle: "medium" }, { dateStyle: "short" }, { timeStyle: "short" }, { timeStyle: "medium" }, { timeStyle: "long" }, { timeStyle: "full" },
    { dateStyle: "medium", timeStyle: "short" }, { dateStyle: "long", timeStyle: "short" }, { dateStyle: "short", timeStyle: "medium" }, { weekday: "long" }, { weekday: "short" }, { month: "long" }, { month: "short", day: "numeric" },
    { year: "numeric", month: "2-digit", day: "2-digit" }, { year: "numeric", month: "short", day: "numeric" }, { year: "numeric", month: "long" }, { year: "numeric" }, { month: "numeric", day: "numeric" }, { year: "2-digit", month: "numeric" },
    { weekday: "short", month: "short", day: "numeric" }, { weekday: "long", year: "numeric", month: "long", day: "numeric" }, { weekday: "short", year: "numeric", month: "numeric", day: "numeric" },
    { hour: "numeric" }, { hour: "numeric", minute: "2-digit" }, { hour: "2-digit", minute: "2-digit" }, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }, { hour: "numeric", minute: "numeric", hour12: true },
    { hour: "numeric", minute: "2-digit", timeZoneName: "short" }, { minute: "2-digit", second: "2-digit" }, { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
    { hour: "numeric", minute: "numeric", second: "numeric", fractionalSecondDigits: 3 }, { month: "long", day: "numeric", hour: "numeric", minute: "2-digit" },
  ];
  for (const format of times) for (const date of dates) put(`time ${JSON.stringify(format)} ${date}`, () => new Intl.DateTimeFormat("en-US", { timeZone: "UTC", ...format }).format(date));
  for (const date of dates.map((time) => new Date(time))) {
    put(`${+date} toLocaleString`, () => date.toLocaleString("en-US", { timeZone: "UTC" }));
    put(`${+date} toLocaleDateString`, () => date.toLocaleDateString("en-US", { timeZone: "UTC" }));
    put(`${+date} toLocaleTimeString`, () => date.toLocaleTimeString("en-US", { timeZone: "UTC" }));
  }
  put("parts", () => JSON.stringify(new Intl.DateTimeFormat("en-US", { timeZone: "UTC", year: "numeric", month: "short", day: "2-digit" }).formatToParts(0)));
  for (const type of ["cardinal", "ordinal"]) for (let count = 0; count < 25; count++) put(`plural ${type} ${count}`, () => new Intl.PluralRules("en", { type }).select(count));
  for (const type of ["conjunction", "disjunction", "unit"]) for (const style of ["long", "short", "narrow"]) for (const list of [[], ["a"], ["a", "b"], ["a", "b", "c"]]) put(`list ${type} ${style} ${list}`, () => new Intl.ListFormat("en", { type, style }).format(list));
  for (const numeric of ["always", "auto"]) for (const unit of ["second", "minute", "hours", "day", "week", "month", "quarter", "year"]) for (const value of [-2, -1, 0, 1, 5, 1000]) put(`relative ${numeric} ${unit} ${value}`, () => new Intl.RelativeTimeFormat("en", { numeric }).format(value, unit));
  const words = ["b", "a", "B", "A", "ä", "Z", "z", "é", "e", "f", "10", "9", "2", "_", "resume", "résumé", "Resume", "", " ", "a b", "ab"];
  for (const format of [{}, { sensitivity: "base" }, { sensitivity: "accent" }, { numeric: true }, { caseFirst: "upper" }]) put(`order ${JSON.stringify(format)}`, () => [...words].sort(new Intl.Collator("en", format).compare).join("|"));
  put("order of equals", () => ["a".localeCompare("A", "en", { sensitivity: "base" }), "a".localeCompare("b"), "b".localeCompare("a"), "ä".localeCompare("ä")].join());
  for (const text of ["ab", "e\u0301x", "👨‍👩‍👧a🇩🇪🇫🇷", "👍🏽!", "a\r\nb"]) put(`graphemes ${text}`, () => Array.from(new Intl.Segmenter("en").segment(text), (part) => part.segment).join("|"));
  put("words", () => Array.from(new Intl.Segmenter("en", { granularity: "word" }).segment("Hello, it's 3.5 o'clock!"), (part) => `${part.segment}${part.isWordLike}`).join("|"));
  put("zone", () => new Intl.DateTimeFormat("en-US", { timeZone: "UTC" }).resolvedOptions().timeZone);
  return results;
}
