//! From a peer's bytes to what it says, or to what is wrong with them. Pure.
//!
//! ```text
//! feed() ─► head ─► payload ─► head … ─► Heard, or a Violation at the first byte
//!                                        that cannot be right
//! ```

use tungstenite::protocol::frame::coding::OpCode;

use super::Role;
use super::deflate::{self, Fault};
use super::frame::{self, BINARY, CLOSE, CONTINUE, HEAD_BYTES_MAX, Head, PING, TEXT};
use super::utf8::Checked;
use crate::object::socket::rules::{self, MESSAGE_BYTES_MAX};
use crate::object::socket::{Close, Message};

/// What a control frame may carry (RFC 6455, 5.5).
const CONTROL_BYTES_MAX: u64 = 125;

const MALFORMED: u16 = 1002;
const NOT_TEXT: u16 = 1007;
const TOO_LARGE: u16 = 1009;

/// Something that the peer says.
#[derive(PartialEq, Eq, Debug)]
pub enum Heard {
    Message(Message),
    Ping(Vec<u8>),
    Pong,
    Close(Close),
}

/// The peer breaks the rules.
#[derive(PartialEq, Eq, Debug)]
pub struct Violation {
    pub code: u16,
    pub message: String,
}

impl Violation {
    pub fn protocol(message: impl Into<String>) -> Violation {
        Violation {
            code: MALFORMED,
            message: message.into(),
        }
    }

    fn not_text() -> Violation {
        Violation {
            code: NOT_TEXT,
            message: "a text is not UTF-8".into(),
        }
    }

    fn too_large(bytes: u64) -> Violation {
        Violation {
            code: TOO_LARGE,
            message: rules::too_large(bytes),
        }
    }
}

pub struct Incoming {
    role: Role,
    deflates: bool,
    /// The beginning of a head.
    head: [u8; HEAD_BYTES_MAX],
    head_bytes: usize,
    frame: Option<Frame>,
    /// The message of which not all frames have come.
    message: Option<Box<Partial>>,
    /// What has come of a control frame.
    control: Vec<u8>,
}

/// A frame whose payload is coming.
struct Frame {
    opcode: OpCode,
    is_final: bool,
    mask: Option<[u8; 4]>,
    length: u64,
    left: u64,
}

struct Partial {
    is_text: bool,
    is_small: bool,
    bytes: Vec<u8>,
    checked: Checked,
}

impl Incoming {
    pub fn new(role: Role, deflates: bool) -> Incoming {
        Incoming {
            role,
            deflates,
            head: [0; HEAD_BYTES_MAX],
            head_bytes: 0,
            frame: None,
            message: None,
            control: Vec::new(),
        }
    }

    /// What is kept of a message that is not whole.
    pub fn held_bytes(&self) -> usize {
        self.message
            .as_ref()
            .map_or(0, |message| message.bytes.capacity())
    }

    /// Takes of `bytes` until something is said.
    pub fn feed(&mut self, bytes: &mut &[u8]) -> Result<Option<Heard>, Violation> {
        loop {
            let frame = match &mut self.frame {
                Some(frame) => frame,
                None => match self.take_head(bytes)? {
                    Some(frame) => self.frame.insert(frame),
                    None => return Ok(None),
                },
            };
            let is_control = matches!(frame.opcode, OpCode::Control(_));
            let payload = match (is_control, &mut self.message) {
                (true, _) => &mut self.control,
                (false, Some(message)) => &mut message.bytes,
                (false, None) => unreachable!("a head of data opens a message"),
            };
            let count = frame.left.min(bytes.len() as u64) as usize;
            let (came, rest) = bytes.split_at(count);
            *bytes = rest;
            let before = payload.len();
            payload.extend_from_slice(came);
            if let Some(mask) = frame.mask {
                let offset = (frame.length - frame.left) as usize;
                frame::mask(&mut payload[before..], mask, offset);
            }
            frame.left -= count as u64;
            if let (false, Some(message)) = (is_control, &mut self.message)
                && message.is_text
                && !message.is_small
            {
                let looked = message.checked.look(&message.bytes);
                looked.map_err(|_| Violation::not_text())?;
            }
            if frame.left > 0 {
                return Ok(None);
            }
            let frame = self.frame.take().expect("it has ended");
            if is_control {
                return self.control(frame.opcode).map(Some);
            }
            if frame.is_final
                && let Some(message) = self.message.take()
            {
                return message.end().map(|message| Some(Heard::Message(message)));
            }
        }
    }

    fn take_head(&mut self, bytes: &mut &[u8]) -> Result<Option<Frame>, Violation> {
        let before = self.head_bytes;
        let count = bytes.len().min(HEAD_BYTES_MAX - before);
        self.head[before..before + count].copy_from_slice(&bytes[..count]);
        let Some((head, length, head_bytes)) = frame::parse(&self.head[..before + count])? else {
            self.head_bytes += count;
            *bytes = &bytes[count..];
            return Ok(None);
        };
        self.head_bytes = 0;
        *bytes = &bytes[head_bytes - before..];
        self.check(&head, length)?;
        Ok(Some(Frame {
            opcode: head.opcode,
            is_final: head.is_final,
            mask: head.mask,
            length,
            left: length,
        }))
    }

    /// May this frame come now? One that begins a message opens it.
    fn check(&mut self, head: &Head, length: u64) -> Result<(), Violation> {
        let wrong = |message: &str| Err(Violation::protocol(message));
        match (self.role, head.mask) {
            (Role::Server, None) => return wrong("a client's frame is not masked"),
            (Role::Client, Some(_)) => return wrong("a server's frame is masked"),
            _ => {}
        }
        let begins = head.opcode == TEXT || head.opcode == BINARY;
        if head.rsv2 || head.rsv3 || head.rsv1 && !(self.deflates && begins) {
            return wrong("a reserved bit of a frame is set");
        }
        if matches!(head.opcode, OpCode::Control(_)) {
            return match head.is_final && length <= CONTROL_BYTES_MAX {
                true => Ok(()),
                false => wrong("a control frame is fragmented or too long"),
            };
        }
        let bytes = match &self.message {
            Some(_) if head.opcode != CONTINUE => {
                return wrong("a message begins within another one");
            }
            None if head.opcode == CONTINUE => {
                return wrong("a frame continues no message");
            }
            Some(message) => message.bytes.len() as u64,
            None => 0,
        };
        let bytes = bytes.saturating_add(length);
        if bytes > MESSAGE_BYTES_MAX as u64 {
            return Err(Violation::too_large(bytes));
        }
        if begins {
            self.message = Some(Box::new(Partial {
                is_text: head.opcode == TEXT,
                is_small: head.rsv1,
                bytes: Vec::new(),
                checked: Checked::default(),
            }));
        }
        Ok(())
    }

    fn control(&mut self, opcode: OpCode) -> Result<Heard, Violation> {
        let payload = std::mem::take(&mut self.control);
        match opcode {
            CLOSE => close(&payload).map(Heard::Close),
            PING => Ok(Heard::Ping(payload)),
            _ => Ok(Heard::Pong),
        }
    }
}

impl Partial {
    fn end(self) -> Result<Message, Violation> {
        let bytes = match self.is_small {
            false => self.bytes,
            true => match deflate::decompress(self.bytes, MESSAGE_BYTES_MAX) {
                Ok(bytes) => bytes,
                Err(Fault::TooLarge) => {
                    return Err(Violation::too_large(MESSAGE_BYTES_MAX as u64 + 1));
                }
                Err(Fault::Malformed) => {
                    return Err(Violation {
                        code: NOT_TEXT,
                        message: "a message is not compressed as it must be".into(),
                    });
                }
            },
        };
        match self.is_text {
            false => Ok(Message::Binary(bytes)),
            true => match String::from_utf8(bytes) {
                Ok(text) => Ok(Message::Text(text)),
                Err(_) => Err(Violation::not_text()),
            },
        }
    }
}

fn close(payload: &[u8]) -> Result<Close, Violation> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return match payload.is_empty() {
            true => Ok(Close {
                code: None,
                reason: String::new(),
            }),
            false => Err(Violation::protocol("a Close has half a code")),
        };
    };
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::protocol(format!(
            "a Close has the code {code}, which must not be sent"
        )));
    }
    let reason = str::from_utf8(reason).map_err(|_| Violation::not_text())?;
    Ok(Close {
        code: Some(code),
        reason: reason.into(),
    })
}

#[cfg(test)]
mod tests;
