//! What a component exports of the world's handlers.

use super::bindings::exports::durable::object::{fetch_handler, lifecycle};

/// An event without a handler is answered with an error.
pub struct Handlers {
    pub lifecycle: Option<lifecycle::Guest>,
    pub fetch: Option<fetch_handler::Guest>,
}
