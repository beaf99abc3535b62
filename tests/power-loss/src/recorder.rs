//! Which file is meant, and what is to be written down about it?
//!
//! Only what lies below one folder counts. Whatever this module itself asks of the
//! disk must not come back to it: see `quietly`.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::Metadata;
use std::os::fd::RawFd;
use std::os::raw::c_int;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use crate::faults::{Faults, Operation};
use crate::record::{FileId, Listing, Record};

/// What the environment asks for.
pub struct Recorder {
    /// `POWER_LOSS_FOLDER`: what is recorded.
    folder: PathBuf,
    /// `POWER_LOSS_LOG`: where the records go.
    log: RawFd,
    /// `POWER_LOSS_FAULTS`: see `faults`.
    control: Option<PathBuf>,
    /// `POWER_LOSS_TRUTH`: a folder of files as they are on the disk, where that differs
    /// from what the kernel holds of them.
    truth: Option<PathBuf>,
    files: Mutex<HashMap<FileId, Known>>,
    syncs: AtomicU64,
}

struct Known {
    /// Relative to the folder; none for a file elsewhere.
    path: Option<String>,
    /// This process has written to the file.
    changed: bool,
    /// Something was written since the last sync that covered the file.
    dirty: bool,
    /// The last sync of everything lost something of this file: as in Linux, the
    /// next sync of the file itself tells so, even if the disk is sound again.
    untold: bool,
}

/// A file or folder below the recorded folder.
pub struct Place {
    /// None for a folder.
    pub file: Option<FileId>,
    pub path: String,
    pub length: u64,
}

pub enum Scope {
    One(Place),
    All,
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` with the recorder unless it is this thread's recorder that asks, or
/// nothing is to be recorded.
pub fn quietly<T>(work: impl FnOnce(&Recorder) -> T) -> Option<T> {
    if QUIET.replace(true) {
        return None;
    }
    // The caller may look at errno for a reason of its own.
    let errno = unsafe { *libc::__errno_location() };
    let result = recorder().map(work);
    unsafe { *libc::__errno_location() = errno };
    QUIET.set(false);
    result
}

fn recorder() -> Option<&'static Recorder> {
    static RECORDER: OnceLock<Option<Recorder>> = OnceLock::new();
    RECORDER.get_or_init(Recorder::from_environment).as_ref()
}

impl Recorder {
    fn from_environment() -> Option<Recorder> {
        let folder = std::env::var_os("POWER_LOSS_FOLDER")?;
        let log = std::env::var("POWER_LOSS_LOG").ok()?;
        let log = std::ffi::CString::new(log).ok()?;
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
        let log =
            unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, log.as_ptr(), flags, 0o644) };
        assert!(log >= 0, "POWER_LOSS_LOG: cannot open the file");
        Some(Recorder {
            folder: PathBuf::from(folder),
            log: log as RawFd,
            control: std::env::var_os("POWER_LOSS_FAULTS").map(PathBuf::from),
            truth: std::env::var_os("POWER_LOSS_TRUTH").map(PathBuf::from),
            files: Mutex::new(HashMap::new()),
            syncs: AtomicU64::new(1),
        })
    }

    pub fn faults(&self) -> Faults {
        Faults::read(self.control.as_ref())
    }

    fn append(&self, record: &Record) {
        let bytes = record.encode();
        let written =
            unsafe { libc::syscall(libc::SYS_write, self.log, bytes.as_ptr(), bytes.len()) };
        // A record that is missing would make the disk look safer or worse than it is.
        assert_eq!(
            written,
            bytes.len() as i64,
            "POWER_LOSS_LOG: cannot append a record"
        );
    }

    /// What an open file is, when it lies below the folder.
    pub fn place(&self, fd: RawFd) -> Option<Place> {
        let metadata = std::fs::metadata(format!("/proc/self/fd/{fd}")).ok()?;
        if metadata.is_dir() {
            return Some(Place {
                file: None,
                path: self.path_of(fd)?,
                length: 0,
            });
        }
        if !metadata.is_file() {
            return None;
        }
        let id = file_id(&metadata);
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let known = files.entry(id).or_insert_with(|| {
            let path = self.path_of(fd);
            if let Some(path) = &path {
                self.append(&Record::Named {
                    file: id,
                    path: path.clone(),
                });
            }
            Known {
                path,
                changed: false,
                dirty: false,
                untold: false,
            }
        });
        Some(Place {
            file: Some(id),
            path: known.path.clone()?,
            length: metadata.len(),
        })
    }

    fn path_of(&self, fd: RawFd) -> Option<String> {
        self.relative(&std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()?)
    }

    /// A path as the records have it; none for one outside.
    pub fn relative(&self, path: &Path) -> Option<String> {
        let path = std::path::absolute(path).ok()?;
        Some(path.strip_prefix(&self.folder).ok()?.to_str()?.to_string())
    }

    pub fn wrote(&self, place: &Place, offset: u64, bytes: Vec<u8>) {
        let Some(file) = place.file else { return };
        self.touch(file);
        self.append(&Record::Written {
            file,
            offset,
            bytes,
        });
    }

    pub fn resized(&self, place: &Place, length: u64) {
        let Some(file) = place.file else { return };
        self.touch(file);
        self.append(&Record::Resized { file, length });
    }

    fn touch(&self, file: FileId) {
        if let Some(known) = self
            .files
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_mut(&file)
        {
            known.changed = true;
            known.dirty = true;
        }
    }

    /// The kernel has dropped what it held of a file: it shows what is on the disk.
    pub fn dropped(&self, place: &Place) {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let known = place.file.and_then(|file| files.get(&file));
        let truth = self.truth.as_ref().map(|folder| folder.join(&place.path));
        if let Some(content) = truth.and_then(|truth| std::fs::read(truth).ok())
            && known.is_some_and(|known| !known.changed)
        {
            std::fs::write(self.folder.join(&place.path), content)
                .expect("POWER_LOSS_TRUTH: cannot show what is on the disk");
        }
    }

    pub fn unlinked(&self, path: String) {
        self.append(&Record::Unlinked { path });
    }

    pub fn renamed(&self, from: String, to: String) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        for known in files.values_mut() {
            if known.path.as_ref() == Some(&from) {
                known.path = Some(to.clone());
            }
        }
        self.append(&Record::Renamed { from, to });
    }

    /// Plays a sync and gives the error it shall fail with.
    pub fn sync(&self, scope: Scope) -> Option<c_int> {
        let sync = self.syncs.fetch_add(1, Ordering::Relaxed);
        let mut listings = Vec::new();
        // What is written from here on is not covered, and may be dirty again.
        let covered = self.clean(&scope);
        match &scope {
            Scope::One(Place {
                file: Some(file), ..
            }) => {
                self.append(&Record::FileSyncBegan { sync, file: *file });
            }
            Scope::One(Place {
                file: None, path, ..
            }) => {
                self.append(&Record::FolderSyncBegan { sync });
                list(&self.folder.join(path), path, Depth::One, &mut listings);
            }
            Scope::All => {
                self.append(&Record::AllSyncBegan { sync });
                list(&self.folder, "", Depth::All, &mut listings);
            }
        }
        for listing in listings {
            self.append(&Record::Listed { sync, listing });
        }
        self.faults().delay_sync();
        while covered.iter().any(|(_, path)| self.faults().hangs(path)) {
            std::thread::sleep(Duration::from_millis(2));
        }
        let faults = self.faults();
        let failed: Vec<_> = covered
            .into_iter()
            .filter_map(|(file, path)| {
                let told = match scope {
                    Scope::One(_) => self.tell(file),
                    Scope::All => None,
                };
                let errno = faults.error(Operation::Sync, &path).or(told)?;
                Some((file, errno))
            })
            .collect();
        let Some((_, errno)) = failed.first() else {
            self.append(&Record::SyncEnded { sync });
            return None;
        };
        let lost: Vec<_> = failed.iter().filter_map(|(file, _)| *file).collect();
        if let Scope::All = scope {
            let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
            for file in &lost {
                if let Some(known) = files.get_mut(file) {
                    known.untold = true;
                }
            }
        }
        self.append(&Record::SyncFailed { sync, lost });
        Some(*errno)
    }

    /// The error that a sync of this file has yet to tell.
    fn tell(&self, file: Option<FileId>) -> Option<c_int> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let known = files.get_mut(&file?)?;
        std::mem::take(&mut known.untold).then_some(libc::EIO)
    }

    /// The files that a sync must write, which are not dirty any more.
    fn clean(&self, scope: &Scope) -> Vec<(Option<FileId>, String)> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        match scope {
            Scope::One(place) => {
                if let Some(known) = place.file.and_then(|file| files.get_mut(&file)) {
                    known.dirty = false;
                }
                vec![(place.file, place.path.clone())]
            }
            Scope::All => files
                .iter_mut()
                .filter_map(|(file, known)| {
                    let was_dirty = std::mem::take(&mut known.dirty);
                    Some((Some(*file), known.path.clone().filter(|_| was_dirty)?))
                })
                .collect(),
        }
    }
}

fn file_id(metadata: &Metadata) -> FileId {
    let born = metadata
        .created()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    FileId {
        inode: metadata.ino(),
        born_ns: born.map_or(0, |born| born.as_nanos() as u64),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Depth {
    One,
    All,
}

fn list(folder: &Path, relative: &str, depth: Depth, listings: &mut Vec<Listing>) {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if metadata.is_dir() {
            if depth == Depth::All {
                let below = if relative.is_empty() {
                    name.clone()
                } else {
                    format!("{relative}/{name}")
                };
                list(&entry.path(), &below, depth, listings);
            }
            entries.push((name, None));
        } else if metadata.is_file() {
            entries.push((name, Some(file_id(&metadata))));
        }
    }
    listings.push(Listing {
        folder: relative.to_string(),
        entries,
    });
}
