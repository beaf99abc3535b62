//! Where in a configuration's text does something stand, for errors, and what may a
//! value be?

use std::path::{Path, PathBuf};

use toml::{Spanned, Value};

use super::{ConfigError, DATA};
use crate::written::Written;

/// Where in the file something stands.
pub(super) struct Origin<'a> {
    pub text: &'a str,
    pub file: &'a Path,
}

impl Origin<'_> {
    pub fn line(&self, offset: usize) -> usize {
        self.text[..offset.min(self.text.len())]
            .matches('\n')
            .count()
            + 1
    }

    /// What stands in a line, up to a value. Nothing once an environment may have
    /// begun: there anything may be a secret.
    fn key_in(&self, line: usize) -> Option<&str> {
        let text = self.text.lines().nth(line - 1)?;
        let mut read = self.text.lines().take(line);
        let key = text.split('=').next()?.trim();
        (!key.is_empty() && !read.any(|line| line.contains("env"))).then_some(key)
    }

    /// The path that a setting names, relative to `folder`.
    pub fn path(
        &self,
        name: &str,
        said: &Spanned<PathBuf>,
        folder: &Path,
    ) -> Result<PathBuf, ConfigError> {
        let path = said.get_ref();
        let refused = |why: &str| {
            let message = format!("{name} = {path:?} {why}");
            Err(self.error(self.line(said.span().start), &message))
        };
        match path.components().next() {
            None => refused("names nothing; write a path, relative to this file or whole"),
            // A folder of that name is hard to be rid of.
            Some(first) if first.as_os_str() == "~" => {
                refused("begins with ~, which only shells understand; write the whole path")
            }
            Some(_) => Ok(folder.join(path)),
        }
    }

    pub fn data(
        &self,
        said: Option<&Spanned<PathBuf>>,
        folder: &Path,
    ) -> Result<PathBuf, ConfigError> {
        match said {
            Some(said) => self.path("data", said, folder),
            None => Ok(folder.join(DATA)),
        }
    }

    pub fn written(&self, offset: usize) -> Written {
        Written::at(format!("{}:{}", self.file.display(), self.line(offset)))
    }

    pub fn written_of<T>(&self, setting: &Option<Spanned<T>>) -> Written {
        let written = setting.as_ref().map(|it| self.written(it.span().start));
        written.unwrap_or_default()
    }

    /// What a reader of TOML says.
    pub fn misread(&self, error: &toml::de::Error) -> ConfigError {
        let line = error.span().map_or(1, |span| self.line(span.start));
        let key = self.key_in(line);
        let why = in_words(error.message().trim_end(), key);
        match key {
            Some(key) => self.error(line, &format!("{why}, in: {key}")),
            None => self.error(line, &why),
        }
    }

    pub fn error(&self, line: usize, message: &str) -> ConfigError {
        ConfigError(format!("{}:{line}: {message}", self.file.display()))
    }

    pub fn within(
        &self,
        value: &Option<Spanned<Value>>,
        name: &str,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<u64, ConfigError> {
        let Some(value) = value else {
            return Ok(default);
        };
        let number = value.get_ref().as_integer();
        if let Some(within) = number.and_then(|it| u64::try_from(it).ok())
            && range.contains(&within)
        {
            return Ok(within);
        }
        let unit = match name {
            _ if name.contains("_ms") => "milliseconds",
            _ if name.contains("bytes_") => "bytes",
            _ if name.contains("connections_") => "connections",
            _ if name.contains("streams_") => "requests",
            _ => "events",
        };
        let message = format!(
            "{name} = {} cannot be; it must be a whole number of {unit} from {} to {}",
            value.get_ref(),
            range.start(),
            range.end()
        );
        Err(self.error(self.line(value.span().start), &message))
    }
}

/// What a reader of TOML says is wrong, in words of this file, and with the value that it
/// found, unless that may be a secret in the wrong place: a text, or anything that no key
/// is known of.
fn in_words(message: &str, key: Option<&str>) -> String {
    let kinds = ["invalid type: ", "invalid length "];
    let parts = kinds.iter().find_map(|kind| message.strip_prefix(kind));
    let Some((found, expected)) = parts.and_then(|it| it.split_once(", expected ")) else {
        return message.into();
    };
    let expected = match expected {
        "a boolean" => "true or false",
        "a string" => "a text in quotation marks",
        "path string" => "a path in quotation marks",
        "a map" => "a table",
        "any valid TOML value" => "a number of 64 bits",
        "a sequence" if key.is_some_and(|key| key.starts_with('[')) => {
            "a list of tables, each in two brackets"
        }
        "a sequence" => "a list in brackets",
        other => other,
    };
    let value = match found.strip_prefix("string ") {
        Some(text) => Some(text).filter(|_| expected == "true or false"),
        None => found.split('`').nth(1),
    };
    match value.filter(|_| key.is_some()) {
        Some(value) => format!("{value} cannot be; it must be {expected}"),
        None => format!("what stands here must be {expected}"),
    }
}
