//! Objects behind a gateway, written with the SDK.

mod press;

durable_object::export!(press::Press: CallHandler + WebSocketHandler);
