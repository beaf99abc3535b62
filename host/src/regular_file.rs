//! Reads what a person has written, and waits for nobody: in the place of a file may be
//! a pipe that nobody writes to, or a device that never ends.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// What a file holds. Fails where it is none.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    let mut file: File = match options.open(path) {
        // A socket.
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => return Err(no_file("a socket")),
        opened => opened?,
    };
    let about = file.metadata()?;
    let kind = about.file_type();
    if !kind.is_file() {
        return Err(no_file(match () {
            () if kind.is_dir() => "a folder",
            () if kind.is_fifo() => "a pipe",
            () => "a device",
        }));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The same, where it is text.
pub fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|_| io::Error::other("it is not UTF-8"))
}

fn no_file(what: &str) -> io::Error {
    io::Error::other(format!("it is {what}, and no regular file"))
}

#[cfg(test)]
mod tests {
    //! Whatever is in the place of a file, nobody waits for it.

    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn nothing_but_a_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "text").unwrap();
        std::fs::write(at("bytes"), b"\xff").unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        let pipe = std::ffi::CString::new(at("pipe").to_str().unwrap()).unwrap();
        // SAFETY: a system call with a text that ends.
        assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
        assert_eq!(read_text(&at("file")).unwrap(), "text");
        assert!(
            read_text(&at("bytes"))
                .unwrap_err()
                .to_string()
                .contains("UTF-8")
        );
        for (path, what) in [
            (at("pipe"), "a pipe"),
            (at("socket"), "a socket"),
            (at(""), "a folder"),
            ("/dev/zero".into(), "a device"),
        ] {
            let why = read(&path).unwrap_err().to_string();
            assert_eq!(why, format!("it is {what}, and no regular file"));
        }
        let missing = read(&at("nothing")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
