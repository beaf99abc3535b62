//! What is left of a folder when the power fails?
//!
//! A disk replays a recording up to a moment and then knows, of each file and name,
//! what is synced and what is not. Invariants:
//!
//! * What a sync that ended covers is there: it was written, or named, before the sync
//!   began. A sync of a file says nothing of its name.
//! * Of anything else each part may be there or not, in whatever order it was written.
//! * A file that gets shorter does so before it gets any later change.
//! * What a sync failed to write is lost: no later sync brings it back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::record::{FileId, Listing, Record};

/// Which of the things that a power loss may leave.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// What was synced and nothing else.
    Strict,
    /// Some of what was not synced too, drawn from this seed.
    Torn(u64),
}

/// A folder as the kernel and the disk below it know it.
#[derive(Default)]
pub struct Disk {
    files: HashMap<FileId, File>,
    /// Files by path, as a process sees them.
    seen: BTreeMap<String, FileId>,
    /// When a path was last given to a file or taken from it.
    touched: HashMap<String, u64>,
    /// Files by path, as they will be found after a power loss.
    synced: BTreeMap<String, FileId>,
    /// Syncs that have begun.
    open_syncs: HashMap<u64, Sync>,
    /// How many records were replayed, and how many bytes that were.
    time: u64,
    position: usize,
    /// When the listing of a folder was taken that is now safe.
    listed: HashMap<String, u64>,
    syncs_of_all: usize,
}

#[derive(Default)]
struct File {
    /// As a process sees it.
    seen: Vec<u8>,
    synced: Vec<u8>,
    /// What was changed since it was synced, and when.
    unsynced: Vec<(u64, Change)>,
}

#[derive(Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Resize(u64),
}

struct Sync {
    began: u64,
    files: Covered,
    listings: Vec<Listing>,
}

#[derive(PartialEq)]
enum Covered {
    None,
    One(FileId),
    All,
}

impl Disk {
    /// A folder of which everything is synced.
    pub fn of(folder: &Path) -> Disk {
        let mut disk = Disk::default();
        if folder.exists() {
            disk.load(folder, "").expect("the folder can be read");
        }
        disk.synced = disk.seen.clone();
        disk
    }

    /// The same files, which hold this on the disk: what the kernel shows of them is
    /// not what was written.
    pub fn that_holds(mut self, content: &BTreeMap<String, Vec<u8>>) -> Disk {
        for (path, id) in &self.seen {
            if let (Some(content), Some(file)) = (content.get(path), self.files.get_mut(id)) {
                file.synced = content.clone();
            }
        }
        self
    }

    fn load(&mut self, folder: &Path, below: &str) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let path = join(below, &entry.file_name().to_string_lossy());
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                self.load(&entry.path(), &path)?;
            } else if metadata.is_file() {
                let born = metadata
                    .created()?
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                let id = FileId {
                    inode: metadata.ino(),
                    born_ns: born.as_nanos() as u64,
                };
                let content = std::fs::read(entry.path())?;
                self.files.insert(
                    id,
                    File {
                        seen: content.clone(),
                        synced: content,
                        unsynced: Vec::new(),
                    },
                );
                self.seen.insert(path, id);
            }
        }
        Ok(())
    }

    /// Replays a whole recording.
    pub fn replay(self, recording: &[u8]) -> Disk {
        self.replay_until(recording, recording.len() as u64)
    }

    /// Replays a recording from where this disk has got to, up to a position. What
    /// was still being recorded there does not count.
    pub fn replay_until(mut self, recording: &[u8], position: u64) -> Disk {
        while let Some((record, length)) =
            Record::decode(&recording[self.position..position as usize])
        {
            self.time += 1;
            self.position += length;
            self.apply(record);
        }
        self
    }

    /// The moments of a recording at which a file had just been cut to nothing.
    pub fn cuts(recording: &[u8]) -> Vec<u64> {
        let (mut position, mut cuts) = (0, Vec::new());
        while let Some((record, length)) = Record::decode(&recording[position..]) {
            position += length;
            if matches!(record, Record::Resized { length: 0, .. }) {
                cuts.push(position as u64);
            }
        }
        cuts
    }

    fn apply(&mut self, record: Record) {
        match record {
            Record::Named { file, path } => {
                self.files.entry(file).or_default();
                self.touch(path.clone());
                self.seen.insert(path, file);
            }
            Record::Written {
                file,
                offset,
                bytes,
            } => self.change(file, Change::Write(offset, bytes)),
            Record::Resized { file, length } => self.change(file, Change::Resize(length)),
            Record::Unlinked { path } => {
                self.seen.remove(&path);
                self.touch(path);
            }
            Record::Renamed { from, to } => {
                if let Some(file) = self.seen.remove(&from) {
                    self.seen.insert(to.clone(), file);
                }
                self.touch(from);
                self.touch(to);
            }
            Record::FileSyncBegan { sync, file } => self.begin(sync, Covered::One(file)),
            Record::FolderSyncBegan { sync } => self.begin(sync, Covered::None),
            Record::AllSyncBegan { sync } => {
                self.syncs_of_all += 1;
                self.begin(sync, Covered::All);
            }
            Record::Listed { sync, listing } => self.list(sync, listing),
            Record::SyncEnded { sync } => self.end(sync),
            Record::SyncFailed { sync, lost } => self.fail(sync, &lost),
        }
    }

    fn change(&mut self, file: FileId, change: Change) {
        let file = self.files.entry(file).or_default();
        change.apply(&mut file.seen);
        file.unsynced.push((self.time, change));
    }

    fn touch(&mut self, path: String) {
        self.touched.insert(path, self.time);
    }

    fn begin(&mut self, sync: u64, files: Covered) {
        let sync_begun = Sync {
            began: self.time,
            files,
            listings: Vec::new(),
        };
        self.open_syncs.insert(sync, sync_begun);
    }

    /// Takes note of what a folder holds, also of names that the recorder did not
    /// see come or go. What it did see since the sync began is newer.
    fn list(&mut self, sync: u64, listing: Listing) {
        let Some(sync) = self.open_syncs.get_mut(&sync) else {
            return;
        };
        let mut listed = self.seen.clone();
        name(&mut listed, &listing);
        for path in self
            .seen
            .keys()
            .chain(listed.keys())
            .cloned()
            .collect::<BTreeSet<_>>()
        {
            if self
                .touched
                .get(&path)
                .is_some_and(|time| *time > sync.began)
            {
                continue;
            }
            match listed.get(&path) {
                Some(file) => self.seen.insert(path, *file),
                None => self.seen.remove(&path),
            };
        }
        for file in listing.entries.iter().filter_map(|(_, file)| *file) {
            self.files.entry(file).or_default();
        }
        sync.listings.push(listing);
    }

    fn end(&mut self, sync: u64) {
        let Some(sync) = self.open_syncs.remove(&sync) else {
            return;
        };
        match sync.files {
            Covered::None => {}
            Covered::One(file) => self.files.entry(file).or_default().settle(sync.began),
            Covered::All => self
                .files
                .values_mut()
                .for_each(|file| file.settle(sync.began)),
        }
        for listing in &sync.listings {
            // A sync that began later may have ended before.
            let listed = self.listed.entry(listing.folder.clone()).or_default();
            if *listed < sync.began {
                *listed = sync.began;
                name(&mut self.synced, listing);
            }
        }
    }

    fn fail(&mut self, sync: u64, lost: &[FileId]) {
        let Some(sync) = self.open_syncs.remove(&sync) else {
            return;
        };
        for file in lost {
            if let Some(file) = self.files.get_mut(file) {
                file.unsynced.retain(|(time, _)| *time > sync.began);
            }
        }
    }

    /// How many syncs of everything have begun.
    pub fn syncs_of_all(&self) -> usize {
        self.syncs_of_all
    }

    /// The files as a process sees them at this moment.
    pub fn seen(&self) -> BTreeMap<String, Vec<u8>> {
        self.seen
            .iter()
            .map(|(path, id)| (path.clone(), self.files[id].seen.clone()))
            .collect()
    }

    /// Whether the logs of all objects are moved into their databases. The index of
    /// alarms has a log too, which nobody moves.
    pub fn is_folded(&self) -> bool {
        let mut files = self.seen().into_iter();
        files.all(|(path, log)| {
            let is_log = path.ends_with("-wal") && path.contains('/');
            !is_log || log.iter().all(|byte| *byte == 0)
        })
    }

    /// The files that a power loss at this moment leaves.
    pub fn after_power_loss(&self, outcome: Outcome) -> BTreeMap<String, Vec<u8>> {
        let mut chance = match outcome {
            Outcome::Strict => return self.found(&self.synced, |file| file.synced.clone()),
            Outcome::Torn(seed) => StdRng::seed_from_u64(seed),
        };
        let mut names = BTreeMap::new();
        let paths: BTreeSet<_> = self.seen.keys().chain(self.synced.keys()).collect();
        for path in paths {
            let candidates = [self.seen.get(path), self.synced.get(path)];
            if let Some(id) = candidates[chance.random_range(0..2)] {
                names.insert(path.clone(), *id);
            }
        }
        self.found(&names, |file| file.torn(&mut chance))
    }

    fn found(
        &self,
        names: &BTreeMap<String, FileId>,
        mut content: impl FnMut(&File) -> Vec<u8>,
    ) -> BTreeMap<String, Vec<u8>> {
        names
            .iter()
            .filter_map(|(path, id)| Some((path.clone(), content(self.files.get(id)?))))
            .collect()
    }

    /// Writes such files to a folder.
    pub fn write(files: &BTreeMap<String, Vec<u8>>, folder: &Path) {
        std::fs::create_dir_all(folder).expect("the folder can be created");
        for (path, bytes) in files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().expect("a file lies in a folder"))
                .expect("the folder can be created");
            std::fs::write(path, bytes).expect("the file can be written");
        }
    }
}

/// Makes the names in one folder those of a listing.
fn name(names: &mut BTreeMap<String, FileId>, listing: &Listing) {
    let is_listed = |name: &str| listing.entries.iter().any(|(entry, _)| entry == name);
    // What is in a folder that is gone cannot be found any more.
    let goes = |path: &String| {
        let below = match listing.folder.as_str() {
            "" => Some(path.as_str()),
            folder => path
                .strip_prefix(folder)
                .and_then(|it| it.strip_prefix('/')),
        };
        below.is_some_and(|below| match below.split_once('/') {
            Some((folder, _)) => !is_listed(folder),
            None => true,
        })
    };
    names.retain(|path, _| !goes(path));
    for (entry, file) in &listing.entries {
        if let Some(file) = file {
            names.insert(join(&listing.folder, entry), *file);
        }
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_string()
    } else {
        format!("{folder}/{name}")
    }
}

impl File {
    /// Makes safe what was changed before this time.
    fn settle(&mut self, time: u64) {
        let covered = self.unsynced.partition_point(|(at, _)| *at <= time);
        for (_, change) in self.unsynced.drain(..covered) {
            change.apply(&mut self.synced);
        }
    }

    /// What is synced and, by chance, parts of the rest.
    fn torn(&self, chance: &mut StdRng) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        // From "nearly nothing got there" to "nearly everything did".
        let luck = [0.1, 0.5, 0.9, 1.0][chance.random_range(0..4)];
        let block = [512, 4096][chance.random_range(0..2)];
        for (_, change) in &self.unsynced {
            match change {
                Change::Resize(_) if !chance.random_bool(luck) => break,
                Change::Resize(_) => change.apply(&mut bytes),
                Change::Write(offset, written) => {
                    let mut at = 0;
                    while at < written.len() {
                        let position = *offset as usize + at;
                        let length = (block - position % block).min(written.len() - at);
                        if chance.random_bool(luck) {
                            Change::Write(position as u64, written[at..at + length].to_vec())
                                .apply(&mut bytes);
                        }
                        at += length;
                    }
                }
            }
        }
        bytes
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Write(offset, written) => {
                let (begin, end) = (*offset as usize, *offset as usize + written.len());
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[begin..end].copy_from_slice(written);
            }
            Change::Resize(length) => bytes.resize(*length as usize, 0),
        }
    }
}
