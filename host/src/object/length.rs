//! Is a body as long as was said?
//!
//! A body that comes piece by piece may have its length said before it, by the
//! object that sends it. Whoever receives it must never take for whole what is not.

use bytes::Bytes;

use super::error::ObjectError;

/// What an object says about the length of its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    Nothing,
    Bytes(u64),
    /// No number, or several.
    Nonsense(String),
}

/// A length that the object has promised.
pub struct Length {
    promised: u64,
    left: u64,
    /// The chunk that completes the body. It waits for the end of the stream: a
    /// receiver that has it takes the body for whole.
    last: Option<Bytes>,
}

impl Claim {
    /// The same, after one more field.
    pub fn and(self, value: &[u8]) -> Claim {
        let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let text = String::from_utf8_lossy(value);
        match (self, text.parse()) {
            (Claim::Nothing, Ok(bytes)) if is_number => Claim::Bytes(bytes),
            (Claim::Bytes(before), Ok(bytes)) if is_number && before == bytes => {
                Claim::Bytes(bytes)
            }
            (Claim::Nothing, _) => Claim::Nonsense(text.into()),
            (Claim::Bytes(before), _) => Claim::Nonsense(format!("{before}, {text}")),
            (nonsense, _) => nonsense,
        }
    }
}

impl Length {
    pub fn new(promised: u64) -> Length {
        Length {
            promised,
            left: promised,
            last: None,
        }
    }

    /// Bytes that are still to come.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// What to send after this chunk, or the end, has come from the object: a
    /// chunk, nothing yet, or the end.
    pub fn check(&mut self, chunk: Option<Bytes>) -> Result<Option<Option<Bytes>>, ObjectError> {
        let promised = self.promised;
        let Some(chunk) = chunk else {
            if self.left > 0 {
                let left = self.left;
                return Err(ObjectError::exception(
                    "RangeError",
                    format!(
                        "{left} of the {promised} bytes that content-length promised are missing"
                    ),
                ));
            }
            return Ok(self.last.take().map(Some));
        };
        let Some(left) = self.left.checked_sub(chunk.len() as u64) else {
            return Err(ObjectError::exception(
                "RangeError",
                format!(
                    "the stream has more than the {promised} bytes that content-length promised"
                ),
            ));
        };
        self.left = left;
        if left > 0 || chunk.is_empty() {
            return Ok(Some((!chunk.is_empty()).then_some(chunk)));
        }
        self.last = Some(chunk);
        Ok(Some(None))
    }
}

#[cfg(test)]
mod tests {
    //! A promised length is kept, or the transfer breaks before it looks whole.

    use super::*;

    /// What leaves of these chunks, and whether the end is a proper one.
    fn check(promised: u64, chunks: &[&'static str], expected: &str, is_whole: bool) {
        let mut length = Length::new(promised);
        let mut sent = String::new();
        let mut comes = chunks
            .iter()
            .map(|chunk| Bytes::from_static(chunk.as_bytes()));
        let ended = loop {
            match length.check(comes.next()) {
                Ok(Some(Some(chunk))) => sent += str::from_utf8(&chunk).unwrap(),
                Ok(Some(None)) => {}
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        assert_eq!(
            (sent.as_str(), ended),
            (expected, is_whole),
            "{chunks:?} of {promised}"
        );
    }

    #[test]
    fn a_stream_has_the_length_that_it_promised() {
        check(5, &["he", "llo"], "hello", true);
        check(5, &["hello"], "hello", true);
        check(0, &[], "", true);
        check(5, &["he", "", "llo", ""], "hello", true);
        check(6, &["hello"], "hello", false);
        check(5, &[], "", false);
        check(4, &["hello"], "", false);
        check(4, &["he", "llo"], "he", false);
        // Not even when the border lies between two chunks.
        check(2, &["he", "llo"], "", false);
        check(0, &["h"], "", false);
    }
}
