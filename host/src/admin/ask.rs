//! How a command asks the server of a data directory, if there is one.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::{Answer, Question, socket};

/// What the server of this data directory answers, however long it takes. None: no
/// server uses the directory.
pub fn ask(data: &Path, question: &Question) -> Result<Option<Answer>> {
    let shown = data.display();
    let connected = socket::connect(data);
    let connected = connected.with_context(|| {
        format!("cannot reach the server of {shown}; run this as the user that it runs as")
    })?;
    let Some(mut stream) = connected else {
        return Ok(None);
    };
    let mut line = serde_json::to_string(question)?;
    line.push('\n');
    let mut answer = String::new();
    let asked = stream
        .write_all(line.as_bytes())
        .and_then(|()| BufReader::new(&stream).read_line(&mut answer));
    asked.with_context(|| format!("cannot talk with the server of {shown}"))?;
    if answer.is_empty() {
        bail!(
            "the server of {shown} ended before it answered; look there whether anything was done"
        );
    }
    let answer = serde_json::from_str(&answer).with_context(|| {
        format!("cannot understand the server of {shown}; use the abide that serves")
    })?;
    Ok(Some(answer))
}
