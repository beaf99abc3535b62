// What code sees of the platform of objects. Each check gets the object that it runs in.

import { Told } from "./objects.mjs";

function same(got, wanted, what = "") {
  const [one, other] = [show(got), show(wanted)];
  if (one !== other) throw new Error(`${what}: got ${one}, wanted ${other}`);
}

const show = (value) =>
  JSON.stringify(value, (_, item) => {
    if (Object.is(item, -0)) return "-0";
    if (typeof item === "bigint") return `${item}n`;
    if (item === undefined) return "undefined";
    if (item instanceof Map || item instanceof Set) return [item.constructor.name, ...item];
    if (item instanceof ArrayBuffer) return ["ArrayBuffer", ...new Uint8Array(item)];
    if (ArrayBuffer.isView(item)) return [item.constructor.name, ...item];
    return typeof item === "number" && !Number.isFinite(item) ? String(item) : item;
  });

async function failure(work) {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error("it should have failed");
}

const message = async (work) => (await failure(work)).message;

// Storage

export async function clones({ ctx: { storage } }) {
  const values = [
    [undefined, null, true, 0, -0, 1.5, -7, 2 ** 40, -(2 ** 40), NaN, Infinity, "", "é€😀", "\ud800"],
    [0n, -1n, 123456789012345678901234567890n, -(2n ** 64n)],
    [new Uint8Array([1, 2]), new Int16Array([-5, 300]), new Float64Array([0.1]), new BigInt64Array([-3n])],
    [new ArrayBuffer(3), new Uint8ClampedArray([9])],
    new Map([[{ key: 1 }, new Set(["a", 1])], ["b", { deep: [[]] }]]),
    { "": 1, __proto__: null, constructor: 2 },
  ];
  for (const value of values) {
    storage.kv.put("value", value);
    same(storage.kv.get("value"), value);
    same(await storage.get("value"), value);
  }
  const date = new Date(1234567890123);
  storage.kv.put("value", [date, /a+b/gi, Object("boxed"), new DataView(new Uint8Array([7, 8]).buffer)]);
  const [time, pattern, boxed, view] = storage.kv.get("value");
  same([time instanceof Date, time.getTime(), pattern.source, pattern.flags], [true, 1234567890123, "a+b", "gi"]);
  same([boxed instanceof String, boxed.valueOf(), view.getUint8(1)], [true, "boxed", 8]);
  const key = "__proto__";
  storage.kv.put("value", JSON.parse(`{"${key}": 5}`));
  same(Object.keys(storage.kv.get("value")), [key]);
}

export function clonesKeepIdentity({ ctx: { storage } }) {
  const shared = { name: "shared" };
  const value = { one: shared, other: shared, list: [new Date(5), shared] };
  value.self = value;
  storage.kv.put("value", value);
  const got = storage.kv.get("value");
  same([got.self === got, got.one === got.other, got.list[1] === got.one, got.one === shared], [true, true, true, false]);
  same([got.one.name, got.list[0].getTime()], ["shared", 5]);
}

export function clonesOfErrors({ ctx: { storage } }) {
  const cause = new RangeError("the cause");
  storage.kv.put("value", new TypeError("a message", { cause }));
  const got = storage.kv.get("value");
  same([got instanceof TypeError, got.message, got.cause instanceof RangeError], [true, "a message", true]);
  same(typeof got.stack, "string");
}

export async function whatHasNoClone({ ctx: { storage } }) {
  for (const value of [() => 1, { deep: [Symbol("s")] }, Promise.resolve(), new WeakMap()]) {
    const error = await failure(() => storage.put("value", value));
    same([error.name, error.message.endsWith(" could not be cloned.")], ["DataCloneError", true]);
  }
  same(await storage.get("value"), undefined);
}

export async function arraysWithHolesAndNames(object) {
  const odd = [1, , 3];
  odd.length = 5;
  odd.name = ["x"];
  odd.self = odd;
  const long = [];
  long[4294967290] = "end";
  object.ctx.storage.kv.put("value", [odd, long]);
  for (const [got, far] of [object.ctx.storage.kv.get("value"), await object.other().echo([odd, long])]) {
    same([Object.keys(got), got.length, got.name, got.self === got], [["0", "2", "name", "self"], 5, ["x"], true]);
    same([far.length, far[4294967290], Object.keys(far).length], [4294967291, "end", 1]);
  }
}

export async function surrogatesWithoutPartners(object) {
  const { storage } = object.ctx;
  const value = { "k\udc00": "\ud800x", map: new Map([["\udfff", 1]]) };
  storage.kv.put("value", value);
  same([storage.kv.get("value"), await object.other().echo(value)], [value, value]);
  storage.kv.put("key\ud800", 1);
  same([...storage.kv.list({ prefix: "key" })], [["key\ufffd\ufffd\ufffd", 1]]);
  same([await storage.get("key\ud800"), await storage.get("key\ufffd")], [1, undefined]);
  same(storage.sql.exec("SELECT ? AS v", "a\ud800").one(), { v: "a\ufffd\ufffd\ufffd" });
}

export async function whatOfTheWebIsKept(object) {
  const { storage } = object.ctx;
  const value = [
    new Headers({ a: "1" }),
    new Blob(["some"], { type: "text/x" }),
    new Request("http://x/", { method: "POST", headers: { b: "2" } }),
    new DOMException("not here", "NotFoundError"),
  ];
  storage.kv.put("value", value);
  for (const [headers, blob, request, error] of [storage.kv.get("value"), await object.other().echo(value)]) {
    same([headers.get("a"), blob.type, await blob.text()], ["1", "text/x", "some"]);
    same([request.method, request.url, request.headers.get("b")], ["POST", "http://x/", "2"]);
    same([error instanceof DOMException, error.name, error.code, error.message], [true, "NotFoundError", 8, "not here"]);
  }
  const buffer = new ArrayBuffer(1);
  structuredClone(buffer, { transfer: [buffer] });
  const refused = [
    [new URL("http://x/"), 'Could not serialize object of type "URL". This type does not support serialization.'],
    [new File([], "x"), 'Could not serialize object of type "File". This type does not support serialization.'],
    [object.ctx.id, 'Could not serialize object of type "DurableObjectId". This type does not support serialization.'],
    [[].values(), "[object Array Iterator] could not be cloned."],
    [buffer, "An ArrayBuffer is detached and could not be cloned."],
  ];
  for (const [refusedValue, why] of refused) {
    same(await message(() => storage.put("other", { deep: refusedValue })), why);
    same(await message(() => object.other().echo({ deep: refusedValue })), why);
  }
  same(await message(() => storage.put("other", new Response("x"))), "ReadableStream can only be serialized for RPC.");
  same(await message(() => storage.put("other", object.other())), "ServiceStub cannot be serialized in this context.");
  same(await message(() => object.other().echo(object.other().version)), 'Could not serialize object of type "RpcProperty". This type does not support serialization.');
  same(await storage.get("other"), undefined);
}

export async function keysAndValues({ ctx: { storage } }) {
  await storage.put({ b: 2, a: 1, c: 3 });
  same(await storage.get(["c", "a", "none"]), new Map([["a", 1], ["c", 3]]));
  same([...(await storage.list({ reverse: true, limit: 2 })).keys()], ["c", "b"]);
  same([...storage.kv.list({ prefix: "b" })], [["b", 2]]);
  same(await storage.delete(["a", "b", "none"]), 2);
  same(await message(() => storage.list({ limit: 0 })), "List limit must be positive.");
  same(await message(() => storage.put("a", undefined)), "put() called with undefined value.");
  same(await message(() => storage.list({ start: "a", startAfter: "a" })), "list() cannot be called with both start and startAfter values.");
}

// As at Cloudflare: what is done beside a transaction is neither in it nor undone with it.
export async function writesBesideATransaction({ ctx: { storage } }) {
  const failing = storage.transaction(async (transaction) => {
    await transaction.put("inside", 1);
    await scheduler.wait(20);
    throw new Error("undone");
  });
  const failed = message(() => failing);
  await storage.put("beside", 9);
  storage.sql.exec("CREATE TABLE beside (n)");
  await storage.sync();
  // That was waited for beside it, so the transaction has ended.
  same(await storage.get("inside"), undefined);
  await storage.put("later", 8);
  same(await failed, "undone");
  same([await storage.get("beside"), await storage.get("later"), await storage.get("inside")], [9, 8, undefined]);
  same(storage.sql.exec("SELECT count(*) AS n FROM beside").one().n, 0);
}

export async function transactionsWithinSavepoints({ ctx: { storage } }) {
  same(await storage.transactionSync(() => storage.transaction(async () => 4)), 4);
  let later;
  same(
    storage.transactionSync(() => {
      later = storage.transaction(async (transaction) => transaction.put("kept", 3));
      return 3;
    }),
    3,
  );
  await later;
  same(await storage.get("kept"), 3);
}

export async function transactions({ ctx: { storage } }) {
  const value = await storage.transaction(async (transaction) => {
    await transaction.put("kept", 1);
    await scheduler.wait(1);
    await failure(() =>
      storage.transaction(async () => {
        await storage.put("kept", 2);
        await scheduler.wait(1);
        throw new Error("undo");
      }),
    );
    return transaction.get("kept");
  });
  same([value, await storage.get("kept")], [1, 1]);
  await storage.transaction(async (transaction) => {
    await transaction.put("kept", 3);
    transaction.rollback();
    same(await message(() => transaction.get("kept")), "Cannot get() on rolled back transaction");
  });
  const undone = () =>
    storage.transactionSync(() => {
      storage.kv.put("kept", 4);
      throw new RangeError("undo");
    });
  same((await failure(undone)).name, "RangeError");
  same(storage.kv.get("kept"), 1);
}

export async function transactionsBesideEachOther({ ctx: { storage } }) {
  const add = () =>
    storage.transaction(async () => {
      const before = (await storage.get("sum")) ?? 0;
      await scheduler.wait(1);
      await storage.put("sum", before + 1);
    });
  await Promise.all([add(), add(), add()]);
  same(await storage.get("sum"), 3);
}

export function cursors({ ctx: { storage } }) {
  const { sql } = storage;
  sql.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, b BLOB)");
  const written = sql.exec("INSERT INTO t (v, b) VALUES ('one', x'0102'), ('two', NULL)");
  same(written.rowsWritten, 2);
  const cursor = sql.exec("SELECT v, b FROM t ORDER BY id");
  same(cursor.columnNames, ["v", "b"]);
  same(cursor.next(), { done: false, value: { v: "one", b: new Uint8Array([1, 2]).buffer } });
  same(cursor.toArray(), [{ v: "two", b: null }]);
  same([cursor.next().done, cursor.rowsRead], [true, 2]);
  same([...sql.exec("SELECT id FROM t").raw()], [[1], [2]]);
  same(sql.exec("SELECT count(*) AS n FROM t").one(), { n: 2 });
  same(sql.exec("SELECT typeof(?1), typeof(?2), typeof(?3), ?4", 1, true, new Uint8Array(1), "s").raw().toArray(), [["real", "text", "blob", "s"]]);
  same(sql.databaseSize > 4096, true);
}

export function manyRowsAreReadInParts({ ctx: { storage } }) {
  const query = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) SELECT i, printf('%500d', i) AS v FROM n";
  let sum = 0;
  for (const { i } of storage.sql.exec(query)) sum += i;
  same(sum, 5000050000);
}

export function cursorsThatNobodyReadsToTheEnd({ ctx: { storage } }) {
  const numbers = JSON.stringify([...Array(200).keys()]);
  const query = "SELECT value FROM json_each(?)";
  for (let i = 0; i < 200; i++) storage.sql.exec(query, numbers).next();
  const held = [...Array(100).keys()].map(() => storage.sql.exec(query, numbers));
  for (const cursor of held) same(cursor.next().value, { value: 0 });
  for (const cursor of held) same(cursor.toArray().length, 199);
}

export async function sqlErrors({ ctx: { storage: { sql } } }) {
  same(await message(() => sql.exec("SELEC 1")), 'near "SELEC": syntax error at offset 0: SQLITE_ERROR');
  for (const [query, ...values] of [["SELECT ?"], ["SELECT ?", 1, 2], [""]]) {
    same((await failure(() => sql.exec(query, ...values))).constructor.name, "Error");
  }
  same((await failure(() => sql.exec())) instanceof TypeError, true);
  same(await message(() => sql.exec("SELECT ?", 1n)), "Cannot convert a BigInt value to a number");
  same(await message(() => sql.exec("SELECT 1 WHERE 0").one()), "Expected exactly one result from SQL query, but got no results.");
}

export async function alarmsNeedAHandler({ ctx: { storage } }) {
  const needed = "Your Durable Object class must have an alarm() handler in order to call setAlarm()";
  same(await message(() => storage.setAlarm(Date.now() + 1000)), needed);
  same(await storage.getAlarm(), null);
}

export async function alarmTimes({ env: { sockets } }) {
  const noTime = "Failed to execute 'setAlarm' on 'DurableObjectStorage': parameter 1 is not of type 'date'.";
  const noDate = "The value cannot be converted because it is not a valid Date.";
  const tooEarly = "This API doesn't support dates before 1687.";
  const tooLate = "This API doesn't support dates after 2189.";
  const refused = [
    ...["5000000000000", true, 5000000000000n, [5e12], null, undefined, {}].map((time) => [time, noTime]),
    ...[NaN, Infinity, -Infinity, new Date(NaN)].map((time) => [time, noDate]),
    ...[-1e20, -9223372036855, new Date(-8.64e15)].map((time) => [time, tooEarly]),
    ...[1e20, 9223372036855, new Date(8.64e15)].map((time) => [time, tooLate]),
    ...[0, -1, -9223372036854, new Date(0)].map((time) => [time, "setAlarm() cannot be called with an alarm time <= 0"]),
  ];
  const object = sockets.getByName("alarms");
  for (const [time, why] of refused) {
    const error = await failure(() => object.setAlarm(time));
    same([error instanceof TypeError, error.message], [true, why]);
  }
  for (const time of [5e12, 5e12 + 0.7, new Date(5e12)]) same(await object.setAlarm(time), 5e12);
  same(await object.setAlarm(9223372036854), 9223372036854);
}

// Identity

export function ids({ ctx, env: { objects } }) {
  const id = objects.idFromName("someone");
  same([id.name, id.toString().length, id.equals(objects.idFromString(id.toString()))], ["someone", 64, true]);
  same(objects.newUniqueId({ jurisdiction: "eu" }).equals(id), false);
  same(objects.jurisdiction("us").get(id, { locationHint: "weur" }).id.equals(id), true);
  same([objects.getByName("someone").name, "then" in objects.getByName("someone")], ["someone", false]);
  same(ctx.id.equals(objects.idFromName(ctx.id.name)), true);
  same(ctx.exports.Objects.idFromName("someone").equals(id), true);
}

// Calls

export async function methods(object) {
  const other = object.other();
  same(await other.add(1, 2, 3), 6);
  same(await other.version, 7);
  same((await other.whoAmI()).name, "other");
  same(await message(() => other.label()), 'The RPC receiver does not implement the method "label".');
  same([other.toString(), other.constructor.name], ["[object DurableObject]", "DurableObject"]);
}

export async function callsCarryClones(object) {
  const value = { date: new Date(5), map: new Map([[1, new Set([2n])]]), bytes: new Uint8Array([1]), undef: undefined };
  const got = await object.other().echo(value);
  same([got.date.getTime(), got.map, got.bytes, "undef" in got], [5, value.map, value.bytes, true]);
  const error = await failure(() => object.other().echo(new (class Thing {})()));
  same(error.message, 'Could not serialize object of type "Thing". This type does not support serialization.');
}

export async function callsInOrder(object) {
  const other = object.other();
  const got = await Promise.all([...Array(50).keys()].map((i) => other.echo(i)));
  same(got, [...Array(50).keys()]);
}

// Rows are read ahead, so they may be there still when their transaction is undone.
export async function rowsThatWereUndone({ ctx: { storage } }) {
  const { sql } = storage;
  sql.exec("CREATE TABLE undone (n INTEGER)");
  sql.exec("INSERT INTO undone VALUES (1), (2)");
  const canceled = "SQLite query was canceled because the transaction in which it read was rolled back.";
  let cursor;
  const readIn = () => {
    sql.exec("INSERT INTO undone VALUES (3)");
    cursor = sql.exec("SELECT n FROM undone ORDER BY n DESC");
    same(cursor.next().value, { n: 3 });
  };
  const failing = () => {
    readIn();
    throw new Error("undone");
  };
  await failure(() => storage.transactionSync(failing));
  same(await message(() => cursor.next()), canceled);
  await failure(() => storage.transaction(async () => failing()));
  same(await message(() => cursor.toArray()), canceled);
  await storage.transaction(async (transaction) => (readIn(), transaction.rollback()));
  same(await message(() => cursor.next()), canceled);
  // In one that lies in another, and is kept.
  await failure(() => storage.transaction(async () => (storage.transactionSync(readIn), Promise.reject(new Error("undone")))));
  same(await message(() => cursor.next()), canceled);

  // What was read before is as good as it was, and so is what is kept.
  const before = sql.exec("SELECT n FROM undone ORDER BY n");
  await failure(() => storage.transactionSync(failing));
  same(before.toArray(), [{ n: 1 }, { n: 2 }]);
  storage.transactionSync(readIn);
  same(cursor.toArray(), [{ n: 2 }, { n: 1 }]);
}

export async function pipelining(object) {
  const other = object.other();
  same(await other.counter().add(5), 5);
  same(await other.nested.deep.twice(21), 42);
  const counter = await other.counter();
  same([await counter.add(1), await counter.add(2)], [1, 3]);
  counter[Symbol.dispose]();
  same(await message(() => counter.add(1)), "RPC stub used after being disposed.");
}

export async function callbacks(object) {
  const other = object.other();
  same(await other.apply((a, b) => [a, b], 1, "x"), [1, "x"]);
  let calls = 0;
  await other.keep(() => ++calls);
  same([await other.callKept(), await other.callKept(), calls], [1, 2, 2]);
  const error = await failure(() => other.apply(() => Promise.reject(new RangeError("from the callback"))));
  same([error instanceof RangeError, error.message], [true, "from the callback"]);
}

// What came as an argument, and what came as an argument of an argument.
export async function whatCameIsPassedOn(object) {
  const other = object.other();
  const twice = await other.echo((value) => 2 * value);
  same(await twice(4), 8);
  const third = object.other("third");
  const far = await third.counterOf("other");
  same(await far.add(3), 3);
  same(await far.add(4), 7);
  const { deep } = await other.echo({ deep: [far, far] });
  same([await deep[0].add(1), await deep[1].add(1)], [8, 9]);
}

export async function stubsArePassedOn(object) {
  const other = object.other();
  same(await other.askedBy(object.other("third")), ["third", "0", false]);
  const stub = await other.stubOf("fourth");
  same(await stub.whoAmI(), await object.other("fourth").whoAmI());
  stub[Symbol.dispose]();
}

export async function disposers(object) {
  const other = object.other();
  const said = [];
  const until = async (count) => {
    while (said.length < count) await scheduler.wait(1);
  };
  const target = () => new Told((text) => said.push(text));

  // What comes home is the same, and is let go of by its stub.
  const { deep: home, also } = await other.echo({ deep: target() });
  same([await home.hello(), also, said], ["hello", undefined, []]);
  const another = home.dup();
  home[Symbol.dispose]();
  await scheduler.wait(10);
  same(said, []);
  another[Symbol.dispose]();
  await until(1);

  // Each passing is one, whatever it brings.
  const twice = target();
  same(await other.same(twice, twice), true);
  await until(2);
  await other.same(twice, 1);
  await until(3);

  // A result disposes what it brought.
  const result = await other.counterOfMine((text) => said.push(text));
  same([await result.counter.hello(), Object.keys(result)], ["hello", ["counter"]]);
  result[Symbol.dispose]();
  await until(4);
  same(await message(() => result.counter.hello()), "RPC stub used after being disposed.");
  same([typeof (await other.echo([1]))[Symbol.dispose], said.length], ["function", 4]);
}

export async function streamsToWriteTo(object) {
  const other = object.other();
  const got = [];
  const sink = () =>
    new WritableStream({
      write: (chunk) => void got.push(new TextDecoder().decode(chunk)),
      close: () => void got.push("closed"),
      abort: (error) => void got.push(error.message),
    });
  await other.write(sink(), "text", new Uint8Array([98, 121]));
  same(got.splice(0), ["text", "by", "closed"]);
  await other.writeLater(sink());
  while (got.length < 2) await scheduler.wait(1);
  same(got.splice(0), ["later", "closed"]);
  await other.giveUp(sink());
  while (got.length < 1) await scheduler.wait(1);
  same(got, ["WritableStream received over RPC was disconnected because the remote execution context has ended."]);

  const { readable, writable } = new TransformStream();
  const text = new Response(readable).text();
  await other.write(writable, "through a pair");
  same([await text, writable.locked], ["through a pair", true]);
  const failing = new WritableStream({ write: () => Promise.reject(new RangeError("full")) });
  same((await failure(() => other.write(failing, "x"))).message, "full");
  same(await message(() => other.write(writable)), "This WritableStream is currently locked to a writer.");
  same((await message(() => other.write(sink(), { a: 1 }))).startsWith("This TransformStream is being used as a byte stream"), true);
}

// The class `probe` is written in Rust.
export async function callsOfAnotherLanguage(object) {
  const Namespace = object.env.objects.constructor;
  const probe = new Namespace("probe").getByName("b");
  const values = [1, -7.5, "two", null, true, [3, []], { four: { five: 6 } }, new Uint8Array([0, 255])];
  same(await probe.echo(...values), values);
  same(await probe.version, "1");
  same(await probe.applied((value) => [value, "from here"], "x"), ["x", "from here"]);
  const counter = await probe.counter();
  same([await counter.add(2), await counter.add(3)], [2, 5]);
  const error = await failure(() => probe.throws("RangeError", "from there"));
  same([error instanceof RangeError, error.message, error.remote], [true, "from there", true]);
  same((await failure(() => probe.nothing())).message, 'The RPC receiver does not implement the method "nothing".');
}

export async function errorsArriveWhole(object) {
  const error = await failure(() => object.other().fail());
  same([error instanceof TypeError, error.message, error.code, error.detail, error.remote], [true, "not like this", 17, { why: ["a", "b"] }, true]);
  same(error.stack.includes("fail"), true);
}

export async function whatIsThrownArrives(object) {
  const thrown = (what) => failure(() => object.other().throwing(what));
  const exception = await thrown("exception");
  same([exception instanceof DOMException, exception.name, exception.code, exception.message, exception.remote], [true, "QuotaExceededError", 22, "q", true]);
  same(await thrown("object"), { a: [1], remote: true });
  const named = await thrown("named");
  same([named instanceof DOMException, named.name, named.message], [false, "AbortError", "n"]);
  const text = await thrown("text");
  same([text instanceof Error, text.message], [true, "t"]);
  same(await object.other().apply(() => Promise.reject({ b: 2 })).catch(({ b, remote }) => [b, remote]), [2, true]);
}

export async function timeoutsAreNeverAtOnce() {
  for (const ms of [0, -1, NaN]) {
    const signal = AbortSignal.timeout(ms);
    const heard = new Promise((resolve) => signal.addEventListener("abort", resolve));
    same(signal.aborted, false);
    await heard;
    same([signal.aborted, signal.reason.name], [true, "TimeoutError"]);
  }
}

export async function statusTexts(object) {
  same((await object.other().made()).statusText, "Made It");
  const answer = await object.other().fetch("http://objects/objects/other/elsewhere?status=418&to=x");
  same([answer.status, answer.statusText], [418, "I'm a teapot"]);
}

export async function streamsInCalls(object) {
  const other = object.other();
  const large = new Response("x".repeat(300000)).body;
  same(await other.length(large), 300000);
  same(await new Response(await other.numbers(5)).text(), "0 1 2 3 4 ");
}

export async function messagesInCalls(object) {
  const answer = await object.other().answer(new Request("http://x/", { method: "PUT", headers: { "x-test": "1" }, body: "b" }));
  same([answer.status, answer.headers.get("x-answer"), await answer.text()], [201, "yes", "PUT 1"]);
}

export async function fetchOfAnother(object) {
  const answer = await object.other().fetch("http://objects/objects/other/echo", { method: "POST", body: "hello" });
  same([answer.status, await answer.text()], [200, "hello"]);
  const error = await failure(() => object.other().fetch("http://objects/objects/other/throw"));
  same([error instanceof RangeError, error.message, error.remote], [true, "thrown on purpose", true]);
}

export async function redirects(object) {
  const base = "http://objects/objects/other/";
  const fetch = (status, to, init) => object.other().fetch(`${base}elsewhere?status=${status}&to=${encodeURIComponent(to)}#one`, init);
  const seen = async (...args) => {
    const answer = await fetch(...args);
    const [url, method, body, { "content-type": type = null, cookie = null, "x-kept": kept = null }] = await answer.json();
    same([answer.status, answer.redirected, answer.url], [200, true, url]);
    return [url, method, body, type, cookie, kept];
  };
  const post = { method: "POST", body: "abc", headers: { "content-type": "text/x", cookie: "c", "x-kept": "k" } };
  for (const status of [301, 302, 303]) same(await seen(status, "seen#two", post), [`${base}seen`, "GET", "", null, "c", "k"]);
  for (const status of [307, 308]) same(await seen(status, "seen", post), [`${base}seen`, "POST", "abc", "text/x", "c", "k"]);
  same(await seen(307, "http://others/objects/other/seen", post), ["http://others/objects/other/seen", "POST", "abc", "text/x", null, "k"]);
  const stays = await fetch(302, "seen", { redirect: "manual" });
  same([stays.status, stays.redirected, stays.url.endsWith("to=seen"), await stays.text()], [302, false, true, "go"]);
  const stream = () => ({ method: "POST", body: ReadableStream.from([new Uint8Array(3)]) });
  same((await seen(303, "seen", stream())).slice(1, 3), ["GET", ""]);
  const refused = [
    () => fetch(302, "seen", { redirect: "error" }),
    () => fetch(307, "seen", stream()),
    () => fetch(302, "http://"),
    () => fetch(302, `${base}elsewhere?status=302&to=`),
    ...["ftp://objects/", "ws://objects/", "about:blank"].map((url) => () => object.other().fetch(url)),
  ];
  for (const refuse of refused) same((await failure(refuse)) instanceof TypeError, true);
  const straight = await object.other().fetch(`${base}seen?a#b`);
  same([straight.url, straight.redirected, (await straight.json())[0]], [`${base}seen?a`, false, `${base}seen?a`]);
}

export async function compressedBodies(object) {
  const fetch = (route) => object.other().fetch(`http://objects/objects/other/${route}`);
  const byHand = await fetch("compressed-by-hand");
  same([byHand.headers.get("content-encoding"), await byHand.text()], ["gzip", "hello"]);
  const answer = await fetch("compressed");
  const copy = answer.clone();
  same([await answer.text(), (await copy.bytes()).length], ["hello ".repeat(1000), 6000]);
  for (const route of ["passed-on", "unpacked"]) same(await (await fetch(route)).text(), "hello ".repeat(1000));
  const broken = await failure(async () => (await fetch("compressed-by-hand?bytes=16")).text());
  same([broken instanceof TypeError, broken.message], [true, "Gzip compressed stream ended prematurely."]);
  // Nothing is compressed before it leaves.
  same(await new Response("hello", { headers: { "content-encoding": "gzip" } }).text(), "hello");
  same(await message(() => new Response("", { encodeBody: "perhaps" })), "encodeBody: unexpected value: perhaps");
}

export async function abortedBodies(object) {
  const aborted = async (signal, abort, read) => {
    const answer = await object.other("endless").fetch("http://objects/objects/endless/endless", { signal });
    abort();
    return failure(() => read(answer));
  };
  const whole = (answer) => answer.text();
  const inParts = async ({ body }) => {
    for await (const chunk of body) same(chunk.length, 5);
  };
  for (const read of [whole, inParts]) {
    for (const abort of [(how) => how(), (how) => setTimeout(how, 50)]) {
      const controller = new AbortController();
      const error = await aborted(controller.signal, () => abort(() => controller.abort(new RangeError("enough"))), read);
      same([error instanceof RangeError, error.message], [true, "enough"]);
    }
  }
  same((await aborted(AbortSignal.timeout(50), () => {}, whole)).name, "TimeoutError");
  const small = await object.other().fetch("http://objects/objects/other/left", { signal: AbortSignal.timeout(50) });
  await scheduler.wait(60);
  same((await failure(() => small.text())).name, "TimeoutError");
  // Their sender learns of it.
  const cancelled = async () => (await object.other("endless").fetch("http://objects/objects/endless/cancelled")).text();
  while ((await cancelled()) < 5) await scheduler.wait(5);
}

// Limits

export async function deepRecursion({ ctx }) {
  const down = (depth) => (depth === 0 ? 0 : 1 + down(depth - 1));
  same(down(2500), 2500);
  const endless = () => 1 + endless();
  let nested = {};
  for (let i = 0; i < 100000; i++) nested = { nested };
  const works = [endless, () => [1].map(endless), () => ctx.storage.kv.put("nested", nested)];
  for (const work of works) {
    const error = await failure(work);
    same([error instanceof RangeError, error.message], [true, "Maximum call stack size exceeded"]);
  }
  same(down(2500), 2500);
}

// Sockets

export async function pairsWithinAnObject() {
  const [one, other] = Object.values(new WebSocketPair());
  const got = [];
  one.accept();
  other.accept();
  other.addEventListener("message", ({ data }) => other.send(`${data}!`));
  one.addEventListener("message", ({ data }) => got.push(data));
  const closed = new Promise((resolve) => other.addEventListener("close", resolve));
  one.send("hello");
  await scheduler.wait(1);
  one.close(4000, "enough");
  const { code, reason } = await closed;
  same([got, code, reason], [["hello!"], 4000, "enough"]);
}

export async function socketsThatDoNotConnect() {
  // Nobody may connect there.
  const socket = new WebSocket("ws://127.0.0.1:9/");
  const events = [];
  for (const type of ["open", "error", "close"]) socket.addEventListener(type, (event) => events.push(`${type} ${event.code}`));
  await new Promise((resolve) => socket.addEventListener("close", resolve));
  same([events, socket.readyState], [["error undefined", "close 1006"], WebSocket.CLOSED]);
  socket.send("hello");
  socket.close();
  socket.close(4000, "enough");
  const error = await failure(() => socket.close(1));
  same([error.name, error.message], ["InvalidAccessError", "Invalid WebSocket close code: 1."]);

  const early = new WebSocket("ws://127.0.0.1:9/");
  events.length = 0;
  for (const type of ["open", "error", "close"]) early.addEventListener(type, (event) => events.push(`${type} ${early.readyState} ${event.code}`));
  early.close(4000, "enough");
  same(early.readyState, WebSocket.CLOSING);
  early.close();
  early.send("hello");
  await new Promise((resolve) => early.addEventListener("close", resolve));
  same([early.readyState, events], [WebSocket.CLOSED, ["error 3 undefined", "close 3 1006"]]);
}

export async function socketsThatCannotBeAskedFor() {
  const url = "ws://127.0.0.1:9/";
  const refused = [
    [[url, ["a", "a"]], "The protocols header cannot have repeating values."],
    ...["a b", "", "a,b", "\u00fc"].map((protocol) => [[url, protocol], "The protocol header token is invalid."]),
    ...["#", "#part"].map((fragment) => [[url + fragment], "The url fragment must be empty."]),
    [["ftp://127.0.0.1/"], "The url scheme must be ws or wss."],
    [["/relative"], "The url is invalid."],
  ];
  for (const [given, why] of refused) {
    const error = await failure(() => new WebSocket(...given));
    same([error.name, error.message], ["SyntaxError", `WebSocket Constructor: ${why}`]);
  }
  same((await failure(() => new WebSocket())) instanceof TypeError, true);
}

export async function binaryMessages() {
  const [one, other] = Object.values(new WebSocketPair());
  one.accept();
  other.accept();
  const next = () => new Promise((resolve) => one.addEventListener("message", ({ data }) => resolve(data), { once: true }));
  const sent = (message) => {
    const heard = next();
    other.send(message);
    return heard;
  };
  same(one.binaryType, "blob");
  const blob = await sent(new Uint8Array([1, 2]));
  same([blob instanceof Blob, blob.type, await blob.bytes()], [true, "", new Uint8Array([1, 2])]);
  same(await (await sent(blob)).bytes(), new Uint8Array([1, 2]));
  one.binaryType = "arraybuffer";
  one.binaryType = "perhaps";
  same(await sent(new Uint8Array([3])), new Uint8Array([3]).buffer);
  const long = await failure(() => one.close(1000, "\u00e9".repeat(62)));
  same([long.name, (await failure(() => one.close(undefined, "why"))).name], ["SyntaxError", "InvalidAccessError"]);
}

export async function socketsBetweenObjects({ env: { sockets } }) {
  const { webSocket, status } = await sockets.getByName("far").fetch("http://sockets/", { headers: { Upgrade: "websocket" } });
  same(status, 101);
  const heard = [];
  let hear;
  webSocket.addEventListener("message", ({ data }) => {
    heard.push(data);
    hear?.();
  });
  webSocket.accept();
  const next = async (count) => {
    while (heard.length < count) await new Promise((resolve) => (hear = resolve));
  };
  await next(1);
  webSocket.send("tags");
  await next(2);
  webSocket.close(1000, "done");
  same(heard, ["of 1", "all none"]);
}

export async function tooManyTags({ ctx }) {
  const [, server] = Object.values(new WebSocketPair());
  const tags = [...Array(11).keys()].map(String);
  same(await message(() => ctx.acceptWebSocket(server, tags)), "a Hibernatable WebSocket cannot have more than 10 tags");
}

// Sections

// As at Cloudflare: they run one after the other, and after what is done in the same breath.
export async function sectionsBesideEachOther({ ctx }) {
  const seen = [];
  const section = (name, ms) =>
    ctx.blockConcurrencyWhile(async () => {
      seen.push(`${name}1`);
      await scheduler.wait(ms);
      seen.push(`${name}2`);
      return name;
    });
  const first = section("a", 10);
  const second = ctx.storage.transaction(async () => {
    seen.push("b1");
    await scheduler.wait(1);
    seen.push("b2");
  });
  const third = ctx.blockConcurrencyWhile(async () => `${await first}c`);
  seen.push("after");
  const paused = scheduler.wait(1).then(() => seen.push("beside"));
  same(await third, "ac");
  await Promise.all([second, paused]);
  same(seen, ["after", "a1", "a2", "b1", "b2", "beside"]);
  const value = await Promise.all(
    Array.from({ length: 10 }, () =>
      ctx.blockConcurrencyWhile(async () => {
        const before = ctx.storage.kv.get("counted") ?? 0;
        await scheduler.wait(1);
        ctx.storage.kv.put("counted", before + 1);
      }),
    ),
  );
  same([value.length, ctx.storage.kv.get("counted")], [10, 10]);
}

// Those that lie in another end before it, although nobody awaits them.
export async function sectionsThatNobodyAwaits({ ctx }) {
  const seen = [];
  await ctx.blockConcurrencyWhile(async () => {
    ctx.blockConcurrencyWhile(async () => {
      await scheduler.wait(5);
      seen.push("inner");
    });
    seen.push("outer");
  });
  same(seen, ["outer", "inner"]);
}

// Memory is collected by its bytes: what is left over in circles is soon gone.
export async function garbageInCircles() {
  for (let round = 0; round < 100; round++) {
    const circle = { bytes: new Uint8Array(4 << 20) };
    circle.itself = circle;
  }
  for (let round = 0; round < 3000; round++) {
    const circle = { bytes: new Uint8Array(100 << 10) };
    circle.itself = circle;
  }
}

export async function sections({ ctx }) {
  const order = [];
  const value = await ctx.blockConcurrencyWhile(async () => {
    await ctx.blockConcurrencyWhile(async () => {
      await scheduler.wait(1);
      order.push("inner");
    });
    order.push("outer");
    return 5;
  });
  same([value, order], [5, ["inner", "outer"]]);
}
