//! The command `abide`.

use std::process::ExitCode;

// Events are short, and a good part of their time is spent in the allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    abide::cli::main()
}
