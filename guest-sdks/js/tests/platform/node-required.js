// Modules of Node.js as packages of CommonJS ask for them.

import { equal, ok, test } from "./harness.js";

const required = {
  buffer: require("buffer"),
  events: require("events"),
  fs: require("fs"),
  os: require("os"),
  path: require("path"),
  querystring: require("querystring"),
  stream: require("stream"),
  stringDecoder: require("string_decoder/"),
  timers: require("timers"),
  url: require("node:url"),
  util: require("util"),
};

test("required: each module of Node.js is its default, with all else on it", () => {
  equal(required.path.extname("a.txt"), ".txt");
  equal(required.querystring.stringify({ a: 1 }), "a=1");
  equal(required.url.parse("http://a/b").pathname, "/b");
  equal(typeof required.os.platform(), "string");
  equal(typeof required.fs.readFileSync, "function");
  equal(typeof required.timers.setTimeout, "function");
  equal(required.util.format("%s", 1), "1");
  ok(new required.events() instanceof required.events.EventEmitter);
  ok(required.stream.Readable.prototype instanceof required.stream);
  equal(required.buffer.Buffer.from("a").length, 1);
  equal(new required.stringDecoder.StringDecoder("utf8").write(Uint8Array.of(97)), "a");
});
