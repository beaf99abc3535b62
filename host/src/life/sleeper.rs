//! What is kept of an object that sleeps, beside its files.

use std::sync::Arc;

use crate::instance::kept_memory::KeptMemory;
use crate::object::socket::sockets::Sockets;
use crate::storage::Imprint;

/// Objects that sleep with their memory. Each takes less than a kilobyte; what is past
/// that begins anew from its data.
pub const SLEEPERS_MAX: usize = 1_000_000;

pub struct Sleeper {
    pub sockets: Arc<Sockets>,
    /// Some: the object goes on where it was.
    pub kept: Option<Kept>,
}

/// An object's memory, and what its database is like as long as that is of any use.
pub struct Kept {
    pub memory: KeptMemory,
    pub imprint: Imprint,
}
