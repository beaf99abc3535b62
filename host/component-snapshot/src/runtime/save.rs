//! How does an instance become a snapshot?

use std::fmt;

use wasmtime::{AsContextMut as _, Store};

use super::accessors::Accessors;
use super::awake::{Awake, Base};
use super::handles::{self, Handles, Taken};
use super::pages::{self, PageRange};
use super::raw;
use super::snapshot::{Content, Handle, MemoryState, Snapshot, SpaceState};
use super::written;

/// How an instance is to be saved.
#[derive(Clone, Copy, Debug, Default)]
pub struct Saving<'a> {
    /// Some: compare memories with this, instead of asking the kernel what was
    /// written. Slower, but works everywhere, and leaves out what was written and is
    /// the same again.
    pub compare_with: Option<&'a Base>,
    /// Gaps of up to this many pages are saved too: fewer pieces, but more bytes.
    ///
    /// It pays where pieces are mapped. With gaps of up to 64 pages, an instance in Go
    /// or Python wakes in two thirds of the time and has three to five times the
    /// bytes in its file; in Rust and JavaScript there is no difference to speak of.
    pub gap_pages_max: u32,
}

/// An instance was not saved.
#[derive(Debug)]
pub enum Unsaved {
    /// It goes on as it was. Later it may be possible.
    NotNow(NotNow),
    /// It is of no use any more.
    Broken(wasmtime::Error),
}

/// Why an instance cannot be saved at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotNow {
    /// A call, task, stream or future has not ended.
    Busy,
    /// It holds more handles than are looked for.
    TooManyHandles,
    /// It holds a handle that is no resource, or one of a type of its own, or one that
    /// was lent; or the host holds one.
    UnknownHandle,
    /// It holds a handle of this type, which cannot be made again.
    Handle(String),
    /// The kernel does not tell which pages were written.
    Pages(String),
}

impl fmt::Display for NotNow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotNow::Busy => write!(f, "a call, task, stream or future of it has not ended"),
            NotNow::TooManyHandles => {
                write!(f, "it holds more than {} handles", handles::HANDLES_MAX)
            }
            NotNow::UnknownHandle => write!(f, "it holds a handle that no snapshot can have"),
            NotNow::Handle(resource) => {
                write!(
                    f,
                    "it holds a handle of {resource} that cannot be made again"
                )
            }
            NotNow::Pages(error) => {
                write!(
                    f,
                    "the kernel does not tell which pages were written: {error}"
                )
            }
        }
    }
}

impl fmt::Display for Unsaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsaved::NotNow(reason) => write!(f, "the instance cannot be saved now: {reason}"),
            Unsaved::Broken(error) => write!(f, "saving the instance broke it: {error:#}"),
        }
    }
}

impl std::error::Error for Unsaved {}

impl From<NotNow> for Unsaved {
    fn from(reason: NotNow) -> Unsaved {
        Unsaved::NotNow(reason)
    }
}

impl From<wasmtime::Error> for Unsaved {
    fn from(error: wasmtime::Error) -> Unsaved {
        Unsaved::Broken(error)
    }
}

impl Accessors {
    /// Saves an instance that is at rest. Afterwards it can go on, or be dropped with
    /// its store.
    ///
    /// `store` must hold no other instance.
    pub async fn save<T: Send + 'static>(
        &self,
        store: &mut Store<T>,
        awake: &Awake,
        maker: &mut impl Handles<T>,
        saving: Saving<'_>,
    ) -> Result<Snapshot, Unsaved> {
        if !is_quiet(store) {
            return Err(NotNow::Busy.into());
        }
        let count = handles::count(store)?.ok_or(NotNow::TooManyHandles)?;
        let taken = self.take_all(store, awake, count).await?;
        let described = match taken.len() == count {
            true => self.describe(store, taken, maker)?,
            false => (taken, Err(NotNow::UnknownHandle)),
        };
        let (taken, described) = described;
        self.put_back(store, awake, taken).await?;
        let mut described = described?;

        let mut snapshot = Snapshot {
            spaces: Vec::new(),
            content: Content::Bytes(Vec::new()),
        };
        let mut content = Vec::new();
        for (number, space) in self.manifest().spaces.iter().enumerate() {
            let globals = self.globals(store, awake, number).await?;
            let mut memories = Vec::new();
            for memory in 0..space.memories.len() {
                let place = (number, memory);
                memories.push(
                    self.save_memory(store, awake, place, saving, &mut content)
                        .await?,
                );
            }
            snapshot.spaces.push(SpaceState {
                globals,
                memories,
                handles: std::mem::take(&mut described[number]),
            });
        }
        snapshot.content = Content::Bytes(content);
        Ok(snapshot)
    }

    /// Asks the maker about each handle. The handles come back in any case.
    #[expect(clippy::type_complexity, reason = "there is no shorter way to say it")]
    fn describe<T: 'static>(
        &self,
        store: &mut Store<T>,
        mut taken: Vec<Taken>,
        maker: &mut impl Handles<T>,
    ) -> wasmtime::Result<(Vec<Taken>, Result<Vec<Vec<Handle>>, NotNow>)> {
        let mut described = vec![Vec::new(); self.manifest().spaces.len()];
        for taken_one in 0..taken.len() {
            let one = &mut taken[taken_one];
            let resource = &self.manifest().spaces[one.space].resources[one.resource as usize];
            let store = store.as_context_mut();
            let (handle, description) = maker.describe(store, resource, one.handle)?;
            one.handle = handle;
            let Some(description) = description else {
                return Ok((taken, Err(NotNow::Handle(resource.clone()))));
            };
            described[one.space].push(Handle {
                index: one.index,
                resource: one.resource,
                description,
            });
        }
        Ok((taken, Ok(described)))
    }

    async fn globals<T: Send + 'static>(
        &self,
        store: &mut Store<T>,
        awake: &Awake,
        space: usize,
    ) -> wasmtime::Result<Vec<u64>> {
        let length = self.manifest().spaces[space].globals as usize * size_of::<u64>();
        let Some(memory) = awake.spaces[space].first().filter(|_| length > 0) else {
            return Ok(Vec::new());
        };
        let (instance, at) = (awake.instance, memory.scratch);
        let words = self.memory(store, instance, (space, 0), at, 0).await?;
        let at_bytes = at as usize..at as usize + length;
        let overwritten = raw::bytes_mut(store, &words)[at_bytes.clone()].to_vec();
        self.save_globals(store, instance, space, at).await?;
        let bytes = &mut raw::bytes_mut(store, &words)[at_bytes];
        let (globals, _) = bytes.as_chunks();
        let globals = globals
            .iter()
            .map(|global| u64::from_le_bytes(*global))
            .collect();
        bytes.copy_from_slice(&overwritten);
        Ok(globals)
    }

    async fn save_memory<T: Send + 'static>(
        &self,
        store: &mut Store<T>,
        awake: &Awake,
        (space, memory): (usize, usize),
        saving: Saving<'_>,
        content: &mut Vec<u8>,
    ) -> Result<MemoryState, Unsaved> {
        let remembered = &awake.spaces[space][memory];
        let at = remembered.scratch;
        let words = self
            .memory(store, awake.instance, (space, memory), at, 0)
            .await?;
        let bytes: &[u8] = raw::bytes_mut(store, &words);
        let changed = match saving.compare_with {
            Some(base) => different(bytes, &base.spaces[space][memory]),
            None => {
                let written =
                    written::pages(bytes).map_err(|error| NotNow::Pages(error.to_string()))?;
                let initial = self.manifest().spaces[space].memories[memory];
                let initial = initial as usize * pages::WASM_PAGE_BYTES;
                let all = pages::union(&written, &remembered.mapped, 0);
                // Where memory has grown, a fresh one is all zeros.
                pages::filter(&all, |page| {
                    page * pages::PAGE_BYTES < initial || !is_zero(pages::page(bytes, page))
                })
            }
        };
        let ranges = pages::union(&changed, &[], saving.gap_pages_max);
        content.reserve(ranges.iter().map(|range| range.len()).sum());
        for range in &ranges {
            content.extend_from_slice(&bytes[range.bytes()]);
        }
        let wasm_pages = bytes.len() / pages::WASM_PAGE_BYTES;
        Ok(MemoryState {
            wasm_pages: wasm_pages as u32,
            ranges,
        })
    }
}

/// Has everything ended that ran in the store?
fn is_quiet<T: 'static>(store: &mut Store<T>) -> bool {
    // Without support for concurrency there is no table, and nothing in it.
    store
        .concurrent_resource_table()
        .is_none_or(|table| table.is_empty())
}

/// The pages in which a memory differs from what it was at first.
fn different(bytes: &[u8], base: &[u8]) -> Vec<PageRange> {
    let all = [PageRange::new(0..bytes.len() / pages::PAGE_BYTES)];
    pages::filter(&all, |page| {
        let now = pages::page(bytes, page);
        match page * pages::PAGE_BYTES < base.len() {
            true => now != pages::page(base, page),
            false => !is_zero(now),
        }
    })
}

fn is_zero(page: &[u8]) -> bool {
    let (words, _) = page.as_chunks::<16>();
    words.iter().all(|word| u128::from_ne_bytes(*word) == 0)
}
