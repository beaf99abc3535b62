//! How are the exports of an instrumented component called?

use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, Instance, Lift, Lower, ResourceAny,
    WasmList,
};
use wasmtime::error::Context as _;
use wasmtime::{Result, Store};

use super::awake::{Awake, Base};
use super::raw;
use crate::manifest::{Manifest, Space};

/// Where a component exports its state. Found once for each component, and used for
/// all its instances.
pub struct Accessors {
    manifest: Manifest,
    starts: Vec<ComponentExportIndex>,
    spaces: Vec<Exports>,
}

/// The exports of one space, as [`Space`] names them.
struct Exports {
    memories: Vec<ComponentExportIndex>,
    save_and_load: Option<(ComponentExportIndex, ComponentExportIndex)>,
    fills: Vec<ComponentExportIndex>,
    takes: Vec<ComponentExportIndex>,
}

impl Accessors {
    /// Finds what the manifest names. Fails when the component has not been
    /// instrumented with that result.
    pub fn find(component: &Component, manifest: Manifest) -> Result<Accessors> {
        let find = |name: &str| {
            let export = component.get_export_index(None, name);
            export.with_context(|| format!("the component has no export {name:?}"))
        };
        let exports = |space: &Space| {
            let memories = (0..space.memories.len()).map(|number| find(&space.memory(number)));
            let resources = 0..space.resources.len();
            let save_and_load = match space.globals {
                0 => None,
                _ => Some((find(&space.save())?, find(&space.load())?)),
            };
            Ok(Exports {
                memories: memories.collect::<Result<_>>()?,
                save_and_load,
                fills: resources
                    .clone()
                    .map(|number| find(&space.fill(number)))
                    .collect::<Result<_>>()?,
                takes: resources
                    .map(|number| find(&space.take(number)))
                    .collect::<Result<_>>()?,
            })
        };
        Ok(Accessors {
            starts: manifest
                .starts
                .iter()
                .map(|name| find(name))
                .collect::<Result<_>>()?,
            spaces: manifest.spaces.iter().map(exports).collect::<Result<_>>()?,
            manifest,
        })
    }

    /// Runs the start functions of a fresh instance.
    pub async fn start<T: Send + 'static>(
        &self,
        store: &mut Store<T>,
        instance: Instance,
    ) -> Result<Awake> {
        for start in &self.starts {
            call::<_, (), ()>(store, instance, start, ()).await?;
        }
        Ok(Awake::fresh(self.manifest(), instance))
    }

    /// What memory looks like before anything has run. `instance` must be fresh, and
    /// not started.
    pub async fn base<T: Send + 'static>(
        &self,
        store: &mut Store<T>,
        instance: Instance,
    ) -> Result<Base> {
        let mut spaces = Vec::new();
        for (number, space) in self.manifest.spaces.iter().enumerate() {
            let mut memories = Vec::new();
            for memory in 0..space.memories.len() {
                let words = self.memory(store, instance, (number, memory), 0, 0).await?;
                memories.push(raw::bytes_mut(store, &words).to_vec());
            }
            spaces.push(memories);
        }
        Ok(Base { spaces })
    }

    pub(super) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Grows a memory to at least `wasm_pages`, if it may, and hands it out. Between
    /// that it uses eight bytes at `at`.
    pub(super) async fn memory<T: Send + 'static>(
        &self,
        store: &mut Store<T>,
        instance: Instance,
        (space, memory): (usize, usize),
        at: u32,
        wasm_pages: u32,
    ) -> Result<WasmList<u64>> {
        let export = &self.spaces[space].memories[memory];
        // Nothing is copied, but Wasmtime counts the list as if it was.
        let fuel = store.hostcall_fuel();
        store.set_hostcall_fuel(usize::MAX);
        let words = call::<_, _, (WasmList<u64>,)>(store, instance, export, (at, wasm_pages)).await;
        store.set_hostcall_fuel(fuel);
        Ok(words?.0)
    }

    /// Writes the globals of a space, if it has any, to `at` in its first memory.
    pub(super) async fn save_globals<T: Send + 'static>(
        &self,
        store: &mut Store<T>,
        instance: Instance,
        space: usize,
        at: u32,
    ) -> Result<()> {
        match &self.spaces[space].save_and_load {
            Some((save, _)) => call(store, instance, save, (at,)).await,
            None => Ok(()),
        }
    }

    /// Sets the globals of a space to what is at `at` in its first memory.
    pub(super) async fn load_globals<T: Send + 'static>(
        &self,
        store: &mut Store<T>,
        instance: Instance,
        space: usize,
        at: u32,
    ) -> Result<()> {
        match &self.spaces[space].save_and_load {
            Some((_, load)) => call(store, instance, load, (at,)).await,
            None => Ok(()),
        }
    }

    /// Gives a handle to a space; tells the index that it has there.
    pub(super) async fn fill<T: Send + 'static>(
        &self,
        store: &mut Store<T>,
        instance: Instance,
        space: usize,
        resource: u32,
        handle: ResourceAny,
    ) -> Result<u32> {
        let fill = &self.spaces[space].fills[resource as usize];
        let (index,) = call::<_, _, (u32,)>(store, instance, fill, (handle,)).await?;
        Ok(index)
    }

    /// The list of handles whose beginning and length lie at `at` in the first memory
    /// of a space. A handle leaves the space when it is read from the list.
    pub(super) async fn take<T: Send + 'static>(
        &self,
        store: &mut Store<T>,
        instance: Instance,
        space: usize,
        resource: u32,
        at: u32,
    ) -> Result<WasmList<ResourceAny>> {
        let take = &self.spaces[space].takes[resource as usize];
        let (list,) = call::<_, _, (WasmList<ResourceAny>,)>(store, instance, take, (at,)).await?;
        Ok(list)
    }
}

async fn call<T, Params, Return>(
    store: &mut Store<T>,
    instance: Instance,
    export: &ComponentExportIndex,
    params: Params,
) -> Result<Return>
where
    T: Send + 'static,
    Params: ComponentNamedList + Lower + Send + Sync + 'static,
    Return: ComponentNamedList + Lift + Send + Sync + 'static,
{
    let function = instance.get_func(&mut *store, export);
    let function = function.context("the instance is not of this component")?;
    let function = function.typed::<Params, Return>(&*store)?;
    function.call_async(store, params).await
}
