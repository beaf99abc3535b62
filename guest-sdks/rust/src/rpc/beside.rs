//! What travels beside the CBOR of a value.

use super::reference::Held;
use crate::Body;
use std::cell::RefCell;

/// The references and the streams of a value, which names them by their index.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    pub references: Vec<Held>,
    /// None for one that was taken.
    pub streams: Vec<Option<Body>>,
}

thread_local! {
    /// Of the value that is being written.
    static GIVEN: RefCell<Option<Beside>> = const { RefCell::new(None) };
    /// Of the value that is being read.
    static TAKEN: RefCell<Beside> = const {
        RefCell::new(Beside { references: Vec::new(), streams: Vec::new() })
    };
}

/// Runs `write`, and gives what it has put beside.
pub fn given<T>(write: impl FnOnce() -> T) -> (T, Beside) {
    let outer = GIVEN.replace(Some(Beside::default()));
    let written = write();
    let beside = GIVEN.replace(outer).unwrap_or_default();
    (written, beside)
}

/// Runs `read` with what lies beside. What it leaves is dropped.
pub fn taken<T>(beside: Beside, read: impl FnOnce() -> T) -> T {
    let outer = TAKEN.replace(beside);
    let value = read();
    drop(TAKEN.replace(outer));
    value
}

/// Puts something beside the value that is being written; none if none is for another
/// object.
pub fn give<T>(put: impl FnOnce(&mut Beside) -> T) -> Option<T> {
    GIVEN.with_borrow_mut(|given| given.as_mut().map(put))
}

/// Looks for something beside the value that is being read.
pub fn take<T>(look: impl FnOnce(&mut Beside) -> Option<T>) -> Option<T> {
    TAKEN.with_borrow_mut(look)
}
