//! What is left of an instance whose object sleeps, and where: small ones are packed in
//! the memory of the process, as far as there is room, others are in files.
//!
//! Invariants:
//!
//! * It is good once: who takes it uses it up.
//! * It fits only the code, the class, the environment and the interface that it was
//!   made with. That its database is still the same is found out elsewhere.
//! * A file is mapped only when it has no name any more, and nobody else has touched it.

use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use anyhow::{Context as _, Result, bail};
use component_snapshot::runtime::{Check, Packed, Snapshot};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::component::{Component, PACKAGE};
use super::past::Past;
use crate::environment::Environment;
use crate::memory;
use crate::storage::{SnapshotFile, Stamp};
use crate::workers::watch;

/// Larger ones are written to a file without an attempt to pack them.
const UNPACKED_BYTES_MAX: u64 = 256 << 10;
/// What one object may have in the memory of the process: an object in Rust that keeps
/// little takes 3 KB, one in another language some hundred.
const PACKED_BYTES_MAX: usize = 16 << 10;
/// What all have together. A file takes a block of the disk and some 50 µs.
const ALL_PACKED_BYTES_MAX: usize = 64 << 20;

static ALL_PACKED_BYTES: AtomicUsize = AtomicUsize::new(0);

/// An instance that sleeps.
pub struct KeptMemory {
    fits: Fits,
    pub(super) past: Past,
    place: Place,
}

/// What it was made with, as a digest.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fits([u8; 32]);

enum Place {
    Packed(InRoom),
    File(InFile),
}

/// What is known of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Serial(u64);

struct InFile {
    serial: Serial,
    /// None: an earlier process has written it.
    stamp: Option<Stamp>,
}

/// What is known of a file of an earlier process.
#[derive(Clone, Serialize, Deserialize)]
pub struct Record {
    fits: Fits,
    past: Past,
    serial: u64,
}

struct InRoom(Packed);

impl Drop for InRoom {
    fn drop(&mut self) {
        ALL_PACKED_BYTES.fetch_sub(self.0.bytes(), Relaxed);
    }
}

impl InRoom {
    fn new(packed: Packed) -> Option<InRoom> {
        let bytes = packed.bytes();
        let fits = |all: usize| (all + bytes <= ALL_PACKED_BYTES_MAX).then_some(all + bytes);
        let is_small = bytes <= PACKED_BYTES_MAX && memory::is_plenty();
        let taken = is_small
            && ALL_PACKED_BYTES
                .fetch_update(Relaxed, Relaxed, fits)
                .is_ok();
        taken.then_some(InRoom(packed))
    }
}

impl Fits {
    pub fn of(component: &Component, class: &str, environment: &Environment) -> Fits {
        let mut digest = Sha256::new();
        let mut add = |part: &[u8]| {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        };
        add(component.key().as_bytes());
        add(PACKAGE.as_bytes());
        add(class.as_bytes());
        for (name, value) in environment.variables() {
            add(name.as_bytes());
            add(value.as_bytes());
        }
        Fits(digest.finalize().into())
    }
}

impl KeptMemory {
    /// Keeps a snapshot. Blocks when it goes into a file.
    pub(super) fn keep(
        snapshot: &Snapshot,
        fits: Fits,
        past: Past,
        file: &SnapshotFile,
    ) -> Result<KeptMemory> {
        let packed = match snapshot.content_len() <= UNPACKED_BYTES_MAX {
            true => InRoom::new(Packed::new(snapshot)?),
            false => None,
        };
        let place = match packed {
            Some(packed) => Place::Packed(packed),
            None => Place::File(watch::apart(|| InFile::write(snapshot, fits, file))?),
        };
        Ok(KeptMemory { fits, past, place })
    }

    /// Was it made with the same?
    pub fn fits(&self, fits: Fits) -> bool {
        self.fits == fits
    }

    /// The snapshot, which is used up.
    pub(super) fn take(self, file: &SnapshotFile) -> Result<Snapshot> {
        match self.place {
            Place::Packed(packed) => Ok(packed.0.unpack()?),
            Place::File(in_file) => in_file.take(self.fits, file),
        }
    }

    /// The same for an object that is a copy of this one. Blocks.
    pub fn copy(&self, from: &SnapshotFile, to: &SnapshotFile) -> Result<KeptMemory> {
        let snapshot = match &self.place {
            Place::Packed(packed) => packed.0.unpack()?,
            Place::File(in_file) => in_file.open(self.fits, from, from.open()?)?,
        };
        KeptMemory::keep(&snapshot, self.fits, self.past, to)
    }

    /// Gives up what nobody will use.
    pub fn discard(self, file: &SnapshotFile) {
        if let Place::File(_) = self.place {
            file.remove();
        }
    }

    /// Puts into a file what is not in one, so that another process finds it. Blocks.
    pub fn record(self, file: &SnapshotFile) -> Result<Record> {
        let (fits, past) = (self.fits, self.past);
        let in_file = match self.place {
            Place::Packed(packed) => InFile::write(&packed.0.unpack()?, fits, file)?,
            Place::File(in_file) => in_file,
        };
        let serial = in_file.serial.0;
        Ok(Record { fits, past, serial })
    }

    /// What an earlier process has left.
    pub fn of_record(record: Record) -> KeptMemory {
        KeptMemory {
            fits: record.fits,
            past: record.past,
            place: Place::File(InFile {
                serial: Serial(record.serial),
                stamp: None,
            }),
        }
    }
}

impl InFile {
    fn write(snapshot: &Snapshot, fits: Fits, file: &SnapshotFile) -> Result<InFile> {
        let serial = Serial(rand::random());
        let binding = serial.binding(fits, file);
        let stamp = file.replace(|new| snapshot.write(new, &binding));
        let stamp = Some(stamp.context("the snapshot cannot be written")?);
        Ok(InFile { serial, stamp })
    }

    fn take(self, fits: Fits, file: &SnapshotFile) -> Result<Snapshot> {
        let name = file.name().display();
        let taken = file.take().with_context(|| format!("cannot open {name}"))?;
        let mut snapshot = self.open(fits, file, taken)?;
        // SAFETY: the file has lost its name, and nobody writes to one that has had it.
        // The engine allocates memories on demand.
        unsafe { snapshot.map_from_file() };
        Ok(snapshot)
    }

    /// What is in the file, which must be as it was left.
    fn open(
        &self,
        fits: Fits,
        file: &SnapshotFile,
        (opened, stamp): (File, Stamp),
    ) -> Result<Snapshot> {
        let check = match &self.stamp {
            Some(before) if *before == stamp => Check::Head,
            Some(_) => bail!("somebody has touched {}", file.name().display()),
            None => Check::Everything,
        };
        let binding = self.serial.binding(fits, file);
        Ok(Snapshot::read(opened, &binding, check)?)
    }
}

impl Serial {
    /// What a file must say that it belongs to.
    fn binding(self, fits: Fits, file: &SnapshotFile) -> Vec<u8> {
        let name = file.name().as_os_str().as_encoded_bytes();
        [&fits.0, &self.0.to_le_bytes()[..], name].concat()
    }
}
