//! One object: its task, and everything between its mailbox and its output gate.
//!
//! `life` is the task that owns it. `mailbox`, `input_gate` and `output_gate`
//! decide and do nothing; `handle` and `outlet` are how the rest of the process
//! reaches in, and how the object reaches out.

pub mod body;
pub mod error;
pub mod event;
pub mod handle;
pub mod id;
pub mod identity;
pub mod input_gate;
pub mod life;
pub mod mailbox;
pub mod outlet;
pub mod output_gate;
