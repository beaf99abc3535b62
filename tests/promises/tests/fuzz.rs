//! Does the server survive bytes that nobody has thought of?
//!
//! Valid conversations are cut, spliced and changed at random, from a seed that a
//! failure names. `FUZZ_ROUNDS` asks for more of them than a test run does, and
//! `FUZZ_SEED` for others.

use std::time::Duration;

use promises::frames::{self, DATA, END_STREAM, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS};
use promises::{Connection, Site};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

fn setting(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Conversations to start from.
fn seeds() -> Vec<Vec<u8>> {
    let http1 = [
        "GET /fixture/a/events HTTP/1.1\r\nhost: x\r\n\r\n",
        "POST /fixture/a/length HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc",
        "POST /fixture/a/echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nt: r\r\n\r\n",
        "HEAD http://h/fixture/a/exactly?chunks=a|b HTTP/1.1\r\nhost: y\r\nconnection: x, close\r\n\r\n",
        "POST /fixture/a/refuse-unread HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n",
        "GET /fixture/a/stream?chunks=3 HTTP/1.0\r\n\r\n",
    ];
    let ask = |method, path| {
        frames::fields(&[
            (":method", method),
            (":scheme", "http"),
            (":authority", "x"),
            (":path", path),
        ])
    };
    let http2 = [
        frames::frame(HEADERS, 5, 1, &ask("GET", "/fixture/a/events")),
        [
            frames::frame(HEADERS, 4, 1, &ask("POST", "/fixture/a/length")),
            frames::frame(DATA, END_STREAM, 1, b"abc"),
            frames::frame(PING, 0, 0, b"12345678"),
        ]
        .concat(),
        [
            frames::frame(HEADERS, 4, 1, &ask("POST", "/fixture/a/echo")),
            frames::frame(DATA, 0, 1, b"abc"),
            frames::frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]),
        ]
        .concat(),
    ];
    let mut seeds: Vec<Vec<u8>> = http1.iter().map(|text| text.as_bytes().into()).collect();
    seeds.extend(
        http2
            .iter()
            .map(|rest| [PREFACE, &frames::frame(SETTINGS, 0, 0, &[]), rest].concat()),
    );
    seeds
}

/// Pieces that borders are made of.
const PIECES: [&[u8]; 14] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b": ",
    b" ",
    b"\r\n\r\n",
    b"0\r\n\r\n",
    b"content-length: 5\r\n",
    b"transfer-encoding: chunked\r\n",
    b"host: y\r\n",
    b"\xff\xff\xff",
    b"ffffffff",
    b"PRI * HTTP/2.0",
];

fn mutated(random: &mut StdRng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[random.random_range(0..seeds.len())].clone();
    for _ in 0..random.random_range(0..6) {
        let at = random.random_range(0..=bytes.len());
        let end = random.random_range(at..=bytes.len().min(at + 40));
        match random.random_range(0..6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let piece = PIECES[random.random_range(0..PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            3 => {
                let other = &seeds[random.random_range(0..seeds.len())];
                let from = random.random_range(0..=other.len());
                bytes.splice(at..at, other[from..].iter().copied());
            }
            4 => {
                let again = bytes[at..end].repeat(random.random_range(1..4));
                bytes.splice(at..at, again);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random.random();
                }
            }
        }
    }
    bytes
}

#[tokio::test]
async fn bytes_at_random_hurt_nobody() {
    let limits =
        "[server]\nheader_timeout_ms = 200\nidle_timeout_ms = 200\nbody_timeout_ms = 200\n";
    let abide = Site::fixture(limits).serve();
    let seeds = seeds();
    let seed = setting("FUZZ_SEED", 1);
    let mut random = StdRng::seed_from_u64(seed);
    for round in 0..setting("FUZZ_ROUNDS", 30) {
        let conversations: Vec<_> = (0..32).map(|_| mutated(&mut random, &seeds)).collect();
        let abide = &abide;
        let held = conversations.iter().map(|bytes| async move {
            let mut connection = Connection::to(abide).await;
            connection.send(bytes).await;
            if bytes.len() % 2 == 0 {
                connection.close_sending().await;
            }
            // It closes in any case, since every wait has a limit.
            tokio::time::timeout(Duration::from_secs(50), connection.rest()).await
        });
        let ended = futures::future::join_all(held).await;
        let waits = ended.iter().position(Result::is_err);
        assert!(
            waits.is_none(),
            "seed {seed}, round {round}: the server waits after {:?}",
            String::from_utf8_lossy(&conversations[waits.unwrap_or(0)])
        );
        // Somebody else is answered, by the same process.
        let request = "GET /fixture/bystander/add HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let answer = Connection::exchange(abide, request).await;
        assert!(
            answer.ends_with(&format!("\r\n\r\n{}", round + 1)),
            "seed {seed}, round {round}: {answer}"
        );
    }
}
