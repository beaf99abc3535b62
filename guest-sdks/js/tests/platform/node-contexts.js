// AsyncLocalStorage follows whatever is waited for.

import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import { equal, same, test } from "./harness.js";

const store = new AsyncLocalStorage();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

test("contexts: a store is there while its callback runs, and after every kind of wait", async () => {
  const seen = await store.run("a", async () => {
    const found = [store.getStore()];
    await null;
    found.push(store.getStore());
    await pause(1);
    found.push(store.getStore());
    await Promise.all([pause(1), null]);
    found.push(store.getStore());
    await Promise.resolve().then(() => found.push(store.getStore()));
    await new Promise((resolve) => queueMicrotask(() => resolve(found.push(store.getStore()))));
    await new Promise((resolve) => setTimeout(() => resolve(found.push(store.getStore())), 1));
    for await (const value of (async function* () { yield store.getStore(); await pause(1); yield store.getStore(); })()) found.push(value);
    await { then: (resolve) => resolve(found.push(store.getStore())) };
    try {
      await Promise.reject(new Error());
    } catch {
      found.push(store.getStore());
    }
    await pause(0).finally(() => found.push(store.getStore()));
    return found;
  });
  same(seen, Array(12).fill("a"));
  equal(store.getStore(), undefined);
});

test("contexts: those that go on beside each other keep their own", async () => {
  const work = async (name) => {
    const seen = [];
    for (let turn = 0; turn < 5; turn++) {
      await pause(turn % 2);
      seen.push(store.getStore());
      await null;
      seen.push(store.getStore());
    }
    return seen.every((value) => value === name);
  };
  const results = await Promise.all(["a", "b", "c"].map((name) => store.run(name, () => work(name))));
  same([...results, store.getStore()], [true, true, true, undefined]);
});

test("contexts: they nest, are left, and two stores do not disturb each other", async () => {
  const other = new AsyncLocalStorage({ defaultValue: "none" });
  await store.run(1, async () => {
    await other.run(2, async () => {
      await null;
      same([store.getStore(), other.getStore()], [1, 2]);
      await store.run(3, async () => {
        await null;
        same([store.getStore(), other.getStore()], [3, 2]);
      });
      equal(store.exit(() => store.getStore()), undefined);
      equal(store.getStore(), 1);
    });
    equal(other.getStore(), "none");
  });
});

test("contexts: enterWith holds for what follows, and not for others", async () => {
  await (async () => {
    await null;
    store.enterWith("entered");
    await pause(1);
    equal(store.getStore(), "entered");
  })();
  await pause(1);
  equal(store.getStore(), undefined);
});

test("contexts: bind, snapshot and resources take one along", async () => {
  const [bound, snapshot, resource] = store.run("kept", () => [AsyncLocalStorage.bind(() => store.getStore()), AsyncLocalStorage.snapshot(), new AsyncResource("x")]);
  same([bound(), snapshot(() => store.getStore()), resource.runInAsyncScope(() => store.getStore())], ["kept", "kept", "kept"]);
});

test("contexts: async functions are what they were", async () => {
  class Base {
    async name() {
      return "base";
    }
  }
  class Derived extends Base {
    #own = 1;
    async name(...args) {
      await null;
      return `${await super.name()} ${this.#own} ${args.length} ${arguments.length}`;
    }
    static async *count(to) {
      for (let at = 0; at < to; at++) yield at;
    }
  }
  equal(await new Derived().name(1, 2), "base 1 2 2");
  const counted = [];
  for await (const at of Derived.count(3)) counted.push(at);
  same(counted, [0, 1, 2]);
  const order = [];
  const task = async (name) => {
    order.push(`${name}1`);
    await null;
    order.push(`${name}2`);
  };
  await Promise.all([task("a"), task("b")]);
  same(order, ["a1", "b1", "a2", "b2"]);
});

test("contexts: a store of the module as it is required is the same", async () => {
  const contexts = require("async_hooks");
  equal(contexts.AsyncLocalStorage, AsyncLocalStorage);
  const store = new contexts.AsyncLocalStorage();
  equal(await store.run("a", async () => (await null, store.getStore())), "a");
});
