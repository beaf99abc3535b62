//! How can a running WebAssembly component be put to sleep, and wake where it was?
//!
//! [`instrument`] rewrites a component once, before it is compiled: it adds exports
//! that reach what only the component itself can reach (its mutable globals, its
//! memories, its handles), and changes nothing else. The [`runtime`] half calls them
//! in instances of Wasmtime, to save one and to restore another from what was saved.

#![deny(unsafe_code)]

mod instrument;
mod manifest;
#[cfg(feature = "runtime")]
pub mod runtime;

pub use instrument::refused::{Reason, Refused};
pub use instrument::{Instrumented, instrument};
pub use manifest::{Malformed, Manifest, Space};

/// The version of what [`instrument`] adds. A snapshot of an instance can only be
/// restored into code that was instrumented by the same version.
pub const VERSION: u32 = 1;
