//! What state does a core module have, and how does it let others reach it?
//!
//! A module is copied section by section. Only two things change: exports are added
//! at the end of its export section, and its start section is left out. Indices stay
//! what they were.

use wasm_encoder::{ExportKind, ExportSection, Module as Encoded, RawSection, SectionId};
use wasmparser::{
    CompositeInnerType, DataKind, Export, ExternalKind, FunctionBody, GlobalType, MemoryType,
    Operator, Parser, Payload, TypeRef, ValType,
};

use super::refused::{self, Reason, Refused};

/// What a core module is, as far as it matters here.
pub struct Module<'a> {
    sections: Vec<(u8, &'a [u8])>,
    /// The numbers and types of the mutable globals that it defines.
    pub globals: Vec<(u32, GlobalType)>,
    /// The numbers and types of the memories that it defines.
    pub memories: Vec<(u32, MemoryType)>,
    start: Option<u32>,
    exports: Vec<Export<'a>>,
    grows_memory: bool,
    /// When it is instantiated, it writes into a memory that it imports.
    pub writes_elsewhere: bool,
    /// Why its state could not be saved, should it ever be instantiated.
    obstacle: Option<Reason>,
}

impl<'a> Module<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Module<'a>, Refused> {
        let mut module = Module {
            sections: Vec::new(),
            globals: Vec::new(),
            memories: Vec::new(),
            start: None,
            exports: Vec::new(),
            grows_memory: false,
            writes_elsewhere: false,
            obstacle: None,
        };
        let (mut globals, mut memories) = (0, 0);
        let mut imported_memories = 0;
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload?;
            if let Some((id, range)) = payload.as_section() {
                let section = bytes.get(range).ok_or_else(refused::cut)?;
                module.sections.push((id, section));
            }
            match payload {
                Payload::TypeSection(types) => {
                    for group in types {
                        for kind in group?.types() {
                            if !matches!(kind.composite_type.inner, CompositeInnerType::Func(_)) {
                                module.obstacle = Some(Reason::GarbageCollected);
                            }
                        }
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        match import?.ty {
                            TypeRef::Global(_) => globals += 1,
                            TypeRef::Memory(_) => imported_memories += 1,
                            _ => {}
                        }
                    }
                    memories = imported_memories;
                }
                Payload::GlobalSection(section) => {
                    for global in section {
                        module.add_global(globals, global?.ty);
                        globals += 1;
                    }
                }
                Payload::MemorySection(section) => {
                    for memory in section {
                        module.add_memory(memories, memory?);
                        memories += 1;
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        module.exports.push(export?);
                    }
                }
                Payload::StartSection { func, .. } => module.start = Some(func),
                Payload::DataSection(section) => {
                    for segment in section {
                        if let DataKind::Active { memory_index, .. } = segment?.kind {
                            module.writes_elsewhere |= memory_index < imported_memories;
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => module.read_code(&body)?,
                _ => {}
            }
        }
        Ok(module)
    }

    fn add_global(&mut self, number: u32, global: GlobalType) {
        if !global.mutable {
            return;
        }
        if global.shared {
            self.obstacle = Some(Reason::Threads);
        }
        match global.content_type {
            ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64 => {
                self.globals.push((number, global));
            }
            ValType::V128 | ValType::Ref(_) => self.obstacle = Some(Reason::Global),
        }
    }

    fn add_memory(&mut self, number: u32, memory: MemoryType) {
        let obstacle = match memory {
            memory if memory.shared => Some(Reason::SharedMemory),
            memory if memory.memory64 => Some(Reason::Memory64),
            memory if memory.page_size_log2.is_some() => Some(Reason::PageSize),
            _ => None,
        };
        self.obstacle = self.obstacle.take().or(obstacle);
        self.memories.push((number, memory));
    }

    fn read_code(&mut self, body: &FunctionBody<'_>) -> Result<(), Refused> {
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            match operators.read()? {
                Operator::MemoryGrow { .. } => self.grows_memory = true,
                Operator::DataDrop { .. } => self.obstacle = Some(Reason::DataDrop),
                Operator::TableSet { .. }
                | Operator::TableGrow { .. }
                | Operator::TableFill { .. }
                | Operator::TableCopy { .. }
                | Operator::TableInit { .. }
                | Operator::ElemDrop { .. } => self.obstacle = Some(Reason::Table),
                _ => {}
            }
        }
        Ok(())
    }

    /// May it be instantiated in a component whose state is to be saved?
    pub fn check(&self) -> Result<(), Reason> {
        match &self.obstacle {
            Some(reason) => Err(reason.clone()),
            None => Ok(()),
        }
    }

    /// Can an instance of it differ from another one?
    pub fn has_state(&self) -> bool {
        let has_pages = self.memories.iter().any(|(_, memory)| memory.initial > 0);
        has_pages || self.grows_memory || !self.globals.is_empty() || self.start.is_some()
    }

    /// May it make a memory larger, its own or one that it imports?
    pub fn grows_memory(&self) -> bool {
        self.grows_memory
    }

    pub fn has_start(&self) -> bool {
        self.start.is_some()
    }

    /// The module with its state exported.
    pub fn exporting(&self) -> Result<Vec<u8>, Refused> {
        let mut exports = Some(self.all_exports()?);
        let mut encoded = Encoded::new();
        for &(id, data) in &self.sections {
            let is_export = id == SectionId::Export as u8;
            // A module without exports gets them where they belong.
            let is_past_exports = follows_exports(id);
            if let Some(section) = exports.take_if(|_| is_export || is_past_exports) {
                encoded.section(&section);
            }
            if !is_export && id != SectionId::Start as u8 {
                encoded.section(&RawSection { id, data });
            }
        }
        if let Some(section) = exports {
            encoded.section(&section);
        }
        Ok(encoded.finish())
    }

    fn all_exports(&self) -> Result<ExportSection, Refused> {
        let mut section = ExportSection::new();
        for export in &self.exports {
            section.export(export.name, kind_of(export.kind), export.index);
        }
        let globals = self.globals.iter().map(|(number, _)| *number);
        let globals = globals.map(|number| (global_name(number), ExportKind::Global, number));
        let memories = self.memories.iter().map(|(number, _)| *number);
        let memories = memories.map(|number| (memory_name(number), ExportKind::Memory, number));
        let start = self
            .start
            .iter()
            .map(|&function| (START.into(), ExportKind::Func, function));
        for (name, kind, number) in globals.chain(memories).chain(start) {
            if self.exports.iter().any(|export| export.name == name) {
                return Err(Reason::NameTaken(name).into());
            }
            section.export(&name, kind, number);
        }
        Ok(section)
    }
}

fn kind_of(kind: ExternalKind) -> ExportKind {
    match kind {
        ExternalKind::Func | ExternalKind::FuncExact => ExportKind::Func,
        ExternalKind::Table => ExportKind::Table,
        ExternalKind::Memory => ExportKind::Memory,
        ExternalKind::Global => ExportKind::Global,
        ExternalKind::Tag => ExportKind::Tag,
    }
}

/// The sections that may only stand behind the exports.
fn follows_exports(id: u8) -> bool {
    const FOLLOWING: [SectionId; 5] = [
        SectionId::Start,
        SectionId::Element,
        SectionId::DataCount,
        SectionId::Code,
        SectionId::Data,
    ];
    FOLLOWING.iter().any(|section| *section as u8 == id)
}

/// The name under which a module exports one of its globals.
pub fn global_name(number: u32) -> String {
    format!("component-snapshot:global{number}")
}

/// The name under which a module exports one of its memories.
pub fn memory_name(number: u32) -> String {
    format!("component-snapshot:memory{number}")
}

/// The name under which a module exports its start function.
pub const START: &str = "component-snapshot:start";
