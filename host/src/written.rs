//! Where is written what a person asked for? What fails only when it is used is then
//! told with file and line, like what fails when it is read.

use std::cmp::Ordering;
use std::fmt;

use anyhow::{Context as _, Result};

/// A place, for example `abide.toml:7` or `--data`. None: nobody wrote it.
#[derive(Clone, Debug, Default)]
pub struct Written(Option<String>);

impl Written {
    pub fn at(place: impl Into<String>) -> Written {
        Written(Some(place.into()))
    }

    /// Did somebody write it?
    pub fn is_written(&self) -> bool {
        self.0.is_some()
    }

    /// Puts the place before what is to be said of what is written there.
    pub fn told(&self, what: impl fmt::Display) -> String {
        match &self.0 {
            Some(place) => format!("{place}: {what}"),
            None => what.to_string(),
        }
    }

    /// Adds the place to what went wrong with what is written there.
    pub fn blamed<T>(&self, result: Result<T>) -> Result<T> {
        match &self.0 {
            Some(place) => result.with_context(|| place.clone()),
            None => result,
        }
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or("nowhere"))
    }
}

/// What is asked for is the same wherever it is written: lines may come and go above it.
impl PartialEq for Written {
    fn eq(&self, _: &Written) -> bool {
        true
    }
}

impl Eq for Written {}

impl PartialOrd for Written {
    fn partial_cmp(&self, other: &Written) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Written {
    fn cmp(&self, _: &Written) -> Ordering {
        Ordering::Equal
    }
}

#[cfg(test)]
mod tests {
    //! A place is told where there is one, and makes no difference.

    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_place_is_told_and_makes_no_difference() {
        let (line, nowhere) = (Written::at("abide.toml:7"), Written::default());
        let blamed =
            |at: &Written| format!("{:#}", at.blamed::<()>(Err(anyhow!("why"))).unwrap_err());
        assert_eq!(line.told("why"), "abide.toml:7: why");
        assert_eq!(blamed(&line), line.told("why"));
        assert_eq!([nowhere.told("why"), blamed(&nowhere)], ["why", "why"]);
        assert_eq!(line, nowhere);
        assert!(line.is_written() && !nowhere.is_written());
    }
}
