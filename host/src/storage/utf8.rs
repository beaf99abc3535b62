//! How SQLite reads text, valid UTF-8 or not: pure, and linear in the input.
//!
//! A character begins at a byte from 0xc0 on and takes all bytes 0x80 to 0xbf that
//! follow; any other byte is a character of its own.

use memchr::memmem::Finder;

/// Text as SQLite's own functions see it when they stop at the first NUL.
pub fn up_to_nul(text: &[u8]) -> &[u8] {
    memchr::memchr(0, text).map_or(text, |end| &text[..end])
}

fn continues(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// The length of the character at the start of `text`, which is not empty.
fn first_length(text: &[u8]) -> usize {
    if text[0] < 0xc0 {
        return 1;
    }
    1 + text[1..]
        .iter()
        .take_while(|byte| continues(**byte))
        .count()
}

/// Where `needle` begins in `hay`, in characters from 1; 0 when it does not.
pub fn find(hay: &[u8], needle: &[u8]) -> usize {
    let Some(&first) = needle.first() else {
        return 1;
    };
    // Only the very first character may begin with a byte that continues one.
    let at = if continues(first) {
        hay.starts_with(needle).then_some(0)
    } else {
        Finder::new(needle).find(hay)
    };
    let characters = |at| {
        let between = hay.get(1..=at).unwrap_or_default();
        1 + between.iter().filter(|byte| !continues(**byte)).count()
    };
    at.map_or(0, characters)
}

/// A text up to this length is searched byte by byte: quicker when it is found often.
const PLAIN_SEARCH_BYTES_MAX: usize = 16;

/// `whole` with `other` in each place where `searched`, which is not empty, stood;
/// none when the result is longer than `length_max`.
pub fn replace(whole: &[u8], searched: &[u8], other: &[u8], length_max: usize) -> Option<Vec<u8>> {
    // SQLite wants room for a NUL before it begins.
    if whole.len() + 1 > length_max {
        return None;
    }
    let finder = Finder::new(searched);
    let find = |text: &[u8]| match searched.len() {
        1 => memchr::memchr(searched[0], text),
        2..=PLAIN_SEARCH_BYTES_MAX => text
            .windows(searched.len())
            .position(|part| part == searched),
        _ => finder.find(text),
    };
    let mut result = Vec::with_capacity(whole.len());
    let mut rest = whole;
    while let Some(at) = find(rest) {
        result.extend_from_slice(&rest[..at]);
        result.extend_from_slice(other);
        rest = &rest[at + searched.len()..];
        if result.len() + rest.len() > length_max {
            return None;
        }
    }
    result.extend_from_slice(rest);
    Some(result)
}

/// Characters up to this length are looked up, longer ones are tried one by one.
/// UTF-8 has none that are longer.
const SHORT_BYTES_MAX: usize = 4;

/// Bytes that may be compared to long characters in one call.
const LONG_WORK_MAX: usize = 1 << 26;

/// A set has fewer characters: a value has fewer bytes.
const PLACE_BITS: u32 = 24;

const NONE: u32 = u32::MAX;

/// A set of characters. Where several match, the one that stands first in the set
/// counts, as in SQLite.
#[derive(Debug)]
pub struct Pieces<'a> {
    /// The place of each single byte in the set.
    single: Box<[u32; 256]>,
    /// Characters of 2 to 4 bytes: their bytes as a number, above their place. Sorted.
    short: Vec<u64>,
    /// The lengths that occur in `short`.
    lengths: Vec<usize>,
    long: Vec<(u32, &'a [u8])>,
    count: usize,
}

impl<'a> Pieces<'a> {
    /// The characters of `set`; none when it would take too long to find them in
    /// `text_bytes` of text, which only text that is no UTF-8 can bring about.
    pub fn new(set: &'a [u8], text_bytes: usize) -> Option<Self> {
        let mut pieces = Self {
            single: Box::new([NONE; 256]),
            short: Vec::new(),
            lengths: Vec::new(),
            long: Vec::new(),
            count: 0,
        };
        let mut long_bytes = 0;
        let mut rest = set;
        for place in 0.. {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(first_length(rest));
            rest = after;
            pieces.count += 1;
            match piece {
                [byte] => {
                    let slot = &mut pieces.single[usize::from(*byte)];
                    *slot = place.min(*slot);
                }
                _ if piece.len() <= SHORT_BYTES_MAX => {
                    pieces
                        .short
                        .push(key(piece) << PLACE_BITS | u64::from(place));
                    if !pieces.lengths.contains(&piece.len()) {
                        pieces.lengths.push(piece.len());
                    }
                }
                _ => {
                    long_bytes += piece.len();
                    pieces.long.push((place, piece));
                }
            }
        }
        pieces.short.sort_unstable();
        // Of equal characters the first is the one with the lowest place.
        pieces.short.dedup_by_key(|entry| *entry >> PLACE_BITS);
        (long_bytes.saturating_mul(text_bytes) <= LONG_WORK_MAX).then_some(pieces)
    }

    /// How many characters the set has, repeated ones too.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How long the character of the set is with which `text` begins.
    pub fn at_start(&self, text: &[u8]) -> Option<usize> {
        self.best(
            *text.first()?,
            |length| text.get(..length),
            |piece| text.starts_with(piece),
        )
    }

    /// How long the character of the set is with which `text` ends.
    pub fn at_end(&self, text: &[u8]) -> Option<usize> {
        let last = |length| text.get(text.len().checked_sub(length)?..);
        self.best(*text.last()?, last, |piece| text.ends_with(piece))
    }

    fn best<'t>(
        &self,
        single: u8,
        part: impl Fn(usize) -> Option<&'t [u8]>,
        has: impl Fn(&[u8]) -> bool,
    ) -> Option<usize> {
        let mut best = (self.single[usize::from(single)], 1);
        for &length in &self.lengths {
            if let Some(place) = part(length).and_then(|part| self.short_place(part)) {
                best = best.min((place, length));
            }
        }
        for (place, piece) in &self.long {
            if *place > best.0 {
                break;
            }
            if has(piece) {
                best = (*place, piece.len());
            }
        }
        (best.0 != NONE).then_some(best.1)
    }

    fn short_place(&self, part: &[u8]) -> Option<u32> {
        let key = key(part);
        let index = self
            .short
            .partition_point(|entry| entry >> PLACE_BITS < key);
        let entry = *self.short.get(index)?;
        let place = entry & ((1 << PLACE_BITS) - 1);
        (entry >> PLACE_BITS == key).then_some(place as u32)
    }
}

/// Up to four bytes as a number of 35 bits, after their length.
fn key(piece: &[u8]) -> u64 {
    let bytes = |key, byte: &u8| key << 8 | u64::from(*byte);
    (piece.len() as u64) << 32 | piece.iter().fold(0, bytes)
}

/// The bytes that pairs of hexadecimal digits stand for; none when anything but
/// characters of `ignored` stands between the pairs.
pub fn unhex(digits: &[u8], ignored: &[u8]) -> Option<Vec<u8>> {
    let ignored = Characters::new(ignored);
    let mut found = Vec::with_capacity(digits.len() / 2);
    let mut rest = digits;
    while let Some(&high) = rest.first() {
        if !high.is_ascii_hexdigit() {
            if !ignored.contains(read(&mut rest)) {
                return None;
            }
            continue;
        }
        let low = *rest.get(1).filter(|low| low.is_ascii_hexdigit())?;
        found.push(nibble(high) << 4 | nibble(low));
        rest = &rest[2..];
    }
    Some(found)
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// A set of code points.
struct Characters(Vec<u32>);

impl Characters {
    fn new(mut text: &[u8]) -> Self {
        let mut characters = Vec::new();
        while !text.is_empty() {
            characters.push(read(&mut text));
        }
        characters.sort_unstable();
        characters.dedup();
        Self(characters)
    }

    fn contains(&self, character: u32) -> bool {
        self.0.binary_search(&character).is_ok()
    }
}

/// Takes the first character of `text`, which is not empty, as SQLite decodes it.
fn read(text: &mut &[u8]) -> u32 {
    let (character, after) = text.split_at(first_length(text));
    *text = after;
    let first = character[0];
    if first < 0xc0 {
        return u32::from(first);
    }
    // What a first byte stands for, without the bits that say how many follow.
    let mut code = u32::from(match first {
        0xc0..=0xdf => first & 0x1f,
        0xe0..=0xef => first & 0x0f,
        0xf0..=0xf7 => first & 0x07,
        0xf8..=0xfb => first & 0x03,
        0xfc..=0xfd => first & 0x01,
        _ => 0,
    });
    for byte in &character[1..] {
        code = (code << 6).wrapping_add(u32::from(byte & 0x3f));
    }
    let is_invalid = code < 0x80 || code & 0xffff_f800 == 0xd800 || code & 0xffff_fffe == 0xfffe;
    if is_invalid { 0xfffd } else { code }
}
