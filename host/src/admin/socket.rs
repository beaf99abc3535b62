//! The Unix socket in a data directory.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, fchmod};
use socket2::{Domain, SockAddr, Socket, Type};

pub const FILE: &str = "abide.sock";

/// Commands that wait to be heard.
const BACKLOG: i32 = 16;

/// Listens in this directory, where no socket is.
pub fn listen(directory: &Path) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Before it has a name, so that nobody else can reach it even for a moment.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    let place = Place::of(directory)?;
    socket.bind(&SockAddr::unix(&place.path)?)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Connects to whoever listens in this directory. None: nobody does.
pub fn connect(directory: &Path) -> io::Result<Option<UnixStream>> {
    let place = Place::of(directory)?;
    match UnixStream::connect(&place.path) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => match error.kind() {
            // Who was killed leaves a socket at which nobody listens.
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
            _ => Err(error),
        },
    }
}

/// The name of a socket has a hundred bytes or so, and a directory's path may have
/// more: it is named by a descriptor.
struct Place {
    path: PathBuf,
    _directory: File,
}

impl Place {
    fn of(directory: &Path) -> io::Result<Place> {
        let opened = File::open(directory)?;
        let path = match cfg!(target_os = "linux") {
            true => PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd())),
            false => directory.into(),
        };
        Ok(Place {
            path: path.join(FILE),
            _directory: opened,
        })
    }
}
