//! What an instance may use: memory, and time between two waits.
//!
//! Time is counted in ticks while the instance runs, not while it waits: a plain
//! deadline would end a guest that merely slept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use wasmtime::{ResourceLimiter, UpdateDeadline};

use super::ticks::{TICK, Ticks};

/// Entries of a table; a component of ours has some thousands.
const TABLE_ENTRIES_MAX: usize = 1_000_000;

/// Counts an instance's linear memory and refuses what is too much.
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
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grown = self.bytes.saturating_add(desired.saturating_sub(current));
        if grown > self.bytes_max {
            self.refused = true;
            return Ok(false);
        }
        self.bytes = grown;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ENTRIES_MAX)
    }
}

/// How long the instance has been running since it last waited.
pub struct Burst {
    ticks: Ticks,
    began: AtomicU64,
    preempted: AtomicBool,
    ticks_max: u64,
}

/// The instance computed for too long without waiting.
#[derive(Debug)]
pub struct CpuExhausted {
    pub cpu_ms_max: u64,
}

impl std::fmt::Display for CpuExhausted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Durable Object exceeded its CPU time limit of {} ms and was reset.",
            self.cpu_ms_max
        )
    }
}

impl std::error::Error for CpuExhausted {}

impl Burst {
    pub fn new(ticks: Ticks, cpu_ms_max: u64) -> Arc<Burst> {
        let tick_ms = TICK.as_millis() as u64;
        Arc::new(Burst {
            began: AtomicU64::new(ticks.now()),
            ticks,
            preempted: AtomicBool::new(false),
            ticks_max: cpu_ms_max.div_ceil(tick_ms),
        })
    }

    pub fn cpu_ms_max(&self) -> u64 {
        self.ticks_max * TICK.as_millis() as u64
    }

    /// The instance begins, or goes on after it was preempted.
    pub fn enter(&self) {
        if !self.preempted.swap(false, Ordering::Relaxed) {
            self.began.store(self.ticks.now(), Ordering::Relaxed);
        }
    }

    /// Did the instance stop only to let others run, in the middle of its work?
    pub fn is_preempted(&self) -> bool {
        self.preempted.load(Ordering::Relaxed)
    }

    /// Called at a tick while the instance runs.
    pub fn tick(&self) -> wasmtime::Result<UpdateDeadline> {
        let ran = self.ticks.now() - self.began.load(Ordering::Relaxed);
        if ran > self.ticks_max {
            let cpu_ms_max = self.cpu_ms_max();
            return Err(CpuExhausted { cpu_ms_max }.into());
        }
        if ran == 0 {
            // The deadline passed while the instance slept.
            return Ok(UpdateDeadline::Continue(1));
        }
        self.preempted.store(true, Ordering::Relaxed);
        Ok(UpdateDeadline::Yield(1))
    }
}
