//! Abide: durable objects in any language, on your own machine.
//!
//! The modules, in the order in which an event meets them; `ARCHITECTURE.md` is
//! their map.

pub mod cli;

pub mod build;
pub mod config;

pub mod server;

pub mod router;

pub mod registry;

pub mod object;

pub mod instance;

pub mod storage;

mod class;
mod clock;
mod limits;
mod places;
