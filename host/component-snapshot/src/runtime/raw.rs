//! The only unsafe code: memories of instances as bytes, files mapped over them, and
//! one system call that no library has.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use wasmtime::Store;
use wasmtime::component::WasmList;

use super::pages::{PAGE_BYTES, PageRange};
use super::snapshot::{Content, Snapshot};

/// The bytes of a memory that `list` spans, to be written.
pub fn bytes_mut<'a, T: 'static>(store: &'a mut Store<T>, list: &WasmList<u64>) -> &'a mut [u8] {
    let words = list.as_le_slice(&*store);
    let (begin, length) = (words.as_ptr().cast_mut().cast::<u8>(), size_of_val(words));
    // SAFETY: `words` spans memory of the store that can be written, and is not used
    // any more. Whoever else reads or writes that memory (code of the guest, calls of
    // Wasmtime) needs the store, which is borrowed exclusively for as long as the
    // result lives. Any bytes are valid content.
    unsafe { std::slice::from_raw_parts_mut(begin, length) }
}

/// Somebody promised that a file is stable, and that what is mapped from it goes with
/// the memory it is mapped over.
#[derive(Clone, Copy, Debug)]
pub struct Mappable(());

impl Snapshot {
    /// Lets large pieces be mapped from the file instead of being read. Of no effect
    /// on a snapshot that is not in a file.
    ///
    /// # Safety
    ///
    /// * Nobody writes or truncates the file for as long as an instance lives that was
    ///   restored from it. Its name may go.
    /// * The engine allocates memories on demand. With the pooling allocator, what is
    ///   mapped would stay for the next instance.
    pub unsafe fn map_from_file(&mut self) {
        if let Content::File { mappable, .. } = &mut self.content {
            let fits = rustix::param::page_size() == PAGE_BYTES;
            *mappable = fits.then_some(Mappable(()));
        }
    }
}

/// Makes a range of a memory a private copy of what lies at `offset` in a file: pages
/// are read when they are touched, and copied when they are written.
pub fn map(
    _: Mappable,
    memory: &mut [u8],
    range: PageRange,
    file: &File,
    offset: u64,
) -> io::Result<()> {
    let target = &mut memory[range.bytes()];
    assert!(
        target.as_ptr().addr().is_multiple_of(PAGE_BYTES),
        "memories begin at pages"
    );
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    let flags = MapFlags::PRIVATE | MapFlags::FIXED;
    let (begin, length) = (target.as_mut_ptr().cast(), target.len());
    // SAFETY: the range lies within the memory, which is borrowed exclusively and was
    // readable and writable before. `Mappable` says that the content is stable and that
    // the mapping ends with the memory.
    unsafe { mmap(begin, length, protection, flags, file, offset)? };
    Ok(())
}

/// A run of pages that are alike, as the kernel tells it.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct PageRegion {
    pub start: u64,
    pub end: u64,
    pub categories: u64,
}

/// What `PAGEMAP_SCAN` is asked (`struct pm_scan_arg` in Linux's `fs.h`).
#[repr(C)]
#[derive(Default)]
struct ScanArgument {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    regions: u64,
    regions_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

const PAGEMAP_SCAN: Opcode = opcode::read_write::<ScanArgument>(b'f', 16);

/// Which pages to find.
pub struct Wanted {
    /// Categories that a page must not be of.
    pub none_of: u64,
    /// Categories of which a page must be of one.
    pub any_of: u64,
}

/// Asks the kernel for pages between two addresses of this process. Returns up to
/// where it looked; what it found is in `regions`, the rest of which is empty.
pub fn pagemap_scan(
    pagemap: &File,
    start: u64,
    end: u64,
    wanted: &Wanted,
    regions: &mut [PageRegion],
) -> io::Result<u64> {
    regions.fill(PageRegion::default());
    let mut argument = ScanArgument {
        size: size_of::<ScanArgument>() as u64,
        start,
        end,
        regions: regions.as_mut_ptr().expose_provenance() as u64,
        regions_len: regions.len() as u64,
        category_inverted: wanted.none_of,
        category_mask: wanted.none_of,
        category_anyof_mask: wanted.any_of,
        return_mask: wanted.any_of,
        ..ScanArgument::default()
    };
    // SAFETY: the operation takes such an argument, which points to `regions`, the
    // only memory that the kernel writes apart from the argument itself.
    unsafe {
        ioctl(
            pagemap.as_fd(),
            Updater::<PAGEMAP_SCAN, _>::new(&mut argument),
        )?
    };
    Ok(argument.walk_end)
}
