//! What a server that stops in order leaves to the next one: which of the snapshots in
//! its data directory are good.
//!
//! ```text
//! leave(): all files of the data directory durable ─► the roll, durable ─► its name
//! take():  the roll is read ─► it loses its name, durably ─► objects may wake
//! ```
//!
//! A snapshot is good once. So the roll is gone before anything is done with it, and
//! whoever is killed leaves none: what the files say then means nothing.

use std::io::{self, ErrorKind, Write};

use cap_std::fs::OpenOptions;
use sha2::{Digest, Sha256};

use super::data_dir::DataDir;
use super::disk;

const FILE: &str = "sleepers.jsonl";
const NEW_FILE: &str = "sleepers.jsonl-new";
/// Behind the last line.
const DIGEST_BYTES: usize = 32;

/// Leaves a roll. Blocks until it is durable, and with it what was written before.
pub fn leave(data: &DataDir, roll: &[u8]) -> io::Result<()> {
    data.require_found()?;
    disk::sync_file_system(&data.open_for_syncfs()?)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    let mut file = data.dir().open_with(NEW_FILE, &options)?.into_std();
    file.write_all(roll)?;
    file.write_all(&Sha256::digest(roll))?;
    disk::sync_file(&file)?;
    data.dir().rename(NEW_FILE, data.dir(), FILE)?;
    disk::sync_directory(data.path())
}

/// Takes the roll that was left, if there is one. Blocks until nobody can find it any
/// more.
pub fn take(data: &DataDir) -> io::Result<Option<Vec<u8>>> {
    let read = read(data);
    match data.dir().remove_file(FILE) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        removed => removed?,
    }
    disk::sync_directory(data.path())?;
    read
}

/// Reads the roll that was left, if there is one, for whoever does not use what it says
/// but may leave another.
pub fn read(data: &DataDir) -> io::Result<Option<Vec<u8>>> {
    let mut roll = match data.dir().read(FILE) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let length = roll.len().saturating_sub(DIGEST_BYTES);
    let digest = roll.split_off(length);
    match digest[..] == Sha256::digest(&roll)[..] {
        true => Ok(Some(roll)),
        false => Err(io::Error::new(
            ErrorKind::InvalidData,
            "its digest is another one",
        )),
    }
}

#[cfg(test)]
mod tests {
    //! A roll is found once, whole or not at all.

    use super::*;

    #[test]
    fn a_roll_is_taken_once_and_only_as_it_was_left() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(folder.path()).unwrap();
        assert_eq!(take(&data).unwrap(), None);
        for roll in [&b"one\n"[..], b""] {
            leave(&data, roll).unwrap();
            assert_eq!(take(&data).unwrap().as_deref(), Some(roll));
            assert_eq!(take(&data).unwrap(), None);
        }
        let path = folder.path().join(FILE);
        type Damage = fn(&mut Vec<u8>);
        let damaged: [Damage; 3] = [
            |bytes| bytes[1] ^= 1,
            |bytes| bytes.truncate(20),
            Vec::clear,
        ];
        for damage in damaged {
            leave(&data, b"some roll").unwrap();
            let mut bytes = std::fs::read(&path).unwrap();
            damage(&mut bytes);
            std::fs::write(&path, bytes).unwrap();
            assert!(take(&data).is_err());
            assert_eq!(take(&data).unwrap(), None);
        }
    }
}
