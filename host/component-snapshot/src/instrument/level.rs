//! What does one component consist of, and which of it has state?
//!
//! A component can hold others. Each of them is one level; the driver in
//! `instrument` keeps a stack of them and hands each the sections that are its own.

mod finish;

use std::ops::Range;

use wasm_encoder::Component as Encoded;
use wasmparser::{
    BinaryReaderError, CanonicalFunction, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentTypeRef, CustomSectionReader, Instance, Payload,
};

use super::module::Module;
use super::refused::{self, Reason, Refused};
use super::{COMPONENT, CORE_MODULE, raw};
use crate::manifest::{Manifest, SECTION};

/// A component that is being read, and copied meanwhile.
pub struct Level<'a> {
    /// Where it lies in the whole.
    pub range: Range<usize>,
    encoded: Encoded,
    /// Why its state could not be saved, should it ever be instantiated.
    refused: Option<Refused>,
    /// None: defined elsewhere.
    modules: Vec<Option<Module<'a>>>,
    /// None: defined elsewhere.
    components: Vec<Option<Result<Manifest, Refused>>>,
    /// For each core instance the module that it is of, unless it has none.
    core_instances: Vec<Option<usize>>,
    instances: Vec<ComponentOrigin>,
    types: u32,
    /// Types that may be resources, and how they came in.
    imported_types: Vec<(u32, String)>,
    exports: Vec<String>,
    /// What runs at the start, in order.
    starts: Vec<Start>,
}

/// Where an instance of a component comes from.
#[derive(Clone)]
enum ComponentOrigin {
    /// Imported under this name, or a part of such an import.
    Imported(String),
    /// The nested component of this number.
    Nested(usize),
    Other,
}

enum Start {
    /// The start function of this core instance.
    Module(u32),
    /// What this instance of a nested component starts.
    Nested(u32),
}

/// A component that has been read to its end.
pub struct Nested {
    pub encoded: Encoded,
    /// Nothing in it when the component has no state; the names are those that the
    /// component itself exports.
    pub manifest: Manifest,
}

impl<'a> Level<'a> {
    pub fn new(range: Range<usize>) -> Level<'a> {
        Level {
            range,
            encoded: Encoded::new(),
            refused: None,
            modules: Vec::new(),
            components: Vec::new(),
            core_instances: Vec::new(),
            instances: Vec::new(),
            types: 0,
            imported_types: Vec::new(),
            exports: Vec::new(),
            starts: Vec::new(),
        }
    }

    /// Takes the next section of this component; `bytes` are all there are.
    pub fn add(&mut self, payload: &Payload<'a>, bytes: &'a [u8]) -> Result<(), Refused> {
        if let Payload::ModuleSection {
            unchecked_range, ..
        } = payload
        {
            let module = bytes
                .get(unchecked_range.clone())
                .ok_or_else(refused::cut)?;
            return self.add_module(module);
        }
        if let Some((id, range)) = payload.as_section() {
            let section = bytes.get(range).ok_or_else(refused::cut)?;
            self.encoded.section(&raw(id, section));
        }
        match self.read(payload) {
            Err(Unreadable::Broken(error)) => Err(error.into()),
            Err(Unreadable::Refused(refused)) => {
                self.refused.get_or_insert(refused);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn add_module(&mut self, bytes: &'a [u8]) -> Result<(), Refused> {
        let module = Module::parse(bytes)?;
        let exported = match module.check() {
            Ok(()) if module.has_state() => match module.exporting() {
                Ok(exported) => Some(exported),
                Err(refused) => {
                    let part = format!("core module {}", self.modules.len());
                    self.refused.get_or_insert(refused.within(part));
                    None
                }
            },
            _ => None,
        };
        let data = exported.as_deref().unwrap_or(bytes);
        self.encoded.section(&raw(CORE_MODULE, data));
        self.modules.push(Some(module));
        Ok(())
    }

    /// Takes a component that is nested in this one.
    pub fn add_component(&mut self, nested: Result<Nested, Refused>, bytes: &[u8]) {
        let number = self.components.len();
        let (manifest, encoded) = match nested {
            Ok(nested) if nested.manifest == Manifest::default() => (Ok(nested.manifest), None),
            Ok(nested) => (Ok(nested.manifest), Some(nested.encoded.finish())),
            Err(refused) => (Err(refused.within(format!("component {number}"))), None),
        };
        let data = encoded.as_deref().unwrap_or(bytes);
        self.encoded.section(&raw(COMPONENT, data));
        self.components.push(Some(manifest));
    }

    fn read(&mut self, payload: &Payload<'a>) -> Result<(), Unreadable> {
        match payload {
            Payload::InstanceSection(section) => {
                for instance in section.clone() {
                    self.add_core_instance(&instance?)?;
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    self.add_instance(&instance?)?;
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section.clone() {
                    self.add_alias(&alias?);
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section.clone() {
                    let import = import?;
                    self.add_import(import.name.name, &import.ty);
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone() {
                    let export = export?;
                    self.exports.push(export.name.name.to_string());
                    self.add_item(export.kind, ComponentOrigin::Other);
                }
            }
            Payload::ComponentTypeSection(section) => self.types += section.count(),
            Payload::ComponentCanonicalSection(section) => {
                for function in section.clone() {
                    check_builtin(&function?)?;
                }
            }
            Payload::ComponentStartSection { .. } => return Err(Reason::ComponentStart.into()),
            Payload::CustomSection(section) => check_custom(section)?,
            _ => {}
        }
        Ok(())
    }

    fn add_core_instance(&mut self, instance: &Instance<'_>) -> Result<(), Unreadable> {
        let number = self.core_instances.len() as u32;
        let Instance::Instantiate { module_index, .. } = instance else {
            self.core_instances.push(None);
            return Ok(());
        };
        let index = *module_index as usize;
        let part = || format!("core module {index}");
        let refused = |reason| Refused::from(reason).within(part());
        self.core_instances.push(Some(index));
        let module = self.modules.get(index).and_then(Option::as_ref);
        let module = module.ok_or_else(|| refused(Reason::Elsewhere))?;
        module.check().map_err(refused)?;
        let started = self
            .starts
            .iter()
            .any(|start| matches!(start, Start::Module(_)));
        if module.writes_elsewhere && started {
            return Err(refused(Reason::LateData).into());
        }
        if module.has_start() {
            self.starts.push(Start::Module(number));
        }
        Ok(())
    }

    fn add_instance(&mut self, instance: &ComponentInstance<'_>) -> Result<(), Unreadable> {
        let number = self.instances.len() as u32;
        let ComponentInstance::Instantiate {
            component_index, ..
        } = instance
        else {
            self.instances.push(ComponentOrigin::Other);
            return Ok(());
        };
        let index = *component_index as usize;
        self.instances.push(ComponentOrigin::Nested(index));
        match self.components.get(index).and_then(Option::as_ref) {
            None => {
                let refused = Refused::from(Reason::Elsewhere);
                Err(refused.within(format!("component {index}")).into())
            }
            Some(Err(refused)) => Err(refused.clone().into()),
            Some(Ok(manifest)) => {
                if !manifest.starts.is_empty() {
                    self.starts.push(Start::Nested(number));
                }
                Ok(())
            }
        }
    }

    fn add_alias(&mut self, alias: &ComponentAlias<'_>) {
        match alias {
            ComponentAlias::InstanceExport {
                kind,
                instance_index,
                name,
            } => {
                let of = self.instances.get(*instance_index as usize);
                let origin = match of {
                    Some(ComponentOrigin::Imported(path)) => {
                        let separator = if *kind == ComponentExternalKind::Type {
                            '#'
                        } else {
                            '/'
                        };
                        ComponentOrigin::Imported(format!("{path}{separator}{name}"))
                    }
                    _ => ComponentOrigin::Other,
                };
                self.add_item(*kind, origin);
            }
            ComponentAlias::Outer { kind, .. } => match kind {
                ComponentOuterAliasKind::CoreModule => self.modules.push(None),
                ComponentOuterAliasKind::Component => self.components.push(None),
                ComponentOuterAliasKind::Type => self.types += 1,
                ComponentOuterAliasKind::CoreType => {}
            },
            ComponentAlias::CoreInstanceExport { .. } => {}
        }
    }

    fn add_import(&mut self, name: &str, kind: &ComponentTypeRef) {
        self.add_item(kind.kind(), ComponentOrigin::Imported(name.into()));
    }

    /// Counts an item that is not defined here.
    fn add_item(&mut self, kind: ComponentExternalKind, origin: ComponentOrigin) {
        match kind {
            ComponentExternalKind::Module => self.modules.push(None),
            ComponentExternalKind::Component => self.components.push(None),
            ComponentExternalKind::Instance => self.instances.push(origin),
            ComponentExternalKind::Type => {
                if let ComponentOrigin::Imported(path) = origin {
                    self.imported_types.push((self.types, path));
                }
                self.types += 1;
            }
            ComponentExternalKind::Func | ComponentExternalKind::Value => {}
        }
    }
}

/// Some built-ins keep state that no snapshot has.
fn check_builtin(function: &CanonicalFunction) -> Result<(), Reason> {
    match function {
        CanonicalFunction::BackpressureInc | CanonicalFunction::BackpressureDec => {
            Err(Reason::Backpressure)
        }
        CanonicalFunction::ThreadSpawnRef { .. }
        | CanonicalFunction::ThreadSpawnIndirect { .. }
        | CanonicalFunction::ThreadNewIndirect { .. }
        | CanonicalFunction::ThreadResumeLater
        | CanonicalFunction::ThreadSuspend { .. }
        | CanonicalFunction::ThreadSuspendThenResume { .. }
        | CanonicalFunction::ThreadYieldThenResume { .. } => Err(Reason::Threads),
        _ => Ok(()),
    }
}

fn check_custom(section: &CustomSectionReader<'_>) -> Result<(), Reason> {
    match section.name() == SECTION {
        true => Err(Reason::Instrumented),
        false => Ok(()),
    }
}

enum Unreadable {
    /// Nothing can be made of the bytes.
    Broken(BinaryReaderError),
    /// The component can be read, but not be saved.
    Refused(Refused),
}

impl From<BinaryReaderError> for Unreadable {
    fn from(error: BinaryReaderError) -> Unreadable {
        Unreadable::Broken(error)
    }
}

impl From<Refused> for Unreadable {
    fn from(refused: Refused) -> Unreadable {
        Unreadable::Refused(refused)
    }
}

impl From<Reason> for Unreadable {
    fn from(reason: Reason) -> Unreadable {
        Unreadable::Refused(reason.into())
    }
}
