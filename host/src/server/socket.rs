//! The bytes of one connection, in the clear or through TLS; what moves is noted
//! in its vigil.
//!
//! It also finds out whether a client that waits for an answer has left. A client
//! may close its sending half and still read, so the end of its bytes proves
//! nothing. But every answer of HTTP/1 begins with the same letter: it is sent
//! ahead, and whoever has left answers it with a reset.

use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;

use super::vigil::Vigil;

/// What every answer begins with.
const FIRST_LETTER: &[u8] = b"H";

/// When to look for the reset: a round trip later, then ever more rarely.
const PROBE_WAIT_MIN: Duration = Duration::from_millis(20);
const PROBE_WAIT_MAX: Duration = Duration::from_secs(5);

pub struct Socket {
    stream: Stream,
    vigil: Arc<Vigil>,
    probe: Option<Probe>,
}

pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The client has closed its sending half, and the first letter of its answer was
/// sent to see whether it is there.
struct Probe {
    letter_is_due: bool,
    letter_was_sent: bool,
    wait: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl Stream {
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls.get_ref().0,
        }
    }
}

/// Bytes that the system has taken for this socket and its peer has not.
pub fn untaken_bytes(socket: i32) -> i32 {
    let mut bytes = 0;
    // SAFETY: the call writes the number it is given the address of.
    match unsafe { libc::ioctl(socket, libc::TIOCOUTQ, &mut bytes) } {
        0 => bytes,
        _ => 0,
    }
}

impl Socket {
    pub fn new(stream: Stream, vigil: Arc<Vigil>) -> Socket {
        Socket {
            stream,
            vigil,
            probe: None,
        }
    }

    pub fn descriptor(&self) -> i32 {
        self.stream.tcp().as_raw_fd()
    }

    /// Fails when the client that waits for an answer has left.
    fn poll_departure(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.probe.is_none() {
            let tcp = self.stream.tcp();
            // Nobody reads now, so this is the task's own interest.
            if tcp.poll_read_ready(cx)?.is_pending() {
                return Ok(());
            }
            let ready = tcp.ready(Interest::READABLE).now_or_never();
            let has_closed = ready
                .transpose()?
                .is_some_and(|ready| ready.is_read_closed());
            if !has_closed {
                // It has sent the next request ahead.
                return Ok(());
            }
            self.probe = Some(Probe {
                letter_is_due: true,
                letter_was_sent: false,
                wait: PROBE_WAIT_MIN,
                sleep: Box::pin(tokio::time::sleep(PROBE_WAIT_MIN)),
            });
        }
        let Socket { stream, probe, .. } = self;
        let probe = probe.as_mut().expect("just made");
        if probe.letter_is_due
            && let Poll::Ready(count) = Pin::new(&mut *stream).poll_write(cx, FIRST_LETTER)
        {
            probe.letter_is_due = false;
            probe.letter_was_sent = count? > 0;
            let _ = Pin::new(&mut *stream).poll_flush(cx)?;
        }
        while probe.sleep.as_mut().poll(cx).is_ready() {
            if let Some(error) = stream.tcp().take_error()? {
                return Err(error);
            }
            probe.wait = (2 * probe.wait).min(PROBE_WAIT_MAX);
            let next = tokio::time::Instant::now() + probe.wait;
            probe.sleep.as_mut().reset(next);
        }
        Ok(())
    }

    /// What is to be written now, and how much of it was written ahead.
    fn without_letter<'a>(&self, bytes: &'a [u8]) -> (&'a [u8], usize) {
        let was_sent = self
            .probe
            .as_ref()
            .is_some_and(|probe| probe.letter_was_sent);
        match bytes.strip_prefix(FIRST_LETTER) {
            Some(rest) if was_sent => (rest, FIRST_LETTER.len()),
            _ => (bytes, 0),
        }
    }

    fn note(&mut self, wrote: Poll<io::Result<usize>>, ahead: usize) -> Poll<io::Result<usize>> {
        match wrote {
            Poll::Pending => {
                self.vigil.blocked();
                Poll::Pending
            }
            Poll::Ready(Ok(count)) => {
                self.vigil.wrote();
                if ahead > 0 {
                    self.probe = None;
                }
                Poll::Ready(Ok(count + ahead))
            }
            failed => failed,
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.vigil.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let (bytes, ahead) = self.without_letter(bytes);
        let wrote = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(wrote, ahead)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.probe.is_some()
            && let Some(first) = slices.iter().find(|slice| !slice.is_empty())
        {
            return self.poll_write(cx, first);
        }
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.note(wrote, 0)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// HTTP/1 flushes whenever its task runs, also when there is nothing to flush;
    /// that is the occasion to look for the client.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.vigil.awaits_answer() {
            let departure = self.poll_departure(cx);
            departure.map_err(|_| io::Error::new(ErrorKind::BrokenPipe, "the client has left"))?;
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            Stream::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Plain(tcp) => tcp.is_write_vectored(),
            Stream::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
