//! What `wit/` says, as Rust types: generated, and nothing else.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "durable-object",
    imports: {
        default: trappable,
        "durable:object/storage.sync": store | trappable,
        "durable:object/timers.sleep": store | trappable,
        "durable:object/stubs.fetch": store | trappable,
        "durable:object/stubs.call": store | trappable,
        "durable:object/stubs.call-reference": store | trappable,
        "durable:object/callers.left": store | trappable,
        "durable:object/http.fetch": store | trappable,
    },
    exports: { default: async | store },
});
