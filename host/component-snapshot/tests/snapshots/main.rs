//! Does an instance that slept differ from one that never did?

mod files;
mod handles;
mod instrumenting;
mod soak;
mod state;
mod world;
