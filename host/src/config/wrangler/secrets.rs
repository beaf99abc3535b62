//! Where do the secrets of a Worker come from? While it is written, from `.dev.vars`
//! or else `.env`, as with wrangler; when it is served, from the environment of this
//! process: those files are for one machine, and its owner.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Asked;
use crate::regular_file;

pub struct Secrets {
    pub values: BTreeMap<String, String>,
    pub notes: Vec<String>,
}

/// The files that may have secrets, the one that counts most first.
pub fn files(folder: &Path, environment: Option<&str>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    if let Some(name) = environment {
        files.push(folder.join(format!(".dev.vars.{name}")));
    }
    files.push(folder.join(".dev.vars"));
    files.extend(dotenv_files(folder, environment));
    files
}

fn dotenv_files(folder: &Path, environment: Option<&str>) -> Vec<PathBuf> {
    let mut names = vec![".env.local".to_owned(), ".env".to_owned()];
    if let Some(name) = environment {
        names.insert(1, format!(".env.{name}"));
        names.insert(0, format!(".env.{name}.local"));
    }
    names.into_iter().map(|name| folder.join(name)).collect()
}

/// Where `required` are named, no others are taken.
pub fn of(folder: &Path, asked: &Asked, required: &[&str]) -> Result<Secrets, String> {
    let (file, mut values) = of_files(folder, asked.environment)?;
    let mut notes = Vec::new();
    if asked.developing {
        if !required.is_empty() {
            values.retain(|name, _| required.contains(&&**name));
        }
        for name in required {
            if !values.contains_key(*name) {
                notes.push(format!(
                    "the secret {name} is required and not there; write {name}=… into {}",
                    folder.join(".dev.vars").display()
                ));
            }
        }
        return Ok(Secrets { values, notes });
    }
    let mut found = BTreeMap::new();
    let process = |name: &str| match (asked.process)(name).map(std::ffi::OsString::into_string) {
        Some(Ok(value)) => Ok(Some(value)),
        Some(Err(_)) => Err(format!("the value of the secret {name} is not UTF-8")),
        None => Ok(None),
    };
    for name in required {
        let value = process(name)?.ok_or_else(|| {
            format!("the secret {name} is not in the environment of abide; start it with {name}=…")
        })?;
        found.insert((*name).to_owned(), value);
    }
    for name in values.keys().filter(|it| !required.contains(&&***it)) {
        match process(name)? {
            Some(value) => drop(found.insert(name.clone(), value)),
            None => notes.push(format!(
                "the secret {name} stands in {}, which abide dev alone reads; start abide with \
                 {name}=… to have it here",
                file.display()
            )),
        }
    }
    Ok(Secrets {
        values: found,
        notes,
    })
}

/// `.dev.vars` alone, or all of `.env` together.
fn of_files(
    folder: &Path,
    environment: Option<&str>,
) -> Result<(PathBuf, BTreeMap<String, String>), String> {
    let own = files(folder, environment);
    let dotenv = dotenv_files(folder, environment);
    for file in own.iter().filter(|file| !dotenv.contains(file)) {
        if let Some(text) = text_of(file)? {
            return Ok((file.clone(), parse(&text).into_iter().collect()));
        }
    }
    let mut values = BTreeMap::new();
    for file in dotenv.iter().rev() {
        values.extend(text_of(file)?.map(|text| parse(&text)).unwrap_or_default());
    }
    Ok((folder.join(".env"), values))
}

fn text_of(file: &Path) -> Result<Option<String>, String> {
    match regular_file::read_text(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read {} ({error})", file.display())),
    }
}

/// Lines `NAME=value`, as the npm package dotenv reads them. Crates for it replace what
/// follows a `$`, which a secret may have in it.
fn parse(text: &str) -> Vec<(String, String)> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let (mut rest, mut found) = (&*text, Vec::new());
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let said = line.trim_start();
        let said = said.strip_prefix("export ").unwrap_or(said);
        let parts = said.split_once('=').or_else(|| said.split_once(": "));
        let is_name = |name: &str| {
            let fits = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
            !name.is_empty() && name.chars().all(fits)
        };
        let Some((name, value)) = parts.filter(|(name, _)| is_name(name.trim())) else {
            rest = after;
            continue;
        };
        let value = value.trim_start();
        let quote = value.chars().next().filter(|it| "\"'`".contains(*it));
        // A text in quotes may go on over lines.
        let begin = text.len() - rest.len() + (value.as_ptr() as usize - rest.as_ptr() as usize);
        let quoted = quote.and_then(|quote| {
            let inner = &text[begin + 1..];
            let end = end_of(inner, quote)?;
            Some((quote, &inner[..end], &inner[end + 1..]))
        });
        let value = match quoted {
            Some((quote, inner, behind)) => {
                rest = behind.split_once('\n').map_or("", |(_, after)| after);
                match quote {
                    '"' => inner.replace("\\n", "\n").replace("\\r", "\r"),
                    _ => inner.into(),
                }
            }
            None => {
                rest = after;
                value.split('#').next().unwrap_or_default().trim().into()
            }
        };
        found.push((name.trim().into(), value));
    }
    found
}

/// Where a quoted text ends.
fn end_of(inner: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    inner.char_indices().find_map(|(at, letter)| {
        let is_end = letter == quote && !escaped;
        escaped = letter == '\\' && !escaped;
        is_end.then_some(at)
    })
}

#[cfg(test)]
mod tests {
    //! A file of secrets is read as wrangler reads it.

    use std::fs;

    use super::*;

    #[test]
    fn lines_are_read_as_dotenv_reads_them() {
        let check = |text: &str, expected: &[(&str, &str)]| {
            let found = parse(text);
            let found: Vec<_> = found
                .iter()
                .map(|(name, value)| (&**name, &**value))
                .collect();
            assert_eq!(found, expected, "{text}");
        };
        check(
            "A=1\nB = two \r\nexport C=3",
            &[("A", "1"), ("B", "two"), ("C", "3")],
        );
        check(
            "# no\n\nA=x # why\nB=\"x # in\" # why",
            &[("A", "x"), ("B", "x # in")],
        );
        check(
            "A='one\ntwo'\nB=`c\"d`\nC=\"l\\nm\"",
            &[("A", "one\ntwo"), ("B", "c\"d"), ("C", "l\nm")],
        );
        check("PRICE=$5 and ${A}", &[("PRICE", "$5 and ${A}")]);
        check("A=\"open\nB=2", &[("A", "\"open"), ("B", "2")]);
        check("A=\nnonsense\nB==", &[("A", ""), ("B", "=")]);
    }

    #[test]
    fn a_file_of_the_environment_comes_before_the_one_for_all() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let read = |environment| of_files(folder.path(), environment).unwrap().1;
        write(".env", "A=env\nB=env");
        write(".env.local", "B=local");
        write(".env.prod", "B=prod");
        assert_eq!(read(None)["B"], "local");
        assert_eq!(read(Some("prod"))["A"], "env");
        write(".dev.vars", "C=dev");
        assert_eq!(
            read(Some("prod")),
            BTreeMap::from([("C".into(), "dev".into())])
        );
        write(".dev.vars.prod", "C=prod");
        assert_eq!(read(Some("prod"))["C"], "prod");
        assert_eq!(read(None)["C"], "dev");
    }
}
