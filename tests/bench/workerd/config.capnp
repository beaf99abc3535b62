# How does workerd serve the classes of worker.js from local disk?
#
# Two constants: `config` evicts idle objects (after about ten seconds), `pinned` keeps them.
# The directory and the port are overridden on the command line.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = .modules,
      compatibilityDate = .date,
      durableObjectStorage = (localDisk = "data"),
      bindings = .bindings,
      durableObjectNamespaces = [
        (className = "Echo", uniqueKey = "bench-echo", enableSql = true),
        (className = "Counter", uniqueKey = "bench-counter", enableSql = true),
        (className = "SqlRead", uniqueKey = "bench-sqlread", enableSql = true),
        (className = "Greedy", uniqueKey = "bench-greedy", enableSql = true),
        (className = "Room", uniqueKey = "bench-room", enableSql = true),
        (className = "Bell", uniqueKey = "bench-bell", enableSql = true),
        (className = "Caller", uniqueKey = "bench-caller", enableSql = true),
        (className = "Forgetful", uniqueKey = "bench-forgetful", enableSql = true),
        (className = "Json", uniqueKey = "bench-json", enableSql = true),
        (className = "Sort", uniqueKey = "bench-sort", enableSql = true),
      ],
    )),
    .disk,
  ],
  sockets = .sockets,
);

const pinned :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = .modules,
      compatibilityDate = .date,
      durableObjectStorage = (localDisk = "data"),
      bindings = .bindings,
      durableObjectNamespaces = [
        (className = "Echo", uniqueKey = "bench-echo", enableSql = true, preventEviction = true),
        (className = "Counter", uniqueKey = "bench-counter", enableSql = true, preventEviction = true),
        (className = "SqlRead", uniqueKey = "bench-sqlread", enableSql = true, preventEviction = true),
        (className = "Greedy", uniqueKey = "bench-greedy", enableSql = true, preventEviction = true),
        (className = "Room", uniqueKey = "bench-room", enableSql = true, preventEviction = true),
        (className = "Bell", uniqueKey = "bench-bell", enableSql = true, preventEviction = true),
        (className = "Caller", uniqueKey = "bench-caller", enableSql = true, preventEviction = true),
        (className = "Forgetful", uniqueKey = "bench-forgetful", enableSql = true, preventEviction = true),
        (className = "Json", uniqueKey = "bench-json", enableSql = true, preventEviction = true),
        (className = "Sort", uniqueKey = "bench-sort", enableSql = true, preventEviction = true),
      ],
    )),
    .disk,
  ],
  sockets = .sockets,
);

const date :Text = "2026-06-01";
const modules :List(Workerd.Worker.Module) = [(name = "worker.js", esModule = embed "worker.js")];
const disk :Workerd.Service = (name = "data", disk = (path = "/given-on-the-command-line", writable = true));
const sockets :List(Workerd.Socket) = [
  (name = "http", address = "127.0.0.1:8787", http = (), service = "main"),
];
const bindings :List(Workerd.Worker.Binding) = [
  (name = "echo", durableObjectNamespace = "Echo"),
  (name = "counter", durableObjectNamespace = "Counter"),
  (name = "forgetful", durableObjectNamespace = "Forgetful"),
  (name = "sqlread", durableObjectNamespace = "SqlRead"),
  (name = "greedy", durableObjectNamespace = "Greedy"),
  (name = "room", durableObjectNamespace = "Room"),
  (name = "bell", durableObjectNamespace = "Bell"),
  (name = "caller", durableObjectNamespace = "Caller"),
  (name = "json", durableObjectNamespace = "Json"),
  (name = "sort", durableObjectNamespace = "Sort"),
];
