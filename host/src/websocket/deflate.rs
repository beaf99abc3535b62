//! Messages in a smaller shape: permessage-deflate (RFC 7692), without memory from
//! one message to the next, so that a socket at rest keeps nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::workers::watch;

const NAME: &str = "permessage-deflate";

/// What a Sync flush ends with; it is left out on the way (RFC 7692, 7.2.1).
const END: [u8; 4] = [0, 0, 0xff, 0xff];

/// Smaller messages hardly become smaller.
const COMPRESSED_BYTES_MIN: usize = 256;
/// Larger ones cost more time than they save.
const COMPRESSED_BYTES_MAX: usize = 1 << 20;
/// More than this takes long enough for others to notice.
const AT_ONCE_BYTES_MAX: usize = 16 * 1024;
/// The result grows in such steps.
const STEP_BYTES: usize = 16 * 1024;

/// The windows that the library compresses with, as logarithms to the base of two.
const WINDOW_BITS: RangeInclusive<u8> = 9..=15;

thread_local! {
    /// One for each size of the window, once a client has asked for it.
    static COMPRESS: RefCell<BTreeMap<u8, Compress>> = const { RefCell::new(BTreeMap::new()) };
    static DECOMPRESS: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// Why a message does not come out of its shape.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    Malformed,
    TooLarge,
}

/// What a client's offer was accepted as.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agreed {
    pub answer: String,
    pub deflate: Deflate,
}

/// How messages to a client are compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deflate {
    window_bits: u8,
}

impl Default for Deflate {
    fn default() -> Deflate {
        Deflate {
            window_bits: *WINDOW_BITS.end(),
        }
    }
}

/// What to answer to a client's offers, if one of them can be kept.
pub fn negotiate<'a>(offers: impl IntoIterator<Item = &'a str>) -> Option<Agreed> {
    let mut offers = offers.into_iter().flat_map(|value| value.split(','));
    offers.find_map(accept)
}

fn accept(offer: &str) -> Option<Agreed> {
    let mut words = offer.split(';').map(str::trim);
    if words.next() != Some(NAME) {
        return None;
    }
    let mut seen = Vec::new();
    let mut wanted = None;
    for word in words {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
            None => (word, None),
        };
        let bits = value.map(|value| value.parse::<u8>().ok().filter(|_| !value.starts_with('0')));
        let can_be_kept = match (name, bits) {
            ("server_no_context_takeover" | "client_no_context_takeover", None) => true,
            // Any window of the client's can be read.
            ("client_max_window_bits", None) => true,
            ("client_max_window_bits", Some(Some(bits))) => (8..=15).contains(&bits),
            ("server_max_window_bits", Some(Some(bits))) => {
                wanted = Some(bits);
                WINDOW_BITS.contains(&bits)
            }
            _ => false,
        };
        if !can_be_kept || seen.contains(&name) {
            return None;
        }
        seen.push(name);
    }
    let mut answer = format!("{NAME}; server_no_context_takeover; client_no_context_takeover");
    let mut deflate = Deflate::default();
    if let Some(window_bits) = wanted {
        // Who accepts the offer says so (RFC 7692, 7.1.2.1).
        answer += &format!("; server_max_window_bits={window_bits}");
        deflate = Deflate { window_bits };
    }
    Some(Agreed { answer, deflate })
}

/// The message in its smaller shape, if that is worth it.
pub fn compress(message: &[u8], how: Deflate) -> Option<Vec<u8>> {
    let bytes = message.len();
    if !(COMPRESSED_BYTES_MIN..=COMPRESSED_BYTES_MAX).contains(&bytes) {
        return None;
    }
    let compress = || deflate(message, how);
    let small = match bytes > AT_ONCE_BYTES_MAX {
        true => watch::apart(compress),
        false => compress(),
    };
    small.filter(|small| small.len() < bytes)
}

fn deflate(message: &[u8], Deflate { window_bits }: Deflate) -> Option<Vec<u8>> {
    COMPRESS.with_borrow_mut(|all| {
        let compress = all.entry(window_bits).or_insert_with(|| {
            Compress::new_with_window_bits(Compression::fast(), false, window_bits)
        });
        deflate_by(compress, message)
    })
}

/// None if it does not end as it must.
fn deflate_by(compress: &mut Compress, message: &[u8]) -> Option<Vec<u8>> {
    compress.reset();
    let mut small = Vec::with_capacity(message.len() / 2 + 16);
    loop {
        let read = compress.total_in() as usize;
        let done = compress.compress_vec(&message[read..], &mut small, FlushCompress::Sync);
        done.expect("any bytes can be compressed");
        let all_read = compress.total_in() as usize == message.len();
        // There is room left, so everything was said.
        if all_read && small.len() < small.capacity() {
            break;
        }
        small.reserve(STEP_BYTES);
    }
    let end = small.strip_suffix(&END)?.len();
    small.truncate(end);
    Some(small)
}

/// The message of which this is the smaller shape.
pub fn decompress(mut small: Vec<u8>, bytes_max: usize) -> Result<Vec<u8>, Fault> {
    small.extend_from_slice(&END);
    let inflate = || DECOMPRESS.with_borrow_mut(|it| inflate(it, &small, bytes_max));
    match small.len() > STEP_BYTES / 16 {
        true => watch::apart(inflate),
        false => inflate(),
    }
}

fn inflate(decompress: &mut Decompress, small: &[u8], bytes_max: usize) -> Result<Vec<u8>, Fault> {
    decompress.reset(false);
    let mut message = Vec::with_capacity((2 * small.len()).min(STEP_BYTES));
    loop {
        let (read, before) = (decompress.total_in() as usize, message.len());
        let rest = &small[read..];
        let status = decompress.decompress_vec(rest, &mut message, FlushDecompress::Sync);
        let status = status.map_err(|_| Fault::Malformed)?;
        if message.len() > bytes_max {
            return Err(Fault::TooLarge);
        }
        let has_read = decompress.total_in() as usize > read;
        let has_room = message.len() < message.capacity();
        match status {
            // A last block is allowed; what was added stays behind it.
            Status::StreamEnd => return Ok(message),
            _ if decompress.total_in() as usize == small.len() && has_room => return Ok(message),
            _ if has_room && !has_read && message.len() == before => return Err(Fault::Malformed),
            _ if !has_room => message.reserve(message.len().clamp(STEP_BYTES, 1 << 20)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    //! What is offered and answered, and messages there and back.

    use super::*;

    const ANSWER: Option<&str> =
        Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover");

    fn check(offers: &[&str], expected: Option<&str>) {
        let agreed = negotiate(offers.iter().copied());
        let answer = agreed.as_ref().map(|agreed| agreed.answer.as_str());
        assert_eq!(answer, expected, "{offers:?}");
    }

    #[test]
    fn who_wants_smaller_windows_gets_them() {
        for bits in 9..=15 {
            let offer = format!("permessage-deflate; server_max_window_bits={bits}");
            let agreed = negotiate([offer.as_str()]).unwrap();
            let answer = format!("{}; server_max_window_bits={bits}", ANSWER.unwrap());
            assert_eq!(agreed.answer, answer);
            // What comes again after the window cannot be left out.
            let mut noise = 1u32;
            let mut next = || {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 24) as u8
            };
            let once: Vec<u8> = (0..1 << bits).map(|_| next()).collect();
            let small = deflate(&[&once[..], &once].concat(), agreed.deflate).unwrap();
            assert!(small.len() > 2 * once.len() - 50, "{bits}: {}", small.len());
            let back =
                DECOMPRESS.with_borrow_mut(|it| inflate(it, &[&small[..], &END].concat(), 1 << 20));
            assert!(back.unwrap() == [&once[..], &once].concat());
        }
    }

    #[test]
    fn the_first_offer_that_can_be_kept_is_accepted() {
        check(&["permessage-deflate"], ANSWER);
        check(&["permessage-deflate; client_max_window_bits"], ANSWER);
        check(
            &["x-webkit-deflate-frame, permessage-deflate;server_no_context_takeover"],
            ANSWER,
        );
        check(
            &["permessage-deflate; client_max_window_bits=\"8\""],
            ANSWER,
        );
        check(
            &[
                "x",
                "permessage-deflate; server_max_window_bits=8, permessage-deflate",
            ],
            ANSWER,
        );
        for refused in [
            "",
            "permessage",
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits=16",
            "permessage-deflate; client_max_window_bits=010",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_max_window_bits; client_max_window_bits",
            "permessage-deflate; what",
        ] {
            check(&[refused], None);
        }
    }

    #[test]
    fn a_message_comes_out_as_it_went_in() {
        let mut noise = 1u32;
        let mut random = |count: usize| -> Vec<u8> {
            let mut next = || {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 24) as u8
            };
            (0..count).map(|_| next()).collect()
        };
        for length in [
            0,
            1,
            255,
            256,
            1_000,
            16_383,
            16_384,
            16_385,
            58_500,
            60_000,
            61_200,
            70_000,
            118_000,
            176_000,
            1 << 20,
        ] {
            // As if written with 64 letters: it becomes smaller by a quarter.
            let mut letters = random(length);
            letters.iter_mut().for_each(|byte| *byte &= 63);
            for message in [vec![b'a'; length], random(length), letters] {
                let small = deflate(&message, Deflate::default()).unwrap();
                let back = DECOMPRESS.with_borrow_mut(|it| {
                    let whole = [&small[..], &END].concat();
                    inflate(it, &whole, 1 << 20)
                });
                assert!(back.unwrap() == message, "{length}");
            }
        }
        assert_eq!(compress(&[b'a'; 255], Deflate::default()), None);
        assert!(compress(&[b'a'; 256], Deflate::default()).unwrap().len() < 20);
        assert_eq!(
            compress(&random(10_000), Deflate::default()),
            None,
            "it does not become smaller"
        );
    }

    #[test]
    fn what_is_no_message_or_too_large_is_refused() {
        let inflate = |small: &[u8], max| {
            let whole = [small, &END].concat();
            DECOMPRESS.with_borrow_mut(|it| inflate(it, &whole, max))
        };
        let bomb = deflate(&vec![0; 10 << 20], Deflate::default());
        let bomb = bomb.unwrap();
        assert!(bomb.len() < 200_000, "{}", bomb.len());
        assert_eq!(inflate(&bomb, 1 << 20), Err(Fault::TooLarge));
        assert!(inflate(&bomb, 10 << 20).is_ok());
        assert_eq!(inflate(&[0xff; 20], 1_000), Err(Fault::Malformed));
        // RFC 7692, 7.2.3: a block that says it is the last, and several blocks.
        assert_eq!(
            inflate(b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 9).unwrap(),
            b"Hello"
        );
        let blocks = b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00";
        assert_eq!(inflate(blocks, 9).unwrap(), b"Hello");
        let stored = b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00";
        assert_eq!(inflate(stored, 9).unwrap(), b"Hello");
    }
}
