//! What is left of an instance that sleeps?

use std::fs::File;
use std::sync::Arc;

use super::pages::PageRange;
use super::raw::Mappable;

/// Everything in which a sleeping instance differed from a fresh one.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) spaces: Vec<SpaceState>,
    pub(super) content: Content,
}

/// What one component instance was like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SpaceState {
    pub globals: Vec<u64>,
    pub memories: Vec<MemoryState>,
    /// By ascending index.
    pub handles: Vec<Handle>,
}

/// What one memory was like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MemoryState {
    /// Its size, in pages of 64 KiB.
    pub wasm_pages: u32,
    /// The pages that are saved.
    pub ranges: Vec<PageRange>,
}

/// A handle that the instance held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handle {
    pub(super) index: u32,
    /// The number of its type among those of the space.
    pub(super) resource: u32,
    /// What its owner said is needed to make it again.
    pub(super) description: Vec<u8>,
}

/// The saved pages of all memories, one behind the other.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Bytes(Vec<u8>),
    File {
        file: Arc<File>,
        offset: u64,
        /// Some: it may be mapped into memory.
        mappable: Option<Mappable>,
    },
}

impl Snapshot {
    /// How many bytes of memory it holds.
    pub fn content_len(&self) -> u64 {
        let memories = self.spaces.iter().flat_map(|space| &space.memories);
        let ranges = memories.flat_map(|memory| &memory.ranges);
        ranges.map(|range| range.len() as u64).sum()
    }

    /// In how many pieces those bytes lie.
    pub fn ranges(&self) -> usize {
        let memories = self.spaces.iter().flat_map(|space| &space.memories);
        memories.map(|memory| memory.ranges.len()).sum()
    }
}
