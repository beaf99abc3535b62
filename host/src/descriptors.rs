//! How are the process's open files shared out?
//!
//! Connections and objects' databases both want them. A server full of
//! connections must still be able to open databases, or it could answer none of
//! them.

use std::sync::LazyLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the process itself needs: its log, listeners, components, directories, the
/// event loop, and what is folded or synced meanwhile.
const RESERVED: usize = 100;

/// More connections than this are asked for in the configuration. Each may hold
/// some hundred KiB of what is not yet sent.
const CONNECTIONS_MAX: usize = 10_000;

/// More at once would be a burden to others.
const OUTBOUND_MAX: usize = 1_000;

static OPEN_FILES_MAX: LazyLock<usize> = LazyLock::new(raise_open_files_max);

/// The process's limit of open files, raised as far as it may raise it itself.
pub fn open_files_max() -> usize {
    *OPEN_FILES_MAX
}

/// How many connections may be open where the configuration says nothing: half of
/// the open files, up to a bound.
pub fn connections_max() -> usize {
    (open_files_max().saturating_sub(RESERVED) / 2).clamp(1, CONNECTIONS_MAX)
}

/// How many connections objects may have to other servers, all of them together.
pub fn outbound_max() -> usize {
    (open_files_max() / 32).clamp(4, OUTBOUND_MAX)
}

/// How many files are left for objects beside so many connections.
pub fn for_objects(connections_max: usize) -> usize {
    open_files_max().saturating_sub(RESERVED + connections_max + outbound_max())
}

fn raise_open_files_max() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised,
        Err(_) => limit,
    };
    limit.current.map_or(usize::MAX, |files| {
        usize::try_from(files).unwrap_or(usize::MAX)
    })
}
