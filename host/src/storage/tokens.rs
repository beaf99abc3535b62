//! How SQL text splits into tokens, as far as our own rules need it.
//!
//! SQLite's parser decides what is valid; this only reads text that SQLite has
//! already accepted, or would accept but for one clause.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A keyword or a plain name.
    Word,
    /// A name or a text in quotes, with its quotes.
    Quoted,
    /// A parameter: `?`, `?1`, `:name`, `@name`, `$name`.
    Parameter,
    Number,
    /// An operator or a separator of one character.
    Sign,
}

/// A token and its place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// First byte within the whole text.
    pub start: usize,
}

impl Token<'_> {
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Whether the token is this keyword, or this sign.
    pub fn is(&self, keyword: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Sign) && self.text.eq_ignore_ascii_case(keyword)
    }

    /// The name that the token stands for, without quotes.
    pub fn name(&self) -> String {
        let quote = match (self.kind, self.text.as_bytes().first()) {
            (Kind::Quoted, Some(quote)) => char::from(*quote),
            _ => return self.text.to_owned(),
        };
        let inner = &self.text[1..self.text.len().max(2) - 1];
        if quote == '[' {
            return inner.to_owned();
        }
        let doubled: String = [quote, quote].iter().collect();
        inner.replace(&doubled, &quote.to_string())
    }
}

/// Splits SQL; white space and comments fall away.
pub fn tokens(sql: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut start = 0;
    while start < sql.len() {
        let rest = &sql[start..];
        let (kind, length) = first_token(rest);
        if let Some(kind) = kind {
            found.push(Token {
                kind,
                text: &rest[..length],
                start,
            });
        }
        start += length;
    }
    found
}

/// Kind and length of the first token; no kind for what falls away.
fn first_token(rest: &str) -> (Option<Kind>, usize) {
    let bytes = rest.as_bytes();
    let until = |from: usize, end: &str| {
        rest[from..]
            .find(end)
            .map_or(rest.len(), |at| from + at + end.len())
    };
    let while_name = |from: usize| {
        from + rest[from..]
            .bytes()
            .take_while(|byte| is_name_byte(*byte))
            .count()
    };
    match bytes[0] {
        byte if byte.is_ascii_whitespace() || byte == 0x0b => (None, 1),
        b'-' if rest.starts_with("--") => (None, until(2, "\n")),
        b'/' if rest.starts_with("/*") => (None, until(2, "*/")),
        b'[' => (Some(Kind::Quoted), until(1, "]")),
        quote @ (b'\'' | b'"' | b'`') => (Some(Kind::Quoted), quoted_length(bytes, quote)),
        b'?' => {
            let digits = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
            (Some(Kind::Parameter), 1 + digits)
        }
        b':' | b'@' | b'$' => (Some(Kind::Parameter), while_name(1)),
        byte if byte.is_ascii_digit() => (Some(Kind::Number), number_length(bytes)),
        byte if is_name_byte(byte) => (Some(Kind::Word), while_name(0)),
        // Signs are ASCII, so that a sign is one byte.
        _ => (Some(Kind::Sign), 1),
    }
}

/// Length up to the closing quote; a doubled quote closes nothing.
fn quoted_length(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        if bytes[at] == quote {
            if bytes.get(at + 1) == Some(&quote) {
                at += 1;
            } else {
                return at + 1;
            }
        }
        at += 1;
    }
    bytes.len()
}

/// Length of a number, also `1.5e-3` and `0xff`.
fn number_length(bytes: &[u8]) -> usize {
    let mut at = 0;
    while at < bytes.len() {
        let is_exponent_sign = matches!(bytes[at], b'+' | b'-')
            && matches!(bytes[at - 1], b'e' | b'E')
            && !bytes.starts_with(b"0x")
            && !bytes.starts_with(b"0X");
        if !(is_name_byte(bytes[at]) || bytes[at] == b'.' || is_exponent_sign) {
            break;
        }
        at += 1;
    }
    at
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// The new name in `ALTER TABLE … RENAME TO name`.
pub fn rename_target(sql: &str) -> Option<String> {
    let found = tokens(sql);
    let rename = found
        .windows(3)
        .position(|three| three[0].is("RENAME") && three[1].is("TO"))?;
    Some(found[rename + 2].name())
}

#[cfg(test)]
mod tests {
    //! Names hide in quotes and behind comments; the rules must find them.
    use super::*;

    #[test]
    fn the_target_of_a_rename_is_found_in_any_spelling() {
        let check = |sql: &str, expected: Option<&str>| {
            assert_eq!(rename_target(sql).as_deref(), expected, "{sql}");
        };
        check("ALTER TABLE t RENAME TO u", Some("u"));
        check(
            "alter table main.t rename /* to x */ to \"_cf_\"\"x\"",
            Some("_cf_\"x"),
        );
        check("ALTER TABLE [a b] RENAME -- TO\nTO [_cf_y];", Some("_cf_y"));
        check("ALTER TABLE t RENAME TO`_CF_z`", Some("_CF_z"));
        check("ALTER TABLE t RENAME TO '_cf_'", Some("_cf_"));
        check("ALTER TABLE t RENAME COLUMN a TO _cf_b", None);
        check("ALTER TABLE t RENAME a TO _cf_b", None);
        check("ALTER TABLE t ADD COLUMN x", None);
    }

    #[test]
    fn any_text_splits_without_a_panic() {
        for sql in [
            "'", "\"", "[", "/*", "--", "1e", "0x", "?", "é☃", "`a``", "1e+", "''''",
        ] {
            let total: usize = tokens(sql).iter().map(|token| token.text.len()).sum();
            assert!(total <= sql.len());
            for token in tokens(sql) {
                token.name();
            }
        }
    }
}
