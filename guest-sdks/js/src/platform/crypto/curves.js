// Elliptic curves: ECDSA and ECDH on those of NIST, Ed25519 and X25519.

import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { p256, p384, p521 } from "@noble/curves/nist.js";
import { randomBytes } from "../random.js";
import { concat } from "../text/bytes.js";
import * as der from "./der.js";
import { hashNamed } from "./hashes.js";
import { checkJwk, checkUsages, fromBase64Url, keyOf, materialOf, toBase64Url } from "./key.js";

const EC = "2a8648ce3d0201";
const nist = {
  "P-256": { curve: p256, size: 32, oid: "2a8648ce3d030107" },
  "P-384": { curve: p384, size: 48, oid: "2b81040022" },
  "P-521": { curve: p521, size: 66, oid: "2b81040023" },
};

function namedCurve(name) {
  if (Object.hasOwn(nist, name)) return nist[name];
  throw new DOMException(`Unrecognized or unimplemented EC curve: ${name}; there are ${Object.keys(nist).join(", ")}.`, "NotSupportedError");
}

const badData = (why) => {
  throw new DOMException(why, "DataError");
};

const checked = (isValid, what) => (isValid ? undefined : badData(`That is no ${what} on this curve.`));

function pairOf(name, algorithm, extractable, usages, all, secret, publicKey) {
  checkUsages(usages, [...all.private, ...all.public], name);
  return {
    privateKey: keyOf("private", algorithm, extractable, usages.filter((usage) => all.private.includes(usage)), { secret, publicKey }),
    publicKey: keyOf("public", algorithm, true, usages.filter((usage) => all.public.includes(usage)), { publicKey }),
  };
}

function ec(name, all, { sign, verify, deriveBits }) {
  const keyFrom = (type, namedAs, extractable, usages, material) => {
    checkUsages(usages, all[type], name);
    return keyOf(type, { name, namedCurve: namedAs }, extractable, usages, material);
  };
  const publicKey = (namedAs, bytes, extractable, usages) => {
    const { curve } = namedCurve(namedAs);
    checked(curve.utils.isValidPublicKey(bytes), "public key");
    return keyFrom("public", namedAs, extractable, usages, { publicKey: curve.Point.fromBytes(bytes).toBytes(false) });
  };
  const privateKey = (namedAs, secret, extractable, usages) => {
    const { curve } = namedCurve(namedAs);
    checked(curve.utils.isValidSecretKey(secret), "private key");
    return keyFrom("private", namedAs, extractable, usages, { secret, publicKey: curve.getPublicKey(secret, false) });
  };
  const imports = {
    raw: (data, namedAs, extractable, usages) => publicKey(namedAs, data.slice(), extractable, usages),
    spki(data, namedAs, extractable, usages) {
      const { oid, parameters, key } = der.readSpki(data);
      if (oid !== EC || parameters.read(der.tags.OID).toHex() !== namedCurve(namedAs).oid) badData(`The key is not one of ${namedAs}.`);
      return publicKey(namedAs, key, extractable, usages);
    },
    pkcs8(data, namedAs, extractable, usages) {
      const { oid, parameters, key } = der.readPkcs8(data);
      if (oid !== EC || parameters.read(der.tags.OID).toHex() !== namedCurve(namedAs).oid) badData(`The key is not one of ${namedAs}.`);
      const inner = new der.Reader(key).inner();
      inner.unsigned();
      return privateKey(namedAs, inner.read(der.tags.OCTET_STRING).slice(), extractable, usages);
    },
    jwk(data, namedAs, extractable, usages) {
      checkJwk(data, { kty: "EC", use: name === "ECDH" ? "enc" : "sig", extractable, usages });
      if (data.crv !== namedAs) badData(`The JWK's "crv" is ${JSON.stringify(data.crv)}, but it must be "${namedAs}".`);
      const { size } = namedCurve(namedAs);
      const [x, y] = [fromBase64Url(data.x, "x"), fromBase64Url(data.y, "y")];
      if (x.length !== size || y.length !== size) badData(`The JWK's "x" and "y" must have ${size} bytes each.`);
      if (data.d !== undefined) return privateKey(namedAs, fromBase64Url(data.d, "d"), extractable, usages);
      return publicKey(namedAs, concat([Uint8Array.of(4), x, y]), extractable, usages);
    },
  };
  return {
    generateKey({ namedCurve: namedAs }, extractable, usages) {
      const { curve } = namedCurve(namedAs);
      const secret = curve.utils.randomSecretKey(randomBytes(curve.lengths.seed));
      return pairOf(name, { name, namedCurve: namedAs }, extractable, usages, all, secret, curve.getPublicKey(secret, false));
    },
    importKey: (format, data, { namedCurve: namedAs }, extractable, usages) => imports[format](data, `${namedAs}`, extractable, usages),
    exportKey(format, key) {
      const { size, oid } = nist[key.algorithm.namedCurve];
      const { secret, publicKey: point } = materialOf(key);
      const identifiers = [der.oid(EC), der.oid(oid)];
      requireType(key, format);
      switch (format) {
        case "raw":
          return point.slice();
        case "spki":
          return der.spki(identifiers, point);
        case "pkcs8":
          return der.pkcs8(identifiers, der.sequence(der.integer([1]), der.octets(secret), der.node(0xa1, der.bits(point))));
        default:
          return {
            kty: "EC", crv: key.algorithm.namedCurve, x: toBase64Url(point.subarray(1, 1 + size)), y: toBase64Url(point.subarray(1 + size)),
            ...(secret ? { d: toBase64Url(secret) } : {}), key_ops: key.usages, ext: key.extractable,
          };
      }
    },
    sign, verify, deriveBits,
  };
}

function requireType(key, format) {
  const wanted = { raw: "public", spki: "public", pkcs8: "private" }[format];
  if (wanted && key.type !== wanted) throw new DOMException(`A ${key.type} key cannot be exported as ${format}.`, "InvalidAccessError");
}

const signing = { private: ["sign"], public: ["verify"] };
const agreeing = { private: ["deriveKey", "deriveBits"], public: [] };
const raw = { prehash: false, lowS: false };

export const ECDSA = ec("ECDSA", signing, {
  sign({ hash }, key, data) {
    return nist[key.algorithm.namedCurve].curve.sign(hashNamed(hash).hash(data), materialOf(key).secret, raw);
  },
  verify({ hash }, key, signature, data) {
    const { curve, size } = nist[key.algorithm.namedCurve];
    return signature.length === size * 2 && curve.verify(signature, hashNamed(hash).hash(data), materialOf(key).publicKey, raw);
  },
});

// As many of the shared bits as are asked for.
function cut(shared, length) {
  if (length === null || length === undefined) return shared;
  if (length > shared.length * 8) throw new DOMException(`So many bits cannot be derived: ${length}; there are ${shared.length * 8}.`, "OperationError");
  const bytes = shared.slice(0, Math.ceil(length / 8));
  if (length % 8) bytes[bytes.length - 1] &= 0xff << (8 - (length % 8));
  return bytes;
}

function checkPeer(peer, key) {
  if (peer?.type !== "public" || peer.algorithm.name !== key.algorithm.name || peer.algorithm.namedCurve !== key.algorithm.namedCurve) {
    throw new DOMException("The other's key must be a public one of the same algorithm and curve.", "InvalidAccessError");
  }
}

export const ECDH = ec("ECDH", agreeing, {
  deriveBits({ public: peer }, key, length) {
    checkPeer(peer, key);
    const { curve } = nist[key.algorithm.namedCurve];
    return cut(curve.getSharedSecret(materialOf(key).secret, materialOf(peer).publicKey).slice(1), length);
  },
});

function edwards(name, crv, oid, all, curve, methods) {
  const algorithm = { name };
  const publicKey = (bytes, extractable, usages) => {
    if (bytes.length !== 32) badData(`A public key of ${name} has 32 bytes, not ${bytes.length}.`);
    checkUsages(usages, all.public, name);
    return keyOf("public", algorithm, extractable, usages, { publicKey: bytes.slice() });
  };
  const privateKey = (secret, extractable, usages) => {
    if (secret.length !== 32) badData(`A private key of ${name} has 32 bytes, not ${secret.length}.`);
    checkUsages(usages, all.private, name);
    return keyOf("private", algorithm, extractable, usages, { secret: secret.slice(), publicKey: curve.getPublicKey(secret) });
  };
  const imports = {
    raw: publicKey,
    spki(data, extractable, usages) {
      const read = der.readSpki(data);
      if (read.oid !== oid) badData(`The key is not one of ${name}.`);
      return publicKey(read.key, extractable, usages);
    },
    pkcs8(data, extractable, usages) {
      const read = der.readPkcs8(data);
      if (read.oid !== oid) badData(`The key is not one of ${name}.`);
      return privateKey(new der.Reader(read.key).read(der.tags.OCTET_STRING), extractable, usages);
    },
    jwk(data, extractable, usages) {
      checkJwk(data, { kty: "OKP", use: all.public.length ? "sig" : "enc", extractable, usages });
      if (data.crv !== crv) badData(`The JWK's "crv" is ${JSON.stringify(data.crv)}, but it must be "${crv}".`);
      return data.d === undefined ? publicKey(fromBase64Url(data.x, "x"), extractable, usages) : privateKey(fromBase64Url(data.d, "d"), extractable, usages);
    },
  };
  return {
    generateKey(_, extractable, usages) {
      const secret = randomBytes(32);
      return pairOf(name, algorithm, extractable, usages, all, secret, curve.getPublicKey(secret));
    },
    importKey: (format, data, _, extractable, usages) => imports[format](data, extractable, usages),
    exportKey(format, key) {
      const { secret, publicKey: point } = materialOf(key);
      requireType(key, format);
      switch (format) {
        case "raw":
          return point.slice();
        case "spki":
          return der.spki([der.oid(oid)], point);
        case "pkcs8":
          return der.pkcs8([der.oid(oid)], der.octets(secret));
        default:
          return { kty: "OKP", ...(all.public.length ? { alg: name } : {}), crv, x: toBase64Url(point), ...(secret ? { d: toBase64Url(secret) } : {}), key_ops: key.usages, ext: key.extractable };
      }
    },
    ...methods,
  };
}

export const Ed25519 = edwards("Ed25519", "Ed25519", "2b6570", signing, ed25519, {
  sign: (_, key, data) => ed25519.sign(data, materialOf(key).secret),
  verify: (_, key, signature, data) => signature.length === 64 && ed25519.verify(signature, data, materialOf(key).publicKey, { zip215: false }),
});

export const X25519 = edwards("X25519", "X25519", "2b656e", agreeing, x25519, {
  deriveBits({ public: peer }, key, length) {
    checkPeer(peer, key);
    return cut(x25519.getSharedSecret(materialOf(key).secret, materialOf(peer).publicKey), length);
  },
});
