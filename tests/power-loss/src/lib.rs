//! What does a process ask of its disk?
//!
//! Preloaded (`LD_PRELOAD`) into a process, this library stands between it and the
//! kernel: it writes down every change and every sync below one folder, plays the
//! syncs instead of making them, and fails requests when it is told to. What a power
//! loss would have left at any moment follows from those records; who reads them
//! decides that.
//!
//! It sees what goes through the C library, SQLite's requests and those of Rust's
//! standard library. A change that bypasses it shows when the records are compared
//! with the folder; names that bypass it are read from the folder at each sync.
//!
//! Each function here replaces the C function of its name and keeps its contract.

// What must hold for a call to be sound is what the C function of that name asks for.
#![allow(clippy::missing_safety_doc)]

mod faults;
#[allow(dead_code)] // The tests read what this library writes; both use this one file.
mod record;
mod recorder;

use std::ffi::{CStr, OsStr};
use std::os::raw::{c_char, c_int, c_uint, c_void};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use faults::Operation;
use libc::{iovec, off_t, off64_t, size_t, ssize_t};
use recorder::{Scope, quietly};

/// Gives up with an error, as a C function does.
fn fail(errno: c_int) -> c_int {
    unsafe { *libc::__errno_location() = errno };
    -1
}

/// The error with which an operation on this descriptor shall fail.
fn refusal(operation: Operation, fd: c_int) -> Option<c_int> {
    quietly(|recorder| {
        let place = recorder.place(fd)?;
        recorder.faults().error(operation, &place.path)
    })
    .flatten()
}

/// Writes down what a write that succeeded has put at `offset`; none stands for the
/// offset of the descriptor, which the write has moved to its end.
fn written(fd: c_int, offset: Option<i64>, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    quietly(|recorder| {
        let Some(place) = recorder.place(fd) else {
            return;
        };
        let offset = offset.unwrap_or_else(
            || unsafe { libc::lseek64(fd, 0, libc::SEEK_CUR) } - bytes.len() as i64,
        );
        recorder.wrote(&place, offset as u64, bytes.to_vec());
    });
}

/// Writes down bytes that went from file to file within the kernel.
fn copied(fd: c_int, offset: Option<i64>, count: ssize_t) {
    let Ok(count) = usize::try_from(count) else {
        return;
    };
    let bytes = quietly(|_| {
        let file = std::fs::File::open(format!("/proc/self/fd/{fd}")).ok()?;
        let offset = offset.unwrap_or_else(|| unsafe { libc::lseek64(fd, 0, libc::SEEK_CUR) })
            - count as i64;
        let mut bytes = vec![0; count];
        file.read_exact_at(&mut bytes, offset as u64).ok()?;
        Some((offset, bytes))
    });
    if let Some((offset, bytes)) = bytes.flatten() {
        written(fd, Some(offset), &bytes);
    }
}

fn gathered(parts: *const iovec, count: c_int, length: ssize_t) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in unsafe { std::slice::from_raw_parts(parts, count as usize) } {
        bytes.extend(unsafe {
            std::slice::from_raw_parts(part.iov_base.cast::<u8>(), part.iov_len)
        });
    }
    bytes.truncate(length.max(0) as usize);
    bytes
}

unsafe fn taken<'a>(buffer: *const c_void, length: ssize_t) -> &'a [u8] {
    match usize::try_from(length) {
        Ok(length) if length > 0 => unsafe { std::slice::from_raw_parts(buffer.cast(), length) },
        _ => &[],
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, buffer: *const c_void, count: size_t) -> ssize_t {
    if let Some(errno) = refusal(Operation::Write, fd) {
        return fail(errno) as ssize_t;
    }
    let length = unsafe { libc::syscall(libc::SYS_write, fd, buffer, count) } as ssize_t;
    written(fd, None, unsafe { taken(buffer, length) });
    length
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    if let Some(errno) = refusal(Operation::Write, fd) {
        return fail(errno) as ssize_t;
    }
    let length = unsafe { libc::syscall(libc::SYS_writev, fd, parts, count) } as ssize_t;
    if length > 0 && quietly(|recorder| recorder.place(fd).is_some()) == Some(true) {
        written(fd, None, &gathered(parts, count, length));
    }
    length
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(
    fd: c_int,
    buffer: *const c_void,
    count: size_t,
    offset: off64_t,
) -> ssize_t {
    if let Some(errno) = refusal(Operation::Write, fd) {
        return fail(errno) as ssize_t;
    }
    let length = unsafe { libc::syscall(libc::SYS_pwrite64, fd, buffer, count, offset) } as ssize_t;
    written(fd, Some(offset), unsafe { taken(buffer, length) });
    length
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite(
    fd: c_int,
    buffer: *const c_void,
    count: size_t,
    offset: off_t,
) -> ssize_t {
    unsafe { pwrite64(fd, buffer, count, offset) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwritev64(
    fd: c_int,
    parts: *const iovec,
    count: c_int,
    offset: off64_t,
) -> ssize_t {
    // In one piece: the kernel may write less than asked, so this keeps the contract.
    let all = gathered(parts, count, ssize_t::MAX);
    unsafe { pwrite64(fd, all.as_ptr().cast(), all.len(), offset) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwritev(
    fd: c_int,
    parts: *const iovec,
    count: c_int,
    offset: off_t,
) -> ssize_t {
    unsafe { pwritev64(fd, parts, count, offset) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn copy_file_range(
    from: c_int,
    from_offset: *mut off64_t,
    to: c_int,
    to_offset: *mut off64_t,
    count: size_t,
    flags: c_uint,
) -> ssize_t {
    if let Some(errno) = refusal(Operation::Write, to) {
        return fail(errno) as ssize_t;
    }
    let call = libc::SYS_copy_file_range;
    let length =
        unsafe { libc::syscall(call, from, from_offset, to, to_offset, count, flags) } as ssize_t;
    let end = (!to_offset.is_null()).then(|| unsafe { *to_offset });
    copied(to, end, length);
    length
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendfile64(
    to: c_int,
    from: c_int,
    offset: *mut off64_t,
    count: size_t,
) -> ssize_t {
    if let Some(errno) = refusal(Operation::Write, to) {
        return fail(errno) as ssize_t;
    }
    let length = unsafe { libc::syscall(libc::SYS_sendfile, to, from, offset, count) } as ssize_t;
    copied(to, None, length);
    length
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendfile(
    to: c_int,
    from: c_int,
    offset: *mut off_t,
    count: size_t,
) -> ssize_t {
    unsafe { sendfile64(to, from, offset, count) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate64(fd: c_int, length: off64_t) -> c_int {
    match refusal(Operation::Write, fd) {
        // A full disk has room for less.
        None | Some(libc::ENOSPC) => {}
        Some(errno) => return fail(errno),
    }
    let result = unsafe { libc::syscall(libc::SYS_ftruncate, fd, length) } as c_int;
    if result == 0 {
        quietly(|recorder| {
            recorder
                .place(fd)
                .map(|place| recorder.resized(&place, length as u64))
        });
    }
    result
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate(fd: c_int, length: off_t) -> c_int {
    unsafe { ftruncate64(fd, length) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fallocate64(
    fd: c_int,
    mode: c_int,
    offset: off64_t,
    length: off64_t,
) -> c_int {
    if let Some(errno) = refusal(Operation::Write, fd) {
        return fail(errno);
    }
    let length_before = length_of(fd);
    let result = unsafe { libc::syscall(libc::SYS_fallocate, fd, mode, offset, length) } as c_int;
    if result == 0 && length_of(fd) != length_before {
        quietly(|recorder| {
            let place = recorder.place(fd)?;
            recorder.resized(&place, place.length);
            Some(())
        });
    }
    result
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fallocate(fd: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
    unsafe { fallocate64(fd, mode, offset, length) }
}

/// Gives the error number instead of setting it, as the C function does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_fallocate64(fd: c_int, offset: off64_t, length: off64_t) -> c_int {
    match unsafe { fallocate64(fd, 0, offset, length) } {
        0 => 0,
        _ => unsafe { *libc::__errno_location() },
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_fallocate(fd: c_int, offset: off_t, length: off_t) -> c_int {
    unsafe { posix_fallocate64(fd, offset, length) }
}

fn length_of(fd: c_int) -> Option<u64> {
    quietly(|recorder| recorder.place(fd).map(|place| place.length)).flatten()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsync(fd: c_int) -> c_int {
    let played = quietly(|recorder| {
        recorder
            .place(fd)
            .map(|place| recorder.sync(Scope::One(place)))
    });
    outcome(played, || unsafe { libc::syscall(libc::SYS_fsync, fd) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdatasync(fd: c_int) -> c_int {
    let played = quietly(|recorder| {
        recorder
            .place(fd)
            .map(|place| recorder.sync(Scope::One(place)))
    });
    outcome(played, || unsafe { libc::syscall(libc::SYS_fdatasync, fd) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn syncfs(fd: c_int) -> c_int {
    let played = quietly(|recorder| Some(recorder.sync(Scope::All)));
    outcome(played, || unsafe { libc::syscall(libc::SYS_syncfs, fd) })
}

/// The kernel drops what it holds of a file, so that the next read is of the disk.
/// Gives the error number instead of setting it, as the C function does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_fadvise64(
    fd: c_int,
    offset: off64_t,
    length: off64_t,
    advice: c_int,
) -> c_int {
    if advice == libc::POSIX_FADV_DONTNEED {
        quietly(|recorder| {
            let place = recorder.place(fd)?;
            recorder.dropped(&place);
            Some(())
        });
    }
    let call = libc::SYS_fadvise64;
    match unsafe { libc::syscall(call, fd, offset, length, advice) } {
        0 => 0,
        _ => unsafe { *libc::__errno_location() },
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_fadvise(
    fd: c_int,
    offset: off_t,
    length: off_t,
    advice: c_int,
) -> c_int {
    unsafe { posix_fadvise64(fd, offset, length, advice) }
}

/// A sync of what is not recorded is made; any other is played.
fn outcome(played: Option<Option<Option<c_int>>>, make: impl FnOnce() -> i64) -> c_int {
    match played.flatten() {
        None => make() as c_int,
        Some(None) => 0,
        Some(Some(errno)) => fail(errno),
    }
}

/// Opens as the kernel does, and writes down that it emptied a file.
unsafe fn open_at(folder: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    let creates = flags & libc::O_CREAT != 0;
    if creates {
        let refused = quietly(|recorder| {
            let path = full(folder, path);
            if path.exists() {
                return None;
            }
            recorder
                .faults()
                .error(Operation::Create, &recorder.relative(&path)?)
        });
        if let Some(errno) = refused.flatten() {
            return fail(errno);
        }
    }
    if flags & libc::O_ACCMODE != libc::O_RDONLY {
        let refused = quietly(|recorder| {
            let path = recorder.relative(&full(folder, path))?;
            recorder.faults().error(Operation::Open, &path)
        });
        if let Some(errno) = refused.flatten() {
            return fail(errno);
        }
    }
    let fd = unsafe { libc::syscall(libc::SYS_openat, folder, path, flags, mode) } as c_int;
    if fd >= 0 && flags & (libc::O_CREAT | libc::O_TRUNC) != 0 {
        quietly(|recorder| {
            let place = recorder.place(fd);
            if let (Some(place), true) = (place, flags & libc::O_TRUNC != 0) {
                recorder.resized(&place, 0);
            }
        });
    }
    fd
}

// These take a variable number of arguments in C. The mode, where it is given, comes
// in the register of a fixed argument, and where it is not, the kernel ignores it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    unsafe { open_at(libc::AT_FDCWD, path, flags, mode) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    unsafe { open_at(libc::AT_FDCWD, path, flags, mode) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat(
    folder: c_int,
    path: *const c_char,
    flags: c_int,
    mode: c_uint,
) -> c_int {
    unsafe { open_at(folder, path, flags, mode) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat64(
    folder: c_int,
    path: *const c_char,
    flags: c_int,
    mode: c_uint,
) -> c_int {
    unsafe { open_at(folder, path, flags, mode) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    unsafe { unlinkat(libc::AT_FDCWD, path, 0) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlinkat(folder: c_int, path: *const c_char, flags: c_int) -> c_int {
    let gone = quietly(|recorder| recorder.relative(&full(folder, path))).flatten();
    let result = unsafe { libc::syscall(libc::SYS_unlinkat, folder, path, flags) } as c_int;
    if let (0, Some(gone)) = (result, gone) {
        quietly(|recorder| recorder.unlinked(gone));
    }
    result
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    unsafe { renameat2(libc::AT_FDCWD, from, libc::AT_FDCWD, to, 0) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn renameat(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
) -> c_int {
    unsafe { renameat2(from_folder, from, to_folder, to, 0) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn renameat2(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
    flags: c_uint,
) -> c_int {
    let result =
        unsafe { libc::syscall(libc::SYS_renameat2, from_folder, from, to_folder, to, flags) }
            as c_int;
    if result == 0 {
        quietly(|recorder| {
            let names = (
                recorder.relative(&full(from_folder, from)),
                recorder.relative(&full(to_folder, to)),
            );
            if let (Some(from), Some(to)) = names {
                recorder.renamed(from, to);
            }
        });
    }
    result
}

/// The path that a pair of folder and name stands for.
fn full(folder: c_int, path: *const c_char) -> PathBuf {
    let path = Path::new(OsStr::from_bytes(
        unsafe { CStr::from_ptr(path) }.to_bytes(),
    ));
    match folder {
        libc::AT_FDCWD => path.to_path_buf(),
        _ => std::fs::read_link(format!("/proc/self/fd/{folder}"))
            .unwrap_or_default()
            .join(path),
    }
}
