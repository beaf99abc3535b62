//! Which handles does an instance hold, and how does it get them back?
//!
//! A component instance finds its handles by index. Wasmtime tells nobody which there
//! are, but lets the host count them: a limit on their number can be set, and one more
//! handle is refused exactly when it is reached. They are found by asking the instance
//! for each index and type; a wrong guess does no harm, because what is asked for is
//! the element of a list that the host looks at later, outside of any call.

use wasmtime::component::{Resource, ResourceAny, WasmList};
use wasmtime::error::Context as _;
use wasmtime::{Result, Store, StoreContextMut, bail};

use super::accessors::Accessors;
use super::awake::Awake;
use super::pages::PAGE_BYTES;
use super::raw;
use super::snapshot::Handle;

/// An instance that holds more is not saved. At rest four is the most that we have
/// seen.
pub(super) const HANDLES_MAX: usize = 64;

/// The highest index at which a handle is looked for: as many indices as fit into a
/// page behind the list's address and length. Runtimes that have had thousands of
/// handles at once can hold one above it.
pub(super) const INDEX_MAX: u32 = ((PAGE_BYTES - LIST_BYTES) / INDEX_BYTES) as u32;

const LIST_BYTES: usize = 8;
const INDEX_BYTES: usize = 4;

/// Knows the resources that instances hold at rest. `()` knows none.
///
/// `resource` is the name of a type, as in [`crate::Space::resources`].
pub trait Handles<T>: Send {
    /// Returns what [`Handles::make`] needs to make the same resource for another
    /// instance, or nothing if that cannot be done now; and the handle, or one that
    /// takes its place.
    fn describe(
        &mut self,
        store: StoreContextMut<'_, T>,
        resource: &str,
        handle: ResourceAny,
    ) -> Result<(ResourceAny, Option<Vec<u8>>)>;

    /// Makes a resource as it was described. Some are made in excess, and dropped.
    fn make(
        &mut self,
        store: StoreContextMut<'_, T>,
        resource: &str,
        description: &[u8],
    ) -> Result<ResourceAny>;
}

impl<T> Handles<T> for () {
    fn describe(
        &mut self,
        _: StoreContextMut<'_, T>,
        _: &str,
        handle: ResourceAny,
    ) -> Result<(ResourceAny, Option<Vec<u8>>)> {
        Ok((handle, None))
    }

    fn make(&mut self, _: StoreContextMut<'_, T>, resource: &str, _: &[u8]) -> Result<ResourceAny> {
        bail!("no handle of type {resource} can be made again")
    }
}

/// How many handles all instances in the store hold. None: more than `HANDLES_MAX`.
pub(super) fn count<T: 'static>(store: &mut Store<T>) -> Result<Option<usize>> {
    struct Probe;
    let limit = store.max_component_handles();
    let mut counted = None;
    for handles in 0..=HANDLES_MAX {
        store.set_max_component_handles(handles + 1);
        let probe = Resource::<Probe>::new_own(0);
        if let Ok(probe) = ResourceAny::try_from_resource(probe, &mut *store) {
            counted = Some((handles, probe));
            break;
        }
    }
    store.set_max_component_handles(limit);
    let Some((handles, probe)) = counted else {
        return Ok(None);
    };
    probe.try_into_resource::<Probe>(store)?;
    Ok(Some(handles))
}

/// A handle that was taken out of an instance.
pub(super) struct Taken {
    pub space: usize,
    pub index: u32,
    pub resource: u32,
    pub handle: ResourceAny,
}

impl Accessors {
    /// Takes up to `count` handles out of an instance.
    pub(super) async fn take_all<T: Send + 'static>(
        &self,
        store: &mut Store<T>,
        awake: &Awake,
        count: usize,
    ) -> Result<Vec<Taken>> {
        let mut taken = Vec::new();
        for space in 0..self.manifest().spaces.len() {
            if taken.len() == count {
                break;
            }
            let all: Vec<u32> = (1..=INDEX_MAX).collect();
            let wanted = count - taken.len();
            taken.extend(self.take_some(store, awake, space, &all, wanted).await?);
        }
        Ok(taken)
    }

    /// Takes up to `count` handles that have one of these indices out of a space.
    async fn take_some<T: Send + 'static>(
        &self,
        store: &mut Store<T>,
        awake: &Awake,
        space: usize,
        indices: &[u32],
        count: usize,
    ) -> Result<Vec<Taken>> {
        let Some(memory) = awake.spaces[space].first() else {
            return Ok(Vec::new());
        };
        let resources = self.manifest().spaces[space].resources.len() as u32;
        let (instance, at) = (awake.instance, memory.scratch);
        let words = self.memory(store, instance, (space, 0), at, 0).await?;
        let scratch = at as usize..at as usize + PAGE_BYTES;
        let bytes = raw::bytes_mut(store, &words);
        let overwritten = bytes[scratch.clone()].to_vec();
        write_list(&mut bytes[scratch.clone()], at, indices);

        let mut lists: Vec<WasmList<ResourceAny>> = Vec::new();
        for resource in 0..resources {
            lists.push(self.take(store, instance, space, resource, at).await?);
        }
        let mut taken = Vec::new();
        for (place, &index) in indices.iter().enumerate() {
            if taken.len() == count {
                break;
            }
            let mut types = lists.iter().zip(0..);
            taken.extend(types.find_map(|(list, resource)| {
                // An error says that there is no such handle.
                let handle = list.get(&mut *store, place)?.ok()?;
                Some(Taken {
                    space,
                    index,
                    resource,
                    handle,
                })
            }));
        }
        raw::bytes_mut(store, &words)[scratch].copy_from_slice(&overwritten);
        Ok(taken)
    }

    /// Undoes `take_all`.
    pub(super) async fn put_back<T: Send + 'static>(
        &self,
        store: &mut Store<T>,
        awake: &Awake,
        taken: Vec<Taken>,
    ) -> Result<()> {
        // The index that was given up last is the first to be used again.
        for Taken {
            space,
            index,
            resource,
            handle,
        } in taken.into_iter().rev()
        {
            let found = self
                .fill(store, awake.instance, space, resource, handle)
                .await?;
            if found != index {
                bail!("handle {index} came back as {found}");
            }
        }
        Ok(())
    }

    /// Gives a space that holds nothing the handles that it held, each at its index.
    pub(super) async fn refill<T: Send + 'static>(
        &self,
        store: &mut Store<T>,
        awake: &Awake,
        space: usize,
        handles: &[Handle],
        maker: &mut impl Handles<T>,
    ) -> Result<()> {
        let resources = &self.manifest().spaces[space].resources;
        let mut surplus = Vec::new();
        let mut next = 1;
        for wanted in handles {
            let resource = resources.get(wanted.resource as usize);
            let resource = resource.context("a handle is of no type of the component")?;
            // An index cannot be left out, only given up afterwards.
            while next <= wanted.index {
                use wasmtime::AsContextMut as _;
                let made = maker.make(store.as_context_mut(), resource, &wanted.description)?;
                let index = self
                    .fill(store, awake.instance, space, wanted.resource, made)
                    .await?;
                if index != next {
                    bail!("handle {next} came back as {index}");
                }
                if next < wanted.index {
                    surplus.push(next);
                }
                next += 1;
            }
        }
        if surplus.is_empty() {
            return Ok(());
        }
        let taken = self
            .take_some(store, awake, space, &surplus, surplus.len())
            .await?;
        for taken in taken {
            taken.handle.resource_drop_async(&mut *store).await?;
        }
        Ok(())
    }
}

/// Writes the address and the length of a list, and the list behind them.
fn write_list(scratch: &mut [u8], at: u32, indices: &[u32]) {
    let (list, elements) = scratch.split_at_mut(LIST_BYTES);
    let begin = at + LIST_BYTES as u32;
    list[..4].copy_from_slice(&begin.to_le_bytes());
    list[4..].copy_from_slice(&(indices.len() as u32).to_le_bytes());
    let (elements, _) = elements.as_chunks_mut::<INDEX_BYTES>();
    for (element, index) in elements.iter_mut().zip(indices) {
        *element = index.to_le_bytes();
    }
}
