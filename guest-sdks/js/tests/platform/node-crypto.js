// node:crypto.

import crypto from "node:crypto";
import { Buffer } from "node:buffer";
import { equal, ok, same, test, throws } from "./harness.js";

test("node crypto: hashes and HMAC are those of the standards", () => {
  for (const [name, expected] of [
    ["md5", "900150983cd24fb0d6963f7d28e17f72"], ["sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"],
    ["sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
    ["SHA512", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"],
  ]) {
    equal(crypto.createHash(name).update("a").update(Buffer.from("bc")).digest("hex"), expected);
  }
  equal(crypto.createHmac("sha256", "Jefe").update("what do ya want for nothing?").digest("hex"), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  const hash = crypto.createHash("sha256").update("a");
  const copy = hash.copy();
  equal(hash.update("bc").digest("base64"), copy.update("bc").digest("base64"));
  throws(Error, () => hash.digest());
  throws(Error, () => crypto.createHash("no-such"));
});

test("node crypto: chance has the size that is asked for", async () => {
  equal(crypto.randomBytes(33).length, 33);
  equal((await new Promise((resolve) => crypto.randomBytes(5, (_, bytes) => resolve(bytes)))).length, 5);
  for (let count = 0; count < 200; count++) {
    const drawn = crypto.randomInt(3, 7);
    ok(drawn >= 3 && drawn < 7);
  }
  ok(/^[\da-f-]{36}$/.test(crypto.randomUUID()));
  ok(crypto.timingSafeEqual(Buffer.from("a"), Buffer.from("a")));
  throws(RangeError, () => crypto.timingSafeEqual(Buffer.from("a"), Buffer.from("ab")));
});

test("node crypto: keys are derived", async () => {
  equal(crypto.pbkdf2Sync("password", "salt", 2, 20, "sha1").toString("hex"), "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957");
  equal(crypto.scryptSync("", "", 64, { N: 16, r: 1, p: 1 }).toString("hex"), "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906");
  equal(Buffer.from(crypto.hkdfSync("sha256", Buffer.alloc(22, 11), Buffer.from("000102030405060708090a0b0c", "hex"), Buffer.from("f0f1f2f3f4f5f6f7f8f9", "hex"), 42)).toString("hex"), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
});

test("node crypto: what is encrypted is decrypted, and what was changed is refused", () => {
  for (const algorithm of crypto.getCiphers()) {
    const key = crypto.randomBytes(Number(algorithm.split("-")[1]) / 8);
    const iv = crypto.randomBytes(algorithm.endsWith("gcm") ? 12 : 16);
    const cipher = crypto.createCipheriv(algorithm, key, iv);
    const sealed = Buffer.concat([cipher.update("some "), cipher.update("text", "utf8"), cipher.final()]);
    const decipher = crypto.createDecipheriv(algorithm, key, iv);
    if (algorithm.endsWith("gcm")) decipher.setAuthTag(cipher.getAuthTag());
    equal(decipher.update(sealed, null, "utf8") + decipher.final("utf8"), "some text", algorithm);
  }
  const cipher = crypto.createCipheriv("aes-256-gcm", Buffer.alloc(32), Buffer.alloc(12));
  const sealed = Buffer.concat([cipher.update("x"), cipher.final()]);
  const decipher = crypto.createDecipheriv("aes-256-gcm", Buffer.alloc(32), Buffer.alloc(12)).setAuthTag(Buffer.alloc(16));
  decipher.update(sealed);
  throws(Error, () => decipher.final());
  throws(Error, () => crypto.createCipheriv("des", "", ""));
  throws(Error, () => crypto.createSign("RSA-SHA256"));
  same([crypto.webcrypto === globalThis.crypto, crypto.subtle === globalThis.crypto.subtle], [true, true]);
});
