//! As much of `wit/` as the events of these tests need: generated, and nothing else.

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package abide:snapshots;
        world object {
            import durable:object/kv@0.1.0;
            import durable:object/state@0.1.0;
            import durable:object/timers@0.1.0;
            export durable:object/lifecycle@0.1.0;
            export durable:object/fetch-handler@0.1.0;
        }
    ",
    imports: { "durable:object/timers.sleep": store },
    exports: { default: async | store },
});
