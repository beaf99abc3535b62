//! How does a test record what a server asks of its disk, and make that disk fail?

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::{Site, artifacts};

/// Stands between a server and its data folder; see the crate `power-loss`.
pub struct FlakyDisk {
    folder: TempDir,
    data: PathBuf,
}

impl FlakyDisk {
    pub fn of(site: &Site) -> FlakyDisk {
        std::fs::create_dir_all(site.data()).expect("the data folder can be created");
        let data = site
            .data()
            .canonicalize()
            .expect("the data folder has a path");
        FlakyDisk {
            folder: TempDir::with_prefix("abide-disk-").expect("a folder for a test"),
            data,
        }
    }

    /// Makes a server run on this disk.
    pub fn attach(&self, command: &mut Command) {
        command.env("LD_PRELOAD", artifacts::power_loss());
        command.env("POWER_LOSS_FOLDER", &self.data);
        command.env("POWER_LOSS_LOG", self.log());
        command.env("POWER_LOSS_FAULTS", self.control());
        command.env("POWER_LOSS_TRUTH", self.truth());
    }

    /// Below this folder a test writes files as they are on the disk, when that is not
    /// what the kernel holds of them. A server sees them once the kernel has dropped
    /// what it holds.
    pub fn truth(&self) -> PathBuf {
        self.folder.path().join("truth")
    }

    /// From now on the disk has these faults, one per line.
    pub fn faults(&self, lines: &str) {
        // Replaced at once, so that no request sees half of it.
        let draft = self.folder.path().join("draft");
        std::fs::write(&draft, lines).expect("the faults can be written");
        std::fs::rename(draft, self.control()).expect("the faults can be written");
    }

    /// How far the recording has got; it may be amid a record.
    pub fn position(&self) -> u64 {
        std::fs::metadata(self.log()).map_or(0, |metadata| metadata.len())
    }

    /// All that was recorded.
    pub fn recording(&self) -> Vec<u8> {
        std::fs::read(self.log()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("recording")
    }

    fn control(&self) -> PathBuf {
        self.folder.path().join("faults")
    }
}
