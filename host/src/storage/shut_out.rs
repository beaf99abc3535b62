//! Keeps every other SQLite off a database while the host works on it alone.
//!
//! SQLite locks a range of bytes far behind those that a database has. The host's own
//! connections lock nothing (see `temp_files`), so it locks the range itself, for the open
//! file and not for the process: SQLite's own kind of lock would be lost as soon as the
//! process closes any other descriptor of the file.

use std::fs::File;
use std::io;

/// Where SQLite's locks begin (`PENDING_BYTE`), and how many bytes they take.
#[cfg(target_os = "linux")]
const LOCKS: (i64, i64) = (0x4000_0000, 512);

/// Locks a database, open to be written, until this file is closed. False when another
/// program uses it: whoever has read its log keeps a lock.
#[cfg(target_os = "linux")]
pub fn shut_out(database: &File) -> io::Result<bool> {
    use nix::errno::Errno;
    use nix::fcntl::{FcntlArg, fcntl};
    let (start, length) = LOCKS;
    let whole = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: length,
        l_pid: 0,
    };
    match fcntl(database, FcntlArg::F_OFD_SETLK(&whole)) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        // A file system without locks: SQLite cannot use any there either.
        Err(Errno::ENOLCK | Errno::EOPNOTSUPP | Errno::EINVAL) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Elsewhere such locks belong to processes.
#[cfg(not(target_os = "linux"))]
pub fn shut_out(_: &File) -> io::Result<bool> {
    Ok(true)
}
