//! Which way of making a group durable takes less time on this disk.
//!
//! A sync of the whole file system is one request for any number of files, but it
//! also writes what other programs have left there. How long each way takes is
//! measured, per size of group, and the quicker one is used. From time to time the
//! other is tried: what it takes may have changed.
//!
//! This module decides and performs no I/O.

/// How a group becomes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A sync of each file, several at a time.
    Files,
    /// One sync of the file system.
    FileSystem,
}

/// The way that is not the quickest is tried when it costs no more than this part of
/// the time that was spent since it was tried last.
const TRIAL_SHARE: f64 = 0.02;

/// What a sync of the file system is thought to take before it was ever tried.
const FIRST_GUESS_US: f64 = 1000.0;

/// How much one measurement says about the next.
const WEIGHT: f64 = 0.2;

/// The same for a way that is seldom measured.
const TRIAL_WEIGHT: f64 = 0.5;

/// Sizes that differ by less than a factor of two count as one.
const SIZES: usize = 12;

#[derive(Debug, Default)]
pub struct SyncCosts {
    sizes: [Size; SIZES],
}

#[derive(Clone, Copy, Debug, Default)]
struct Size {
    files_us: Option<f64>,
    file_system_us: Option<f64>,
    /// Time spent since the slower way was tried.
    spent_us: f64,
}

impl SyncCosts {
    /// The way for a group that needs so many syncs of files.
    pub fn choose(&self, syncs: usize) -> Way {
        if syncs <= 1 {
            return Way::Files;
        }
        let size = self.sizes[index(syncs)];
        let file_system_us = size.file_system_us.unwrap_or(FIRST_GUESS_US);
        let (quicker, slower, slower_us) = match size.files_us {
            None => return Way::Files,
            Some(files_us) if size.file_system_us.is_none() || files_us < file_system_us => {
                (Way::Files, Way::FileSystem, file_system_us)
            }
            Some(files_us) => (Way::FileSystem, Way::Files, files_us),
        };
        if size.spent_us * TRIAL_SHARE >= slower_us {
            slower
        } else {
            quicker
        }
    }

    /// Takes note of what a group took.
    pub fn measured(&mut self, syncs: usize, way: Way, took_us: f64) {
        let size = &mut self.sizes[index(syncs)];
        let (known, other) = match way {
            Way::Files => (&mut size.files_us, size.file_system_us),
            Way::FileSystem => (&mut size.file_system_us, size.files_us),
        };
        let was_slower = known.unwrap_or(f64::MAX) > other.unwrap_or(f64::MAX);
        let weight = if was_slower { TRIAL_WEIGHT } else { WEIGHT };
        *known = Some(known.map_or(took_us, |known| known + weight * (took_us - known)));
        if was_slower {
            size.spent_us = 0.0;
        } else {
            size.spent_us += took_us;
        }
    }
}

fn index(syncs: usize) -> usize {
    (syncs.max(1).ilog2() as usize).min(SIZES - 1)
}

#[cfg(test)]
mod tests {
    //! Disks on which one way or the other is quicker, and one that changes.
    use super::*;

    /// Syncs groups of one size on a disk of such costs; how often each way was taken.
    fn sync(
        costs: &mut SyncCosts,
        groups: usize,
        files_us: f64,
        file_system_us: f64,
    ) -> [usize; 2] {
        let mut taken = [0, 0];
        for _ in 0..groups {
            let way = costs.choose(40);
            let (index, took_us) = match way {
                Way::Files => (0, files_us),
                Way::FileSystem => (1, file_system_us),
            };
            taken[index] += 1;
            costs.measured(40, way, took_us);
        }
        taken
    }

    #[test]
    fn one_file_is_synced_by_itself() {
        let mut costs = SyncCosts::default();
        for _ in 0..1000 {
            assert_eq!(costs.choose(1), Way::Files);
            costs.measured(1, Way::Files, 1e6);
        }
    }

    #[test]
    fn the_quicker_way_is_used() {
        let [files, file_system] = sync(&mut SyncCosts::default(), 1000, 4000.0, 2000.0);
        assert!(file_system > 900, "{files} {file_system}");
        let [files, file_system] = sync(&mut SyncCosts::default(), 1000, 2000.0, 4000.0);
        assert!(files > 900, "{files} {file_system}");
    }

    #[test]
    fn a_way_that_takes_for_ever_is_hardly_ever_tried() {
        let [_, file_system] = sync(&mut SyncCosts::default(), 1000, 1000.0, 1e6);
        assert_eq!(file_system, 1);
    }

    #[test]
    fn a_change_of_the_disk_is_noticed() {
        let mut costs = SyncCosts::default();
        sync(&mut costs, 1000, 2000.0, 9000.0);
        let [files, file_system] = sync(&mut costs, 3000, 2000.0, 500.0);
        assert!(file_system > 2000, "{files} {file_system}");
    }
}
