//! How the host's events reach the object: the component's exports.

#[cfg(not(all(feature = "testing", not(target_family = "wasm"))))]
mod component;
mod dispatch;
#[cfg(not(all(feature = "testing", not(target_family = "wasm"))))]
mod panics;

#[cfg(not(all(feature = "testing", not(target_family = "wasm"))))]
pub use component::Component;
pub use dispatch::{Classes, Front, Started, front, start};
#[cfg(all(feature = "testing", not(target_family = "wasm")))]
pub use dispatch::{Exported, Happened, Object, WebSocketEvent};
