//! How much memory an instance may have: its linear memories and its tables.

use wasmtime::ResourceLimiter;

use crate::memory;

/// What an entry of a table takes of the host's memory.
const TABLE_ENTRY_BYTES: usize = 8;

/// Core instances, memories and tables of one component. Each takes address space
/// and mappings, however small it is; the largest components that we know have a
/// dozen.
const PARTS_MAX: usize = 200;

/// Counts an instance's memories and tables, and refuses what is too much.
pub struct MemoryMeter {
    bytes: usize,
    bytes_max: usize,
    refused: bool,
}

impl MemoryMeter {
    pub fn new(bytes_max: usize) -> MemoryMeter {
        MemoryMeter {
            bytes: 0,
            bytes_max,
            refused: false,
        }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Was the instance ever refused memory? A trap after that is most likely
    /// its answer to the refusal.
    pub fn refused(&self) -> bool {
        self.refused
    }

    fn grow(&mut self, bytes: usize) -> bool {
        let grown = self.bytes.saturating_add(bytes);
        let fits = grown <= self.bytes_max && !memory::is_full();
        match fits {
            true => self.bytes = grown,
            false => self.refused = true,
        }
        fits
    }
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let entries = desired.saturating_sub(current);
        Ok(self.grow(entries.saturating_mul(TABLE_ENTRY_BYTES)))
    }

    fn instances(&self) -> usize {
        PARTS_MAX
    }

    fn tables(&self) -> usize {
        PARTS_MAX
    }

    fn memories(&self) -> usize {
        PARTS_MAX
    }
}
