//! Brings log lines to standard error without ever waiting for who reads them.
//!
//! Whoever logs puts its line into a queue in memory; one thread writes. A crate
//! for it (tracing-appender) bounds its queue in lines, and one line here may have
//! 16 KiB; nor does it say what it dropped.
//!
//! Invariants:
//!
//! * Who logs never waits, whatever became of standard error.
//! * A line is written whole or not at all. Those that found no room are counted,
//!   and their number is logged as soon as there is room.

use std::fs::File;
use std::io::{ErrorKind, Write, stderr};
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// What may wait to be written: some thousand lines, the burst of a busy second.
const BYTES_MAX: usize = 1024 * 1024;

/// What objects may use of it, so that the host's own lines find room.
const OBJECT_BYTES_MAX: usize = BYTES_MAX / 2;

/// A terminal or pipe that somebody set to non-blocking is tried again after this.
const RETRY: Duration = Duration::from_millis(10);

/// The target under which objects' own lines are logged.
pub const OBJECT_TARGET: &str = "object";

/// The way into the log. A copy is the same way.
#[derive(Clone)]
pub struct LogWriter(Arc<Queue>);

struct Queue {
    state: Mutex<State>,
    /// There is something to write.
    filled: Condvar,
    /// Everything is written.
    emptied: Condvar,
    writer: OnceLock<ThreadId>,
    /// Does a person read lines of text, or a machine JSON?
    is_text: bool,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    dropped: u64,
    is_writing: bool,
}

/// Takes one event's line.
pub struct Line<'a> {
    queue: &'a Queue,
    bytes_max: usize,
}

impl LogWriter {
    /// Starts the thread that writes.
    pub fn start(is_text: bool) -> std::io::Result<LogWriter> {
        // A descriptor of its own: who else writes to standard error holds its
        // lock, and may hold it for ever.
        let output = File::from(stderr().as_fd().try_clone_to_owned()?);
        let queue = Arc::new(Queue {
            state: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            writer: OnceLock::new(),
            is_text,
        });
        let writes = queue.clone();
        thread::Builder::new()
            .name("log".into())
            .spawn(move || writes.write_to(output))?;
        Ok(LogWriter(queue))
    }

    /// Puts a text into the log that is no event.
    pub fn say(&self, text: &str) {
        self.0.push(format!("{text}\n").as_bytes(), BYTES_MAX);
    }

    /// Waits until everything is written, or as long as given.
    pub fn flush(&self, wait_max: Duration) {
        let end = Instant::now() + wait_max;
        let mut state = self.0.state.lock();
        while state.is_writing || !state.lines.is_empty() {
            if self.0.emptied.wait_until(&mut state, end).timed_out() {
                return;
            }
        }
    }
}

impl Queue {
    fn push(&self, line: &[u8], bytes_max: usize) {
        let mut state = self.state.lock();
        let is_full = state.lines.len() + line.len() > bytes_max;
        // The writer itself says only how much was dropped.
        if is_full && self.writer.get() != Some(&thread::current().id()) {
            state.dropped += 1;
            return;
        }
        match self.is_text {
            true => push_harmless(&mut state.lines, line),
            false => state.lines.extend_from_slice(line),
        }
        drop(state);
        self.filled.notify_one();
    }

    fn write_to(&self, mut output: File) {
        let _ = self.writer.set(thread::current().id());
        let mut lines = Vec::new();
        loop {
            let dropped = {
                let mut state = self.state.lock();
                while state.lines.is_empty() {
                    state.is_writing = false;
                    self.emptied.notify_all();
                    self.filled.wait(&mut state);
                }
                state.is_writing = true;
                lines.clear();
                std::mem::swap(&mut lines, &mut state.lines);
                std::mem::take(&mut state.dropped)
            };
            write(&mut output, &lines);
            // A burst must not be paid for ever.
            lines.shrink_to(BYTES_MAX / 16);
            if dropped > 0 {
                tracing::warn!(
                    dropped,
                    "{dropped} lines of the log were dropped: they came faster than they are read"
                );
            }
        }
    }
}

/// Nothing can be done about a log that cannot be written; its lines are lost.
fn write(output: &mut File, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(0) => return,
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY),
            Err(_) => return,
        }
    }
}

/// Appends an event such that nothing in it passes for another event, nor moves
/// the cursor: only an event's first line begins at the left, and control
/// characters are spelled out. tracing does that for the escape character; its own
/// colours stay.
fn push_harmless(lines: &mut Vec<u8>, line: &[u8]) {
    let (line, end) = match line.strip_suffix(b"\n") {
        Some(line) => (line, &b"\n"[..]),
        None => (line, &b""[..]),
    };
    let is_plain = |byte: &u8| !byte.is_ascii_control() || *byte == b'\t' || *byte == 0x1b;
    if line.iter().all(is_plain) {
        lines.extend_from_slice(line);
    } else {
        for byte in line {
            match byte {
                b'\n' => lines.extend_from_slice(b"\n    "),
                byte if is_plain(byte) => lines.push(*byte),
                byte => lines.extend(byte.escape_ascii()),
            }
        }
    }
    lines.extend_from_slice(end);
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            queue: &self.0,
            bytes_max: BYTES_MAX,
        }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Line<'a> {
        Line {
            queue: &self.0,
            bytes_max: match about.target() {
                OBJECT_TARGET => OBJECT_BYTES_MAX,
                _ => BYTES_MAX,
            },
        }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.queue.push(line, self.bytes_max);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    //! A line stays one line, and a full queue counts what it cannot take.

    use super::*;

    fn queue() -> Queue {
        Queue {
            state: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            writer: OnceLock::new(),
            is_text: true,
        }
    }

    #[test]
    fn no_event_passes_for_two() {
        let check = |event: &str, expected: &str| {
            let mut lines = Vec::new();
            push_harmless(&mut lines, event.as_bytes());
            assert_eq!(String::from_utf8(lines).unwrap(), expected);
        };
        check("plain\ttext é\n", "plain\ttext é\n");
        check("one\nINFO two\n", "one\n    INFO two\n");
        check("one\rINFO two\x07\n", "one\\rINFO two\\x07\n");
        check("\x1b[31mred\x1b[0m\n", "\x1b[31mred\x1b[0m\n");
    }

    #[test]
    fn a_full_queue_counts_what_it_drops_and_keeps_room_for_the_host() {
        let queue = queue();
        let line = [b'x'; 1000];
        for _ in 0..600 {
            queue.push(&line, OBJECT_BYTES_MAX);
        }
        let (bytes, dropped) = {
            let state = queue.state.lock();
            (state.lines.len(), state.dropped)
        };
        assert!(bytes <= OBJECT_BYTES_MAX, "{bytes}");
        assert_eq!(dropped as usize + bytes / line.len(), 600);
        queue.push(b"the host's\n", BYTES_MAX);
        assert!(queue.state.lock().lines.ends_with(b"the host's\n"));
    }
}
