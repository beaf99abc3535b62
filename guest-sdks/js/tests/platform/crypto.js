// crypto.subtle, against what Node.js gives: see oracle.mjs.

/* global FIXTURES */
import { equal, ok, rejects, same, steps, test, throws } from "./harness.js";
import { deterministic } from "./oracle.mjs";

const { subtle } = crypto;
const hex = (buffer) => new Uint8Array(buffer).toHex();
const bytes = (text) => Uint8Array.fromHex(text);
const message = bytes(FIXTURES.message);

test("crypto: what is the same each time is the same as in Node.js", async () => {
  const results = await deterministic(subtle, hex, bytes);
  for (const [name, expected] of Object.entries(FIXTURES.deterministic)) equal(results[name], expected, name);
});

test("crypto: MD5 is there, as at Cloudflare", async () => {
  equal(hex(await subtle.digest("MD5", new TextEncoder().encode("abc"))), "900150983cd24fb0d6963f7d28e17f72");
});

for (const { name, algorithm, parameters, jwk, publicJwk, pkcs8, spki, signature } of FIXTURES.signatures) {
  test(`crypto: keys and signatures of ${name} are taken in every format, and written again the same`, async () => {
    for (const [format, key] of [["jwk", publicJwk], ["spki", bytes(spki)]]) {
      const imported = await subtle.importKey(format, key, algorithm, true, ["verify"]);
      ok(await subtle.verify(parameters, imported, bytes(signature), message), format);
      ok(!(await subtle.verify(parameters, imported, bytes(signature), message.subarray(1))), format);
      const changed = bytes(signature);
      changed[10] ^= 1;
      ok(!(await subtle.verify(parameters, imported, changed, message)), format);
      equal(hex(await subtle.exportKey("spki", imported)), spki);
      same(Object.entries(await subtle.exportKey("jwk", imported)).flat(2).sort(), Object.entries(publicJwk).flat(2).sort());
    }
    const [fromJwk, fromPkcs8] = [await subtle.importKey("jwk", jwk, algorithm, true, ["sign"]), await subtle.importKey("pkcs8", bytes(pkcs8), algorithm, true, ["sign"])];
    equal(hex(await subtle.exportKey("pkcs8", fromJwk)), pkcs8);
    same(Object.entries(await subtle.exportKey("jwk", fromPkcs8)).flat(2).sort(), Object.entries(jwk).flat(2).sort());
    const imported = await subtle.importKey("jwk", publicJwk, algorithm, true, ["verify"]);
    ok(await subtle.verify(parameters, imported, await subtle.sign(parameters, fromPkcs8, message), message));
  });
}

test("crypto: RSA-OAEP opens what Node.js sealed, and what it sealed itself", async () => {
  const algorithm = { name: "RSA-OAEP", hash: "SHA-256" };
  const key = await subtle.importKey("jwk", { ...FIXTURES.oaep.jwk, key_ops: ["decrypt"] }, algorithm, true, ["decrypt"]);
  equal(hex(await subtle.decrypt({ name: "RSA-OAEP", label: message }, key, bytes(FIXTURES.oaep.sealed))), hex(message.subarray(0, 20)));
  await rejects("OperationError", subtle.decrypt({ name: "RSA-OAEP" }, key, bytes(FIXTURES.oaep.sealed)));
  const { kty, n, e } = FIXTURES.oaep.jwk;
  const other = await subtle.importKey("jwk", { kty, n, e }, algorithm, true, ["encrypt"]);
  equal(hex(await subtle.decrypt("RSA-OAEP", key, await subtle.encrypt("RSA-OAEP", other, message))), hex(message));
});

test("crypto: two agree on what Node.js would agree on", async () => {
  for (const { algorithm, pkcs8, raw, bits } of FIXTURES.agreements) {
    const mine = await subtle.importKey("pkcs8", bytes(pkcs8), algorithm, false, ["deriveBits", "deriveKey"]);
    const theirs = await subtle.importKey("raw", bytes(raw), algorithm, true, []);
    equal(hex(await subtle.deriveBits({ name: algorithm.name, public: theirs }, mine, 256)), bits, algorithm.namedCurve ?? algorithm.name);
    const key = await subtle.deriveKey({ name: algorithm.name, public: theirs }, mine, { name: "AES-GCM", length: 256 }, true, ["encrypt"]);
    equal(hex(await subtle.exportKey("raw", key)), bits);
  }
});

test("crypto: keys that are made work", async () => {
  for (const [algorithm, usages] of [[{ name: "ECDSA", namedCurve: "P-256" }, ["sign", "verify"]], ["Ed25519", ["sign", "verify"]], [{ name: "HMAC", hash: "SHA-256" }, ["sign", "verify"]]]) {
    const made = await subtle.generateKey(algorithm, true, usages);
    const parameters = { name: algorithm.name ?? algorithm, hash: "SHA-256" };
    const signature = await subtle.sign(parameters, made.privateKey ?? made, message);
    ok(await subtle.verify(parameters, made.publicKey ?? made, signature, message));
  }
  for (const name of ["AES-GCM", "AES-CBC"]) {
    const key = await subtle.generateKey({ name, length: 256 }, false, ["encrypt", "decrypt"]);
    const parameters = { name, iv: crypto.getRandomValues(new Uint8Array(16)) };
    const sealed = new Uint8Array(await subtle.encrypt(parameters, key, message));
    equal(hex(await subtle.decrypt(parameters, key, sealed)), hex(message));
    sealed[0] ^= 1;
    if (name === "AES-GCM") await rejects("OperationError", subtle.decrypt(parameters, key, sealed));
    await rejects("InvalidAccessError", subtle.exportKey("raw", key));
  }
  const derived = await subtle.deriveKey(
    { name: "PBKDF2", hash: "SHA-256", salt: message, iterations: 2 }, await subtle.importKey("raw", message, "PBKDF2", false, ["deriveKey"]), { name: "HMAC", hash: "SHA-256" }, true, ["sign"],
  );
  same([derived.type, derived.algorithm.name, derived.algorithm.length, derived.usages], ["secret", "HMAC", 512, ["sign"]]);
});

test("crypto: a key does only what it is for", async () => {
  const key = await subtle.importKey("raw", message, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  await rejects("InvalidAccessError", subtle.sign("HMAC", key, message));
  await rejects("InvalidAccessError", subtle.encrypt({ name: "AES-GCM", iv: message }, key, message));
  await rejects("InvalidAccessError", subtle.exportKey("raw", key));
  await rejects("SyntaxError", subtle.importKey("raw", message, { name: "HMAC", hash: "SHA-256" }, false, ["encrypt"]));
  await rejects("SyntaxError", subtle.importKey("raw", message, { name: "HMAC", hash: "SHA-256" }, false, []));
  await rejects("NotSupportedError", subtle.importKey("raw", message, "NO-SUCH", false, []));
  await rejects("NotSupportedError", subtle.digest("SHA-7", message));
  await rejects("DataError", subtle.importKey("raw", message.subarray(0, 5), "AES-GCM", false, ["encrypt"]));
  await rejects("DataError", subtle.importKey("spki", message, { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]));
  await rejects("DataError", subtle.importKey("jwk", { kty: "RSA" }, { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]));
  await rejects("NotSupportedError", subtle.generateKey({ name: "RSA-PSS", modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1), hash: "SHA-256" }, true, ["sign"]));
  throws(TypeError, () => new CryptoKey());
});

test("crypto: bytes are compared in a time that tells nothing, and streams are hashed", async () => {
  ok(subtle.timingSafeEqual(message, message.slice()));
  ok(!subtle.timingSafeEqual(message, message.slice().fill(0)));
  throws(TypeError, () => subtle.timingSafeEqual(message, message.subarray(1)));
  const stream = new crypto.DigestStream("SHA-256");
  const writer = stream.getWriter();
  writer.write(message.subarray(0, 9));
  writer.write(message.subarray(9));
  await writer.close();
  equal(hex(await stream.digest), hex(await subtle.digest("SHA-256", message)));
});

// For Node.js to look at.
steps.set("made", async () => {
  const results = [];
  for (const { name, algorithm, parameters, jwk, publicJwk } of FIXTURES.signatures) {
    const generated = jwk.kty === "RSA"
      ? { privateKey: await subtle.importKey("jwk", jwk, algorithm, true, ["sign"]), publicKey: await subtle.importKey("jwk", publicJwk, algorithm, true, ["verify"]) }
      : await subtle.generateKey(algorithm, true, ["sign", "verify"]);
    results.push({
      name, algorithm, parameters, publicJwk: await subtle.exportKey("jwk", generated.publicKey), spki: hex(await subtle.exportKey("spki", generated.publicKey)),
      signature: hex(await subtle.sign(parameters, generated.privateKey, message)),
    });
  }
  return { made: results };
});
