//! How far a log is filled with zeros ahead of what is written to it.
//!
//! A sync of a file that has grown must also write its new length and where its new
//! blocks are, which about doubles the time of a small commit. So the log grows in
//! steps, by zeros, and most commits only write over them.
//!
//! Invariants:
//!
//! * Zeros are written behind the newest commit, while no transaction is open: never
//!   over a frame that counts, and never while SQLite writes frames.
//! * Nothing rests on them. Zeros are neither a header nor a frame of a log, so that
//!   it reads the same with all, some or none of them, as a power loss may leave it.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::limits::PAGE_BYTES;

/// A log grows by its own length, so that one of few commits wastes little, …
const AHEAD_BYTES_MIN: u64 = 16 << 10;

/// … but not without bound: zeros are written twice, as such and as frames.
pub const AHEAD_BYTES_MAX: u64 = 256 << 10;

/// A commit of one page, which a sleeping object's first one often is.
pub const ASLEEP_BYTES: u64 = 8 << 10;

/// Which part of the file is to become zeros after a commit that ends at
/// `log_bytes`; none while it lies within the `file_bytes` that are there.
pub fn after_commit(log_bytes: u64, file_bytes: u64) -> Option<Range<u64>> {
    if log_bytes <= file_bytes {
        return None;
    }
    let ahead_bytes = log_bytes.clamp(AHEAD_BYTES_MIN, AHEAD_BYTES_MAX);
    Some(log_bytes..(log_bytes + ahead_bytes).next_multiple_of(PAGE_BYTES))
}

/// Fills a part of a file with zeros, as far as there is room on the disk.
pub fn fill(file: &File, part: Range<u64>) {
    static ZEROS: [u8; 32 << 10] = [0; 32 << 10];
    let mut at = part.start;
    while at < part.end {
        let length = usize::try_from(part.end - at).map_or(ZEROS.len(), |n| n.min(ZEROS.len()));
        // What the disk cannot take is not needed, and what it fails to write, the
        // sync will tell.
        let Ok(written @ 1..) = file.write_at(&ZEROS[..length], at) else {
            return;
        };
        at += written as u64;
    }
}

#[cfg(test)]
mod tests {
    //! How much a log wastes, and how often it grows.
    use super::super::durable::wal_bytes;
    use super::*;

    #[test]
    fn a_log_of_one_page_wastes_little() {
        let log_bytes = wal_bytes(1);
        let zeros = after_commit(log_bytes, 0).unwrap();
        assert_eq!(zeros.start, log_bytes);
        assert!(zeros.end < log_bytes + AHEAD_BYTES_MIN + PAGE_BYTES);
        assert_eq!(after_commit(wal_bytes(4), zeros.end), None);
    }

    #[test]
    fn a_log_of_a_thousand_commits_grows_seldom() {
        let (mut grown, mut file_bytes) = (0, 0);
        for pages in 1..=1000 {
            if let Some(zeros) = after_commit(wal_bytes(pages), file_bytes) {
                assert!(zeros.start >= wal_bytes(pages));
                file_bytes = zeros.end;
                grown += 1;
            }
        }
        assert!(grown <= 25, "{grown}");
        assert!(file_bytes <= wal_bytes(1000) + AHEAD_BYTES_MAX + PAGE_BYTES);
    }
}
