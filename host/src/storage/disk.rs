//! How a file, or all files of a file system, are made durable.

use std::fs::File;
use std::io;

/// Whether `sync_file_system` reports what could not be written.
///
/// Linux does so since 5.8; before that, and elsewhere, only a sync of each file
/// proves anything.
pub fn can_sync_file_systems() -> bool {
    static ANSWER: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| {
        cfg!(target_os = "linux")
            && std::fs::read_to_string("/proc/sys/kernel/osrelease")
                .is_ok_and(|release| reports_errors(&release))
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
    use std::os::fd::AsRawFd;
    // SAFETY: the descriptor is open while `file` is borrowed.
    match unsafe { libc::syncfs(file.as_raw_fd()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Elsewhere there is only the sync of all file systems, which reports nothing.
#[cfg(not(target_os = "linux"))]
pub fn sync_file_system(_: &File) -> io::Result<()> {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::sync() };
    Ok(())
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
