//! All of wasmtime: an object's code as a running instance.
//!
//! ```text
//! Component ─ create(), with the constructor ─► Instance ─ serve() ─► Left
//!                     either may come to its end: those who waited for it were answered
//! ```
//!
//! One poll of the instance's event loop is a **turn**. Whatever ran in it, be it
//! one event or five, shares one commit when the poll ends, and what it says
//! waits for that commit in the output gate.
//!
//! Invariants:
//!
//! * A turn that was only preempted goes on; nothing is committed in its middle.
//! * A trap or an abort undoes its whole turn; the events in it get errors.
//! * An instance that trapped is never entered again.

pub mod alarm;
mod bindings;
mod body;
mod callers;
mod chains;
pub mod component;
pub mod component_cache;
pub mod context;
mod cpu;
pub mod create;
mod data_segments;
mod declared;
pub mod end;
pub mod engine;
mod event;
mod fault;
mod function_cache;
mod handlers;
pub mod hibernation;
mod imports;
pub mod kept_memory;
mod log;
mod memory;
mod message;
mod past;
mod payload;
mod refused;
pub mod script;
mod serve;
mod socket_event;
mod standard_streams;
mod tokens;
mod trial;
mod turn;
mod turnstile;
mod undo;
mod wait;
mod wasi;
