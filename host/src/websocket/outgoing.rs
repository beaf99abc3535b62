//! From what is to be said to the bytes that say it. Pure but for the masks.
//!
//! Small frames share a buffer, so that many of them are one write; a large payload
//! is written from where it lies.

use std::io::IoSlice;

use super::Role;
use super::deflate::{self, Deflate};
use super::frame::{self, BINARY, CLOSE, Head, PING, PONG, TEXT};
use crate::object::socket::{Close, Message};
use tungstenite::protocol::frame::coding::OpCode;

/// Larger payloads are not copied.
const COPIED_BYTES_MAX: usize = 16 * 1024;
/// When so much is to be written, more can wait.
const BUFFERED_BYTES: usize = 16 * 1024;

pub struct Outgoing {
    role: Role,
    deflate: Option<Deflate>,
    buffer: Vec<u8>,
    /// A payload that comes after the buffer.
    payload: Vec<u8>,
    /// How much of both was written.
    written: usize,
}

impl Outgoing {
    pub fn new(role: Role, deflate: Option<Deflate>) -> Outgoing {
        Outgoing {
            role,
            deflate,
            buffer: Vec::new(),
            payload: Vec::new(),
            written: 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// May more be added for now?
    pub fn has_room(&self) -> bool {
        self.payload.is_empty() && self.buffer.len() < BUFFERED_BYTES
    }

    pub fn message(&mut self, message: Message) {
        let (opcode, payload) = match message {
            Message::Text(text) => (TEXT, text.into_bytes()),
            Message::Binary(bytes) => (BINARY, bytes),
        };
        let small = self
            .deflate
            .and_then(|how| deflate::compress(&payload, how));
        let is_small = small.is_some();
        self.frame(opcode, is_small, small.unwrap_or(payload));
    }

    pub fn ping(&mut self) {
        self.frame(PING, false, Vec::new());
    }

    pub fn pong(&mut self, payload: Vec<u8>) {
        self.frame(PONG, false, payload);
    }

    pub fn close(&mut self, close: &Close) {
        let mut payload = Vec::new();
        if let Some(code) = close.code {
            payload.extend(code.to_be_bytes());
            payload.extend(close.reason.as_bytes());
        }
        self.frame(CLOSE, false, payload);
    }

    fn frame(&mut self, opcode: OpCode, is_small: bool, mut payload: Vec<u8>) {
        // A control frame may come behind a payload that is being written.
        self.buffer.append(&mut self.payload);
        let head = Head {
            is_final: true,
            rsv1: is_small,
            rsv2: false,
            rsv3: false,
            opcode,
            mask: (self.role == Role::Client).then(rand::random),
        };
        frame::write(&head, payload.len(), &mut self.buffer);
        if let Some(mask) = head.mask {
            frame::mask(&mut payload, mask, 0);
        }
        match payload.len() > COPIED_BYTES_MAX {
            true => self.payload = payload,
            false => self.buffer.extend(payload),
        }
    }

    /// What is to be written next.
    pub fn slices(&self) -> [IoSlice<'_>; 2] {
        let in_buffer = self.written.min(self.buffer.len());
        let in_payload = self.written - in_buffer;
        [
            IoSlice::new(&self.buffer[in_buffer..]),
            IoSlice::new(&self.payload[in_payload..]),
        ]
    }

    /// So much was written.
    pub fn advance(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written == self.buffer.len() + self.payload.len() {
            // Most sockets have nothing to say for long.
            (self.buffer, self.payload, self.written) = (Vec::new(), Vec::new(), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    //! What is written is what `incoming` hears.

    use super::*;
    use crate::websocket::incoming::{Heard, Incoming};

    /// Writes so many bytes at a time, and hears what they say.
    fn check(role: Role, deflates: bool, step: usize) {
        let messages = [
            Message::Text("small".into()),
            Message::Binary(Vec::new()),
            Message::Text("long".repeat(10_000)),
            Message::Binary(vec![7; 300]),
        ];
        let mut outgoing = Outgoing::new(role, deflates.then(Deflate::default));
        let other = match role {
            Role::Server => Role::Client,
            Role::Client => Role::Server,
        };
        let mut incoming = Incoming::new(other, deflates);
        let mut heard = Vec::new();
        let mut write = |outgoing: &mut Outgoing, steps: usize| {
            for _ in 0..steps {
                let bytes = outgoing.slices().map(|slice| slice.to_vec()).concat();
                let mut bytes = &bytes[..bytes.len().min(step)];
                outgoing.advance(bytes.len());
                while !bytes.is_empty() {
                    heard.extend(incoming.feed(&mut bytes).unwrap());
                }
            }
        };
        for message in messages.clone() {
            outgoing.message(message);
            write(&mut outgoing, 1);
        }
        outgoing.pong(b"pong".to_vec());
        outgoing.close(&Close {
            code: Some(4000),
            reason: "why".into(),
        });
        write(&mut outgoing, 100_000 / step + 10);
        assert!(outgoing.is_empty());
        let close = heard.pop();
        assert!(matches!(
            close,
            Some(Heard::Close(Close {
                code: Some(4000),
                ..
            }))
        ));
        assert_eq!(heard.pop(), Some(Heard::Pong));
        assert_eq!(heard, messages.map(Heard::Message));
    }

    #[test]
    fn what_is_written_is_heard() {
        for role in [Role::Server, Role::Client] {
            for deflates in [false, true] {
                for step in [1, 100, 50_000] {
                    check(role, deflates, step);
                }
            }
        }
    }
}
