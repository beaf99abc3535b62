//! How much memory an instance may have: its linear memories and its tables.

use std::sync::Arc;

use wasmtime::{ResourceLimiter, ResourceLimiterAsync, Store};

use super::context::Context;
use super::cpu::CpuMeter;
use crate::memory;
use crate::workers::{heavy, watch};

/// What an entry of a table takes of the host's memory.
const TABLE_ENTRY_BYTES: usize = 8;

/// Core instances, memories and tables of one component. Each takes address space
/// and mappings, however small it is; the largest components that we know have a
/// dozen.
const PARTS_MAX: usize = 200;

/// A memory that grows by so much will be filled, in one instruction perhaps: the
/// kernel gives it page by page, and nothing interrupts that. Nor is it interrupted when
/// it takes it back.
const LARGE_BYTES: usize = 1 << 20;

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

/// What limits the memory of an instance that runs. One that asks for much goes on
/// apart from short work.
pub struct MemoryLimiter {
    pub meter: MemoryMeter,
    cpu: Arc<CpuMeter>,
    /// What it had when it was made. None: it is being made, and waits for nobody.
    made_bytes: Option<usize>,
}

impl MemoryLimiter {
    pub fn new(bytes_max: usize, cpu: Arc<CpuMeter>) -> MemoryLimiter {
        MemoryLimiter {
            meter: MemoryMeter::new(bytes_max),
            cpu,
            made_bytes: None,
        }
    }

    pub fn is_made(&mut self) {
        self.made_bytes = Some(self.meter.bytes());
    }

    fn grown_bytes(&self) -> usize {
        let made_bytes = self.made_bytes.unwrap_or_default();
        self.meter.bytes().saturating_sub(made_bytes)
    }
}

/// Ends a store. One that has much to give back does so apart from short work.
pub async fn give_back(store: Store<Context>) {
    if store.data().memory.grown_bytes() < LARGE_BYTES {
        return;
    }
    let permit = heavy::turn().await;
    watch::apart(|| heavy::with(permit, || drop(store)));
}

#[async_trait::async_trait]
impl ResourceLimiterAsync for MemoryLimiter {
    async fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let granted = self.meter.memory_growing(current, desired, maximum)?;
        let is_large = desired.saturating_sub(current) >= LARGE_BYTES;
        if granted && is_large && self.made_bytes.is_some() {
            self.cpu.step_aside().await;
        }
        Ok(granted)
    }

    async fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.meter.table_growing(current, desired, maximum)
    }

    fn instances(&self) -> usize {
        self.meter.instances()
    }

    fn tables(&self) -> usize {
        self.meter.tables()
    }

    fn memories(&self) -> usize {
        self.meter.memories()
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
