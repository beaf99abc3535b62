//! How does a fresh instance become what another one was?

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;

use wasmtime::component::{Instance, WasmList};
use wasmtime::{Result, Store, ensure};

use super::accessors::Accessors;
use super::awake::Awake;
use super::handles::Handles;
use super::pages::{PAGE_BYTES, PageRange, WASM_PAGE_BYTES};
use super::raw;
use super::snapshot::{Content, MemoryState, Snapshot};

/// How an instance is to be restored.
#[derive(Clone, Copy, Debug)]
pub struct Restoring {
    /// Pieces of at least this many bytes are mapped from the file, if it may be
    /// mapped; smaller ones are read.
    pub map_from_bytes: usize,
}

impl Default for Restoring {
    fn default() -> Restoring {
        Restoring {
            map_from_bytes: 64 << 10,
        }
    }
}

impl Accessors {
    /// Makes a fresh instance, which was not started, what another one was. When this
    /// fails, it must be dropped with its store.
    ///
    /// `store` must hold no other instance.
    pub async fn restore<T: Send + 'static>(
        &self,
        store: &mut Store<T>,
        instance: Instance,
        snapshot: &Snapshot,
        maker: &mut impl Handles<T>,
        restoring: Restoring,
    ) -> Result<Awake> {
        self.check(snapshot)?;
        let mut awake = Awake::fresh(self.manifest(), instance);
        let mut offset = 0;
        for (number, space) in snapshot.spaces.iter().enumerate() {
            let mut first = None;
            for (memory, state) in space.memories.iter().enumerate() {
                let remembered = &mut awake.spaces[number][memory];
                let pages = state.wasm_pages;
                remembered.scratch = scratch(state, space.globals.len());
                let place = (number, memory);
                let at = remembered.scratch;
                let words = self.memory(store, instance, place, at, pages).await?;
                let bytes = raw::bytes_mut(store, &words);
                ensure!(
                    bytes.len() == pages as usize * WASM_PAGE_BYTES,
                    "a memory of {pages} pages was not granted"
                );
                let large = restoring.map_from_bytes;
                remembered.mapped = snapshot.content.write(bytes, state, offset, large)?;
                offset += state
                    .ranges
                    .iter()
                    .map(|range| range.len() as u64)
                    .sum::<u64>();
                first.get_or_insert((words, at));
            }
            if let Some(memory) = first.filter(|_| !space.globals.is_empty()) {
                self.set_globals(store, instance, number, &space.globals, memory)
                    .await?;
            }
            self.refill(store, &awake, number, &space.handles, maker)
                .await?;
        }
        Ok(awake)
    }

    /// Is the snapshot of an instance of this component?
    fn check(&self, snapshot: &Snapshot) -> Result<()> {
        let spaces = &self.manifest().spaces;
        ensure!(
            spaces.len() == snapshot.spaces.len(),
            "the snapshot is of another component"
        );
        for (space, state) in spaces.iter().zip(&snapshot.spaces) {
            let memories = space.memories.iter().zip(&state.memories);
            let alike = space.globals as usize == state.globals.len()
                && space.memories.len() == state.memories.len()
                && memories
                    .clone()
                    .all(|(pages, memory)| *pages <= memory.wasm_pages);
            ensure!(alike, "the snapshot is of another component");
        }
        Ok(())
    }

    /// Sets the globals of a space, which are written for a moment to an address in its
    /// first memory.
    async fn set_globals<T: Send + 'static>(
        &self,
        store: &mut Store<T>,
        instance: Instance,
        space: usize,
        globals: &[u64],
        (words, at): (WasmList<u64>, u32),
    ) -> Result<()> {
        let at_bytes = at as usize..at as usize + size_of_val(globals);
        let bytes = &mut raw::bytes_mut(store, &words)[at_bytes.clone()];
        let overwritten = bytes.to_vec();
        let (places, _) = bytes.as_chunks_mut();
        for (place, global) in places.iter_mut().zip(globals) {
            *place = global.to_le_bytes();
        }
        self.load_globals(store, instance, space, at).await?;
        raw::bytes_mut(store, &words)[at_bytes].copy_from_slice(&overwritten);
        Ok(())
    }
}

/// A page that is written anyway, with room behind it for the globals.
fn scratch(state: &MemoryState, globals: usize) -> u32 {
    let room = (globals * size_of::<u64>()).next_multiple_of(PAGE_BYTES);
    let last = (state.wasm_pages as usize * WASM_PAGE_BYTES).saturating_sub(room.max(PAGE_BYTES));
    let first = state.ranges.first().map_or(0, |range| range.bytes().start);
    first.min(last) as u32
}

impl Content {
    /// Writes what begins at `offset` into a memory. Returns what was mapped.
    fn write(
        &self,
        memory: &mut [u8],
        state: &MemoryState,
        offset: u64,
        map_from_bytes: usize,
    ) -> io::Result<Vec<PageRange>> {
        let mut mapped = Vec::new();
        match self {
            Content::Bytes(bytes) => {
                let mut rest = &bytes[offset as usize..];
                for range in &state.ranges {
                    let (piece, after) = rest.split_at(range.len());
                    memory[range.bytes()].copy_from_slice(piece);
                    rest = after;
                }
            }
            Content::File {
                file,
                offset: begin,
                mappable,
            } => {
                let mut at = begin + offset;
                let mut unread = Unread::new(file, at);
                for &range in &state.ranges {
                    match mappable {
                        Some(mappable) if range.len() >= map_from_bytes => {
                            unread.read(memory)?;
                            raw::map(*mappable, memory, range, file, at)?;
                            mapped.push(range);
                            unread = Unread::new(file, at + range.len() as u64);
                        }
                        _ => unread.ranges.push(range),
                    }
                    at += range.len() as u64;
                }
                unread.read(memory)?;
            }
        }
        Ok(mapped)
    }
}

/// Ranges whose content lies one behind the other in a file, to be read with as few
/// calls as possible.
struct Unread<'a> {
    file: &'a File,
    offset: u64,
    ranges: Vec<PageRange>,
}

/// How many pieces one call can read (`IOV_MAX`).
const PIECES_MAX: usize = 1024;

impl<'a> Unread<'a> {
    fn new(file: &'a File, offset: u64) -> Unread<'a> {
        let ranges = Vec::new();
        Unread {
            file,
            offset,
            ranges,
        }
    }

    fn read(mut self, memory: &mut [u8]) -> io::Result<()> {
        for ranges in self.ranges.chunks(PIECES_MAX) {
            let length: usize = ranges.iter().map(|range| range.len()).sum();
            let mut pieces = pieces(memory, ranges);
            let read = rustix::io::preadv(self.file, &mut pieces, self.offset)?;
            if read != length {
                // Rare: interrupted, or the file is shorter than it was.
                let mut offset = self.offset;
                for range in ranges {
                    self.file
                        .read_exact_at(&mut memory[range.bytes()], offset)?;
                    offset += range.len() as u64;
                }
            }
            self.offset += length as u64;
        }
        Ok(())
    }
}

fn pieces<'a>(memory: &'a mut [u8], ranges: &[PageRange]) -> Vec<IoSliceMut<'a>> {
    let mut pieces = Vec::with_capacity(ranges.len());
    let (mut rest, mut begin) = (memory, 0);
    for range in ranges {
        let bytes = range.bytes();
        let (_, from) = rest.split_at_mut(bytes.start - begin);
        let (piece, after) = from.split_at_mut(range.len());
        pieces.push(IoSliceMut::new(piece));
        (rest, begin) = (after, bytes.end);
    }
    debug_assert!(begin.is_multiple_of(PAGE_BYTES), "ranges are of pages");
    pieces
}
