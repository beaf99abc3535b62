//! What do `_headers`, `_redirects` and `.assetsignore` of a folder say?
//!
//! They are read as Cloudflare reads them; a line that makes no sense has no effect,
//! which is told.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use hyper::header::HeaderMap;
use regex_lite::{Captures, Regex};

use super::headers::Headers;
use super::ignored::Ignored;
use super::redirects::{Redirect, Redirects};
use crate::regular_file;

const HEADERS: &str = "_headers";
const REDIRECTS: &str = "_redirects";
const IGNORED: &str = ".assetsignore";

/// The files themselves, which nobody gets.
pub const FILES: [&str; 3] = [HEADERS, REDIRECTS, IGNORED];

/// Longer lines have no effect.
pub const LINE_BYTES_MAX: usize = 2000;

#[derive(Debug, Default)]
pub struct Rules {
    /// What the files hold, by which rules are known to be the same.
    texts: [Option<String>; 3],
    headers: Headers,
    redirects: Redirects,
    ignored: Ignored,
}

impl PartialEq for Rules {
    fn eq(&self, other: &Rules) -> bool {
        self.texts == other.texts
    }
}

impl Eq for Rules {}

/// Where the rules of a folder are.
pub fn files(directory: &Path) -> [PathBuf; 3] {
    FILES.map(|name| directory.join(name))
}

impl Rules {
    /// The rules of a folder, and what is wrong with them.
    pub fn of(directory: &Path) -> (Rules, Vec<String>) {
        let texts = files(directory).map(|file| regular_file::read_text(&file).ok());
        let (rules, wrong) = Rules::read(texts);
        let wrong = wrong.into_iter().map(|(file, line, why)| {
            let file = directory.join(file).display().to_string();
            format!("{file}:{line}: {why}; that has no effect")
        });
        (rules, wrong.collect())
    }

    fn read(texts: [Option<String>; 3]) -> (Rules, Vec<(&'static str, usize, String)>) {
        let text = |at: usize| texts[at].as_deref().unwrap_or_default();
        let (headers, of_headers) = Headers::read(text(0));
        let (redirects, of_redirects) = Redirects::read(text(1));
        let (ignored, of_ignored) = Ignored::read(text(2));
        let wrong = [of_headers, of_redirects, of_ignored]
            .into_iter()
            .zip(FILES);
        let wrong = wrong.flat_map(|(wrong, file)| {
            let wrong = wrong.into_iter();
            wrong.map(move |Wrong { line, why }| (file, line, why))
        });
        let wrong = wrong.collect();
        let rules = Rules {
            headers,
            redirects,
            ignored,
            texts,
        };
        (rules, wrong)
    }

    /// Where the request for a path is led.
    pub fn redirect(&self, path: &str) -> Option<Redirect> {
        self.redirects.of(path)
    }

    /// Does nobody get this file of the folder?
    pub fn hides(&self, file: &str) -> bool {
        FILES.contains(&file) || self.ignored.has(file)
    }

    /// Changes the headers of what is answered for a path of a host.
    pub fn change(&self, headers: &mut HeaderMap, host: &str, path: &str) {
        self.headers.change(headers, host, path);
    }
}

/// A line that has no effect.
pub struct Wrong {
    pub line: usize,
    pub why: String,
}

/// The lines that say something, with their numbers.
pub fn lines<'t>(text: &'t str, wrong: &mut Vec<Wrong>) -> Vec<(usize, &'t str)> {
    let lines = text.trim_start_matches('\u{feff}').lines();
    let numbered = lines
        .enumerate()
        .map(|(at, line)| (at + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let (good, long): (Vec<_>, Vec<_>) = numbered.partition(|(_, it)| it.len() <= LINE_BYTES_MAX);
    wrong.extend(long.into_iter().map(|(line, _)| Wrong {
        line,
        why: format!("the line is longer than {LINE_BYTES_MAX} bytes"),
    }));
    good
}

/// A path, or `https://` with a host and a path, in which `*` stands for anything and
/// `:name` for what is between two slashes.
#[derive(Debug)]
pub struct Pattern {
    regex: Regex,
    has_host: bool,
}

/// What its `*` and its names stood for.
pub type Stood = HashMap<String, String>;

impl Pattern {
    pub fn of(text: &str) -> Result<Pattern, String> {
        let has_host = text.starts_with("https://");
        if !has_host && !text.starts_with('/') {
            return Err(format!("{text:?} begins with neither a slash nor https://"));
        }
        if text.matches('*').count() > 1 {
            return Err(format!("{text:?} has more than one *"));
        }
        let host_end = match has_host {
            true => text[8..].find('/').map_or(text.len(), |at| at + 8),
            false => 0,
        };
        // Hosts are the same in small letters and others.
        let mut regex = String::from(if has_host { "^(?i:" } else { "^" });
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let at = text.len() - rest.len();
            if has_host && at == host_end {
                regex.push(')');
            }
            let name = name_of(rest);
            if first == '*' {
                regex.push_str("(?P<splat>.*)");
                rest = &rest[1..];
            } else if let Some(name) = name {
                let between = if at < host_end { "[^/.]" } else { "[^/]" };
                regex.push_str(&format!("(?P<{name}>{between}+)"));
                rest = &rest[1 + name.len()..];
            } else {
                regex.push_str(&regex_lite::escape(&rest[..first.len_utf8()]));
                rest = &rest[first.len_utf8()..];
            }
        }
        if has_host && host_end == text.len() {
            regex.push(')');
        }
        regex.push('$');
        let regex = Regex::new(&regex).map_err(|_| format!("{text:?} has a name twice"))?;
        Ok(Pattern { regex, has_host })
    }

    pub fn is_fixed(text: &str) -> bool {
        let mut at = (0..text.len()).filter(|at| text.is_char_boundary(*at));
        !at.any(|at| text[at..].starts_with('*') || name_of(&text[at..]).is_some())
    }

    pub fn matches(&self, host: &str, path: &str) -> Option<Stood> {
        let whole = match self.has_host {
            true => &format!("https://{host}{path}"),
            false => path,
        };
        let found = self.regex.captures(whole)?;
        Some(self.stood(&found))
    }

    fn stood(&self, found: &Captures<'_>) -> Stood {
        let names = self.regex.capture_names().flatten();
        let stood = names.filter_map(|name| Some((name.into(), found.name(name)?.as_str().into())));
        stood.collect()
    }
}

/// The name with which a text begins: a colon, a letter, and letters, digits and `_`.
fn name_of(text: &str) -> Option<&str> {
    let name = text.strip_prefix(':')?;
    let end = name.find(|it: char| !it.is_ascii_alphanumeric() && it != '_');
    let name = &name[..end.unwrap_or(name.len())];
    name.starts_with(|it: char| it.is_ascii_alphabetic())
        .then_some(name)
}

/// A text with what its names stood for.
pub fn filled(text: &str, stood: &Stood) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(':') {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        match name_of(rest).and_then(|name| Some((name, stood.get(name)?))) {
            Some((name, value)) => {
                filled.push_str(value);
                rest = &rest[1 + name.len()..];
            }
            None => {
                filled.push(':');
                rest = &rest[1..];
            }
        }
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    //! Patterns find what they stand for.

    use super::*;

    #[test]
    fn a_pattern_finds_what_its_names_stand_for() {
        let filled_of = |pattern: &str, host: &str, path: &str, text: &str| {
            let found = Pattern::of(pattern).unwrap().matches(host, path);
            found.map(|stood| filled(text, &stood))
        };
        let of_path = |pattern, path, text| filled_of(pattern, "h.example", path, text);
        assert_eq!(of_path("/a", "/a", "x:y"), Some("x:y".into()));
        assert_eq!(of_path("/a", "/ab", ""), None);
        assert_eq!(of_path("/a.b", "/aXb", ""), None);
        assert_eq!(
            of_path("/blog/*", "/blog/a/b", "/news/:splat"),
            Some("/news/a/b".into())
        );
        assert_eq!(
            of_path("/:year/:slug", "/2024/x", "/:slug?y=:year"),
            Some("/x?y=2024".into())
        );
        assert_eq!(of_path("/:year/:slug", "/2024/x/y", ""), None);
        let with_host = |host| filled_of("https://:sub.example.com/*", host, "/p", ":sub :splat");
        assert_eq!(with_host("a.example.com"), Some("a p".into()));
        assert_eq!(with_host("A.EXAMPLE.com"), Some("A p".into()));
        assert_eq!(with_host("a.b.example.com"), None);
        assert_eq!(
            filled_of("https://H.example", "h.example", "", "x"),
            Some("x".into())
        );
        assert_eq!(
            filled_of("https://h.example/A", "h.example", "/a", ""),
            None
        );
        for wrong in ["a", "/*/*", "/:a/:a"] {
            assert!(Pattern::of(wrong).is_err(), "{wrong}");
        }
        assert!(Pattern::is_fixed("/a:/b:1") && !Pattern::is_fixed("/a/:b"));
    }
}
