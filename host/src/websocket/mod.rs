//! Speaks the WebSocket protocol (RFC 6455, RFC 7692) on the bytes of a connection,
//! for one end of a socket.
//!
//! ```text
//! bytes ─► incoming (frames, inflate) ─► End ─► object
//! bytes ◄─ outgoing (frames, deflate) ◄─ End ◄─ object
//! ```
//!
//! The heads of frames are tungstenite's. Its connections are not used: they keep a
//! buffer for each, answer a Close before the object could, and do not compress.
//!
//! Invariants:
//!
//! * A connection at rest holds no buffer.
//! * While the object has no room for a message, its connection is not read.
//! * Whatever a peer sends, its socket ends with a code that says what was wrong, and
//!   no other notices.

mod connection;
mod deflate;
mod frame;
mod held;
mod incoming;
mod outgoing;
mod utf8;

pub use self::connection::{Connection, Terms};
pub use self::deflate::{Agreed, negotiate};
pub use tungstenite::handshake::client::generate_key as new_key;
pub use tungstenite::handshake::derive_accept_key as accept_key;

/// On which side of the connection this process is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The peer has asked; it masks what it sends.
    Server,
    /// This process has asked.
    Client,
}
