//! What an object is made of, between its mailbox and its output gate.
//!
//! `mailbox`, `admission` with its `input_gate`, `deadlines`, `alarm` and `output_gate`
//! decide and do nothing; `inbox` and `outlet` are how the rest of the process reaches in,
//! and how the object reaches out; `room` finds the object that leaves for another.
//! Calls between objects: `post` is their way, `chain` knows who waits for whom,
//! `references` what they gave each other to call back.
//! and how the object reaches out; `room` finds the object that leaves for another;
//! `socket` is what the host keeps of WebSockets.

pub mod admission;
pub mod alarm;
pub mod body;
pub mod chain;
pub mod connection_fields;
pub mod deadlines;
pub mod departure;
pub mod error;
pub mod event;
pub mod firing;
pub mod id;
pub mod identity;
pub mod inbox;
pub mod input_gate;
pub mod length;
pub mod log_budget;
pub mod mailbox;
pub mod outgoing;
pub mod outlet;
mod output_gate;
pub mod payload;
pub mod post;
pub mod references;
pub mod room;
#[cfg(test)]
mod simulation;
pub mod socket;
