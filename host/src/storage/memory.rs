//! How much memory SQLite may take for one object.
//!
//! A query can ask for any amount: sorts, temporary tables, values by the
//! thousand, queues of recursive queries, words that a full-text index has not
//! written yet. SQLite can only bound all of it together, for the whole process.
//! So SQLite's allocator is ours: it counts on each thread, and a thread works
//! for one object at a time.
//!
//! Invariants:
//!
//! * What SQLite allocates inside `counted` is that object's, wherever it is freed
//!   later: blocks that outlive the call stay counted in `bytes`.
//! * Over the limit SQLite gets no memory, which it answers with SQLITE_NOMEM.
//! * Outside of `counted` nothing is refused: closing must not fail.

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Once;

use rusqlite::ffi;

use super::limits::{LOOKASIDE_BYTES, LOOKASIDE_COUNT, MEMORY_BYTES_MAX, SORT_PAGES_IN_MEMORY};

thread_local! {
    /// What the object of this thread may still take.
    static LEFT: Cell<i64> = const { Cell::new(i64::MAX) };
    static REFUSED: Cell<bool> = const { Cell::new(false) };
}

/// What SQLite has allocated for one object.
#[derive(Debug, Default)]
pub struct Memory {
    bytes: i64,
    refused: bool,
    is_counting: bool,
}

impl Memory {
    /// Begins to count what SQLite allocates on this thread, until `end`.
    pub fn begin(&mut self) -> Counting {
        self.is_counting = true;
        Counting {
            left_before: LEFT.replace(MEMORY_BYTES_MAX - self.bytes),
            refused_before: REFUSED.replace(false),
        }
    }

    pub fn end(&mut self, counting: Counting) {
        self.bytes = MEMORY_BYTES_MAX - LEFT.replace(counting.left_before);
        self.refused = REFUSED.replace(counting.refused_before);
        self.is_counting = false;
    }

    /// Whether SQLite is being counted for this object just now.
    pub fn is_counting(&self) -> bool {
        self.is_counting
    }

    /// Whether SQLite was refused memory since `begin`.
    pub fn was_refused(&self) -> bool {
        if self.is_counting {
            REFUSED.get()
        } else {
            self.refused
        }
    }

    #[cfg(test)]
    pub fn bytes(&self) -> i64 {
        self.bytes
    }
}

/// Runs `work` without counting: what it allocates belongs to the thread.
pub fn uncounted<T>(work: impl FnOnce() -> T) -> T {
    let left = LEFT.replace(i64::MAX);
    let done = work();
    LEFT.set(left);
    done
}

/// What the thread counted before.
#[must_use]
#[derive(Debug)]
pub struct Counting {
    left_before: i64,
    refused_before: bool,
}

/// Makes SQLite use this allocator. Every first use of SQLite comes through here.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let methods = ffi::sqlite3_mem_methods {
            xMalloc: Some(allocate),
            xFree: Some(free),
            xRealloc: Some(reallocate),
            xSize: Some(size),
            xRoundup: Some(round_up),
            xInit: Some(start),
            xShutdown: Some(stop),
            pAppData: ptr::null_mut(),
        };
        // SAFETY: SQLite copies the methods, and is not in use yet: it says so if it is.
        let code = unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_MALLOC, &raw const methods) };
        assert_eq!(
            code,
            ffi::SQLITE_OK,
            "SQLite was used before its memory was counted"
        );
        // SAFETY: as above.
        unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_PMASZ, SORT_PAGES_IN_MEMORY) };
        // What each connection sets apart for small things, all of which it writes to at
        // its opening; SQLite's default is 48 KB. Whatever has no room is allocated.
        let (size, count) = (LOOKASIDE_BYTES, LOOKASIDE_COUNT);
        // SAFETY: as above.
        unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_LOOKASIDE, size, count) };
    });
}

/// Each block begins with its size.
const HEADER_BYTES: usize = 8;

fn layout(bytes: usize) -> Layout {
    // SQLite asks for less than 2 GiB, and wants 8-byte alignment.
    unsafe { Layout::from_size_align_unchecked(HEADER_BYTES + bytes, HEADER_BYTES) }
}

/// Takes `bytes` from what is left on this thread.
fn take(bytes: i64) -> bool {
    let left = LEFT.get() - bytes;
    if left < 0 && bytes > 0 {
        REFUSED.set(true);
        return false;
    }
    LEFT.set(left);
    true
}

unsafe extern "C" fn allocate(bytes: c_int) -> *mut c_void {
    let Ok(count) = usize::try_from(bytes) else {
        return ptr::null_mut();
    };
    if !take(i64::from(bytes)) {
        return ptr::null_mut();
    }
    // SAFETY: the layout is never empty; the header lies within the block.
    unsafe {
        let block = alloc(layout(count));
        if block.is_null() {
            return ptr::null_mut();
        }
        block.cast::<usize>().write(count);
        block.add(HEADER_BYTES).cast()
    }
}

unsafe extern "C" fn free(content: *mut c_void) {
    // SAFETY: `content` came from `allocate`, with its size before it.
    unsafe {
        let block = content.cast::<u8>().sub(HEADER_BYTES);
        let count = block.cast::<usize>().read();
        LEFT.set(LEFT.get().saturating_add(count as i64));
        dealloc(block, layout(count));
    }
}

unsafe extern "C" fn reallocate(content: *mut c_void, bytes: c_int) -> *mut c_void {
    let Ok(count) = usize::try_from(bytes) else {
        return ptr::null_mut();
    };
    // SAFETY: as in `free`.
    unsafe {
        let block = content.cast::<u8>().sub(HEADER_BYTES);
        let before = block.cast::<usize>().read();
        if !take(count as i64 - before as i64) {
            return ptr::null_mut();
        }
        let block = realloc(block, layout(before), HEADER_BYTES + count);
        if block.is_null() {
            return ptr::null_mut();
        }
        block.cast::<usize>().write(count);
        block.add(HEADER_BYTES).cast()
    }
}

unsafe extern "C" fn size(content: *mut c_void) -> c_int {
    if content.is_null() {
        return 0;
    }
    // SAFETY: as in `free`.
    let count = unsafe {
        content
            .cast::<u8>()
            .sub(HEADER_BYTES)
            .cast::<usize>()
            .read()
    };
    count as c_int
}

unsafe extern "C" fn round_up(bytes: c_int) -> c_int {
    bytes.saturating_add(7) & !7
}

unsafe extern "C" fn start(_: *mut c_void) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn stop(_: *mut c_void) {}
