//! Opens files that must be regular ones, without waiting for anybody.
//!
//! What somebody has put in the place of a file may be a pipe: to open it would wait
//! until another program does, and to read it, until that writes.

use std::fs::File;
use std::io;
use std::path::Path;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};

/// Opens a file, or fails when it is something else.
pub fn open(dir: &Dir, path: &Path, options: &OpenOptions) -> io::Result<File> {
    let mut options = options.clone();
    options.custom_flags(libc::O_NONBLOCK);
    let file = match dir.open_with(path, &options) {
        // A pipe that nobody reads.
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => return Err(refusal(path)),
        opened => opened?.into_std(),
    };
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(refusal(path)),
    }
}

/// What to say of something that is no regular file.
pub fn refusal(path: &Path) -> io::Error {
    let shown = path.display();
    io::Error::other(format!(
        "{shown} in the data directory is not a regular file; remove what is there"
    ))
}
