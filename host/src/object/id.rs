//! Which object is meant: 32 bytes that a class and a name, or chance, determine.
//!
//! The first half is an HMAC of the name, or random; the second half is an HMAC
//! of the first, so that an id made up by somebody, or made for another class,
//! is recognised.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

const HALF: usize = 16;

/// Names longer than this determine the id like any other, but the object does
/// not get to see them.
pub const NAME_BYTES_SHOWN_MAX: usize = 1024;

/// An object's id within its class; prints as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId([u8; 2 * HALF]);

/// Which object of a class is meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    Name(String),
    Id(ObjectId),
}

/// What makes and checks the ids of each class, by the class's name.
pub type ClassIds = BTreeMap<Arc<str>, IdMaker>;

/// Makes and checks the ids of one class.
#[derive(Clone)]
pub struct IdMaker {
    hmac: Hmac<Sha256>,
}

/// Why a text is not an id; the texts are part of the contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InvalidId {
    NotHex,
    Foreign,
}

impl IdMaker {
    /// `unique_key` keeps a class's ids apart from all others and never changes.
    pub fn new(unique_key: &str) -> IdMaker {
        let key = Sha256::digest(unique_key.as_bytes());
        IdMaker {
            hmac: Hmac::new_from_slice(&key).expect("HMAC takes a key of any length"),
        }
    }

    /// The id that belongs to a name: always the same, without any
    /// normalisation; the empty name has one too.
    pub fn of_name(&self, name: &str) -> ObjectId {
        self.sealed(self.half_of(name.as_bytes()))
    }

    /// The id of a new object without a name.
    pub fn random(&self) -> ObjectId {
        self.sealed(rand::random())
    }

    /// Reads an id; upper-case digits are accepted.
    pub fn parse(&self, text: &str) -> Result<ObjectId, InvalidId> {
        let digits = text.as_bytes();
        let mut bytes = [0; 2 * HALF];
        if digits.len() != 2 * bytes.len() {
            return Err(InvalidId::NotHex);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let value = |digit: u8| (digit as char).to_digit(16).ok_or(InvalidId::NotHex);
            *byte = (value(pair[0])? << 4 | value(pair[1])?) as u8;
        }
        let first: [u8; HALF] = bytes[..HALF].try_into().expect("half of the bytes");
        if self.sealed(first).0 == bytes {
            Ok(ObjectId(bytes))
        } else {
            Err(InvalidId::Foreign)
        }
    }

    fn sealed(&self, first: [u8; HALF]) -> ObjectId {
        let mut bytes = [0; 2 * HALF];
        bytes[..HALF].copy_from_slice(&first);
        bytes[HALF..].copy_from_slice(&self.half_of(&first));
        ObjectId(bytes)
    }

    fn half_of(&self, content: &[u8]) -> [u8; HALF] {
        let mut hmac = self.hmac.clone();
        hmac.update(content);
        let whole = hmac.finalize().into_bytes();
        whole[..HALF].try_into().expect("half of 32 bytes")
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InvalidId::NotHex => "Invalid Durable Object ID: must be 64 hex digits",
            InvalidId::Foreign => "Durable Object ID is not valid for this namespace.",
        })
    }
}

#[cfg(test)]
mod tests {
    //! An id is a promise for ever: these tests hold it fixed.

    use super::*;

    #[test]
    fn a_name_has_the_same_id_for_ever() {
        let id = IdMaker::new("counter").of_name("demo").to_string();
        assert_eq!(
            id,
            "f922b75a4b5ea531d93c84a8b24c1fd2a620b9adb24a1a6c4cb6b7bf44697c52"
        );
    }

    #[test]
    fn an_id_is_told_from_a_forged_or_foreign_one() {
        let (counter, room) = (IdMaker::new("counter"), IdMaker::new("room"));
        let id = counter.random().to_string();
        let mut forged = id.clone();
        forged.replace_range(0..1, if id.starts_with('0') { "1" } else { "0" });
        assert_eq!(counter.parse(&id.to_uppercase()).unwrap().to_string(), id);
        assert_eq!(counter.parse(&forged), Err(InvalidId::Foreign));
        assert_eq!(room.parse(&id), Err(InvalidId::Foreign));
        assert_eq!(counter.parse(&id[1..]), Err(InvalidId::NotHex));
        assert_eq!(
            counter.parse(&format!("g{}", &id[1..])),
            Err(InvalidId::NotHex)
        );
    }

    #[test]
    fn names_are_not_normalised_and_may_be_empty() {
        let ids = IdMaker::new("counter");
        let all = ["", "é", "e\u{301}", "É", "E"].map(|name| ids.of_name(name));
        for (index, id) in all.iter().enumerate() {
            assert!(!all[..index].contains(id));
            assert_eq!(ids.parse(&id.to_string()), Ok(*id));
        }
    }
}
