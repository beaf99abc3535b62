//! What is in a static file, and by which mark is it known?
//!
//! Whoever asks often must not cost much: a mark is remembered for as long as a file
//! stays as it is, so that nothing is read to say that it did. What is read is read by
//! few at a time, and a large file piece by piece.
//!
//! ```text
//! open ─ mark known? ─┬──────────────────────────────► small: read whole
//!                     ├─ small: read whole, digest ──►
//!                     └─ large: wait, digest ────────► read as it is taken
//! ```

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cap_std::fs::Dir;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::clock;
use crate::object::body::BodySource;
use crate::object::error::ObjectError;
use crate::object::log_budget::LogBudget;

/// As at Cloudflare: no static file is larger.
const FILE_BYTES_MAX: u64 = 25 << 20;

/// What is not larger is read whole, the rest in pieces of this size.
pub const PIECE_BYTES: usize = 64 << 10;

/// Files that are looked for or read at once: more do not make a disk faster. Each holds
/// a piece at most.
static READS: Semaphore = Semaphore::const_new(16);

/// Large files that are digested at once: each takes a whole core.
static DIGESTING: Semaphore = Semaphore::const_new(1);

/// Marks that are remembered, at most a megabyte and a half of them.
const KNOWN_MAX: usize = 16 << 10;

/// A file that was changed so lately may change again without a trace: the clock of a
/// file system moves in steps.
const SETTLED: Duration = Duration::from_secs(1);

static KNOWN: LazyLock<Mutex<HashMap<State, Mark>>> = LazyLock::new(Mutex::default);

/// The beginning of a content's digest.
pub type Mark = [u8; 16];

/// What tells a file from another, and from itself after a change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct State {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A file that is to be answered with.
pub struct Source {
    file: File,
    state: State,
    /// What was read of a small one.
    whole: Option<Bytes>,
}

/// What an answer carries.
pub enum Content {
    Bytes(Bytes),
    /// Too large to be held whole; it is read as it is taken.
    Large(Large),
    /// So many bytes that nobody wants to have.
    Unread(u64),
}

pub struct Large {
    file: File,
    bytes: u64,
    modified: (i64, i64),
}

/// Runs what waits for the disk, when it is its turn. Whoever goes away meanwhile waits no
/// more.
pub async fn in_turn<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    blocking(&READS, read).await
}

async fn blocking<T: Send + 'static>(
    turns: &'static Semaphore,
    read: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let turn = turns.acquire().await.ok()?;
    let reading = tokio::task::spawn_blocking(move || {
        let _until_read = turn;
        read()
    });
    reading.await.ok()
}

impl Source {
    /// None: it is not there, or cannot be served.
    pub fn open(dir: &Dir, name: &str) -> Option<Source> {
        let file = dir.open(name).ok()?.into_std();
        let state = State::of(&file.metadata().ok()?);
        if state.bytes > FILE_BYTES_MAX {
            tell(&format!(
                "the static file {name:?} is larger than {FILE_BYTES_MAX} bytes, and not served"
            ));
            return None;
        }
        Some(Source {
            file,
            state,
            whole: None,
        })
    }

    fn is_small(&self) -> bool {
        self.state.bytes <= PIECE_BYTES as u64
    }

    /// The mark, if it is known or soon found.
    pub fn mark(&mut self) -> io::Result<Option<Mark>> {
        if let Some(mark) = self.known() {
            return Ok(Some(mark));
        }
        if !self.is_small() {
            return Ok(None);
        }
        let whole = self.read_whole()?;
        let mark = start_of(Sha256::digest(&whole));
        self.whole = Some(whole);
        self.remember(mark);
        Ok(Some(mark))
    }

    /// The mark of a large file that nobody knows.
    pub async fn find_mark(self) -> Option<(Source, Mark)> {
        let found = blocking(&DIGESTING, move || {
            // Who waited before this may have found it.
            let mark = match self.known() {
                Some(mark) => mark,
                None => self.digest()?,
            };
            io::Result::Ok((self, mark))
        });
        found.await?.ok()
    }

    fn digest(&self) -> io::Result<Mark> {
        let (mut digest, mut piece) = (Sha256::new(), vec![0; PIECE_BYTES]);
        let mut file = &self.file;
        let mut bytes = 0;
        loop {
            let read = file.read(&mut piece)?;
            bytes += read as u64;
            if read == 0 || bytes > FILE_BYTES_MAX {
                break;
            }
            digest.update(&piece[..read]);
        }
        let mark = start_of(digest.finalize());
        self.remember(mark);
        Ok(mark)
    }

    /// What an answer carries, and its mark: another one, if the file changed meanwhile.
    pub fn content(mut self, mark: Mark, is_wanted: bool) -> io::Result<(Content, Mark)> {
        let bytes = self.state.bytes;
        if !is_wanted {
            let bytes = self.whole.map_or(bytes, |whole| whole.len() as u64);
            return Ok((Content::Unread(bytes), mark));
        }
        if let Some(whole) = self.whole.take() {
            return Ok((Content::Bytes(whole), mark));
        }
        if !self.is_small() {
            let large = Large {
                bytes,
                modified: self.state.modified,
                file: self.file,
            };
            return Ok((Content::Large(large), mark));
        }
        let whole = self.read_whole()?;
        let is_same = whole.len() as u64 == bytes && self.state.is_of(&self.file);
        let mark = match is_same {
            true => mark,
            false => start_of(Sha256::digest(&whole)),
        };
        Ok((Content::Bytes(whole), mark))
    }

    fn read_whole(&self) -> io::Result<Bytes> {
        // A byte more, so that the end is seen without another buffer.
        let mut whole = Vec::with_capacity(self.state.bytes as usize + 1);
        let mut file = (&self.file).take(FILE_BYTES_MAX);
        file.read_to_end(&mut whole)?;
        Ok(whole.into())
    }

    fn known(&self) -> Option<Mark> {
        KNOWN.lock().get(&self.state).copied()
    }

    /// Only what was read of a file that has not changed for a while is sure to be what
    /// is in it.
    fn remember(&self, mark: Mark) {
        if !self.state.is_settled() || !self.state.is_of(&self.file) {
            return;
        }
        let mut known = KNOWN.lock();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(self.state, mark);
    }
}

impl State {
    fn of(metadata: &Metadata) -> State {
        State {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    fn is_of(&self, file: &File) -> bool {
        file.metadata().is_ok_and(|it| State::of(&it) == *self)
    }

    fn is_settled(&self) -> bool {
        let since = |(seconds, _): (i64, i64)| {
            let then = UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0) + 1);
            SystemTime::now().duration_since(then).unwrap_or_default()
        };
        since(self.modified).min(since(self.changed)) >= SETTLED
    }
}

fn start_of(digest: impl AsRef<[u8]>) -> Mark {
    let digest = digest.as_ref();
    std::array::from_fn(|at| digest[at])
}

impl Content {
    pub fn nothing() -> Content {
        Content::Bytes(Bytes::new())
    }

    pub fn bytes(&self) -> u64 {
        match self {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Large(large) => large.bytes,
            Content::Unread(bytes) => *bytes,
        }
    }

    /// What of it lies in memory at once.
    pub fn held_bytes(&self) -> usize {
        match self {
            Content::Bytes(bytes) => bytes.len(),
            Content::Large(_) => PIECE_BYTES,
            Content::Unread(_) => 0,
        }
    }
}

impl Large {
    /// All of it, piece by piece. Nobody gets a part of what it was and a part of what it
    /// is.
    pub fn stream(self) -> BodySource {
        let read = async |(large, at): (Large, u64)| {
            if at == large.bytes {
                return Ok(None);
            }
            let reading = in_turn(move || large.piece(at).map(|piece| (piece, large)));
            match reading.await {
                Some(Ok((piece, large))) => {
                    let at = at + piece.len() as u64;
                    Ok(Some((piece, (large, at))))
                }
                failed => {
                    let why = match failed {
                        Some(Err(error)) => format!(": {error}"),
                        _ => String::new(),
                    };
                    tell(&format!("a static file cannot be read any more{why}"));
                    Err(ObjectError::type_error("the file cannot be read any more"))
                }
            }
        };
        Box::pin(futures::stream::try_unfold((self, 0), read))
    }

    fn piece(&self, at: u64) -> io::Result<Bytes> {
        let mut piece = vec![0; PIECE_BYTES.min((self.bytes - at) as usize)];
        self.file.read_exact_at(&mut piece, at)?;
        // Not that it was renamed, or that another was put in its place.
        match State::of(&self.file.metadata()?).modified == self.modified {
            true => Ok(piece.into()),
            false => Err(io::Error::other("it was changed while it was sent")),
        }
    }
}

/// Logs what is wrong with a file. Clients ask for it as often as they like.
fn tell(what: &str) {
    static BUDGET: LazyLock<LogBudget> = LazyLock::new(LogBudget::default);
    match BUDGET.take(what.len(), clock::now_ms()) {
        None => {}
        Some(0) => tracing::warn!("{what}"),
        Some(dropped) => tracing::warn!(
            dropped,
            "{what}; {dropped} lines about static files were dropped"
        ),
    }
}

#[cfg(test)]
mod tests {
    //! A mark is remembered for exactly as long as the content is the same.

    use cap_std::ambient_authority;
    use futures::TryStreamExt;

    use super::*;

    fn open(folder: &tempfile::TempDir, name: &str) -> Source {
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        Source::open(&dir, name).unwrap()
    }

    #[tokio::test]
    async fn a_mark_is_remembered_until_the_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        std::fs::write(&path, vec![b'a'; PIECE_BYTES * 2 + 1]).unwrap();
        let mut young = open(&folder, "large");
        assert!(young.mark().unwrap().is_none(), "it takes a while");
        let (_, first) = young.find_mark().await.unwrap();
        assert!(
            open(&folder, "large").mark().unwrap().is_none(),
            "too young"
        );

        tokio::time::sleep(SETTLED * 2 + Duration::from_millis(100)).await;
        let (source, again) = open(&folder, "large").find_mark().await.unwrap();
        assert_eq!(first, again);
        assert_eq!(open(&folder, "large").mark().unwrap(), Some(first));
        let (content, _) = source.content(first, true).unwrap();
        let Content::Large(large) = content else {
            panic!("it was read whole");
        };
        let pieces: Vec<Bytes> = large.stream().try_collect().await.unwrap();
        let sizes: Vec<_> = pieces.iter().map(Bytes::len).collect();
        assert_eq!(sizes, [PIECE_BYTES, PIECE_BYTES, 1]);

        // Of the same length, and with the same time.
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::write(&path, vec![b'b'; PIECE_BYTES * 2 + 1]).unwrap();
        let file = File::options().append(true).open(&path).unwrap();
        file.set_modified(modified).unwrap();
        assert!(open(&folder, "large").mark().unwrap().is_none());
        let (_, other) = open(&folder, "large").find_mark().await.unwrap();
        assert_ne!(first, other);
    }

    #[tokio::test]
    async fn what_changes_while_it_is_sent_breaks_off_and_what_is_replaced_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        let old = vec![b'a'; PIECE_BYTES * 3];
        for (what, is_whole) in [("rename", true), ("write", false), ("cut", false)] {
            std::fs::write(&path, &old).unwrap();
            let (source, mark) = open(&folder, "large").find_mark().await.unwrap();
            let Content::Large(large) = source.content(mark, true).unwrap().0 else {
                panic!("it was read whole");
            };
            let mut pieces = large.stream();
            let first = pieces.try_next().await.unwrap().unwrap();
            assert_eq!(first.len(), PIECE_BYTES);
            tokio::time::sleep(Duration::from_millis(50)).await;
            match what {
                "rename" => {
                    let other = folder.path().join("other");
                    std::fs::write(&other, vec![b'b'; PIECE_BYTES * 3]).unwrap();
                    std::fs::rename(&other, &path).unwrap();
                }
                "write" => std::fs::write(&path, vec![b'b'; PIECE_BYTES * 3]).unwrap(),
                _ => std::fs::write(&path, "short").unwrap(),
            }
            let rest: Result<Vec<Bytes>, _> = pieces.try_collect().await;
            assert_eq!(rest.is_ok(), is_whole, "{what}");
            let is_old = |piece: &Bytes| piece.iter().all(|byte| *byte == b'a');
            assert!(rest.iter().flatten().all(is_old), "{what}");
        }
    }

    #[test]
    fn nothing_is_read_for_who_wants_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("small"), "abc").unwrap();
        let mut source = open(&folder, "small");
        let mark = source.mark().unwrap().expect("it is small");
        let (content, _) = source.content(mark, false).unwrap();
        assert!(matches!(content, Content::Unread(3)));
        assert_eq!(content.held_bytes(), 0);
        // A mark that is no more true is replaced.
        let source = open(&folder, "small");
        std::fs::write(folder.path().join("small"), "abcd").unwrap();
        let (content, other) = source.content(mark, true).unwrap();
        assert!(matches!(content, Content::Bytes(bytes) if bytes == "abcd"));
        assert_ne!(mark, other);
    }
}
