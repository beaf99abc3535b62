//! What has to be appended to a component, now that all of it is known?

use std::collections::HashSet;

use wasmparser::component_types::{ComponentAnyTypeId, ResourceId};
use wasmparser::types::TypesRef;

use super::{ComponentOrigin, Level, Nested, Start};
use crate::instrument::accessor::{Reached, State};
use crate::instrument::lift::{self, Own, Parts};
use crate::instrument::module::{global_name, memory_name};
use crate::instrument::refused::{Reason, Refused};
use crate::manifest::{Manifest, Space};

impl Level<'_> {
    /// Appends what reaches the state of this component; `types` are those that it
    /// has now.
    pub fn finish(mut self, types: TypesRef<'_>) -> Result<Nested, Refused> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        assert_eq!(
            self.types,
            types.component_type_count(),
            "a type was missed"
        );
        let instances = types.component_instance_count();
        assert_eq!(
            self.instances.len() as u32,
            instances,
            "an instance was missed"
        );

        let state = self.state()?;
        let nested = self.nested();
        let mut manifest = Manifest::default();
        for start in &self.starts {
            match start {
                Start::Module(instance) => manifest.starts.push(lift::start_name(*instance)),
                Start::Nested(instance) => {
                    let of = nested.iter().filter(|(number, _)| number == instance);
                    let names = of.flat_map(|(number, inner)| {
                        inner
                            .starts
                            .iter()
                            .map(|name| lift::outer_name(*number, name))
                    });
                    manifest.starts.extend(names);
                }
            }
        }
        for (number, inner) in &nested {
            manifest
                .spaces
                .extend(inner.spaces.iter().map(|space| Space {
                    prefix: lift::outer_name(*number, &space.prefix),
                    ..space.clone()
                }));
        }
        let own = state.has_any().then(|| Own {
            resources: self.resources(types),
            state,
        });
        manifest.spaces.extend(own.iter().map(Own::space));
        for name in manifest.exports() {
            if self.exports.contains(&name) {
                return Err(Reason::NameTaken(name).into());
            }
        }
        let starts = self.starts.iter().filter_map(|start| match start {
            Start::Module(instance) => Some(*instance),
            Start::Nested(_) => None,
        });
        let parts = Parts {
            own,
            starts: starts.collect(),
            nested,
        };
        parts.append(&mut self.encoded, types);
        Ok(Nested {
            encoded: self.encoded,
            manifest,
        })
    }

    /// The globals and memories of all its core instances.
    fn state(&self) -> Result<State, Refused> {
        let instances = self.core_instances.iter().enumerate();
        let instances: Vec<_> = instances
            .filter_map(|(number, module)| {
                let module = self.modules[(*module)?].as_ref()?;
                Some((number as u32, module))
            })
            .collect();
        let memory_grows = instances.iter().any(|(_, module)| module.grows_memory());
        let mut state = State::default();
        for (instance, module) in instances {
            for &(number, kind) in &module.globals {
                let name = global_name(number);
                state.globals.push(Reached {
                    instance,
                    name,
                    kind,
                });
            }
            for &(number, kind) in &module.memories {
                let name = memory_name(number);
                match kind.initial {
                    0 if memory_grows => return Err(Reason::EmptyMemory.into()),
                    // It has no content, ever.
                    0 => {}
                    _ => state.memories.push(Reached {
                        instance,
                        name,
                        kind,
                    }),
                }
            }
        }
        state.check()?;
        Ok(state)
    }

    /// The resource types of which this component can be given handles, each once.
    fn resources(&self, types: TypesRef<'_>) -> Vec<(u32, String)> {
        let mut seen: HashSet<ResourceId> = HashSet::new();
        let imported = self.imported_types.iter();
        let resources = imported.filter(|(number, _)| match types.component_any_type_at(*number) {
            ComponentAnyTypeId::Resource(resource) => seen.insert(resource.resource()),
            _ => false,
        });
        resources.cloned().collect()
    }

    /// The instances of components that have state.
    fn nested(&self) -> Vec<(u32, Manifest)> {
        let instances = self.instances.iter().enumerate();
        let with_state = instances.filter_map(|(number, origin)| match origin {
            ComponentOrigin::Nested(component) => match &self.components[*component] {
                Some(Ok(manifest)) if *manifest != Manifest::default() => {
                    Some((number as u32, manifest.clone()))
                }
                _ => None,
            },
            _ => None,
        });
        with_state.collect()
    }
}
