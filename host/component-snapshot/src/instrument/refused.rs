//! Why can a component not be instrumented?

use std::fmt;

/// A component cannot be instrumented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which part of it is the cause, from the outermost component inwards.
    pub part: Vec<String>,
    /// What is the matter with it.
    pub reason: Reason,
}

/// What cannot be saved, or not be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The bytes are no valid component; the text says what was found.
    Invalid(String),
    /// The bytes are a core module, not a component.
    CoreModule,
    /// It has been instrumented before.
    Instrumented,
    /// It already exports something under a name that the instrumenter needs.
    NameTaken(String),
    /// A memory is shared between threads.
    SharedMemory,
    /// A memory has 64-bit addresses.
    Memory64,
    /// The pages of a memory are not of 64 KiB.
    PageSize,
    /// A memory has no page at first, but may get some.
    EmptyMemory,
    /// A mutable global holds a vector or a reference.
    Global,
    /// There are more mutable globals than fit into the first memory.
    Globals,
    /// A function changes a table, or drops a segment of one.
    Table,
    /// A function drops a segment of data.
    DataDrop,
    /// There are objects of the garbage collector, or suspended computations.
    GarbageCollected,
    /// There are threads.
    Threads,
    /// A component can hold back calls.
    Backpressure,
    /// A component has a start function (those of modules are no obstacle).
    ComponentStart,
    /// A module or component is instantiated that is not defined beside the
    /// instance, but imported, exported by another instance, or further out.
    Elsewhere,
    /// A module writes into the memory of another one whose start function, or that
    /// of a third, has run before.
    LateData,
    /// Handles of a resource that is defined inside of the component are passed
    /// between its parts.
    InnerResource,
}

/// The bytes end in the middle of something.
pub fn cut() -> Refused {
    Reason::Invalid("it has no end".into()).into()
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Invalid(found) => return write!(f, "it is not valid: {found}"),
            Reason::CoreModule => "it is a core module, not a component",
            Reason::Instrumented => "it has been instrumented before",
            Reason::NameTaken(name) => {
                return write!(f, "it already exports {name:?}, a name that is needed");
            }
            Reason::SharedMemory => "it has a memory that threads share",
            Reason::Memory64 => "it has a memory with 64-bit addresses",
            Reason::PageSize => "it has a memory whose pages are not of 64 KiB",
            Reason::EmptyMemory => "it has a memory that is empty at first but may grow",
            Reason::Global => "it has a mutable global that holds a vector or a reference",
            Reason::Globals => "it has more mutable globals than its first memory has room for",
            Reason::Table => "it has code that changes a table",
            Reason::DataDrop => "it has code that drops a data segment",
            Reason::GarbageCollected => "it uses the garbage collector or stack switching",
            Reason::Threads => "it uses threads",
            Reason::Backpressure => "it uses backpressure",
            Reason::ComponentStart => "it has a start function of the component model",
            Reason::Elsewhere => "it instantiates what is defined elsewhere",
            Reason::LateData => {
                "it writes into another module's memory after a start function has run"
            }
            Reason::InnerResource => "its parts pass each other resources that one of them defines",
        })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the component cannot be instrumented: ")?;
        for part in &self.part {
            write!(f, "{part}: ")?;
        }
        write!(f, "{}", self.reason)
    }
}

impl std::error::Error for Refused {}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Refused {
        Refused {
            part: Vec::new(),
            reason,
        }
    }
}

impl From<wasmparser::BinaryReaderError> for Refused {
    fn from(error: wasmparser::BinaryReaderError) -> Refused {
        Reason::Invalid(error.to_string()).into()
    }
}

impl Refused {
    /// Adds the part in which the part so far lies.
    pub(super) fn within(mut self, part: String) -> Refused {
        self.part.insert(0, part);
        self
    }
}
