//! Which name in the folder does a path have, and which path a name?

use std::borrow::Cow;

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

/// A path as the folder has it: with one slash where there are several. As at Cloudflare,
/// what lies between two slashes is taken as it is where it is not encoded text.
pub fn decoded(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    for (number, part) in path.split('/').enumerate() {
        if number > 0 {
            plain.push('/');
        }
        plain.push_str(&text_of(part).unwrap_or(part.into()));
    }
    while plain.contains("//") {
        plain = plain.replace("//", "/");
    }
    plain
}

/// What a part of a path is, decoded; none if it is not encoded text.
fn text_of(part: &str) -> Option<Cow<'_, str>> {
    let is_digit = |digit: Option<&u8>| digit.is_some_and(u8::is_ascii_hexdigit);
    let bytes = part.as_bytes();
    let mut marks = memchr::memchr_iter(b'%', bytes);
    let is_encoded = marks.all(|at| is_digit(bytes.get(at + 1)) && is_digit(bytes.get(at + 2)));
    is_encoded
        .then(|| percent_decode_str(part).decode_utf8().ok())
        .flatten()
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
            let plain = decoded(path);
            assert_eq!((&*plain, &*encoded(&plain)), ("/a b.txt", "/a%20b.txt"));
        }
    }

    #[test]
    fn what_is_not_encoded_text_is_a_name_as_it_is() {
        for (path, plain) in [
            ("/per%cent.txt", "/per%cent.txt"),
            ("/100%", "/100%"),
            ("/a%20b%.txt", "/a%20b%.txt"),
            ("/%20/%ff/%2", "/ /%ff/%2"),
            ("/%25ff", "/%ff"),
            ("///a%2f%2F/b/", "/a/b/"),
        ] {
            assert_eq!(decoded(path), plain, "{path}");
        }
        assert_eq!(encoded("/per%cent.txt"), "/per%25cent.txt");
    }
}
