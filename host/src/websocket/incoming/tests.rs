//! Frames in any pieces, and what is wrong with each kind of wrong one.

use super::*;

/// A frame of a client: its first byte, its payload.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    let key = [9, 8, 7, 6];
    bytes.extend(key);
    let start = bytes.len();
    bytes.extend(payload);
    frame::mask(&mut bytes[start..], key, 0);
    bytes
}

fn text(text: &str) -> Heard {
    Heard::Message(Message::Text(text.into()))
}

fn said_of(mut incoming: Incoming, bytes: &[u8], piece: usize) -> Result<Vec<Heard>, Violation> {
    let mut said = Vec::new();
    for mut piece in bytes.chunks(piece) {
        while !piece.is_empty() {
            said.extend(incoming.feed(&mut piece)?);
        }
    }
    Ok(said)
}

/// Feeds the frames in pieces of many sizes: what they say is always the same.
fn check(frames: &[Vec<u8>], expected: &[Heard]) {
    let bytes = frames.concat();
    for piece in [1, 2, 3, 7, 13, 64, 4_096, usize::MAX / 2] {
        let incoming = Incoming::new(Role::Server, true);
        let said = said_of(incoming, &bytes, piece).unwrap();
        assert_eq!(said, expected, "in pieces of {piece}");
    }
}

fn check_violation(deflates: bool, frames: &[Vec<u8>], code: u16, part: &str) {
    let bytes = frames.concat();
    for piece in [1, 5, usize::MAX / 2] {
        let violation = said_of(Incoming::new(Role::Server, deflates), &bytes, piece).unwrap_err();
        assert_eq!(violation.code, code, "{}", violation.message);
        assert!(violation.message.contains(part), "{}", violation.message);
    }
}

#[test]
fn messages_come_whole_and_in_fragments() {
    let long = "é".repeat(40_000);
    let half = [0xc3];
    check(
        &[
            frame(0x81, b"Hello"),
            frame(0x82, &[]),
            frame(0x81, long.as_bytes()),
            frame(0x01, &half),
            frame(0x89, b"in between"),
            frame(0x00, &[]),
            frame(0x8a, b""),
            frame(0x80, &[0xa9]),
            frame(0x02, &[1]),
            frame(0x80, &[2]),
        ],
        &[
            text("Hello"),
            Heard::Message(Message::Binary(Vec::new())),
            text(&long),
            Heard::Ping(b"in between".to_vec()),
            Heard::Pong,
            text("é"),
            Heard::Message(Message::Binary(vec![1, 2])),
        ],
    );
}

#[test]
fn compressed_messages_come_out() {
    let long = "abc".repeat(1_000);
    let small = deflate::compress(long.as_bytes(), Default::default()).unwrap();
    let (first, second) = small.split_at(5);
    check(
        &[
            frame(0xc1, &small),
            frame(0x41, first),
            frame(0x80, second),
            frame(0x81, b"as it is"),
            frame(0xc1, &[0]),
        ],
        &[text(&long), text(&long), text("as it is"), text("")],
    );
    check_violation(true, &[frame(0xc2, &[0xff; 9])], 1007, "not compressed");
    check_violation(
        true,
        &[frame(0x01, b"a"), frame(0xc0, b"b")],
        1002,
        "reserved bit",
    );
    check_violation(true, &[frame(0xc9, b"")], 1002, "reserved bit");
    check_violation(false, &[frame(0xc1, &small)], 1002, "reserved bit");
}

#[test]
fn a_close_has_a_code_and_a_reason_or_nothing() {
    let close = |payload: &[u8]| frame(0x88, payload);
    let said = |code, reason: &str| {
        Heard::Close(Close {
            code,
            reason: reason.into(),
        })
    };
    check(&[close(b"")], &[said(None, "")]);
    check(&[close(b"\x03\xe8")], &[said(Some(1000), "")]);
    check(&[close(b"\x0f\xa0why")], &[said(Some(4000), "why")]);
    for code in [
        1000u16, 1001, 1002, 1003, 1007, 1011, 1012, 1014, 3000, 4999,
    ] {
        check(&[close(&code.to_be_bytes())], &[said(Some(code), "")]);
    }
    for code in [
        0u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535,
    ] {
        check_violation(
            false,
            &[close(&code.to_be_bytes())],
            1002,
            "must not be sent",
        );
    }
    check_violation(false, &[close(b"\x03")], 1002, "half a code");
    check_violation(false, &[close(b"\x03\xe8\xff")], 1007, "not UTF-8");
}

#[test]
fn malformed_frames_are_violations() {
    let unmasked = vec![0x81, 0x01, b'a'];
    check_violation(false, &[unmasked], 1002, "not masked");
    for reserved in [0x91, 0xa1, 0xc1, 0xf1] {
        check_violation(false, &[frame(reserved, b"")], 1002, "reserved bit");
    }
    for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        check_violation(false, &[frame(0x80 | opcode, b"")], 1002, "");
    }
    check_violation(false, &[frame(0x09, b"")], 1002, "fragmented or too long");
    check_violation(
        false,
        &[frame(0x89, &[0; 126])],
        1002,
        "fragmented or too long",
    );
    check_violation(false, &[frame(0x80, b"")], 1002, "continues no message");
    let twice = [frame(0x01, b"a"), frame(0x81, b"b")];
    check_violation(false, &twice, 1002, "within another");
    let long_way = vec![0x82, 0x80 | 126, 0, 5, 1, 2, 3, 4];
    check_violation(false, &[long_way], 1002, "length");
    let negative = [vec![0x82, 0x80 | 127], vec![0xff; 8], vec![0; 4]].concat();
    check_violation(false, &[negative], 1002, "length");
}

#[test]
fn what_is_no_text_is_known_before_the_message_ends() {
    check_violation(false, &[frame(0x81, b"\xff")], 1007, "not UTF-8");
    check_violation(false, &[frame(0x81, b"ab\xc3")], 1007, "not UTF-8");
    // The frame has not ended, nor has the message.
    let begun = frame(0x01, b"\xf4\x90and more");
    check_violation(
        false,
        &[begun[..begun.len() - 8].to_vec()],
        1007,
        "not UTF-8",
    );
    check_violation(
        false,
        &[frame(0x01, b"\xed"), frame(0x00, b"\xa0")],
        1007,
        "not UTF-8",
    );
}

#[test]
fn a_message_that_is_too_large_is_known_by_its_heads() {
    let mut head = vec![0x82, 0x80 | 127];
    head.extend((MESSAGE_BYTES_MAX as u64 + 1).to_be_bytes());
    head.extend([0; 4]);
    check_violation(
        false,
        &[head],
        1009,
        "Message is too large: 33554433 > 33554432",
    );
    let mut head = vec![0x80, 0x80 | 127];
    head.extend((MESSAGE_BYTES_MAX as u64).to_be_bytes());
    head.extend([0; 4]);
    check_violation(
        false,
        &[frame(0x02, b"a"), head],
        1009,
        "33554433 > 33554432",
    );
    let bomb = vec![0; MESSAGE_BYTES_MAX + 1];
    let mut encoder = flate2::Compress::new(flate2::Compression::fast(), false);
    let mut small = Vec::with_capacity(1 << 20);
    let flush = flate2::FlushCompress::Sync;
    encoder.compress_vec(&bomb, &mut small, flush).unwrap();
    let said = said_of(
        Incoming::new(Role::Server, true),
        &frame(0xc2, &small),
        100_000,
    );
    assert_eq!(said.unwrap_err().code, 1009);
}

/// What is said of any bytes depends neither on the pieces in which they come nor on
/// luck.
#[test]
fn any_bytes_in_any_pieces_are_taken_or_refused() {
    let mut noise = 7u64;
    let mut random = |below: usize| {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (noise >> 33) as usize % below
    };
    for _ in 0..3_000 {
        let firsts = [
            0x81, 0x82, 0x01, 0x02, 0x80, 0x00, 0x88, 0x89, 0x8a, 0xc1, 0x83, 0x09,
        ];
        let mut bytes = Vec::new();
        for _ in 0..random(6) {
            let payload: Vec<u8> = (0..random(200)).map(|_| random(256) as u8).collect();
            let payload = match random(3) {
                0 => payload,
                _ => "ä b".repeat(random(50)).into_bytes(),
            };
            bytes.extend(frame(firsts[random(firsts.len())], &payload));
        }
        for _ in 0..random(3) {
            let (at, with) = (random(bytes.len().max(1)), random(256) as u8);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = with;
            }
        }
        let whole = said_of(Incoming::new(Role::Server, true), &bytes, usize::MAX / 2);
        for piece in [1, 1 + random(20)] {
            let pieces = said_of(Incoming::new(Role::Server, true), &bytes, piece);
            assert_eq!(pieces, whole, "{bytes:x?} in pieces of {piece}");
        }
    }
}
