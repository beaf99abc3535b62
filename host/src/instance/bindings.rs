//! What `wit/` says, as Rust types; generated and nothing else.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "durable-object",
    imports: {
        "durable:object/storage.sync": store,
        "durable:object/timers.sleep": store,
        "durable:object/stubs.fetch": store,
        "durable:object/stubs.call": store,
        "durable:object/http.fetch": store,
        "durable:object/state.abort": trappable,
        "durable:object/state.end-block-concurrency": trappable,
    },
    exports: { default: async | store },
});
