//! Which requests shall the disk refuse now?
//!
//! A file that the tests write, one fault per line, read anew for each request:
//!
//! ```text
//! sync EIO ab12          a sync of a path that contains `ab12` fails
//! write ENOSPC           every write fails
//! create ENOSPC          every creation of a file fails
//! open EROFS ab12        SQLite can open such a path for reading only
//! sync delay-ms 20       a sync takes up to 20 milliseconds longer
//! sync hang ab12         a sync of such a path does not end while this line stands
//! write kill ab12        a write to such a path ends the process, as `kill -9` does
//! ```

use std::os::raw::c_int;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[derive(Clone, Copy, PartialEq)]
pub enum Operation {
    Write,
    Create,
    /// To write to it.
    Open,
    Sync,
}

/// The faults of this moment.
pub struct Faults {
    lines: Vec<(Operation, Fault)>,
}

enum Fault {
    /// With this error, on paths that contain this text.
    Error(c_int, String),
    DelayMs(u64),
    Hang(String),
    Kill(String),
}

impl Faults {
    pub fn read(control: Option<&PathBuf>) -> Faults {
        let text = control
            .and_then(|path| std::fs::read_to_string(path).ok())
            .unwrap_or_default();
        Faults {
            lines: text.lines().filter_map(line).collect(),
        }
    }

    /// The error with which an operation on this path shall fail.
    pub fn error(&self, operation: Operation, path: &str) -> Option<c_int> {
        let kills = |of: &(Operation, Fault)| matches!(of, (of, Fault::Kill(part)) if *of == operation && path.contains(part.as_str()));
        if self.lines.iter().any(kills) {
            unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        }
        self.lines.iter().find_map(|(of, fault)| match fault {
            Fault::Error(errno, part) if *of == operation && path.contains(part.as_str()) => {
                Some(*errno)
            }
            _ => None,
        })
    }

    /// Whether a sync of this path does not end now.
    pub fn hangs(&self, path: &str) -> bool {
        let hangs =
            |fault: &Fault| matches!(fault, Fault::Hang(part) if path.contains(part.as_str()));
        self.lines.iter().any(|(_, fault)| hangs(fault))
    }

    /// Waits as long as this sync shall take, a different time for each.
    pub fn delay_sync(&self) {
        static TURN: AtomicU64 = AtomicU64::new(0);
        for (_, fault) in &self.lines {
            if let Fault::DelayMs(ms) = fault {
                let turn = TURN.fetch_add(1, Ordering::Relaxed);
                // A multiplicative hash spreads consecutive turns over the range.
                let part = turn.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
                std::thread::sleep(Duration::from_micros((ms * 1000 * part) >> 32));
            }
        }
    }
}

fn line(line: &str) -> Option<(Operation, Fault)> {
    let mut words = line.split_whitespace();
    let operation = match words.next()? {
        "write" => Operation::Write,
        "create" => Operation::Create,
        "open" => Operation::Open,
        "sync" => Operation::Sync,
        _ => return None,
    };
    let fault = match words.next()? {
        "EIO" => Fault::Error(libc::EIO, words.next().unwrap_or_default().into()),
        "ENOSPC" => Fault::Error(libc::ENOSPC, words.next().unwrap_or_default().into()),
        "EROFS" => Fault::Error(libc::EROFS, words.next().unwrap_or_default().into()),
        "kill" => Fault::Kill(words.next().unwrap_or_default().into()),
        "hang" => Fault::Hang(words.next().unwrap_or_default().into()),
        "delay-ms" => Fault::DelayMs(words.next()?.parse().ok()?),
        _ => return None,
    };
    Some((operation, fault))
}
