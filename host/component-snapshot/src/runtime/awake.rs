//! What must be remembered of an instance while it is awake?

use wasmtime::component::Instance;

use super::pages::PageRange;
use crate::manifest::Manifest;

/// An instance that was started or restored, and can be saved.
#[derive(Debug)]
pub struct Awake {
    pub(super) instance: Instance,
    /// For each space its memories.
    pub(super) spaces: Vec<Vec<AwakeMemory>>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct AwakeMemory {
    /// The address of a page that was written, if there is one: what the accessors
    /// write for a moment belongs there.
    pub scratch: u32,
    /// What was mapped when the instance was restored. These pages are not those of a
    /// fresh instance, written or not.
    pub mapped: Vec<PageRange>,
}

impl Awake {
    pub(super) fn fresh(manifest: &Manifest, instance: Instance) -> Awake {
        let spaces = manifest.spaces.iter();
        let spaces = spaces.map(|space| vec![AwakeMemory::default(); space.memories.len()]);
        Awake {
            instance,
            spaces: spaces.collect(),
        }
    }

    /// The instance itself.
    pub fn instance(&self) -> Instance {
        self.instance
    }
}

/// The memories of an instance in which nothing has run. All instances of a component
/// begin so.
#[derive(Clone, Debug)]
pub struct Base {
    /// For each space the content of its memories.
    pub(super) spaces: Vec<Vec<Vec<u8>>>,
}
