// Streams.

import { equal, ok, rejects, same, test, throws } from "./harness.js";

const encode = (text) => new TextEncoder().encode(text);
const decode = (bytes) => new TextDecoder().decode(bytes);

async function collected(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const of = (...chunks) =>
  new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });

test("streams: a stream is pulled only as it is read", async () => {
  let pulls = 0;
  const stream = new ReadableStream({ pull: (controller) => controller.enqueue(++pulls) }, { highWaterMark: 0 });
  await null;
  equal(pulls, 0);
  const reader = stream.getReader();
  equal((await reader.read()).value, 1);
  equal((await reader.read()).value, 2);
  equal(pulls, 2);
  throws(TypeError, () => stream.getReader());
  reader.releaseLock();
  ok(!stream.locked);
});

test("streams: an error reaches the reader, a cancellation the source", async () => {
  const failing = new ReadableStream({ start: (controller) => controller.error(new RangeError("x")) });
  await rejects(RangeError, failing.getReader().read());
  let reason;
  await new ReadableStream({ cancel: (given) => void (reason = given) }).cancel("why");
  equal(reason, "why");
});

test("streams: bytes are read into the reader's own buffer", async () => {
  const stream = new ReadableStream({ type: "bytes", start(controller) { controller.enqueue(encode("abcdef")); controller.close(); } });
  const reader = stream.getReader({ mode: "byob" });
  const first = await reader.read(new Uint8Array(4));
  equal(decode(first.value), "abcd");
  const second = await reader.read(new Uint8Array(first.value.buffer));
  equal(decode(second.value), "ef");
  const end = await reader.read(new Uint8Array(1));
  ok(end.done);
  throws(TypeError, () => of("x").getReader({ mode: "byob" }));
  const body = new Response("hello").body.getReader({ mode: "byob" });
  equal(decode((await body.read(new Uint8Array(3))).value), "hel");
  const filled = new Response(of(encode("ab"), encode("cd")).pipeThrough(new IdentityTransformStream())).body.getReader({ mode: "byob" });
  equal(decode((await filled.read(new Uint8Array(3), { min: 3 })).value), "abc");
});

test("streams: both branches of a tee get everything", async () => {
  const [a, b] = of(1, 2, 3).tee();
  same([...(await collected(a)), ...(await collected(b))], [1, 2, 3, 1, 2, 3]);
});

test("streams: from makes a stream of anything iterable", async () => {
  same(await collected(ReadableStream.from(["a", "b"])), ["a", "b"]);
  same(await collected(ReadableStream.from((async function* () { yield 1; yield 2; })())), [1, 2]);
});

test("streams: leaving a loop early cancels the stream, unless told otherwise", async () => {
  let cancelled = false;
  const stream = () => new ReadableStream({ pull: (controller) => controller.enqueue(1), cancel: () => void (cancelled = true) });
  for await (const chunk of stream()) if (chunk) break;
  ok(cancelled);
  cancelled = false;
  for await (const chunk of stream().values({ preventCancel: true })) if (chunk) break;
  ok(!cancelled);
});

test("streams: pipeTo writes, closes, and stops on abort", async () => {
  const written = [];
  let closed = false;
  await of(1, 2).pipeTo(new WritableStream({ write: (chunk) => void written.push(chunk), close: () => void (closed = true) }));
  same([...written, closed], [1, 2, true]);
  let reason;
  const endless = new ReadableStream({ pull: () => new Promise(() => {}), cancel: (given) => void (reason = given) });
  const controller = new AbortController();
  const piped = endless.pipeTo(new WritableStream(), { signal: controller.signal });
  controller.abort("stop");
  equal(await piped.catch((error) => error), "stop");
  equal(reason, "stop");
  await rejects(RangeError, of(1).pipeTo(new WritableStream({ write() { throw new RangeError("full"); } })));
});

test("streams: a writer feels back-pressure", async () => {
  let release;
  const stream = new WritableStream({ write: () => new Promise((resolve) => (release = resolve)) }, { highWaterMark: 1 });
  const writer = stream.getWriter();
  equal(writer.desiredSize, 1);
  const written = writer.write("a");
  equal(writer.desiredSize, 0);
  await null;
  await null;
  release();
  await written;
  equal(writer.desiredSize, 1);
  await writer.close();
});

test("streams: a transform changes what passes", async () => {
  const upper = new TransformStream({
    transform: (chunk, controller) => controller.enqueue(chunk.toUpperCase()),
    flush: (controller) => controller.enqueue("!"),
  });
  same(await collected(of("a", "b").pipeThrough(upper)), ["A", "B", "!"]);
  same(await collected(of(1).pipeThrough(new TransformStream())), [1]);
});

test("streams: text is decoded and encoded across chunks", async () => {
  const bytes = encode("a€💩");
  const pieces = Array.from(bytes, (byte) => Uint8Array.of(byte));
  equal((await collected(of(...pieces).pipeThrough(new TextDecoderStream()))).join(""), "a€💩");
  same((await collected(of("a\ud83d", "\udca9").pipeThrough(new TextEncoderStream()))).flatMap((chunk) => [...chunk]), encode("a💩"));
  await rejects(TypeError, collected(of(Uint8Array.of(0xff)).pipeThrough(new TextDecoderStream("utf-8", { fatal: true }))));
  equal(new TextDecoderStream("utf-16").encoding, "utf-16le");
});

test("streams: an identity stream passes bytes one write at a time", async () => {
  const { readable, writable } = new IdentityTransformStream();
  const writer = writable.getWriter();
  let done = false;
  writer.write(encode("ab")).then(() => (done = true));
  await null;
  ok(!done);
  const reader = readable.getReader();
  equal(decode((await reader.read()).value), "ab");
  writer.close();
  ok((await reader.read()).done);
  ok(new IdentityTransformStream() instanceof TransformStream);
  const wrong = new IdentityTransformStream();
  const read = wrong.readable.getReader().read();
  await rejects(TypeError, wrong.writable.getWriter().write("text"));
  await rejects(TypeError, read);
});

test("streams: a stream of fixed length takes no more and no less", async () => {
  const right = new FixedLengthStream(3);
  const whole = new Response(right.readable).text();
  const writer = right.writable.getWriter();
  await writer.write(encode("ab"));
  await writer.write(encode("c"));
  await writer.close();
  equal(await whole, "abc");
  const more = new FixedLengthStream(1);
  const tooMany = new Response(more.readable).text();
  await rejects(TypeError, more.writable.getWriter().write(encode("ab")));
  await rejects(TypeError, tooMany);
  const less = new FixedLengthStream(2);
  const tooFew = new Response(less.readable).text();
  await rejects(TypeError, less.writable.getWriter().close());
  await rejects(TypeError, tooFew);
});

test("streams: what is compressed is the same when it is decompressed", async () => {
  const text = "the same again and again, ".repeat(400);
  for (const format of ["gzip", "deflate", "deflate-raw"]) {
    const compressed = await new Response(new Blob([text]).stream().pipeThrough(new CompressionStream(format))).bytes();
    ok(compressed.length < 1000, format);
    const back = new Blob([compressed]).stream().pipeThrough(new DecompressionStream(format));
    equal(await new Response(back).text(), text, format);
    const cut = new Blob([compressed.slice(0, 20)]).stream().pipeThrough(new DecompressionStream(format));
    await rejects(TypeError, new Response(cut).text(), format);
  }
  throws(TypeError, () => new CompressionStream("brotli"));
  await rejects(TypeError, new Response(new Blob(["no gzip at all"]).stream().pipeThrough(new DecompressionStream("gzip"))).text());
});
