//! Has anybody but the host touched the database of an object that sleeps?
//!
//! The same is asked of an object that rests, awake but with its database closed.
//!
//! The memory of a sleeping object belongs to exactly one content of its database.
//! Commits could be numbered in the database itself, but that would cost a write with
//! each, and a restored copy would bring its number back with it. So the files
//! themselves are asked, when they are closed and before they are opened again:
//!
//! * For the database and its log: inode, length, time of the last write and of the last
//!   change. The last one cannot be set back: whoever writes, truncates, replaces,
//!   restores or copies a file changes it, or the inode.
//! * These times have steps, of 10 ms at most. So where the host itself has written just
//!   before, the bytes are noted too in which every commit leaves a trace: the header of
//!   the database, and those of the log and of its first frames. The log of an object that
//!   sleeps is short, or was just folded to zeros.
//!
//! Folding is the one thing that happens to a database while its object sleeps. It looks
//! whether the imprint fits, and renews it with what it has left. What does not fit stays
//! so. Every other SQLite has to wait meanwhile, see `shut_out`. Somebody who writes to
//! the files without SQLite's locks is found before the log is cut; only what such a one
//! writes within the microseconds between that look and the cut, or before the next look,
//! is not. Where there are no locks of open files (only Linux has them) that holds for
//! another SQLite too.
//!
//! Nothing here is written to the disk, and nothing has to be synced: an imprint is good
//! as long as the process lives, or, written into the roll of a server that stopped in
//! order, until the next server reads it. After a crash there are none. A power loss that
//! takes back what was not synced cannot do harm either: a database is closed, and its
//! imprint taken, only when all of its commits are durable.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::limits::{FRAME_BYTES, FRAME_HEADER_BYTES, LOG_HEADER_BYTES};
use super::object_files::ObjectFiles;

/// The header of a database.
const HEADER_BYTES: u64 = 100;
/// As much of a log as is looked at: more than one has that is not folded.
const LOG_BYTES: u64 = 64 << 10;
/// Much longer than a step of the file system's clock.
const JUST_NOW: Duration = Duration::from_millis(100);

/// What the files of an object were like when the host had last closed them.
#[derive(Clone, Debug, Default)]
pub struct Imprint(Arc<Mutex<Files>>);

/// The files of an object, at one time. By default nothing that files can be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    database: Option<Stamp>,
    log: Option<Stamp>,
    /// Of the bytes that each commit changes, where the stamps are of just now.
    digest: Option<[u8; 16]>,
}

/// What the file system knows of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    inode: u64,
    bytes: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl Imprint {
    /// Takes the imprint of files that nobody has open.
    pub fn take(files: &ObjectFiles) -> io::Result<Imprint> {
        Ok(Imprint::of(Files::look(files)?))
    }

    pub fn of(files: Files) -> Imprint {
        Imprint(Arc::new(Mutex::new(files)))
    }

    pub fn files(&self) -> Files {
        self.0.lock().clone()
    }

    /// Are the files what they were?
    pub fn fits(&self, files: &ObjectFiles) -> bool {
        let before = self.files();
        before.are_still(files).unwrap_or(false)
    }

    /// The host has worked on files that fitted, and left them like this.
    pub fn renew(&self, left: Files) {
        *self.0.lock() = left;
    }
}

impl Files {
    pub fn look(files: &ObjectFiles) -> io::Result<Files> {
        let (database, log) = files.open_to_look()?;
        let stamp = |file: &Option<File>| file.as_ref().map(Stamp::of).transpose();
        let stamps = (stamp(&database)?, stamp(&log)?);
        let is_new = |stamp: &Option<Stamp>| stamp.as_ref().is_some_and(Stamp::is_of_just_now);
        let digest = match is_new(&stamps.0) || is_new(&stamps.1) {
            true => Some(digest(database, log)?),
            false => None,
        };
        Ok(Files {
            database: stamps.0,
            log: stamps.1,
            digest,
        })
    }

    /// Has nobody touched them?
    pub fn are_still(&self, files: &ObjectFiles) -> io::Result<bool> {
        let (database, log) = files.open_to_look()?;
        for (file, before) in [(&database, &self.database), (&log, &self.log)] {
            if file.as_ref().map(Stamp::of).transpose()? != *before {
                return Ok(false);
            }
        }
        match self.digest {
            Some(before) => Ok(digest(database, log)? == before),
            None => Ok(true),
        }
    }
}

/// Of the header of a database, of its log's, and of those of the log's frames, which
/// hold checksums of all that stands before.
fn digest(database: Option<File>, log: Option<File>) -> io::Result<[u8; 16]> {
    let mut digest = Sha256::new();
    let mut content = Vec::with_capacity(LOG_BYTES as usize);
    if let Some(database) = database {
        database.take(HEADER_BYTES).read_to_end(&mut content)?;
        digest.update(&content);
    }
    content.clear();
    if let Some(log) = log {
        log.take(LOG_BYTES).read_to_end(&mut content)?;
        let (header, frames) = content.split_at(content.len().min(LOG_HEADER_BYTES as usize));
        digest.update(header);
        for frame in frames.chunks(FRAME_BYTES as usize) {
            digest.update(&frame[..frame.len().min(FRAME_HEADER_BYTES as usize)]);
        }
    }
    let digest = digest.finalize();
    Ok(digest[..16].try_into().expect("it has 32 bytes"))
}

impl Stamp {
    /// What the file system knows of this file now.
    pub fn of(file: &File) -> io::Result<Stamp> {
        let metadata = file.metadata()?;
        Ok(Stamp {
            inode: metadata.ino(),
            bytes: metadata.len(),
            written: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Might another change have the same time? One of the future might too: the clock
    /// was set back.
    fn is_of_just_now(&self) -> bool {
        let (seconds, nanos) = self.changed;
        let changed = UNIX_EPOCH
            + Duration::new(seconds.max(0).cast_unsigned(), 0)
            + Duration::from_nanos(nanos.max(0).cast_unsigned());
        !changed.elapsed().is_ok_and(|ago| ago > JUST_NOW)
    }
}

#[cfg(test)]
mod tests {
    //! Every way to touch a file shows, and looking does not.

    use std::path::Path;

    use super::*;
    use crate::storage::DataDir;

    /// Touches files of which the imprint was taken at once, and some time later.
    fn check(what: &str, touch: impl Fn(&Path, &Path)) {
        for later in [Duration::ZERO, JUST_NOW + Duration::from_millis(50)] {
            let folder = tempfile::tempdir().unwrap();
            let data = DataDir::open(folder.path()).unwrap();
            let files = data.object("c", "abcd").unwrap();
            files.create().unwrap();
            files.open_wal().unwrap().set_len(8192).unwrap();
            std::thread::sleep(later);
            let imprint = Imprint::take(&files).unwrap();
            assert!(later.is_zero() || imprint.files().digest.is_none());
            assert!(imprint.fits(&files), "{what}");
            let again = Imprint::of(
                serde_json::from_str(&serde_json::to_string(&imprint.files()).unwrap()).unwrap(),
            );
            assert!(again.fits(&files), "{what}");
            let (database, log) = (files.database_path(), files.database_path());
            touch(&database, &log.with_extension("sqlite-wal"));
            assert!(!imprint.fits(&files), "{what}");
            imprint.renew(Files::look(&files).unwrap());
            assert!(imprint.fits(&files), "{what}");
        }
    }

    #[test]
    fn whoever_touches_a_file_changes_the_imprint() {
        use std::os::unix::fs::FileExt;
        let open = |path: &Path| File::options().write(true).open(path).unwrap();
        check("the same bytes written over", |database, _| {
            let bytes = std::fs::read(database).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
            open(database).write_all_at(&bytes, 0).unwrap();
        });
        check("a commit in the log, at once", |_, log| {
            open(log).write_all_at(b"frame", 40).unwrap();
        });
        check("a change of the header, at once", |database, _| {
            open(database).write_all_at(&[9], 27).unwrap();
        });
        check("a log that was removed", |_, log| {
            std::fs::remove_file(log).unwrap()
        });
        check("another file in its place", |database, _| {
            let aside = database.with_extension("aside");
            std::fs::copy(database, &aside).unwrap();
            std::fs::rename(&aside, database).unwrap();
        });
        check("a database that was removed", |database, _| {
            std::fs::remove_file(database).unwrap();
        });
    }
}
