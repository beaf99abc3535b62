//! Is a text that comes in pieces UTF-8? Says no with the first byte that cannot be.

/// How much of a growing text is known to be right.
#[derive(Default, Debug)]
pub struct Checked(usize);

/// The text cannot be UTF-8, however it goes on.
#[derive(PartialEq, Eq, Debug)]
pub struct NotText;

impl Checked {
    /// Looks at what has come.
    pub fn look(&mut self, text: &[u8]) -> Result<(), NotText> {
        match str::from_utf8(&text[self.0..]) {
            Ok(_) => self.0 = text.len(),
            Err(error) if error.error_len().is_some() => return Err(NotText),
            Err(error) => self.0 += error.valid_up_to(),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    //! Texts byte by byte.

    use super::*;

    /// After how many bytes is it known that this is no text?
    fn check(bytes: &[u8], expected: Option<usize>) {
        let mut checked = Checked::default();
        let wrong = (1..=bytes.len()).find(|end| checked.look(&bytes[..*end]).is_err());
        assert_eq!(wrong, expected, "{bytes:x?}");
    }

    #[test]
    fn what_cannot_be_text_is_known_at_once() {
        check("κόσμε 😀 \u{10ffff} \0".as_bytes(), None);
        check(b"\xce\xba\xe1", None);
        check(b"a\x80", Some(2));
        check(b"a\xff", Some(2));
        check(b"\xc0\xaf", Some(1));
        check(b"\xe0\x80\x80", Some(2));
        check(b"\xed\xa0\x80", Some(2));
        check(b"\xf4\x90\x80\x80", Some(2));
        check(b"\xf5", Some(1));
        check(b"\xe1\x20", Some(2));
    }
}
