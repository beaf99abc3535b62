// node:process: as much of a process as an object is.

import { getEnvironment } from "wasi:cli/environment@0.2.0";
import { EventEmitter } from "node:events";
import { hasBegun } from "../platform/begin.js";
import { print, printError } from "../platform/output.js";

const begun = performance.now();
let given = null;

// What the host gives an instance is not known while it is built.
function variables() {
  if (!hasBegun()) return {};
  given ??= Object.fromEntries(getEnvironment());
  return given;
}

export const env = new Proxy({}, {
  get: (_, name) => variables()[name],
  set(_, name, value) {
    variables()[name] = `${value}`;
    return true;
  },
  has: (_, name) => name in variables(),
  deleteProperty: (_, name) => delete variables()[name],
  ownKeys: () => Reflect.ownKeys(variables()),
  getOwnPropertyDescriptor: (_, name) => {
    const found = Object.getOwnPropertyDescriptor(variables(), name);
    return found && { ...found, configurable: true };
  },
});

export const nextTick = (callback, ...args) => queueMicrotask(() => callback(...args));

export function hrtime(before) {
  const now = performance.now() - begun;
  const [seconds, nanoseconds] = [Math.floor(now / 1000), Math.floor((now % 1000) * 1e6)];
  if (!before) return [seconds, nanoseconds];
  const borrowed = nanoseconds < before[1] ? 1 : 0;
  return [seconds - before[0] - borrowed, nanoseconds - before[1] + borrowed * 1e9];
}

hrtime.bigint = () => BigInt(Math.floor((performance.now() - begun) * 1e6));

const writer = (say) => ({
  isTTY: false,
  fd: say === print ? 1 : 2,
  write(text, ...rest) {
    say(`${text}`.replace(/\n$/, ""));
    const done = rest.at(-1);
    if (typeof done === "function") queueMicrotask(done);
    return true;
  },
});

class Process extends EventEmitter {
  env = env;
  nextTick = nextTick;
  hrtime = hrtime;
  stdout = writer(print);
  stderr = writer(printError);
  argv = ["abide"];
  argv0 = "abide";
  execArgv = [];
  execPath = "";
  title = "abide";
  pid = 1;
  ppid = 0;
  platform = "linux";
  arch = "wasm32";
  version = "v22.19.0";
  versions = { node: "22.19.0" };
  release = { name: "node" };
  features = {};
  exitCode = undefined;
  cwd = () => "/";
  uptime = () => (performance.now() - begun) / 1000;
  umask = () => 0;
  emitWarning = (warning) => console.warn(warning);
  getBuiltinModule = () => undefined;
  memoryUsage = () => {
    const { memoryUsedSize, mallocSize } = __cqjs.getMemoryUsage();
    return { rss: mallocSize, heapTotal: mallocSize, heapUsed: memoryUsedSize, external: 0, arrayBuffers: 0 };
  };
  cpuUsage = () => ({ user: Math.floor((performance.now() - begun) * 1000), system: 0 });

  exit() {
    throw new Error("process.exit() is not supported by Abide: an object does not end by itself; ctx.abort() resets it.");
  }

  abort() {
    this.exit();
  }

  chdir() {
    throw new Error("process.chdir() is not supported by Abide: objects have no files.");
  }
}

const process = new Process();
export const {
  stdout, stderr, argv, argv0, execArgv, execPath, title, pid, ppid, platform, arch, version, versions, release, features, cwd, uptime, umask,
  emitWarning, getBuiltinModule, memoryUsage, cpuUsage,
} = process;
export const on = process.on.bind(process);
export const once = process.once.bind(process);
export const off = process.off.bind(process);
export const emit = process.emit.bind(process);
export const exit = process.exit.bind(process);
export default process;
