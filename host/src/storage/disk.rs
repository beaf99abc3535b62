//! How a file, a directory, or all files of a file system are made durable.
//!
//! All of it is asked of the C library, by std and `nix`, and not of the kernel itself
//! as `rustix` would: there the tests record what is asked, and play what a disk does.

use std::fs::File;
use std::io;
use std::path::Path;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

/// Makes the content and the length of a file durable. Its name needs a sync of
/// its directory.
pub fn sync_file(file: &File) -> io::Result<()> {
    file.sync_data()
}

/// Makes the names in a directory durable.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Whether `sync_file_system` reports what could not be written.
///
/// Linux does so since 5.8; before that, and elsewhere, only a sync of each file
/// proves anything.
pub fn can_sync_file_systems() -> bool {
    static ANSWER: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| {
        let release = rustix::system::uname();
        cfg!(target_os = "linux") && reports_errors(&release.release().to_string_lossy())
    });
    *ANSWER
}

fn reports_errors(release: &str) -> bool {
    let mut numbers = release
        .split(|char: char| !char.is_ascii_digit())
        .map_while(|number| number.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= (5, 8)
}

/// Makes everything on the file system of `file` durable.
#[cfg(target_os = "linux")]
pub fn sync_file_system(file: &File) -> io::Result<()> {
    Ok(nix::unistd::syncfs(file)?)
}

/// Elsewhere there is only the sync of all file systems, which reports nothing.
#[cfg(not(target_os = "linux"))]
pub fn sync_file_system(_: &File) -> io::Result<()> {
    nix::unistd::sync();
    Ok(())
}

/// Makes the next read of the first `bytes` of a file come from the disk, or of all of
/// it if that is 0. What is not written yet stays in memory.
pub fn forget_cached(file: &File, bytes: i64) -> io::Result<()> {
    let advice = PosixFadviseAdvice::POSIX_FADV_DONTNEED;
    Ok(posix_fadvise(file, 0, bytes, advice)?)
}

#[cfg(test)]
mod tests {
    //! An old kernel must not be trusted.
    use super::*;

    #[test]
    fn syncfs_counts_from_linux_5_8_on() {
        let check = |release, expected| assert_eq!(reports_errors(release), expected, "{release}");
        check("5.7.19-generic", false);
        check("5.8.0", true);
        check("5.10.0-8-amd64\n", true);
        check("6.18.44-fc", true);
        check("4.19.0", false);
        check("", false);
    }
}
