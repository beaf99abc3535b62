//! `run_worker_first`: which requests does the Worker get even where there is a file?

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerFirst {
    Never,
    Always,
    /// Paths with `*` for anything; those that begin with `!` are exceptions.
    Where(Vec<String>),
}

/// Who is asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Worker,
    /// The files, and the Worker for what is not among them.
    Files,
    /// The files alone.
    FilesAlone,
}

impl WorkerFirst {
    /// Whose turn is it with a path? Exceptions come before all else.
    pub fn turn(&self, path: &str) -> Turn {
        let patterns = match self {
            WorkerFirst::Never => return Turn::Files,
            WorkerFirst::Always => return Turn::Worker,
            WorkerFirst::Where(patterns) => patterns,
        };
        let mut turn = Turn::Files;
        for pattern in patterns {
            match pattern.strip_prefix('!') {
                Some(except) if matches(except, path) => return Turn::FilesAlone,
                None if matches(pattern, path) => turn = Turn::Worker,
                _ => {}
            }
        }
        turn
    }

    /// Is a path that is not there for the files to answer, whoever asks? So it is where
    /// a list says which are the Worker's.
    pub fn leaves_the_rest(&self) -> bool {
        matches!(self, WorkerFirst::Where(_))
    }
}

/// Does a path match a pattern in which `*` stands for anything?
fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = path.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let parts: Vec<_> = parts.collect();
    let Some((last, between)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in between {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    //! The Worker comes first where it says so, and never where it says that it does not.

    use super::*;

    #[test]
    fn the_worker_comes_first_where_it_says_so() {
        let check = |patterns: &[&str], path: &str, expected: Turn| {
            let first = WorkerFirst::Where(patterns.iter().map(|it| (*it).into()).collect());
            assert_eq!(first.turn(path), expected, "{patterns:?} {path}");
        };
        check(&["/api/*"], "/api/x/y", Turn::Worker);
        check(&["/api/*"], "/apis", Turn::Files);
        for patterns in [["/api/*", "!/api/docs/*"], ["!/api/docs/*", "/api/*"]] {
            check(&patterns, "/api/docs/x", Turn::FilesAlone);
            check(&patterns, "/api/x", Turn::Worker);
        }
        check(&["/api/*", "!/zzz*"], "/zzz1", Turn::FilesAlone);
        check(&["/a*c"], "/abc", Turn::Worker);
        check(&["/a*c"], "/abcd", Turn::Files);
        assert_eq!(WorkerFirst::Always.turn("/"), Turn::Worker);
        assert_eq!(WorkerFirst::Never.turn("/"), Turn::Files);
    }
}
