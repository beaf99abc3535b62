//! What `wit/` says, as Rust types: generated, and nothing else.
#![allow(missing_docs, reason = "the contract documents itself")]

wit_bindgen::generate!({
    path: "../../wit",
    world: "durable-object",
    runtime_path: "::durable_object::__private::wit_bindgen::rt",
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "durable_object::__private::bindings",
    with: {
        "durable:object/types@0.1.0/error-flags": crate::error::ErrorFlags,
        "durable:object/sql@0.1.0/value": crate::sql::Value,
        "durable:object/kv@0.1.0/entry": crate::kv::Entry,
        "durable:object/kv@0.1.0/list-options": crate::kv::ListOptions,
        "durable:object/state@0.1.0/resource-limits": crate::state::Limits,
        "durable:object/websockets@0.1.0/message": crate::websocket::Message,
    },
});
