//! `.assetsignore`: which files of the folder does nobody get? It is written like
//! `.gitignore`.

use regex_lite::Regex;

use super::rules::{Wrong, lines};

#[derive(Debug, Default)]
pub struct Ignored {
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    regex: Regex,
    /// It takes back what earlier ones said.
    is_exception: bool,
    folders_only: bool,
}

impl Ignored {
    pub fn read(text: &str) -> (Ignored, Vec<Wrong>) {
        let (mut patterns, mut wrong) = (Vec::new(), Vec::new());
        for (line, text) in lines(text, &mut wrong) {
            match Pattern::of(text) {
                Ok(pattern) => patterns.push(pattern),
                Err(why) => wrong.push(Wrong { line, why }),
            }
        }
        (Ignored { patterns }, wrong)
    }

    /// Is this file left out, or a folder that it lies in?
    pub fn has(&self, file: &str) -> bool {
        if self.patterns.is_empty() {
            return false;
        }
        let slashes = file.match_indices('/').map(|(at, _)| &file[..at]);
        let mut folders = slashes;
        folders.any(|folder| self.names(folder, true)) || self.names(file, false)
    }

    /// The last pattern that matches counts.
    fn names(&self, path: &str, is_folder: bool) -> bool {
        let mut last = self.patterns.iter().rev();
        let matching = last.find(|it| (is_folder || !it.folders_only) && it.regex.is_match(path));
        matching.is_some_and(|it| !it.is_exception)
    }
}

impl Pattern {
    fn of(text: &str) -> Result<Pattern, String> {
        let (is_exception, rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (folders_only, rest) = match rest.strip_suffix('/') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        // With a slash within it is about a path from the top, otherwise about a name anywhere.
        let mut regex = String::from(match rest.contains('/') {
            true => "^",
            false => "^(?:.*/)?",
        });
        let mut rest = rest.strip_prefix('/').unwrap_or(rest);
        while let Some(first) = rest.chars().next() {
            let is_at_begin = regex == "^" || regex.ends_with('/');
            let (part, taken) = match first {
                '*' if is_at_begin && rest.starts_with("**/") => ("(?:.*/)?".into(), 3),
                '*' if is_at_begin && rest == "**" => (".*".into(), 2),
                '*' => (
                    "[^/]*".into(),
                    rest.len() - rest.trim_start_matches('*').len(),
                ),
                '?' => ("[^/]".into(), 1),
                '[' => class(rest).ok_or_else(|| format!("{text:?} has a [ without a ]"))?,
                '\\' => {
                    let next = rest[1..].chars().next();
                    let next = next.ok_or_else(|| format!("{text:?} ends with \\"))?;
                    (regex_lite::escape(&next.to_string()), 1 + next.len_utf8())
                }
                other => (regex_lite::escape(&other.to_string()), other.len_utf8()),
            };
            regex.push_str(&part);
            rest = &rest[taken..];
        }
        regex.push('$');
        Ok(Pattern {
            regex: Regex::new(&regex).map_err(|_| format!("{text:?} cannot be understood"))?,
            is_exception,
            folders_only,
        })
    }
}

/// One of several characters, and how long that is in the pattern.
fn class(text: &str) -> Option<(String, usize)> {
    let inner = &text[1..];
    let end = inner.char_indices().skip(1).find(|(_, it)| *it == ']')?.0;
    let characters = &inner[..end];
    let (not, characters) = match characters.strip_prefix(['!', '^']) {
        Some(characters) => ("^", characters),
        None => ("", characters),
    };
    let characters = characters.replace('\\', "\\\\").replace('[', "\\[");
    let characters = characters.replace('&', "\\&").replace('~', "\\~");
    Some((format!("[{not}{characters}]"), end + 2))
}

#[cfg(test)]
mod tests {
    //! Patterns mean what they mean to git.

    use super::*;

    #[test]
    fn files_are_left_out() {
        let text = "# comment\n*.map\n/only-top\nfolder/\ndocs/*.txt\n!keep.map\n**/deep/x\na/**/b\nall/**\n\
                    f[0-9].js\nq?.js\n\\#hash\n";
        let ignored = Ignored::read(text).0;
        for file in [
            "x.map",
            "a/b/x.map",
            "only-top",
            "only-top/x",
            "folder/x",
            "in/folder/x/y",
            "docs/a.txt",
            "deep/x",
            "a/deep/x",
            "a/b",
            "a/x/y/b",
            "all/x",
            "f1.js",
            "qa.js",
            "#hash",
        ] {
            assert!(ignored.has(file), "{file}");
        }
        for file in [
            "keep.map",
            "x/only-top",
            "folder",
            "docs/a/b.txt",
            "sub/docs/a.txt",
            "deep/xy",
            "a/xb",
            "all",
            "fa.js",
            "q.js",
            "index.html",
            "x.mapped",
        ] {
            assert!(!ignored.has(file), "{file}");
        }
    }

    #[test]
    fn what_lies_in_a_folder_that_is_left_out_stays_out() {
        let ignored = Ignored::read("node_modules\n!node_modules/keep.js\n").0;
        assert!(ignored.has("node_modules/keep.js") && ignored.has("a/node_modules/x"));
        assert_eq!(Ignored::read("a[b\n").1.len(), 1);
    }
}
