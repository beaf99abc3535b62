//! Which pages of a memory belong together?
//!
//! A range is a run of pages of 4 KiB. Lists of ranges are sorted and do not overlap.

use std::ops::Range;

/// The unit in which memory is saved.
pub const PAGE_BYTES: usize = 1 << 12;

/// The unit in which WebAssembly measures memory.
pub const WASM_PAGE_BYTES: usize = 1 << 16;

/// Neighbouring pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRange {
    pub first: u32,
    pub count: u32,
}

impl PageRange {
    pub fn new(pages: Range<usize>) -> PageRange {
        PageRange {
            first: pages.start as u32,
            count: pages.len() as u32,
        }
    }

    /// The first page behind it.
    pub fn end(self) -> u32 {
        self.first + self.count
    }

    /// Where its bytes lie in the memory.
    pub fn bytes(self) -> Range<usize> {
        self.first as usize * PAGE_BYTES..self.end() as usize * PAGE_BYTES
    }

    /// How many bytes it has.
    pub fn len(self) -> usize {
        self.count as usize * PAGE_BYTES
    }

    fn pages(self) -> Range<usize> {
        self.first as usize..self.end() as usize
    }
}

/// All pages of both, and the gaps of up to `gap_max` pages between them.
pub fn union(one: &[PageRange], other: &[PageRange], gap_max: u32) -> Vec<PageRange> {
    let mut all: Vec<_> = one.iter().chain(other).copied().collect();
    all.sort_unstable_by_key(|range| range.first);
    let mut joined: Vec<PageRange> = Vec::with_capacity(all.len());
    for range in all {
        match joined.last_mut() {
            Some(last) if range.first <= last.end().saturating_add(gap_max) => {
                last.count = last.end().max(range.end()) - last.first;
            }
            _ => joined.push(range),
        }
    }
    joined
}

/// The pages of `ranges` for which `keeps` says so.
pub fn filter(ranges: &[PageRange], mut keeps: impl FnMut(usize) -> bool) -> Vec<PageRange> {
    let mut kept: Vec<PageRange> = Vec::with_capacity(ranges.len());
    for page in ranges.iter().flat_map(|range| range.pages()) {
        if !keeps(page) {
            continue;
        }
        match kept.last_mut() {
            Some(last) if last.end() as usize == page => last.count += 1,
            _ => kept.push(PageRange::new(page..page + 1)),
        }
    }
    kept
}

/// The bytes of a page.
pub fn page(memory: &[u8], number: usize) -> &[u8] {
    &memory[number * PAGE_BYTES..][..PAGE_BYTES]
}

#[cfg(test)]
mod tests {
    //! No page is lost between two ranges.

    use super::*;

    /// Each `#` is a page of a range.
    fn ranges(pages: &str) -> Vec<PageRange> {
        let pages: Vec<bool> = pages.chars().map(|page| page == '#').collect();
        filter(&[PageRange::new(0..pages.len())], |page| pages[page])
    }

    #[test]
    fn ranges_are_joined_across_small_gaps() {
        let check = |one: &str, other: &str, gap_max, joined: &str| {
            let found = union(&ranges(one), &ranges(other), gap_max);
            assert_eq!(found, ranges(joined), "{one} and {other}");
        };
        check("", "", 9, "");
        check("..#..#", "", 1, "..#..#");
        check("..#..#", "", 2, "..####");
        check("..#..#", "...#..", 1, "..####");
        check("##########", "..#......###", 0, "############");
        check("....#", ".###", 0, ".####");
    }

    #[test]
    fn pages_are_left_out_one_by_one() {
        let check = |all: &str, without: &[usize], kept: &str| {
            let filtered = filter(&ranges(all), |page| !without.contains(&page));
            assert_eq!(filtered, ranges(kept), "{all}");
        };
        check("####", &[], "####");
        check("####", &[1], "#.##");
        check("#..#", &[0, 3], "");
    }
}
