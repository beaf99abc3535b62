//! The gateway without objects of its own.

#[path = "../../front/src/gateway.rs"]
mod gateway;

durable_object::export!(gateway gateway::Front);
