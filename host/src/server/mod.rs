//! Bytes to events and back: HTTP/1.1 and HTTP/2 on one port.
//!
//! Invariants:
//!
//! * Neither a request's nor a response's body is ever held whole.
//! * A client learns a short text, the operator's log the rest.
//! * Shutting down lets requests that have begun end, within the grace period.

mod answer;
mod discard;
mod listen;
mod request;

pub use self::listen::{Server, bind};
