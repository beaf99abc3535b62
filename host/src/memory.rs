//! How much memory the process may have, and how tight it is.
//!
//! Limits of single objects do not add up: thousands of them, each within its own,
//! can ask for more than the machine has. So what the process really holds is looked
//! at, several times a second while it works:
//!
//! ```text
//! plenty ── 85 % ──► tight: idle objects leave early ── 100 % ──► full: nothing new
//! ```
//!
//! While it is full, new events are refused and no instance grows; what runs within
//! what it has goes on.

use std::fs;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use anyhow::{Result, ensure};

/// What is told to who is refused.
pub const FULL: &str = "the server has no memory left; try again later";

/// Past this part of the budget, in percent, idle objects leave.
const TIGHT_PERCENT: u64 = 85;

/// What the budget is of the machine's memory, or of the process's control group:
/// the rest is for the kernel's cache, which the databases need too.
const OF_MACHINE_PERCENT: u64 = 75;

static DEFAULT: LazyLock<u64> = LazyLock::new(|| machine_bytes() / 100 * OF_MACHINE_PERCENT);
static BUDGET: AtomicU64 = AtomicU64::new(u64::MAX);
static LEVEL: AtomicU8 = AtomicU8::new(Level::Plenty as u8);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Level {
    Plenty,
    Tight,
    Full,
}

/// Huge pages cost more than they give here: an object needs a little memory for a
/// while, most of 2 MiB stays empty, and the kernel clears all of it first. An older
/// kernel that cannot do without them is no reason to stop.
pub fn use_small_pages() {
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Gives back what the allocator keeps for this thread, which is about to stand still.
pub fn forget_thread() {
    let (nothing, no_length) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: the name ends with a zero, and this command takes and gives no value. Where
    // the thread has no such memory it fails, and nothing is lost.
    unsafe {
        tikv_jemalloc_sys::mallctl(
            c"thread.tcache.flush".as_ptr(),
            nothing,
            no_length,
            nothing,
            0,
        )
    };
}

/// The budget where the configuration says nothing.
pub fn default_budget() -> u64 {
    *DEFAULT
}

pub fn set_budget(bytes: u64) {
    BUDGET.store(bytes, Relaxed);
}

pub fn budget() -> u64 {
    BUDGET.load(Relaxed)
}

/// Fails when a budget is used up before anything is served: then all would be refused.
pub fn check_budget(budget_bytes: u64) -> Result<()> {
    let bytes = resident_bytes().unwrap_or(0);
    ensure!(
        level(bytes, budget_bytes) == Level::Plenty,
        "process_memory_bytes_max = {budget_bytes} cannot be: this process has {bytes} bytes before \
         it serves anything; give it several times as much"
    );
    Ok(())
}

/// Looks how much the process holds.
pub fn look() -> Level {
    let budget_bytes = BUDGET.load(Relaxed);
    let level = resident_bytes().map_or(Level::Plenty, |bytes| level(bytes, budget_bytes));
    let before = LEVEL.swap(level as u8, Relaxed);
    if level == Level::Full && before != Level::Full as u8 {
        tracing::warn!(
            budget_bytes,
            "the process has used up its memory; new work is refused"
        );
    }
    level
}

/// Must nothing be added?
pub fn is_full() -> bool {
    LEVEL.load(Relaxed) == Level::Full as u8
}

/// May memory be spent to save time?
pub fn is_plenty() -> bool {
    LEVEL.load(Relaxed) == Level::Plenty as u8
}

fn level(bytes: u64, budget: u64) -> Level {
    if bytes >= budget {
        Level::Full
    } else if bytes >= budget / 100 * TIGHT_PERCENT {
        Level::Tight
    } else {
        Level::Plenty
    }
}

/// Memory of the process that is in no file.
fn resident_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = text.split(' ').skip(1).map(str::parse::<u64>);
    let (resident, shared) = (pages.next()?.ok()?, pages.next()?.ok()?);
    Some(resident.saturating_sub(shared) * rustix::param::page_size() as u64)
}

/// What the machine has, or less where the process is confined to less.
fn machine_bytes() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kilobytes * 1024)
    });
    let group = ["memory.max", "memory/memory.limit_in_bytes"]
        .iter()
        .filter_map(|file| fs::read_to_string(format!("/sys/fs/cgroup/{file}")).ok())
        .find_map(|text| text.trim().parse::<u64>().ok());
    let machine = machine.unwrap_or(4 << 30);
    group.map_or(machine, |group| group.min(machine))
}

#[cfg(test)]
mod tests {
    //! What a level is, and that this machine has one.

    use super::*;

    #[test]
    fn memory_is_tight_before_it_is_full() {
        assert_eq!(level(84, 100), Level::Plenty);
        assert_eq!(level(85, 100), Level::Tight);
        assert_eq!(level(100, 100), Level::Full);
    }

    #[test]
    fn a_budget_has_room_for_more_than_there_is() {
        let refused = check_budget(1 << 20).unwrap_err().to_string();
        assert!(
            refused.contains("process_memory_bytes_max = 1048576"),
            "{refused}"
        );
        assert!(check_budget(u64::MAX).is_ok());
    }

    #[test]
    fn the_budget_is_less_than_the_machine_has() {
        let budget = default_budget();
        assert!(budget > 100 << 20 && budget < machine_bytes());
        assert!(resident_bytes().is_some_and(|bytes| bytes > 0));
    }
}
