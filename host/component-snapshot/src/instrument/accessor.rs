//! Which code reads and sets what only the component's own code can reach?
//!
//! One core module, generated for each component. It imports all mutable globals and
//! all memories of the other modules:
//!
//! | Export | Does |
//! |---|---|
//! | `save(at)` | writes all globals into the first memory, eight bytes each |
//! | `load(at)` | sets all globals to what `save` wrote |
//! | `memoryN(at, pages) -> at` | grows memory N to at least `pages`, and writes at `at` where it begins and how many words it has |
//! | `givebackN(at)` | puts back what `memoryN` overwrote |
//! | `identity(x) -> x` | what the component model needs to pass handles |
//!
//! `at` is an address that the caller chooses: a page that is written anyway, so that
//! none becomes dirty because of this. What `save` overwrites the caller puts back.

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, EntityType, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, GlobalType, ImportSection, InstructionSink, MemArg,
    MemorySection, MemoryType, Module, TypeSection, ValType,
};

use super::refused::Reason;

const GLOBAL_BYTES: u64 = 8;
const PAGE_BYTES: u64 = 1 << 16;
const WORDS_PER_PAGE: i64 = 1 << 13;

/// Everything of a component that is saved, apart from its handles.
#[derive(Default)]
pub struct State {
    pub globals: Vec<Reached<wasmparser::GlobalType>>,
    pub memories: Vec<Reached<wasmparser::MemoryType>>,
}

/// Something that a core instance exports.
pub struct Reached<Kind> {
    pub instance: u32,
    pub name: String,
    pub kind: Kind,
}

impl State {
    pub fn has_any(&self) -> bool {
        !self.globals.is_empty() || !self.memories.is_empty()
    }

    /// Is there room for the globals?
    pub fn check(&self) -> Result<(), Reason> {
        let room = self
            .pages()
            .first()
            .map_or(0, |pages| u64::from(*pages) * PAGE_BYTES);
        match self.globals.len() as u64 * GLOBAL_BYTES <= room {
            true => Ok(()),
            false => Err(Reason::Globals),
        }
    }

    /// The pages that each memory has at first.
    pub fn pages(&self) -> Vec<u32> {
        match self.memories.is_empty() {
            // Where the module keeps the globals meanwhile.
            true if !self.globals.is_empty() => vec![1],
            _ => self
                .memories
                .iter()
                .map(|memory| memory.kind.initial as u32)
                .collect(),
        }
    }

    /// The name under which the module imports what an instance exports.
    pub fn import_name(instance: u32) -> String {
        format!("instance{instance}")
    }

    /// The name of the module's own memory, if it has one.
    pub fn own_memory(&self) -> Option<&'static str> {
        self.memories.is_empty().then_some("memory")
    }

    /// The code that reaches it.
    pub fn accessor(&self) -> Module {
        let mut writer = Writer::default();
        self.import(&mut writer.imports);
        if self.own_memory().is_some() {
            writer.add_memory();
        }
        if !self.globals.is_empty() {
            writer.add("save", &[ValType::I32], &[], |code| self.save(code));
            writer.add("load", &[ValType::I32], &[], |code| self.load(code));
        }
        for memory in 0..self.pages().len() as u32 {
            let overwritten = self.globals.len() as u32 + memory;
            writer.add_variable();
            let (both, one) = ([ValType::I32, ValType::I32], [ValType::I32]);
            writer.add(&memory_export(memory), &both, &one, |code| {
                hand_out(code, memory, overwritten);
            });
            writer.add(&give_back_export(memory), &one, &[], |code| {
                code.local_get(0)
                    .global_get(overwritten)
                    .i64_store(word(memory, 0));
            });
        }
        writer.add("identity", &[ValType::I32], &[ValType::I32], |code| {
            code.local_get(0);
        });
        writer.finish()
    }

    fn import(&self, imports: &mut ImportSection) {
        for global in &self.globals {
            let kind = EntityType::Global(GlobalType {
                val_type: number_type(global.kind.content_type),
                mutable: true,
                shared: false,
            });
            imports.import(&State::import_name(global.instance), &global.name, kind);
        }
        for memory in &self.memories {
            let kind = EntityType::Memory(MemoryType {
                minimum: memory.kind.initial,
                maximum: memory.kind.maximum,
                memory64: false,
                shared: false,
                page_size_log2: None,
            });
            imports.import(&State::import_name(memory.instance), &memory.name, kind);
        }
    }

    fn save(&self, code: &mut InstructionSink<'_>) {
        for (number, global) in self.globals.iter().enumerate() {
            code.local_get(0).global_get(number as u32);
            match number_type(global.kind.content_type) {
                ValType::I32 => code.i64_extend_i32_u(),
                ValType::F32 => code.i32_reinterpret_f32().i64_extend_i32_u(),
                ValType::F64 => code.i64_reinterpret_f64(),
                _ => code,
            };
            code.i64_store(word(0, number as u64 * GLOBAL_BYTES));
        }
    }

    fn load(&self, code: &mut InstructionSink<'_>) {
        for (number, global) in self.globals.iter().enumerate() {
            code.local_get(0);
            code.i64_load(word(0, number as u64 * GLOBAL_BYTES));
            match number_type(global.kind.content_type) {
                ValType::I32 => code.i32_wrap_i64(),
                ValType::F32 => code.i32_wrap_i64().f32_reinterpret_i32(),
                ValType::F64 => code.f64_reinterpret_i64(),
                _ => code,
            };
            code.global_set(number as u32);
        }
    }
}

/// Globals of other types are refused before.
fn number_type(kind: wasmparser::ValType) -> ValType {
    match kind {
        wasmparser::ValType::I32 => ValType::I32,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        _ => ValType::I64,
    }
}

/// Grows a memory, keeps a word of it in a global, and overwrites that word with the
/// beginning and the length of the whole memory.
fn hand_out(code: &mut InstructionSink<'_>, memory: u32, overwritten: u32) {
    let (at, pages) = (0, 1);
    code.local_get(pages)
        .memory_size(memory)
        .i32_gt_u()
        .if_(BlockType::Empty)
        .local_get(pages)
        .memory_size(memory)
        .i32_sub()
        .memory_grow(memory)
        .drop()
        .end();
    code.local_get(at)
        .i64_load(word(memory, 0))
        .global_set(overwritten);
    code.local_get(at)
        .memory_size(memory)
        .i64_extend_i32_u()
        .i64_const(WORDS_PER_PAGE << 32)
        .i64_mul()
        .i64_store(word(memory, 0));
    code.local_get(at);
}

pub fn memory_export(number: u32) -> String {
    format!("memory{number}")
}

pub fn give_back_export(number: u32) -> String {
    format!("giveback{number}")
}

fn word(memory_index: u32, offset: u64) -> MemArg {
    // Any address will do: the alignment is a hint.
    MemArg {
        offset,
        align: 0,
        memory_index,
    }
}

/// The module while it is written.
#[derive(Default)]
struct Writer {
    types: TypeSection,
    imports: ImportSection,
    functions: FunctionSection,
    memories: MemorySection,
    globals: GlobalSection,
    exports: ExportSection,
    code: CodeSection,
}

impl Writer {
    fn add(
        &mut self,
        name: &str,
        params: &[ValType],
        results: &[ValType],
        body: impl FnOnce(&mut InstructionSink<'_>),
    ) {
        let number = self.functions.len();
        let (params, results) = (params.iter().copied(), results.iter().copied());
        self.types.ty().function(params, results);
        self.functions.function(number);
        self.exports.export(name, ExportKind::Func, number);
        let mut function = Function::new([]);
        body(&mut function.instructions());
        function.instructions().end();
        self.code.function(&function);
    }

    /// A mutable global of its own.
    fn add_variable(&mut self) {
        let kind = GlobalType {
            val_type: ValType::I64,
            mutable: true,
            shared: false,
        };
        self.globals.global(kind, &ConstExpr::i64_const(0));
    }

    /// A memory of its own.
    fn add_memory(&mut self) {
        self.memories.memory(MemoryType {
            minimum: 1,
            maximum: Some(1),
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        self.exports.export("memory", ExportKind::Memory, 0);
    }

    fn finish(self) -> Module {
        let mut module = Module::new();
        module
            .section(&self.types)
            .section(&self.imports)
            .section(&self.functions)
            .section(&self.memories)
            .section(&self.globals)
            .section(&self.exports)
            .section(&self.code);
        module
    }
}
