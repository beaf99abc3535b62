// Modules of Node.js.

import assert from "node:assert";
import { Buffer } from "node:buffer";
import dc from "node:diagnostics_channel";
import { EventEmitter, once } from "node:events";
import events from "events";
import path from "node:path";
import process from "node:process";
import querystring from "node:querystring";
import { PassThrough, Readable, Transform, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { text } from "node:stream/consumers";
import { StringDecoder } from "node:string_decoder";
import timers from "node:timers";
import { setTimeout as wait } from "node:timers/promises";
import url from "node:url";
import util from "node:util";
import zlib from "node:zlib";
import fs from "node:fs";
import { equal, ok, rejects, same, test, throws } from "./harness.js";

test("node: buffers are made of text and bytes, and read again", () => {
  equal(Buffer.from("héllo").toString("hex"), "68c3a96c6c6f");
  equal(Buffer.from("68C3a9", "hex").toString(), "hé");
  equal(Buffer.from("aGk", "base64").toString(), "hi");
  equal(Buffer.from("_-8", "base64url").toString("hex"), "ffef");
  equal(Buffer.from([255, 0]).toString("latin1"), "ÿ\0");
  equal(Buffer.from("hi", "utf16le").length, 4);
  equal(Buffer.from("hi").toString("base64url"), "aGk");
  equal(Buffer.concat([Buffer.from("a"), Buffer.from("b")]).toString(), "ab");
  equal(Buffer.byteLength("€"), 3);
  ok(Buffer.from("a").equals(Buffer.from([97])) && Buffer.isBuffer(Buffer.alloc(1)) && Buffer.from("a") instanceof Uint8Array);
  equal(Buffer.from("hello").subarray(1, 3).toString(), "el");
  equal(Buffer.from("hello").toString("utf8", 1, 3), "el");
  equal(JSON.stringify(Buffer.from("a")), '{"type":"Buffer","data":[97]}');
  const buffer = Buffer.alloc(8);
  buffer.writeUInt32BE(0xdeadbeef, 2);
  equal(buffer.readUInt32BE(2), 0xdeadbeef);
  equal(buffer.indexOf(0xad), 3);
  equal(Buffer.from("xyz").write("ab"), 2);
  ok(globalThis.Buffer === Buffer);
});

test("node: emitters call their listeners", async () => {
  ok(events === EventEmitter || events.EventEmitter === EventEmitter);
  const emitter = new EventEmitter();
  const seen = [];
  emitter.on("a", (...args) => seen.push(...args));
  emitter.once("a", () => seen.push("once"));
  emitter.emit("a", 1, 2);
  emitter.emit("a", 3);
  same(seen, [1, 2, "once", 3]);
  setTimeout(() => emitter.emit("b", "x"), 1);
  same(await once(emitter, "b"), ["x"]);
  throws(Error, () => emitter.emit("error", new Error("x")));
  function Old() {
    EventEmitter.call(this);
  }
  util.inherits(Old, EventEmitter);
  const old = new Old();
  old.on("c", () => seen.push("old"));
  old.emit("c");
  equal(seen.at(-1), "old");
});

test("node: paths and queries are taken apart", () => {
  equal(path.join("/a", "../b", "c.txt"), "/b/c.txt");
  same([path.basename("/a/b.txt", ".txt"), path.extname("x.tar.gz"), path.dirname("/a/b"), path.resolve("/a", "b")], ["b", ".gz", "/a", "/a/b"]);
  same(Object.entries(querystring.parse("a=1&b=%20&a=2")).flat(2), ["a", "1", "2", "b", " "]);
  equal(querystring.stringify({ a: [1, 2], b: "x y" }), "a=1&a=2&b=x%20y");
});

test("node: addresses are those of the web, with the older functions beside them", () => {
  ok(url.URL === URL && url.URLSearchParams === URLSearchParams);
  equal(url.parse("http://a:1/b?c=d#e").pathname, "/b");
  equal(url.fileURLToPath("file:///a/b"), "/a/b");
  equal(url.format(new URL("http://a/b")), "http://a/b");
});

test("node: the environment is the class's own", () => {
  equal(process.env.GREETING, "hello");
  ok("GREETING" in process.env && Object.keys(process.env).includes("GREETING"));
  process.env.MADE = 7;
  equal(process.env.MADE, "7");
  equal(globalThis.process, process);
  equal(typeof process.hrtime.bigint(), "bigint");
  ok(process.memoryUsage().heapUsed > 0);
  throws(Error, () => process.exit(1));
});

test("node: util shows, promises and compares", async () => {
  equal(util.inspect({ a: [1] }), "{ a: [ 1 ] }");
  equal(util.format("%s-%d", "a", 1), "a-1");
  const late = util.promisify((value, callback) => setTimeout(() => (value ? callback(null, value) : callback(new RangeError("none"))), 1));
  equal(await late(7), 7);
  await rejects(RangeError, late(0));
  same(await new Promise((resolve) => util.callbackify(async (x) => x + 1)(1, (...args) => resolve(args))), [null, 2]);
  ok(util.isDeepStrictEqual({ a: new Map([[1, new Set([2])]]) }, { a: new Map([[1, new Set([2])]]) }));
  ok(!util.isDeepStrictEqual({ a: new Date(1) }, { a: new Date(2) }));
  ok(util.types.isUint8Array(Buffer.alloc(1)) && util.types.isPromise(late(1)) && !util.types.isDate({}));
  ok(util.getCallSites().length > 1 && util.getCallSites()[0].lineNumber > 0);
  equal(util.stripVTControlCharacters("\x1b[31mred\x1b[0m"), "red");
});

test("node: assertions hold or say why not", async () => {
  assert(true);
  assert.deepStrictEqual({ a: [1, { b: 2 }], c: new Map([["x", 1]]) }, { a: [1, { b: 2 }], c: new Map([["x", 1]]) });
  assert.deepEqual([1, "2"], ["1", 2]);
  assert.throws(() => { throw new TypeError("bad"); }, /bad/);
  await assert.rejects(Promise.reject(new RangeError("x")), RangeError);
  assert.match("abc", /b/);
  for (const failing of [
    () => assert(0), () => assert.equal(1, 2), () => assert.deepStrictEqual([1], ["1"]), () => assert.strictEqual(-0, 0), () => assert.throws(() => {}),
    () => assert.notDeepStrictEqual({}, {}), () => assert.deepStrictEqual(new Set([1]), new Set([2])), () => assert.fail("x"), () => assert.ifError(new Error("x")),
  ]) {
    equal(throws(assert.AssertionError, failing).code, "ERR_ASSERTION");
  }
});

test("node: text is decoded across chunks", () => {
  const decoder = new StringDecoder("utf8");
  const bytes = Buffer.from("a€💩");
  equal([...bytes].map((byte) => decoder.write(Buffer.from([byte]))).join("") + decoder.end(), "a€💩");
  const base64 = new StringDecoder("base64");
  equal(base64.write(Buffer.from("ab")) + base64.write(Buffer.from("cd")) + base64.end(), "YWJjZA==");
});

test("node: streams flow, change and end", async () => {
  const upper = new Transform({ transform: (chunk, _, done) => done(null, String(chunk).toUpperCase()) });
  const collected = [];
  await pipeline(Readable.from(["a", "b"]), upper, new Writable({ write: (chunk, _, done) => { collected.push(String(chunk)); done(); } }));
  same(collected, ["A", "B"]);
  const through = new PassThrough();
  through.write("x");
  through.end("y");
  equal(await text(through), "xy");
  await rejects(RangeError, pipeline(Readable.from(["a"]), new Transform({ transform: (_, __, done) => done(new RangeError("no")) }), new PassThrough()));
});

test("node: gzip and deflate, whole and as streams", async () => {
  const data = Buffer.from("again and ".repeat(100));
  for (const [pack, unpack] of [["gzipSync", "gunzipSync"], ["deflateSync", "inflateSync"], ["deflateRawSync", "inflateRawSync"], ["gzipSync", "unzipSync"]]) {
    const packed = zlib[pack](data);
    ok(packed.length < 100);
    equal(zlib[unpack](packed).toString(), data.toString(), pack);
  }
  throws(Error, () => zlib.gunzipSync(Buffer.from("no")));
  const packed = await new Promise((resolve, reject) => zlib.gzip(data, (error, result) => (error ? reject(error) : resolve(result))));
  equal(await text(Readable.from([packed.subarray(0, 10), packed.subarray(10)]).pipe(zlib.createGunzip())), data.toString());
});

test("node: timers can be promises, and channels tell subscribers", async () => {
  equal(await wait(1, "x"), "x");
  const controller = new AbortController();
  const waiting = wait(2 ** 30, null, { signal: controller.signal });
  controller.abort();
  equal((await waiting.catch((error) => error)).name, "AbortError");
  const channel = dc.channel("c");
  const seen = [];
  channel.subscribe((message, name) => seen.push(name, message));
  channel.publish("m");
  same(seen, ["c", "m"]);
});

test("node: a timer is an object, which can be started anew", async () => {
  equal(timers.setTimeout, setTimeout);
  let runs = 0;
  const timer = setTimeout((count) => (runs += count), 1, 2);
  equal(typeof timer, "object");
  ok(timer.hasRef() && !timer.unref().hasRef() && timer.ref().hasRef());
  await wait(20);
  timer.refresh();
  await wait(20);
  equal(runs, 4);
  timer.refresh().close();
  clearTimeout(+setTimeout(() => (runs = 0), 1));
  clearInterval(setInterval(() => (runs = 0), 1));
  clearImmediate(setImmediate(() => (runs = 0)));
  await wait(20);
  equal(runs, 4);
});

test("node: what an object does not have fails when it is used, and not before", () => {
  throws(Error, () => fs.readFileSync("/etc/passwd"));
});
