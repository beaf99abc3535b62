//! A gateway and the objects behind it.

mod gateway;
mod press;

durable_object::export! {
    gateway gateway::Front,
    "press" => press::Press: CallHandler + WebSocketHandler,
}
