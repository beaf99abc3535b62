// ASN.1 in DER, as far as keys are written in it.

const SEQUENCE = 0x30;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const NULL = 0x05;
const OID = 0x06;

export const tags = { SEQUENCE, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID };

export function node(tag, ...contents) {
  const content = contents.flatMap((part) => [...part]);
  const size = content.length;
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Uint8Array.from([tag, ...length, ...content]);
}

export const sequence = (...contents) => node(SEQUENCE, ...contents);
export const octets = (content) => node(OCTET_STRING, content);
export const bits = (content) => node(BIT_STRING, [0], content);
export const integer = (bytes) => {
  let at = 0;
  while (at < bytes.length - 1 && bytes[at] === 0) at++;
  const shortest = bytes.slice(at);
  return node(INTEGER, shortest[0] >= 0x80 ? [0] : [], shortest);
};

const broken = () => {
  throw new DOMException("The key is not well-formed DER.", "DataError");
};

// Reads one after the other what a node has in it.
export class Reader {
  #bytes;
  #at = 0;

  constructor(bytes) {
    this.#bytes = bytes;
  }

  get done() {
    return this.#at >= this.#bytes.length;
  }

  peek() {
    return this.#bytes[this.#at];
  }

  read(tag) {
    if (this.#bytes[this.#at] !== tag) broken();
    let size = this.#bytes[++this.#at];
    this.#at++;
    if (size >= 0x80) {
      let count = size & 0x7f;
      if (count === 0 || count > 3) broken();
      for (size = 0; count > 0; count--) size = size * 256 + this.#bytes[this.#at++];
    }
    if (!(this.#at + size <= this.#bytes.length)) broken();
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }

  inner(tag = SEQUENCE) {
    return new Reader(this.read(tag));
  }

  // Of a number its bytes, without a leading zero.
  unsigned() {
    const bytes = this.read(INTEGER);
    let at = 0;
    while (at < bytes.length - 1 && bytes[at] === 0) at++;
    return bytes.slice(at);
  }

  bitString() {
    const bytes = this.read(BIT_STRING);
    if (bytes[0] !== 0) broken();
    return bytes.slice(1);
  }
}

// SubjectPublicKeyInfo and PrivateKeyInfo: the algorithm's identifiers, and the key.
export function readSpki(bytes) {
  const info = new Reader(bytes).inner();
  const algorithm = info.inner();
  return { oid: algorithm.read(OID).toHex(), parameters: algorithm, key: info.bitString() };
}

export function readPkcs8(bytes) {
  const info = new Reader(bytes).inner();
  info.read(INTEGER);
  const algorithm = info.inner();
  return { oid: algorithm.read(OID).toHex(), parameters: algorithm, key: info.read(OCTET_STRING) };
}

export const oid = (hex) => node(OID, Uint8Array.fromHex(hex));
export const spki = (algorithm, key) => sequence(sequence(...algorithm), bits(key));
export const pkcs8 = (algorithm, key) => sequence(integer([0]), sequence(...algorithm), octets(key));
