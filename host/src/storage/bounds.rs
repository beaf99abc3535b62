//! What bounds every stretch of work that storage does: memory, temporary files, time.

use rusqlite::ffi;

use super::Storage;
use super::budget::{Pace, Used, Verdict};
use super::errors::StorageError;
use super::limits::{MEMORY_BYTES_MAX, TEMP_BYTES_MAX};
use super::temp_files::TempSpace;

impl Storage {
    /// Runs `work` and counts what SQLite takes for it. All that calls SQLite does
    /// so inside, but for the end of the storage.
    pub(super) fn counted<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        if self.memory.is_counting() {
            return work(self);
        }
        let counting = self.memory.begin();
        let before = self.temp.enter();
        let done = work(self);
        TempSpace::leave(before);
        self.memory.end(counting);
        done
    }

    /// Says of an error that came from one of our bounds which one it was.
    pub(super) fn explain(&self, error: StorageError) -> StorageError {
        let StorageError::Sqlite { code, .. } = error else {
            return error;
        };
        let text = match code & 0xff {
            ffi::SQLITE_NOMEM if self.memory.was_refused() => format!(
                "SQL needs more than {MEMORY_BYTES_MAX} bytes of memory; \
                 use fewer or shorter values at a time"
            ),
            ffi::SQLITE_FULL if self.temp.was_refused() => format!(
                "sorting and temporary results take more than {TEMP_BYTES_MAX} bytes; \
                 add an index or ask for fewer rows at a time"
            ),
            _ => return error,
        };
        StorageError::sqlite(code, &text, None)
    }

    /// Who is asked by calls that take long; none by default. Before the first call.
    pub fn set_pace(&mut self, pace: impl Fn(Used) -> Verdict + Send + Sync + 'static) {
        let pace: Pace = Box::new(pace);
        self.budget.set_pace(pace);
    }
}
