//! Where calls of the host go: to the component's imports, or, in tests that run
//! natively, to an object in memory.

#[cfg(not(all(feature = "testing", not(target_family = "wasm"))))]
mod guest;
#[cfg(not(all(feature = "testing", not(target_family = "wasm"))))]
pub mod wire;
#[cfg(not(all(feature = "testing", not(target_family = "wasm"))))]
pub use guest::*;

#[cfg(all(feature = "testing", not(target_family = "wasm")))]
pub mod memory;
#[cfg(all(feature = "testing", not(target_family = "wasm")))]
pub use memory::{
    ByteReader, ByteWriter, alarms, callers, kv, outbound, pipe, spawn, sql, state, storage, stubs,
    timers, transactions, websockets,
};
