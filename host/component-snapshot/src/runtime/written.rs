//! Which pages of a memory has somebody written to?
//!
//! A page that was written is private and in RAM or swap; one that was only read is
//! still that of the file it is mapped from (the component's image, or a snapshot),
//! or the zero page. The kernel tells them apart:
//!
//! * Linux 6.7 and newer have a call for it, `PAGEMAP_SCAN`.
//! * Older ones tell the same of each page in `/proc/self/pagemap`, without the zero
//!   page, which then counts as written.
//!
//! Where neither works, memories are compared with those of an unused instance.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use rustix::io::Errno;

use super::pages::{PAGE_BYTES, PageRange};
use super::raw::{self, PageRegion, Wanted};

/// How many runs of pages are asked for at a time.
const REGIONS: usize = 512;

/// Categories of pages in `PAGEMAP_SCAN`.
mod category {
    pub const FILE: u64 = 1 << 2;
    pub const PRESENT: u64 = 1 << 3;
    pub const SWAPPED: u64 = 1 << 4;
    pub const ZERO: u64 = 1 << 5;
}

/// Bits of an entry of `/proc/self/pagemap`.
mod bit {
    pub const FILE: u64 = 1 << 61;
    pub const SWAPPED: u64 = 1 << 62;
    pub const PRESENT: u64 = 1 << 63;
}

/// How the kernel is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Scan,
    Bits,
}

/// The pages of `memory` that were written to, as far as the kernel knows.
pub fn pages(memory: &[u8]) -> io::Result<Vec<PageRange>> {
    static PAGEMAP: OnceLock<(File, Way)> = OnceLock::new();
    let (pagemap, way) = match PAGEMAP.get() {
        Some(known) => known,
        None => {
            let pagemap = File::open("/proc/self/pagemap")?;
            let way = way(&pagemap, memory)?;
            PAGEMAP.get_or_init(|| (pagemap, way))
        }
    };
    match way {
        Way::Scan => scan(pagemap, memory),
        Way::Bits => read_bits(pagemap, memory),
    }
}

/// Which way does this kernel know?
fn way(pagemap: &File, memory: &[u8]) -> io::Result<Way> {
    if rustix::param::page_size() != PAGE_BYTES {
        return Err(io::Error::other("pages are not of 4 KiB"));
    }
    match scan(pagemap, memory) {
        Ok(_) => Ok(Way::Scan),
        Err(error) if error.raw_os_error() == Some(Errno::NOTTY.raw_os_error()) => Ok(Way::Bits),
        Err(error) => Err(error),
    }
}

fn scan(pagemap: &File, memory: &[u8]) -> io::Result<Vec<PageRange>> {
    let wanted = Wanted {
        none_of: category::FILE | category::ZERO,
        any_of: category::PRESENT | category::SWAPPED,
    };
    let begin = memory.as_ptr().addr() as u64;
    let end = begin + memory.len() as u64;
    let page = |address: u64| ((address - begin) / PAGE_BYTES as u64) as usize;
    let mut found = Vec::new();
    let mut regions = [PageRegion::default(); REGIONS];
    let mut from = begin;
    loop {
        let to = raw::pagemap_scan(pagemap, from, end, &wanted, &mut regions)?;
        let filled = regions.iter().take_while(|region| region.end != 0);
        found.extend(filled.map(|region| PageRange::new(page(region.start)..page(region.end))));
        if to >= end || to <= from {
            return Ok(found);
        }
        from = to;
    }
}

fn read_bits(pagemap: &File, memory: &[u8]) -> io::Result<Vec<PageRange>> {
    let pages = memory.len() / PAGE_BYTES;
    let first = memory.as_ptr().addr() / PAGE_BYTES;
    let mut entries = vec![0; pages * size_of::<u64>()];
    pagemap.read_exact_at(&mut entries, (first * size_of::<u64>()) as u64)?;
    let (entries, _) = entries.as_chunks();
    let is_written = |page: usize| {
        let entry = u64::from_ne_bytes(entries[page]);
        entry & (bit::PRESENT | bit::SWAPPED) != 0 && entry & bit::FILE == 0
    };
    let all = [PageRange::new(0..pages)];
    Ok(super::pages::filter(&all, is_written))
}

#[cfg(test)]
mod tests {
    //! Both ways find what was written, and leave out what was not.

    use super::*;

    /// Page-aligned memory that nobody has touched.
    fn untouched(pages: usize) -> (Vec<u8>, usize) {
        let bytes = vec![0; (pages + 1) * PAGE_BYTES];
        let skipped = bytes.as_ptr().align_offset(PAGE_BYTES);
        (bytes, skipped)
    }

    #[test]
    fn written_pages_are_found_both_ways() {
        let pagemap = File::open("/proc/self/pagemap").unwrap();
        // Large, so that it comes straight from the kernel.
        let (mut bytes, skipped) = untouched(20_000);
        let memory = &mut bytes[skipped..][..20_000 * PAGE_BYTES];
        let mut expected = Vec::new();
        // More runs than fit into one answer.
        for page in (1000..5000).step_by(2) {
            memory[page * PAGE_BYTES] = 1;
            expected.push(PageRange::new(page..page + 1));
        }
        // Transparent huge pages would make neighbours present too.
        let is_expected = |found: &[PageRange]| {
            expected.iter().all(|page| {
                found
                    .iter()
                    .any(|range| range.first <= page.first && page.end() <= range.end())
            })
        };
        assert!(is_expected(&scan(&pagemap, memory).unwrap()));
        assert!(is_expected(&read_bits(&pagemap, memory).unwrap()));
        let none = |found: &[PageRange]| found.iter().all(|range| range.end() < 15_000);
        assert!(none(&scan(&pagemap, memory).unwrap()));
        assert!(none(&read_bits(&pagemap, memory).unwrap()));
    }
}
