//! Is WebSocket spoken as RFC 6455 and RFC 7692 say, whatever a client sends?
//!
//! The object echoes, so each case says what comes back.

use std::time::Duration;

use promises::raw_socket::{
    BINARY, CLOSE, CONTINUE, FINAL, PING, PONG, RawSocket, SMALL, TEXT, close, frame, head,
};
use promises::{Abide, Connection, Site};

const WS: &str = "/fixture/a/ws";

/// Sends these frames on a socket of its own, which must be closed with this code.
/// The neighbour must not notice.
async fn refused(abide: &Abide, neighbour: &mut RawSocket, frames: &[Vec<u8>], code: u16) {
    let mut socket = RawSocket::open(abide, WS).await;
    socket.send(frames.concat()).await;
    socket.expect_close(code).await;
    neighbour.frame(FINAL | TEXT, "still here").await;
    neighbour.expect(FINAL | TEXT, "still here").await;
}

#[tokio::test]
async fn messages_of_all_sizes_come_back() {
    let abide = Site::fixture("").serve();
    let mut socket = RawSocket::open(&abide, WS).await;
    for length in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 65_537, 1 << 20] {
        let bytes: Vec<u8> = (0..length).map(|n| n as u8).collect();
        socket.frame(FINAL | BINARY, &bytes).await;
        socket.expect(FINAL | BINARY, &bytes).await;
        let text = "é".repeat(length / 2);
        socket.frame(FINAL | TEXT, &text).await;
        socket.expect(FINAL | TEXT, &text).await;
    }
}

#[tokio::test]
async fn frames_may_come_in_any_pieces() {
    let abide = Site::fixture("").serve();
    let mut socket = RawSocket::open(&abide, WS).await;
    let frames = [
        frame(TEXT, b"one "),
        frame(FINAL | PING, b"between"),
        frame(CONTINUE, b""),
        frame(FINAL | CONTINUE, "and zwölf".as_bytes()),
        frame(FINAL | BINARY, &[7; 300]),
    ]
    .concat();
    for pieces in [1, 2, 5, 1_000] {
        for piece in frames.chunks(pieces) {
            socket.send(piece).await;
            if pieces < 10 {
                tokio::task::yield_now().await;
            }
        }
        socket.expect(FINAL | PONG, "between").await;
        socket.expect(FINAL | TEXT, "one and zwölf").await;
        socket.expect(FINAL | BINARY, [7; 300]).await;
    }
}

#[tokio::test]
async fn many_fragments_are_one_message() {
    let abide = Site::fixture("").serve();
    let mut socket = RawSocket::open(&abide, WS).await;
    let mut bytes = frame(BINARY, b"x");
    for _ in 0..10_000 {
        bytes.extend(frame(CONTINUE, b"y"));
    }
    bytes.extend(frame(FINAL | CONTINUE, b"z"));
    socket.send(bytes).await;
    let expected = [&b"x"[..], &[b'y'; 10_000], b"z"].concat();
    socket.expect(FINAL | BINARY, expected).await;
}

#[tokio::test]
async fn pings_are_answered_with_what_they_carry_and_pongs_with_nothing() {
    let abide = Site::fixture("").serve();
    let mut socket = RawSocket::open(&abide, WS).await;
    for payload in [&b""[..], b"Hello", &[0xff; 125]] {
        socket.frame(FINAL | PING, payload).await;
        socket.expect(FINAL | PONG, payload).await;
    }
    socket.frame(FINAL | PONG, "unasked").await;
    for _ in 0..10 {
        socket.frame(FINAL | PING, "many").await;
    }
    for _ in 0..10 {
        socket.expect(FINAL | PONG, "many").await;
    }
    // Nobody woke the object for that.
    let events = abide.get("/fixture/a/sockets?what=heard").await.ok();
    assert_eq!(events, "");
    assert_eq!(abide.get("/fixture/a/events").await.number(), 3);
}

#[tokio::test]
async fn frames_that_break_the_rules_end_their_own_socket_alone() {
    let abide = Site::fixture("").serve();
    let neighbour = &mut RawSocket::open(&abide, WS).await;
    let reserved_bits = [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70];
    for bits in reserved_bits {
        refused(&abide, neighbour, &[frame(FINAL | bits | TEXT, b"a")], 1002).await;
    }
    refused(&abide, neighbour, &[frame(FINAL | SMALL | PING, b"")], 1002).await;
    refused(
        &abide,
        neighbour,
        &[frame(FINAL | SMALL | CLOSE, b"")],
        1002,
    )
    .await;
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        refused(&abide, neighbour, &[frame(FINAL | opcode, b"")], 1002).await;
        refused(
            &abide,
            neighbour,
            &[frame(FINAL | opcode, b"payload")],
            1002,
        )
        .await;
    }
    // No mask.
    refused(&abide, neighbour, &[vec![FINAL | TEXT, 1, b'a']], 1002).await;
    // Control frames that are too long or fragmented.
    for opcode in [PING, PONG, CLOSE] {
        refused(
            &abide,
            neighbour,
            &[frame(FINAL | opcode, &[b'a'; 126])],
            1002,
        )
        .await;
        refused(&abide, neighbour, &[frame(opcode, b"")], 1002).await;
    }
    // Continuations of nothing, and messages within messages.
    refused(&abide, neighbour, &[frame(FINAL | CONTINUE, b"a")], 1002).await;
    refused(&abide, neighbour, &[frame(CONTINUE, b"a")], 1002).await;
    let within = [frame(TEXT, b"a"), frame(FINAL | TEXT, b"b")];
    refused(&abide, neighbour, &within, 1002).await;
    let within = [frame(BINARY, b"a"), frame(BINARY, b"b")];
    refused(&abide, neighbour, &within, 1002).await;
    // Lengths that are written in too many bytes, or are negative.
    let long = [vec![FINAL | BINARY, 0x80 | 126, 0, 1], vec![0; 5]].concat();
    refused(&abide, neighbour, &[long], 1002).await;
    let long = [vec![FINAL | BINARY, 0x80 | 127], vec![0; 8], vec![0; 4]].concat();
    refused(&abide, neighbour, &[long], 1002).await;
    let negative = [vec![FINAL | BINARY, 0x80 | 127], vec![0xff; 8], vec![0; 4]].concat();
    refused(&abide, neighbour, &[negative], 1002).await;
}

#[tokio::test]
async fn what_came_whole_before_a_bad_frame_is_answered() {
    let abide = Site::fixture("").serve();
    let mut socket = RawSocket::open(&abide, WS).await;
    socket.frame(FINAL | TEXT, "first").await;
    socket.expect(FINAL | TEXT, "first").await;
    socket.frame(FINAL | 3, "").await;
    socket.expect_close(1002).await;
    promises::until("the object is told", async || {
        let ends = abide.get("/fixture/a/sockets?what=ends").await.ok();
        ends.starts_with("error ") && ends.contains("listed=true")
    })
    .await;
    assert_eq!(abide.get("/fixture/a/sockets?what=count").await.number(), 0);
}

#[tokio::test]
async fn a_text_that_is_none_is_refused_as_soon_as_that_is_known() {
    let abide = Site::fixture("").serve();
    let neighbour = &mut RawSocket::open(&abide, WS).await;
    let wrong: [&[u8]; 16] = [
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        b"\x80",
        b"\xbf\x80",
        b"\xc0\xaf",
        b"\xc1\xbf",
        b"\xe0\x80\xaf",
        b"\xe0\x9f\xbf",
        b"\xf0\x80\x80\xaf",
        b"\xf0\x8f\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf7\xbf\xbf\xbf",
        b"\xf8\x88\x80\x80\x80",
        b"\xfe",
        b"\xff",
        b"\xed\xbf\xbf",
        b"ends within \xf0\x9f\x98",
    ];
    for bytes in wrong {
        refused(&abide, neighbour, &[frame(FINAL | TEXT, bytes)], 1007).await;
        let halves = [
            frame(TEXT, &bytes[..1]),
            frame(FINAL | CONTINUE, &bytes[1..]),
        ];
        refused(&abide, neighbour, &halves, 1007).await;
    }
    // Neither the message nor the frame need end for that.
    refused(&abide, neighbour, &[frame(TEXT, b"\xf4\x90")], 1007).await;
    let begun = frame(FINAL | TEXT, &[&b"\xff"[..], &[b'a'; 1_000]].concat());
    refused(&abide, neighbour, &[begun[..100].to_vec()], 1007).await;
}

#[tokio::test]
async fn texts_with_any_characters_come_back() {
    let abide = Site::fixture("").serve();
    let mut socket = RawSocket::open(&abide, WS).await;
    let texts = [
        "\0", "\u{7f}", "\u{80}", "\u{7ff}", "\u{800}", "\u{fffd}", "\u{ffff}",
    ];
    let more = [
        "\u{10000}",
        "\u{10ffff}",
        "\u{d7ff}\u{e000}",
        "κόσμε",
        "\u{fdd0}\u{1fffe}",
    ];
    for text in texts.into_iter().chain(more) {
        socket.frame(FINAL | TEXT, text).await;
        socket.expect(FINAL | TEXT, text).await;
        for (at, byte) in text.bytes().enumerate() {
            socket
                .frame(if at == 0 { TEXT } else { CONTINUE }, [byte])
                .await;
        }
        socket.frame(FINAL | CONTINUE, "").await;
        socket.expect(FINAL | TEXT, text).await;
    }
}

#[tokio::test]
async fn a_close_is_answered_by_the_object_and_ends_the_connection() {
    let abide = Site::fixture("").serve();
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999,
    ] {
        let mut socket = RawSocket::open(&abide, WS).await;
        socket.frame(FINAL | CLOSE, close(code, "why")).await;
        socket.expect(FINAL | CLOSE, close(code, "why")).await;
        assert_eq!(socket.next().await, None);
    }
    let mut socket = RawSocket::open(&abide, WS).await;
    socket.frame(FINAL | CLOSE, "").await;
    socket.expect(FINAL | CLOSE, "").await;
    assert_eq!(socket.next().await, None);
    let longest = "r".repeat(123);
    let mut socket = RawSocket::open(&abide, WS).await;
    socket.frame(FINAL | CLOSE, close(1000, &longest)).await;
    socket.expect(FINAL | CLOSE, close(1000, &longest)).await;
}

#[tokio::test]
async fn a_malformed_close_is_refused() {
    let abide = Site::fixture("").serve();
    let neighbour = &mut RawSocket::open(&abide, WS).await;
    for code in [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535,
    ] {
        refused(
            &abide,
            neighbour,
            &[frame(FINAL | CLOSE, &close(code, ""))],
            1002,
        )
        .await;
    }
    refused(&abide, neighbour, &[frame(FINAL | CLOSE, b"\x03")], 1002).await;
    let no_text = [&1000u16.to_be_bytes()[..], b"\xed\xa0\x80"].concat();
    refused(&abide, neighbour, &[frame(FINAL | CLOSE, &no_text)], 1007).await;
}

#[tokio::test]
async fn what_comes_behind_a_close_is_not_heard() {
    let abide = Site::fixture("").serve();
    let mut socket = RawSocket::open(&abide, WS).await;
    let frames = [
        frame(FINAL | CLOSE, &close(1000, "")),
        frame(FINAL | TEXT, b"too late"),
        frame(FINAL | PING, b"too late"),
        frame(FINAL | 7, b"and wrong"),
    ];
    socket.send(frames.concat()).await;
    socket.expect(FINAL | CLOSE, close(1000, "")).await;
    assert_eq!(socket.next().await, None);
}

#[tokio::test]
async fn slow_the_largest_message_comes_back_and_a_larger_one_is_refused_by_its_head() {
    const LARGEST: usize = 32 << 20;
    let abide = Site::fixture("[limits]\nmemory_bytes_max = 268435456").serve();
    let mut socket = RawSocket::open(&abide, WS).await;
    let largest: Vec<u8> = (0..LARGEST).map(|n| (n >> 3) as u8).collect();
    socket.frame(FINAL | BINARY, &largest).await;
    socket.expect(FINAL | BINARY, &largest).await;
    let neighbour = &mut RawSocket::open(&abide, WS).await;
    let too_large = head(FINAL | BINARY, LARGEST as u64 + 1);
    refused(&abide, neighbour, &[[too_large, vec![0; 4]].concat()], 1009).await;
    let rest = head(FINAL | CONTINUE, LARGEST as u64);
    let fragments = [frame(BINARY, b"a"), rest, vec![0; 4]];
    refused(&abide, neighbour, &fragments, 1009).await;
    promises::until("the object is told", async || {
        let ends = abide.get("/fixture/a/sockets?what=ends").await.ok();
        ends.matches("Message is too large: 33554433 > 33554432")
            .count()
            == 2
    })
    .await;
}

#[tokio::test]
async fn compression_is_agreed_on_and_optional_for_each_message() {
    let abide = Site::fixture("").serve();
    let offer = "sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n";
    let mut socket = RawSocket::open_with(&abide, WS, offer).await;
    assert!(
        socket.head.contains(
            "sec-websocket-extensions: permessage-deflate; server_no_context_takeover; \
             client_no_context_takeover\r\n"
        ),
        "{}",
        socket.head
    );
    // RFC 7692, 7.2.3.1: "Hello" whole, in fragments, and twice without memory.
    let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    for _ in 0..2 {
        socket.frame(FINAL | SMALL | TEXT, hello).await;
        socket.expect(FINAL | TEXT, "Hello").await;
    }
    socket.frame(SMALL | TEXT, &hello[..3]).await;
    socket.frame(FINAL | PING, "").await;
    socket.frame(FINAL | CONTINUE, &hello[3..]).await;
    socket.expect(FINAL | PONG, "").await;
    socket.expect(FINAL | TEXT, "Hello").await;
    socket.frame(FINAL | TEXT, "as it is").await;
    socket.expect(FINAL | TEXT, "as it is").await;
    // What is worth it comes back compressed.
    let long = "abide with me ".repeat(1_000);
    socket.frame(FINAL | TEXT, &long).await;
    let small = socket.next().await.expect("an echo");
    assert_eq!(small.first, FINAL | SMALL | TEXT);
    assert!(small.payload.len() < 1_000);
    assert_eq!(inflated(&small.payload), long.as_bytes());
    let mut plain = RawSocket::open(&abide, WS).await;
    assert!(!plain.head.contains("extensions"), "{}", plain.head);
    plain.frame(FINAL | TEXT, &long).await;
    plain.expect(FINAL | TEXT, &long).await;
}

fn inflated(small: &[u8]) -> Vec<u8> {
    let whole = [small, b"\x00\x00\xff\xff"].concat();
    let mut message = Vec::with_capacity(1 << 20);
    let mut inflate = flate2::Decompress::new(false);
    let done = inflate.decompress_vec(&whole, &mut message, flate2::FlushDecompress::Sync);
    done.expect("it is compressed");
    message
}

#[tokio::test]
async fn compressed_messages_that_break_the_rules_are_refused() {
    let abide = Site::fixture("").serve();
    let offer = "sec-websocket-extensions: permessage-deflate\r\n";
    let bomb = {
        let mut small = Vec::with_capacity(1 << 20);
        let mut deflate = flate2::Compress::new(flate2::Compression::fast(), false);
        let zeros = vec![0; (32 << 20) + 1];
        let done = deflate.compress_vec(&zeros, &mut small, flate2::FlushCompress::Sync);
        done.expect("it can be compressed");
        small
    };
    let no_text = b"\x00\x01\x00\xfe\xff\xff\x00";
    let cases: [(Vec<u8>, u16); 6] = [
        (frame(FINAL | SMALL | TEXT, &[0xff; 10]), 1007),
        (frame(FINAL | SMALL | TEXT, no_text), 1007),
        (frame(FINAL | SMALL | BINARY, &bomb), 1009),
        (frame(FINAL | SMALL | PING, b""), 1002),
        (frame(FINAL | 0x20 | TEXT, b""), 1002),
        (
            [
                frame(SMALL | TEXT, b"\xf2"),
                frame(FINAL | SMALL | CONTINUE, b""),
            ]
            .concat(),
            1002,
        ),
    ];
    for (bytes, code) in cases {
        let mut socket = RawSocket::open_with(&abide, WS, offer).await;
        socket.send(bytes).await;
        socket.expect_close(code).await;
    }
}

#[tokio::test]
async fn offers_that_cannot_be_kept_are_passed_over() {
    let abide = Site::fixture("").serve();
    for offer in [
        "x-unknown",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; client_max_window_bits=99",
        "permessage-deflate; unknown",
    ] {
        let field = format!("sec-websocket-extensions: {offer}\r\n");
        let socket = RawSocket::open_with(&abide, WS, &field).await;
        assert!(
            !socket.head.contains("extensions"),
            "{offer}: {}",
            socket.head
        );
    }
}

#[tokio::test]
async fn a_handshake_that_is_none_is_refused_with_what_is_wrong() {
    let abide = Site::fixture("").serve();
    let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let check = async |method: &str, fields: String, parts: &[&str]| {
        let request = format!(
            "{method} {WS} HTTP/1.1\r\nhost: x\r\nconnection: close, upgrade\r\n\
             upgrade: websocket\r\n{fields}\r\n"
        );
        let answer = Connection::exchange(&abide, request).await;
        for part in parts {
            assert!(answer.contains(part), "{part}: {answer}");
        }
    };
    let version = "sec-websocket-version: 13\r\n";
    check(
        "GET",
        key.into(),
        &["HTTP/1.1 426 ", "sec-websocket-version: 13\r\n"],
    )
    .await;
    let old = format!("{key}sec-websocket-version: 8\r\n");
    check(
        "GET",
        old,
        &[
            "HTTP/1.1 426 ",
            "upgrade: websocket\r\n",
            "another version than 13",
        ],
    )
    .await;
    check(
        "GET",
        version.into(),
        &["HTTP/1.1 400 ", "sec-websocket-key"],
    )
    .await;
    let short = format!("{version}sec-websocket-key: c2hvcnQ=\r\n");
    check("GET", short, &["HTTP/1.1 400 ", "sixteen bytes"]).await;
    let right = format!("{version}{key}");
    check("POST", right.clone(), &["HTTP/1.1 400 ", "not GET"]).await;
    let body = format!("{right}content-length: 1\r\n\r\nx");
    check("GET", body, &["HTTP/1.1 400 ", "has a body"]).await;
    // The answer is made of the key (RFC 6455, 1.3).
    let socket = RawSocket::open(&abide, WS).await;
    let accept = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    assert!(socket.head.contains(accept), "{}", socket.head);
}

#[tokio::test]
async fn a_frame_that_never_ends_harms_nobody() {
    let abide = Site::fixture("").serve();
    let mut begun = RawSocket::open(&abide, WS).await;
    begun
        .send(&frame(FINAL | TEXT, &[b'a'; 1_000])[..500])
        .await;
    let mut other = RawSocket::open(&abide, WS).await;
    other.frame(FINAL | TEXT, "hello").await;
    other.expect(FINAL | TEXT, "hello").await;
    assert!(begun.is_silent(Duration::from_millis(200)).await);
}

/// Who begins large messages on many connections, and ends none, fills no memory that
/// others need.
#[tokio::test]
async fn messages_that_never_end_harm_nobody() {
    let abide = Site::fixture("[server]\nprocess_memory_bytes_max = 600000000").serve();
    let part = vec![b'a'; 25_000_000];
    let mut begun = Vec::new();
    for _ in 0..40 {
        let mut socket = RawSocket::open(&abide, WS).await;
        socket.send(head(FINAL | BINARY, 33_000_000)).await;
        socket.send(&part).await;
        begun.push(socket);
        abide.get("/fixture/neighbour/events").await.ok();
    }
    // Those that were given up were told.
    let mut last = begun.pop().expect("there are forty");
    last.expect_close(1013).await;
    let mut other = RawSocket::open(&abide, WS).await;
    other.frame(FINAL | TEXT, "hello").await;
    other.expect(FINAL | TEXT, "hello").await;
}
