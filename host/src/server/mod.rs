//! Bytes to events and back: HTTP/1.1 and HTTP/2 on one port, in the clear or
//! through TLS.
//!
//! ```text
//! listen ─► connections ─► connection ─► socket        bytes
//!                              │ request ─► target, host, proxies, fields, upload
//!                              ▼
//!                            object ─ upgrade ─► websocket
//!                              │ answer ─► fields, body, unsent
//!                              ▼
//! vigil looks on all the while                          bytes
//! ```
//!
//! Invariants:
//!
//! * A streamed body is never held whole; what waits of others is counted.
//! * Where a message ends is the server's word alone, in both directions.
//! * What did not arrive or leave whole never looks whole.
//! * A client that owes something has a time limit, a silent one loses its place.
//! * A client learns a short text, the operator's log the rest.
//! * Shutting down lets requests that have begun end, within the grace period.

mod about;
mod answer;
mod being_built;
mod body;
mod build_failure;
mod connection;
mod connections;
mod discard;
mod fields;
mod host;
mod listen;
mod proxies;
mod redirect;
mod request;
mod socket;
mod static_file;
mod target;
mod tls;
mod unsent;
mod upgrade;
mod upload;
mod vigil;

pub use self::being_built::tell as tell_being_built;
pub use self::listen::{Listener, Role, Server, bind};
pub use self::tls::{RedirectConfig, Tls, TlsConfig};
