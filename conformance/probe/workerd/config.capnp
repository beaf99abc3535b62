# Serves the probe from local disk; directory and port are given on the command line.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "probe.mjs", esModule = embed "probe.mjs")],
      compatibilityDate = "2026-11-01",
      durableObjectStorage = (localDisk = "data"),
      bindings = [
        (name = "probe", durableObjectNamespace = "Probe"),
        (name = "other", durableObjectNamespace = "Other"),
      ],
      durableObjectNamespaces = [
        (className = "Probe", uniqueKey = "conformance-probe", enableSql = true),
        (className = "Other", uniqueKey = "conformance-other", enableSql = true),
      ],
    )),
    (name = "data", disk = (path = "/given-on-the-command-line", writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:8787", http = (), service = "main")],
);
