//! All of wasmtime: an object's code as a running instance.
//!
//! ```text
//! Component ─create()─► Instance ─start()─► started ─serve()─► Departure
//!                          any of them may end in an ObjectError: the instance is gone
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

mod bindings;
mod body;
pub mod component;
pub mod context;
pub mod create;
pub mod engine;
mod event;
mod handlers;
mod imports;
mod limits;
mod log;
mod serve;
mod ticks;
mod turn;
mod turnstile;
mod wait;
