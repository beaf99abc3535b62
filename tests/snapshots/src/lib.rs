//! A small host of durable objects, in which nothing happens by chance: to see whether
//! an object that slept differs from one that never did.

pub mod bindings;
pub mod dice;
pub mod guest;
pub mod handles;
pub mod object;
pub mod outside;
