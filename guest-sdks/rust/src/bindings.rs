//! What `wit/` says, as Rust types: generated, and nothing else.
//!
//! Each handler has a world of its own, so that a component exports only those that its
//! classes implement, and a gateway nothing of an object.
#![allow(missing_docs, reason = "the contract documents itself")]

wit_bindgen::generate!({
    inline: "
        package durable-object:sdk;
        world object {
            include durable:object/imports@0.1.0;
            export durable:object/lifecycle@0.1.0;
        }
    ",
    path: "../../wit",
    world: "durable-object:sdk/object",
    runtime_path: "::durable_object::__private::wit_bindgen::rt",
    pub_export_macro: true,
    export_macro_name: "export_object",
    default_bindings_module: "durable_object::__private::bindings",
    generate_all,
    with: {
        "durable:object/types@0.1.0/error-flags": crate::error::ErrorFlags,
        "durable:object/sql@0.1.0/value": crate::sql::Value,
        "durable:object/kv@0.1.0/entry": crate::kv::Entry,
        "durable:object/kv@0.1.0/list-options": crate::kv::ListOptions,
        "durable:object/state@0.1.0/resource-limits": crate::state::Limits,
        "durable:object/websockets@0.1.0/message": crate::websocket::Message,
    },
});

pub mod fetch {
    wit_bindgen::generate!({
        inline: "
            package durable-object:fetches;
            world fetches { export durable:object/fetch-handler@0.1.0; }
        ",
        path: "../../wit",
        world: "durable-object:fetches/fetches",
        runtime_path: "::durable_object::__private::wit_bindgen::rt",
        pub_export_macro: true,
        export_macro_name: "export_fetch_in",
        default_bindings_module: "durable_object::__private::bindings::fetch",
        with: {
            "durable:object/types@0.1.0": crate::bindings::durable::object::types,
            "durable:object/types@0.1.0/error-flags": crate::error::ErrorFlags,
        },
    });
}

pub mod alarm {
    wit_bindgen::generate!({
        inline: "
            package durable-object:alarms;
            world alarms { export durable:object/alarm-handler@0.1.0; }
        ",
        path: "../../wit",
        world: "durable-object:alarms/alarms",
        runtime_path: "::durable_object::__private::wit_bindgen::rt",
        pub_export_macro: true,
        export_macro_name: "export_alarm_in",
        default_bindings_module: "durable_object::__private::bindings::alarm",
        with: {
            "durable:object/types@0.1.0": crate::bindings::durable::object::types,
            "durable:object/types@0.1.0/error-flags": crate::error::ErrorFlags,
        },
    });
}

pub mod calls {
    wit_bindgen::generate!({
        inline: "
            package durable-object:calls;
            world calls { export durable:object/rpc-handler@0.1.0; }
        ",
        path: "../../wit",
        world: "durable-object:calls/calls",
        runtime_path: "::durable_object::__private::wit_bindgen::rt",
        pub_export_macro: true,
        export_macro_name: "export_calls_in",
        default_bindings_module: "durable_object::__private::bindings::calls",
        with: {
            "durable:object/types@0.1.0": crate::bindings::durable::object::types,
            "durable:object/types@0.1.0/error-flags": crate::error::ErrorFlags,
        },
    });
}

pub mod web_sockets {
    wit_bindgen::generate!({
        inline: "
            package durable-object:web-sockets;
            world web-sockets { export durable:object/websocket-handler@0.1.0; }
        ",
        path: "../../wit",
        world: "durable-object:web-sockets/web-sockets",
        runtime_path: "::durable_object::__private::wit_bindgen::rt",
        pub_export_macro: true,
        export_macro_name: "export_web_sockets_in",
        default_bindings_module: "durable_object::__private::bindings::web_sockets",
        with: {
            "durable:object/types@0.1.0": crate::bindings::durable::object::types,
            "durable:object/types@0.1.0/error-flags": crate::error::ErrorFlags,
            "durable:object/websockets@0.1.0": crate::bindings::durable::object::websockets,
            "durable:object/websockets@0.1.0/message": crate::websocket::Message,
        },
    });
}

/// Exports a handler of a component.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_fetch {
    ($component:ident) => {
        $crate::__private::bindings::fetch::export_fetch_in!(
            $component with_types_in $crate::__private::bindings::fetch
        );
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_alarm {
    ($component:ident) => {
        $crate::__private::bindings::alarm::export_alarm_in!(
            $component with_types_in $crate::__private::bindings::alarm
        );
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_calls {
    ($component:ident) => {
        $crate::__private::bindings::calls::export_calls_in!(
            $component with_types_in $crate::__private::bindings::calls
        );
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_web_sockets {
    ($component:ident) => {
        $crate::__private::bindings::web_sockets::export_web_sockets_in!(
            $component with_types_in $crate::__private::bindings::web_sockets
        );
    };
}

pub use {
    __export_alarm as export_alarm, __export_calls as export_calls, __export_fetch as export_fetch,
    __export_web_sockets as export_web_sockets,
};
