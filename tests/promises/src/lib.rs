//! What do the tests of the host's promises have in common?
//!
//! A test sets up a [`Site`] (a folder with a configuration and data), starts the
//! real binary on it, speaks to the running [`Abide`] over real sockets, and may stop,
//! kill and start it again on the same site. Whatever the process printed is shown
//! when the test fails, and a panic anywhere in the host fails every test.

mod abide;
mod artifacts;
mod client;
mod connection;
mod development;
mod disk;
pub mod elsewhere;
mod flaky_disk;
pub mod frames;
mod languages;
mod ledger;
mod neighbour;
pub mod raw_socket;
#[allow(dead_code)] // The recorder writes what the tests read; both use this one file.
#[path = "../../power-loss/src/record.rs"]
mod record;
mod site;
pub mod smallest;
mod wait;
mod websocket;

pub use abide::{Abide, Refusal, start};
pub use artifacts::{
    abide, alarm_clock, cache, fixture, foreign_clock, front, front_alone, gateway, javascript,
    javascript_gateway, probe, workspace,
};
pub use client::{Answer, Body, BodySender, Client, Protocol, Stream, chunks, whole};
pub use connection::Connection;
pub use development::{Development, counter};
pub use disk::{Disk, Outcome};
pub use elsewhere::Elsewhere;
pub use flaky_disk::FlakyDisk;
pub use guests::Language;
pub use ledger::{Ledger, Moment};
pub use neighbour::{Attack, Neighbour};
pub use raw_socket::RawSocket;
pub use site::Site;
pub use wait::{DEADLINE, until};
pub use websocket::{Said, WebSocket};
