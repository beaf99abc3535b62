//! The command `abide`.

use std::process::ExitCode;

// Events are short, and a good part of their time is spent in the allocator. It must also
// give back what objects leave that fall asleep, whichever of many threads they ran on.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Read by the allocator before anything runs. It gives memory back half a second after it
/// was freed, and keeps no large pieces for each thread.
#[cfg_attr(target_os = "macos", unsafe(export_name = "_rjem_malloc_conf"))]
#[cfg_attr(not(target_os = "macos"), unsafe(export_name = "malloc_conf"))]
static ALLOCATOR_SETTINGS: &[u8] =
    b"background_thread:true,dirty_decay_ms:500,muzzy_decay_ms:0,tcache_max:4096\0";

fn main() -> ExitCode {
    abide::cli::main()
}
