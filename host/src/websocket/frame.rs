//! The head of a frame, and the mask of what follows.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::incoming::Violation;

pub const HEAD_BYTES_MAX: usize = 14;

/// What a head says.
pub type Head = FrameHeader;

pub const TEXT: OpCode = OpCode::Data(Data::Text);
pub const BINARY: OpCode = OpCode::Data(Data::Binary);
pub const CONTINUE: OpCode = OpCode::Data(Data::Continue);
pub const CLOSE: OpCode = OpCode::Control(Control::Close);
pub const PING: OpCode = OpCode::Control(Control::Ping);
pub const PONG: OpCode = OpCode::Control(Control::Pong);

/// The head at the beginning of `bytes`, the length of what follows it, and its own;
/// none if there is only a part of it.
pub fn parse(bytes: &[u8]) -> Result<Option<(Head, u64, usize)>, Violation> {
    let mut cursor = Cursor::new(bytes);
    let parsed = FrameHeader::parse(&mut cursor);
    let parsed = parsed.map_err(|error| Violation::protocol(error.to_string()))?;
    let Some((head, length)) = parsed else {
        return Ok(None);
    };
    let head_length = cursor.position() as usize;
    if head.len(length) != head_length || length > i64::MAX as u64 {
        return Err(Violation::protocol(
            "a frame's length is not written as it must be",
        ));
    }
    Ok(Some((head, length, head_length)))
}

/// Appends a head to `bytes`.
pub fn write(head: &Head, length: usize, bytes: &mut Vec<u8>) {
    let written = head.format(length as u64, bytes);
    written.expect("a vector takes everything");
}

/// Puts a mask on, or takes it off. `offset`: how many bytes came before.
pub fn mask(bytes: &mut [u8], mask: [u8; 4], offset: usize) {
    let mut turned = mask;
    turned.rotate_left(offset % 4);
    let word = u64::from_ne_bytes([turned, turned].concat().try_into().expect("eight bytes"));
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(turned.iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    //! Masks of any length at any place.

    use super::*;

    #[test]
    fn a_mask_goes_on_where_it_was() {
        let key = [1, 2, 3, 4];
        for length in 0..40 {
            for split in 0..=length {
                let mut bytes = vec![0; length];
                let (before, after) = bytes.split_at_mut(split);
                mask(before, key, 0);
                mask(after, key, split);
                let expected: Vec<u8> = (0..length).map(|at| key[at % 4]).collect();
                assert_eq!(bytes, expected);
            }
        }
    }
}
