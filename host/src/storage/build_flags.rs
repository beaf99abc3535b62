//! Whether SQLite was built as this code needs it.
//!
//! `host/sqlite` sets the flags and links its SQLite; a linker that was told of
//! another one might take that instead.

use std::ffi::CStr;

use anyhow::{Result, bail};
use rusqlite::ffi;

/// What must be there: the grammar that objects are promised; a connection is moved
/// between threads but used by one at a time, and no two connections share anything.
const NEEDED: [&CStr; 4] = [
    c"ENABLE_UPDATE_DELETE_LIMIT",
    c"THREADSAFE=2",
    c"OMIT_SHARED_CACHE",
    c"DEFAULT_MEMSTATUS=0",
];

/// What must not be there: it shows an object the tables that are kept from it, or
/// costs time or memory in each call.
const UNWANTED: [&CStr; 4] = [
    c"ENABLE_STAT4",
    c"ENABLE_DBSTAT_VTAB",
    c"ENABLE_MEMORY_MANAGEMENT",
    c"ENABLE_API_ARMOR",
];

/// Refuses an SQLite that the safety of the data does not hold with.
pub fn check() -> Result<()> {
    let missing = NEEDED.iter().filter(|flag| !is_used(flag));
    let unwanted = UNWANTED.iter().filter(|flag| is_used(flag));
    let wrong: Vec<_> = missing
        .map(|flag| format!("without {}", flag.to_string_lossy()))
        .chain(unwanted.map(|flag| format!("with {}", flag.to_string_lossy())))
        .collect();
    if !wrong.is_empty() {
        bail!(
            "this abide holds an SQLite that was built {}, not that of host/sqlite; build it with \
             no other SQLite among the linker's arguments",
            wrong.join(", ")
        );
    }
    Ok(())
}

fn is_used(flag: &CStr) -> bool {
    // SAFETY: the text ends with a zero and is only read.
    unsafe { ffi::sqlite3_compileoption_used(flag.as_ptr()) != 0 }
}

#[cfg(test)]
mod tests {
    //! The tests run with the flags of the tree; and a flag that is not there is seen.
    use super::*;

    #[test]
    fn the_flags_of_this_tree_are_used() {
        check().unwrap();
        assert!(is_used(c"THREADSAFE=2"));
        assert!(!is_used(c"THREADSAFE=1"));
    }
}
