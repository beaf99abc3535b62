//! A gateway that is written with the SDK.

mod gateway;

durable_object::export!(gateway gateway::Front);
