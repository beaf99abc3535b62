//! What did the instrumenter add to a component, and under which names?
//!
//! A manifest is text, one fact a line, so that it can be kept beside a compiled
//! component. It also stands in the instrumented component, in a custom section.

use std::fmt;

use crate::VERSION;

/// The custom section of an instrumented component that holds its manifest.
pub(crate) const SECTION: &str = "component-snapshot";

/// What can be reached in an instrumented component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The exports that run the start functions of its modules, in the order in
    /// which they would have run by themselves.
    pub starts: Vec<String>,
    /// The component and those nested in it, as far as they have state.
    pub spaces: Vec<Space>,
}

/// One component instance: it has memories, globals and handles of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// How the names of its exports begin.
    pub prefix: String,
    /// For each memory, the pages of 64 KiB that a fresh instance has.
    pub memories: Vec<u32>,
    /// Mutable globals.
    pub globals: u32,
    /// The imported resource types of which it can hold handles, by interface and
    /// name, for example `wasi:io/streams@0.2.6#output-stream`.
    pub resources: Vec<String>,
}

impl Space {
    /// The export that grows a memory and hands it out.
    pub(crate) fn memory(&self, number: usize) -> String {
        format!("{}-memory{number}", self.prefix)
    }

    /// The export that writes the globals into memory.
    pub(crate) fn save(&self) -> String {
        format!("{}-save", self.prefix)
    }

    /// The export that sets the globals to what is in memory.
    pub(crate) fn load(&self) -> String {
        format!("{}-load", self.prefix)
    }

    /// The export that takes a handle of a type, and tells its index.
    pub(crate) fn fill(&self, resource: usize) -> String {
        format!("{}-fill{resource}", self.prefix)
    }

    /// The export that gives handles of a type away.
    pub(crate) fn take(&self, resource: usize) -> String {
        format!("{}-take{resource}", self.prefix)
    }

    /// All its exports, in the order in which they are made.
    pub(crate) fn exports(&self) -> Vec<String> {
        let memories = (0..self.memories.len()).map(|number| self.memory(number));
        let mut names: Vec<_> = memories.collect();
        if self.globals > 0 {
            names.extend([self.save(), self.load()]);
        }
        for resource in 0..self.resources.len() {
            names.extend([self.fill(resource), self.take(resource)]);
        }
        names
    }
}

impl Manifest {
    /// All exports that were added.
    pub(crate) fn exports(&self) -> Vec<String> {
        let spaces = self.spaces.iter().flat_map(Space::exports);
        self.starts.iter().cloned().chain(spaces).collect()
    }

    /// Reads what [`Manifest`]'s `Display` writes.
    pub fn parse(text: &str) -> Result<Manifest, Malformed> {
        let mut lines = text.lines();
        if lines.next() != Some(&first_line()) {
            return Err(Malformed("another version of the instrumenter wrote it"));
        }
        let mut manifest = Manifest::default();
        for line in lines {
            let (what, value) = line.split_once(' ').ok_or(UNKNOWN_LINE)?;
            match (what, manifest.spaces.last_mut()) {
                ("start", _) => manifest.starts.push(value.into()),
                ("space", _) => manifest.spaces.push(Space {
                    prefix: value.into(),
                    ..Space::default()
                }),
                ("memory", Some(space)) => space.memories.push(number(value)?),
                ("globals", Some(space)) => space.globals = number(value)?,
                ("resource", Some(space)) => space.resources.push(value.into()),
                _ => return Err(UNKNOWN_LINE),
            }
        }
        Ok(manifest)
    }
}

fn first_line() -> String {
    format!("{SECTION} {VERSION}")
}

fn number(text: &str) -> Result<u32, Malformed> {
    text.parse().map_err(|_| Malformed("a number is none"))
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", first_line())?;
        for start in &self.starts {
            writeln!(f, "start {start}")?;
        }
        for space in &self.spaces {
            writeln!(f, "space {}", space.prefix)?;
            for pages in &space.memories {
                writeln!(f, "memory {pages}")?;
            }
            writeln!(f, "globals {}", space.globals)?;
            for resource in &space.resources {
                writeln!(f, "resource {resource}")?;
            }
        }
        Ok(())
    }
}

const UNKNOWN_LINE: Malformed = Malformed("it has a line that no manifest has");

/// A text is no manifest of this version.
#[derive(Debug)]
pub struct Malformed(&'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "this is not the manifest of an instrumented component: {}",
            self.0
        )
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests {
    //! What was written is read again, and nothing else.

    use super::*;

    #[test]
    fn a_manifest_survives_being_written() {
        let manifest = Manifest {
            starts: vec!["snapshot-start0".into()],
            spaces: vec![
                Space {
                    prefix: "snapshot-in1".into(),
                    memories: vec![17, 1],
                    globals: 3,
                    resources: vec!["a:b/c@0.1.0#d".into()],
                },
                Space::default(),
            ],
        };
        assert_eq!(Manifest::parse(&manifest.to_string()).unwrap(), manifest);
    }

    #[test]
    fn another_text_is_refused() {
        let check = |text: &str, reason: &str| {
            let error = Manifest::parse(text).expect_err(text).to_string();
            assert!(error.ends_with(reason), "{error}");
        };
        check("", "another version of the instrumenter wrote it");
        check(
            "component-snapshot 0\n",
            "another version of the instrumenter wrote it",
        );
        let first = first_line();
        check(
            &format!("{first}\nmemory 1\n"),
            "it has a line that no manifest has",
        );
        check(
            &format!("{first}\nspace"),
            "it has a line that no manifest has",
        );
        check(
            &format!("{first}\nspace a\nglobals -1\n"),
            "a number is none",
        );
    }
}
