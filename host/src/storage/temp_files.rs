//! Where SQLite puts what does not fit into memory: sorts, temporary tables,
//! what a statement may have to undo.
//!
//! A file system for SQLite (a VFS) that is `unix-none`, which knows no locks
//! since the data directory is locked as a whole, but for files without a name.
//! Those lie in the data directory, unlinked from the start: they end with their
//! descriptor, also when the process is killed.
//!
//! Invariants:
//!
//! * The temporary files of one object together are at most `TEMP_BYTES_MAX` long;
//!   a write beyond that fails with SQLITE_FULL.
//! * A file without a name is opened only inside a call of storage, which says
//!   whose it is.

use std::cell::RefCell;
use std::ffi::{CStr, c_int, c_void};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::ptr;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use rusqlite::ffi;

use super::limits::TEMP_BYTES_MAX;

/// The name of this VFS.
pub const VFS: &str = "abide";

const NAME: &CStr = c"abide";

const BASE: &CStr = c"unix-none";

thread_local! {
    /// Whose call runs on this thread.
    static CURRENT: RefCell<Option<Arc<TempSpace>>> = const { RefCell::new(None) };
}

/// The temporary files of one object.
#[derive(Debug)]
pub struct TempSpace {
    directory: PathBuf,
    bytes: AtomicU64,
    bytes_max: AtomicU64,
    refused: AtomicBool,
}

impl TempSpace {
    pub fn new(directory: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            directory,
            bytes: AtomicU64::new(0),
            bytes_max: AtomicU64::new(TEMP_BYTES_MAX),
            refused: AtomicBool::new(false),
        })
    }

    /// A call of this object begins; says whose call ran before.
    pub fn enter(self: &Arc<Self>) -> Option<Arc<Self>> {
        self.refused.store(false, Relaxed);
        CURRENT.replace(Some(Arc::clone(self)))
    }

    /// The call has ended.
    pub fn leave(before: Option<Arc<Self>>) {
        CURRENT.set(before);
    }

    /// Whether a file was refused to grow during this call.
    pub fn was_refused(&self) -> bool {
        self.refused.load(Relaxed)
    }

    #[cfg(test)]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    #[cfg(test)]
    pub fn set_bytes_max(&self, bytes_max: u64) {
        self.bytes_max.store(bytes_max, Relaxed);
    }

    /// A file grows from one length to another.
    fn grow(&self, from: u64, to: u64) -> bool {
        // One thread at a time uses the connection.
        let bytes = self.bytes.load(Relaxed) - from + to;
        if to > from && bytes > self.bytes_max.load(Relaxed) {
            self.refused.store(true, Relaxed);
            return false;
        }
        self.bytes.store(bytes, Relaxed);
        true
    }
}

/// A temporary file, as SQLite holds it.
#[repr(C)]
struct TempFile {
    /// Must be the first: SQLite knows no more.
    base: ffi::sqlite3_file,
    opened: Option<Box<Opened>>,
}

struct Opened {
    file: File,
    length: u64,
    space: Arc<TempSpace>,
}

/// The VFS that this one extends.
struct Base(*mut ffi::sqlite3_vfs);

// SAFETY: a registered VFS is never changed nor freed.
unsafe impl Send for Base {}
unsafe impl Sync for Base {}

static UNIX: OnceLock<Base> = OnceLock::new();

/// Makes the VFS known to SQLite, once.
pub fn install() {
    UNIX.get_or_init(|| {
        // SAFETY: SQLite is initialised by the search. The copy lives for ever.
        unsafe {
            let unix = ffi::sqlite3_vfs_find(BASE.as_ptr());
            assert!(!unix.is_null(), "SQLite has no VFS {BASE:?}");
            let mut ours = *unix;
            let file_bytes = c_int::try_from(size_of::<TempFile>()).unwrap_or(c_int::MAX);
            ours.szOsFile = ours.szOsFile.max(file_bytes);
            ours.zName = NAME.as_ptr();
            ours.pNext = ptr::null_mut();
            ours.xOpen = Some(open);
            let ours = Box::leak(Box::new(ours));
            let code = ffi::sqlite3_vfs_register(ours, 0);
            assert_eq!(code, ffi::SQLITE_OK, "SQLite refuses the VFS {NAME:?}");
            Base(unix)
        }
    });
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    let Some(unix) = UNIX.get() else {
        return ffi::SQLITE_CANTOPEN;
    };
    if !name.is_null() {
        // SAFETY: the room for the file is large enough for either kind.
        return unsafe {
            match (*unix.0).xOpen {
                Some(open) => open(unix.0, name, file, flags, flags_out),
                None => ffi::SQLITE_CANTOPEN,
            }
        };
    }
    let file = file.cast::<TempFile>();
    // SAFETY: SQLite gives room for `szOsFile` bytes. Without methods it will not
    // close a file that could not be opened.
    unsafe { (*file).base.pMethods = ptr::null() };
    let space = CURRENT.with_borrow(Clone::clone);
    let Some(space) = space else {
        return ffi::SQLITE_CANTOPEN;
    };
    let Ok(opened) = tempfile::tempfile_in(&space.directory) else {
        return ffi::SQLITE_CANTOPEN;
    };
    // SAFETY: as above; `opened` is written without reading what was there.
    unsafe {
        ptr::addr_of_mut!((*file).opened).write(Some(Box::new(Opened {
            file: opened,
            length: 0,
            space,
        })));
        (*file).base.pMethods = &METHODS;
        if !flags_out.is_null() {
            *flags_out = flags;
        }
    }
    ffi::SQLITE_OK
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(lock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// # Safety
///
/// `file` was opened by `open` and is used by one thread at a time.
unsafe fn opened<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a mut Opened> {
    // SAFETY: see above.
    unsafe { (*file.cast::<TempFile>()).opened.as_deref_mut() }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once, and does not use it afterwards.
    unsafe {
        if let Some(opened) = (*file.cast::<TempFile>()).opened.take() {
            opened.space.grow(opened.length, 0);
        }
        (*file).pMethods = ptr::null();
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    buffer: *mut c_void,
    bytes: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite gives a buffer of so many bytes.
    let (opened, mut rest) = unsafe {
        let length = usize::try_from(bytes).unwrap_or(0);
        let buffer = std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length);
        (opened(file), buffer)
    };
    let Some(opened) = opened else {
        return ffi::SQLITE_IOERR_READ;
    };
    let mut at = offset.unsigned_abs();
    while !rest.is_empty() {
        match opened.file.read_at(rest, at) {
            Ok(0) => {
                // SQLite wants zeros past the end.
                rest.fill(0);
                return ffi::SQLITE_IOERR_SHORT_READ;
            }
            Ok(count) => {
                rest = &mut rest[count..];
                at += count as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return ffi::SQLITE_IOERR_READ,
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    buffer: *const c_void,
    bytes: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite gives a buffer of so many bytes.
    let (opened, content) = unsafe {
        let length = usize::try_from(bytes).unwrap_or(0);
        (
            opened(file),
            std::slice::from_raw_parts(buffer.cast::<u8>(), length),
        )
    };
    let Some(opened) = opened else {
        return ffi::SQLITE_IOERR_WRITE;
    };
    let offset = offset.unsigned_abs();
    let length = opened.length.max(offset + content.len() as u64);
    if !opened.space.grow(opened.length, length) {
        return ffi::SQLITE_FULL;
    }
    opened.length = length;
    match opened.file.write_all_at(content, offset) {
        Ok(()) => ffi::SQLITE_OK,
        Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => ffi::SQLITE_FULL,
        Err(_) => ffi::SQLITE_IOERR_WRITE,
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    // SAFETY: SQLite gives an open file.
    let Some(opened) = (unsafe { opened(file) }) else {
        return ffi::SQLITE_IOERR_TRUNCATE;
    };
    let length = size.unsigned_abs();
    if !opened.space.grow(opened.length, length) {
        return ffi::SQLITE_FULL;
    }
    opened.length = length;
    match opened.file.set_len(length) {
        Ok(()) => ffi::SQLITE_OK,
        Err(_) => ffi::SQLITE_IOERR_TRUNCATE,
    }
}

unsafe extern "C" fn file_size(
    file: *mut ffi::sqlite3_file,
    size: *mut ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite gives an open file, and room for the size.
    unsafe {
        *size = opened(file).map_or(0, |opened| i64::try_from(opened.length).unwrap_or(i64::MAX));
    }
    ffi::SQLITE_OK
}

/// A temporary file needs to survive nothing.
unsafe extern "C" fn sync(_: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    ffi::SQLITE_OK
}

/// Nobody else knows the file.
unsafe extern "C" fn lock(_: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(_: *mut ffi::sqlite3_file, taken: *mut c_int) -> c_int {
    // SAFETY: SQLite gives room for the answer.
    unsafe { *taken = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    4096
}

unsafe extern "C" fn device_characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    0
}
