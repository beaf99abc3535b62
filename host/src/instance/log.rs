//! What an object prints, line by line in the host's log, with class and id.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamResult};

use crate::clock;
use crate::object::identity::Identity;

/// A longer line is logged in parts.
const LINE_BYTES_MAX: usize = 16 * 1024;

#[derive(Clone, Copy)]
pub enum Channel {
    Stdout,
    Stderr,
}

/// One of an instance's two output channels.
#[derive(Clone)]
pub struct GuestLog(Arc<Printer>);

struct Printer {
    object: Arc<Identity>,
    channel: Channel,
    /// What was printed since the last end of a line; less than one part.
    line: Mutex<Vec<u8>>,
}

impl GuestLog {
    pub fn new(object: Arc<Identity>, channel: Channel) -> GuestLog {
        GuestLog(Arc::new(Printer {
            object,
            channel,
            line: Mutex::default(),
        }))
    }

    /// A stream that leads here.
    pub fn stream(&self) -> DynOutputStream {
        Box::new(self.clone())
    }
}

impl Printer {
    fn print(&self, mut bytes: &[u8]) {
        let mut line = self.line.lock();
        while !bytes.is_empty() {
            let room = LINE_BYTES_MAX - line.len();
            let part = &bytes[..bytes.len().min(room)];
            match part.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    line.extend_from_slice(&part[..end]);
                    self.log(&line);
                    line.clear();
                    bytes = &bytes[end + 1..];
                }
                None => {
                    line.extend_from_slice(part);
                    bytes = &bytes[part.len()..];
                    if line.len() == LINE_BYTES_MAX {
                        let whole = whole_characters(&line);
                        self.log(&line[..whole]);
                        line.drain(..whole);
                    }
                }
            }
        }
    }

    fn log(&self, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        match self.object.prints.take(line.len(), clock::now_ms()) {
            Some(0) => self.write(line),
            Some(dropped) => {
                self.write(line);
                self.tell(dropped);
            }
            None => {}
        }
    }

    fn write(&self, line: &[u8]) {
        let text = harmless(line);
        let (class, id, name) = (&*self.object.class, self.object.id, self.object.name());
        match self.channel {
            Channel::Stdout => tracing::info!(target: "object", class, %id, name, "{text}"),
            Channel::Stderr => tracing::warn!(target: "object", class, %id, name, "{text}"),
        }
    }

    fn tell(&self, dropped: u64) {
        let (class, id, name) = (&*self.object.class, self.object.id, self.object.name());
        tracing::warn!(
            class, %id, name, dropped,
            "{dropped} lines of this object were dropped: it printed more than the log takes"
        );
    }
}

/// The length of these bytes without a character that has only begun at their end.
fn whole_characters(bytes: &[u8]) -> usize {
    // A character has up to four bytes; the first of them says how many.
    for back in 1..=bytes.len().min(3) {
        let start = bytes.len() - back;
        let length = match bytes[start] {
            0xc0..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0..0xf8 => 4,
            0x80..0xc0 => continue,
            _ => 1,
        };
        return if length > back { start } else { bytes.len() };
    }
    bytes.len()
}

/// A guest's text, in which control characters are spelled out: they could move a
/// terminal's cursor and forge other lines.
fn harmless(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let is_plain = |character: char| !character.is_control() || character == '\t';
    if text.chars().all(is_plain) {
        return text.into_owned();
    }
    let mut harmless = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match is_plain(character) {
            true => harmless.push(character),
            false => harmless.extend(character.escape_default()),
        }
    }
    harmless
}

impl Drop for Printer {
    /// A line that was never ended is logged, and what was not told yet.
    fn drop(&mut self) {
        let line = std::mem::take(self.line.get_mut());
        self.log(&line);
        let dropped = self.object.prints.take_dropped();
        if dropped > 0 {
            self.tell(dropped);
        }
    }
}

impl OutputStream for GuestLog {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.print(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LINE_BYTES_MAX)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for GuestLog {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    //! What an object prints stays readable and stays its own.

    use super::*;

    #[test]
    fn a_part_ends_with_a_whole_character() {
        let check = |text: &[u8], whole| assert_eq!(whole_characters(text), whole, "{text:?}");
        check(b"abc", 3);
        check("aé".as_bytes(), 3);
        check(&"aé".as_bytes()[..2], 1);
        check(&"a€".as_bytes()[..3], 1);
        check(&"a😀".as_bytes()[..4], 1);
        check("a😀".as_bytes(), 5);
        check(b"\x80\x80\x80\x80", 4);
        check(b"", 0);
    }

    #[test]
    fn control_characters_are_spelled_out() {
        let check = |line: &str, text: &str| assert_eq!(harmless(line.as_bytes()), text);
        check("a\tb é", "a\tb é");
        check("done\rINFO forged", "done\\rINFO forged");
        check("\u{1b}[2J\u{9b}1A", "\\u{1b}[2J\\u{9b}1A");
    }
}
