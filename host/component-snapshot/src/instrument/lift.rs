//! How do the accessor's functions become exports of the component?

use wasm_encoder::{
    Alias, CanonicalFunctionSection, CanonicalOption, Component as Encoded, ComponentAliasSection,
    ComponentExportKind, ComponentExportSection, ComponentTypeSection, ComponentValType,
    ExportKind, InstanceSection, ModuleArg, ModuleSection, PrimitiveValType,
};
use wasmparser::types::TypesRef;

use super::PREFIX;
use super::accessor::{State, give_back_export, memory_export};
use super::module::START;
use crate::manifest::{Manifest, Space};

/// What one component has to let others reach.
pub struct Parts {
    pub own: Option<Own>,
    /// The core instances whose modules had a start function.
    pub starts: Vec<u32>,
    /// The instances of nested components that have state.
    pub nested: Vec<(u32, Manifest)>,
}

/// The state that a component has itself.
pub struct Own {
    pub state: State,
    /// The types' numbers, and their names.
    pub resources: Vec<(u32, String)>,
}

impl Own {
    pub fn space(&self) -> Space {
        Space {
            prefix: PREFIX.into(),
            memories: self.state.pages(),
            globals: self.state.globals.len() as u32,
            resources: self
                .resources
                .iter()
                .map(|(_, name)| name.clone())
                .collect(),
        }
    }
}

/// The name of the export that runs the start function of a core instance.
pub fn start_name(instance: u32) -> String {
    format!("{PREFIX}-start{instance}")
}

/// The name under which something is exported further that a nested instance exports
/// as `name`.
pub fn outer_name(instance: u32, name: &str) -> String {
    let rest = name.strip_prefix(PREFIX).unwrap_or(name);
    format!("{PREFIX}-in{instance}{rest}")
}

impl Parts {
    /// Appends the exports; `types` is what the component has so far.
    pub fn append(&self, encoded: &mut Encoded, types: TypesRef<'_>) {
        let mut lifts = Lifts {
            core_functions: types.function_count(),
            core_memories: types.memory_count(),
            types: types.component_type_count(),
            functions: types.component_function_count(),
            core_aliases: ComponentAliasSection::new(),
            new_types: ComponentTypeSection::new(),
            canonical: CanonicalFunctionSection::new(),
            aliases: ComponentAliasSection::new(),
            exports: ComponentExportSection::new(),
        };
        for &instance in &self.starts {
            let start = lifts.core_function(instance, START);
            let kind = lifts.function_type(&[], None);
            lifts.lift(&start_name(instance), start, kind, &[]);
        }
        if let Some(own) = &self.own {
            let accessor = types.core_instance_count();
            own.instantiate(encoded, types.module_count());
            own.lift(&mut lifts, accessor);
        }
        for (instance, manifest) in &self.nested {
            for name in manifest.exports() {
                lifts.export_further(*instance, &name);
            }
        }
        lifts.append(encoded);
    }
}

impl Own {
    fn instantiate(&self, encoded: &mut Encoded, module: u32) {
        encoded.section(&ModuleSection(&self.state.accessor()));
        let globals = self.state.globals.iter().map(|global| global.instance);
        let memories = self.state.memories.iter().map(|memory| memory.instance);
        let mut instances: Vec<u32> = globals.chain(memories).collect();
        instances.sort_unstable();
        instances.dedup();
        let arguments = instances.iter().map(|&instance| {
            let name = State::import_name(instance);
            (name, ModuleArg::Instance(instance))
        });
        let mut section = InstanceSection::new();
        section.instantiate(module, arguments.collect::<Vec<_>>());
        encoded.section(&section);
    }

    fn lift(&self, lifts: &mut Lifts, accessor: u32) {
        let space = self.space();
        let memories: Vec<u32> = match self.state.own_memory() {
            Some(name) => vec![lifts.core_memory(accessor, name)],
            None => {
                let memories = self.state.memories.iter();
                memories
                    .map(|memory| lifts.core_memory(memory.instance, &memory.name))
                    .collect()
            }
        };
        let u32 = ComponentValType::Primitive(PrimitiveValType::U32);

        let words = lifts.list(ComponentValType::Primitive(PrimitiveValType::U64));
        let kind = lifts.function_type(&[("at", u32), ("pages", u32)], Some(words));
        for (number, &memory) in memories.iter().enumerate() {
            let function = lifts.core_function(accessor, &memory_export(number as u32));
            let give_back = lifts.core_function(accessor, &give_back_export(number as u32));
            let options = [
                CanonicalOption::Memory(memory),
                CanonicalOption::PostReturn(give_back),
            ];
            lifts.lift(&space.memory(number), function, kind, &options);
        }
        if space.globals > 0 {
            let kind = lifts.function_type(&[("at", u32)], None);
            for (name, export) in [(space.save(), "save"), (space.load(), "load")] {
                let function = lifts.core_function(accessor, export);
                lifts.lift(&name, function, kind, &[]);
            }
        }
        let identity = lifts.core_function(accessor, "identity");
        for (number, (resource, _)) in self.resources.iter().enumerate() {
            let own = lifts.own(*resource);
            let fill = lifts.function_type(&[("handle", own)], Some(u32));
            lifts.lift(&space.fill(number), identity, fill, &[]);
            let list = lifts.list(own);
            let take = lifts.function_type(&[("at", u32)], Some(list));
            let options = [CanonicalOption::Memory(memories[0])];
            lifts.lift(&space.take(number), identity, take, &options);
        }
    }
}

/// The sections that are appended, and the next number of each kind of item.
struct Lifts {
    core_functions: u32,
    core_memories: u32,
    types: u32,
    functions: u32,
    core_aliases: ComponentAliasSection,
    new_types: ComponentTypeSection,
    canonical: CanonicalFunctionSection,
    aliases: ComponentAliasSection,
    exports: ComponentExportSection,
}

fn next(counter: &mut u32) -> u32 {
    *counter += 1;
    *counter - 1
}

impl Lifts {
    fn core_function(&mut self, instance: u32, name: &str) -> u32 {
        let kind = ExportKind::Func;
        self.core_aliases.alias(Alias::CoreInstanceExport {
            instance,
            kind,
            name,
        });
        next(&mut self.core_functions)
    }

    fn core_memory(&mut self, instance: u32, name: &str) -> u32 {
        let kind = ExportKind::Memory;
        self.core_aliases.alias(Alias::CoreInstanceExport {
            instance,
            kind,
            name,
        });
        next(&mut self.core_memories)
    }

    fn list(&mut self, of: ComponentValType) -> ComponentValType {
        self.new_types.defined_type().list(of);
        ComponentValType::Type(next(&mut self.types))
    }

    fn own(&mut self, resource: u32) -> ComponentValType {
        self.new_types.defined_type().own(resource);
        ComponentValType::Type(next(&mut self.types))
    }

    fn function_type(
        &mut self,
        params: &[(&str, ComponentValType)],
        result: Option<ComponentValType>,
    ) -> u32 {
        let mut function = self.new_types.function();
        function.params(params.iter().copied()).result(result);
        next(&mut self.types)
    }

    fn lift(&mut self, name: &str, function: u32, kind: u32, options: &[CanonicalOption]) {
        self.canonical.lift(function, kind, options.iter().copied());
        let lifted = next(&mut self.functions);
        self.exports
            .export(name, ComponentExportKind::Func, lifted, None);
    }

    /// To be called after all lifts: aliases are numbered behind them.
    fn export_further(&mut self, instance: u32, name: &str) {
        let kind = ComponentExportKind::Func;
        self.aliases.alias(Alias::InstanceExport {
            instance,
            kind,
            name,
        });
        let alias = next(&mut self.functions);
        self.exports
            .export(outer_name(instance, name).as_str(), kind, alias, None);
    }

    fn append(self, encoded: &mut Encoded) {
        encoded
            .section(&self.core_aliases)
            .section(&self.new_types)
            .section(&self.canonical)
            .section(&self.aliases)
            .section(&self.exports);
    }
}
