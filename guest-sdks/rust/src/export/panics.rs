//! What becomes of a panic: the object is reset, and whoever reads its log or the
//! error of its callers learns where and why.

use crate::host;
use std::panic::{self, PanicHookInfo};

/// Has panics told to the host, which ends the instance. The hook of the standard
/// library would print to the log what nobody can follow, and the trap after it would
/// tell callers nothing.
pub fn tell() {
    panic::set_hook(Box::new(|panic| {
        let told = told(panic);
        eprintln!("{told}");
        host::state::abort(Some(&told), true)
    }));
}

/// Has panics of a gateway told to its log alone: the trap after it ends the instance.
pub fn print() {
    panic::set_hook(Box::new(|panic| eprintln!("{}", told(panic))));
}

fn told(panic: &PanicHookInfo<'_>) -> String {
    let message = panic
        .payload_as_str()
        .unwrap_or("a panic without a message");
    match panic.location() {
        Some(place) => format!("panicked at {place}: {message}"),
        None => format!("panicked: {message}"),
    }
}
