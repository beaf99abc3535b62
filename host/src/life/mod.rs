//! From a class and an id to a live object, and back: who lives, for how long, and
//! where the one task of each object is.

mod alarms;
pub mod class;
mod courier;
pub mod fork;
pub mod gateway;
mod handle;
mod leftovers;
pub mod places;
pub mod registry;
mod roll;
mod sleeper;
mod task;
