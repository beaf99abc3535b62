//! How is an instance of Wasmtime saved, and how does another one become what it was?
//!
//! ```text
//! instantiate ──► start ──────► Awake ── run ──► save ──► Snapshot ──► a file, or RAM
//! instantiate ──► restore ──────┘ ▲                          │
//!                    ▲            └── run on, or be dropped   │
//!                    └──────────────────────────────────────-┘
//! ```
//!
//! Invariants:
//!
//! * Only an instance at rest is saved: no call, task, stream, future or waitable
//!   exists, and each handle is one that can be made again.
//! * A snapshot holds all that can differ from a fresh instance which has not been
//!   started. Whatever else is read from it is an error, never a guess.
//! * An instance whose `restore` failed is of no use and must be dropped, with its
//!   store. One whose `save` says [`Unsaved::NotNow`] is as it was before.
//! * A file that an instance maps is never written again.

mod accessors;
mod awake;
mod file;
mod handles;
mod packed;
mod pages;
mod raw;
mod restore;
mod save;
mod snapshot;
mod written;

pub use accessors::Accessors;
pub use awake::{Awake, Base};
pub use file::{Check, Unreadable};
pub use handles::Handles;
pub use packed::Packed;
pub use restore::Restoring;
pub use save::{NotNow, Saving, Unsaved};
pub use snapshot::{Handle, Snapshot};
