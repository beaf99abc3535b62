//! Which name in the folder does a path have, and which path a name?

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What the address of a file has encoded: what `encodeURIComponent` encodes between
/// slashes.
const IN_ADDRESS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// A path as the folder has it: with one slash where there are several.
pub fn decoded(path: &str) -> Option<String> {
    let path = percent_decode_str(path).decode_utf8().ok()?;
    let mut plain = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter != '/' || !plain.ends_with('/') {
            plain.push(letter);
        }
    }
    Some(plain)
}

pub fn encoded(path: &str) -> String {
    utf8_percent_encode(path, IN_ADDRESS).to_string()
}

#[cfg(test)]
mod tests {
    //! Each name has one spelling.

    use super::*;

    #[test]
    fn a_name_has_one_spelling() {
        for path in ["/a b.txt", "/a%20b.txt", "//a%20b%2etxt", "/%2Fa b.txt"] {
            let plain = decoded(path).unwrap();
            assert_eq!((&*plain, &*encoded(&plain)), ("/a b.txt", "/a%20b.txt"));
        }
        assert_eq!(decoded("/%ff"), None);
    }
}
