//! Abide: durable objects in any language, on your own machine.
//!
//! The modules, in the order in which an event meets them; `ARCHITECTURE.md` is
//! their map.

pub mod cli;

mod build;
mod config;

mod server;

mod router;

mod admin;

mod life;

mod object;

mod instance;

mod outbound;
mod websocket;

mod storage;

mod clock;
mod descriptors;
mod environment;
mod limits;
mod memory;
mod regular_file;
mod workers;
mod written;

// Brings SQLite itself; rusqlite has its bindings alone.
use abide_sqlite as _;
