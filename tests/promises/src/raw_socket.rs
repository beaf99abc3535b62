//! What does a server do with exactly these frames of a WebSocket?
//!
//! Clients' libraries do not send what they should not; this one does.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Abide, DEADLINE};

pub const CONTINUE: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;
/// The last frame of a message.
pub const FINAL: u8 = 0x80;
/// The first reserved bit: the message is compressed.
pub const SMALL: u8 = 0x40;

/// A bare connection on which WebSocket is spoken.
pub struct RawSocket {
    stream: TcpStream,
    arrived: Vec<u8>,
    /// The head of the answer to the handshake.
    pub head: String,
}

/// A frame that came: its first byte, and its payload.
#[derive(Clone, PartialEq, Debug)]
pub struct Frame {
    pub first: u8,
    pub payload: Vec<u8>,
}

/// A frame as a client sends it.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = head(first, payload.len() as u64);
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    bytes.extend(mask);
    bytes.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}

/// The beginning of a frame that says it has so many bytes, up to its mask.
pub fn head(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..126 => bytes.push(0x80 | length as u8),
        126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes
}

pub fn close(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

impl RawSocket {
    pub async fn open(abide: &Abide, path: &str) -> RawSocket {
        RawSocket::open_with(abide, path, "").await
    }

    /// Opens a WebSocket; `fields` are more lines of the request's head.
    pub async fn open_with(abide: &Abide, path: &str, fields: &str) -> RawSocket {
        let stream = TcpStream::connect(abide.address()).await;
        let mut socket = RawSocket {
            stream: stream.expect("the server takes connections"),
            arrived: Vec::new(),
            head: String::new(),
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             {fields}\r\n"
        );
        socket.send(request).await;
        loop {
            let end = socket.arrived.windows(4).position(|it| it == b"\r\n\r\n");
            if let Some(end) = end {
                let head = socket.arrived.drain(..end + 4).collect::<Vec<_>>();
                socket.head = String::from_utf8_lossy(&head).into_owned();
                assert!(socket.head.starts_with("HTTP/1.1 101 "), "{}", socket.head);
                return socket;
            }
            assert!(socket.read().await, "closed within the handshake");
        }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = tokio::time::timeout(DEADLINE, self.stream.write_all(bytes.as_ref())).await;
        // A server that has closed the connection may miss them.
        let _ = sent.expect("the server reads or closes");
    }

    /// Sends a frame.
    pub async fn frame(&mut self, first: u8, payload: impl AsRef<[u8]>) {
        self.send(frame(first, payload.as_ref())).await;
    }

    /// Sends this again and again for a while, and says how often. The last time takes as
    /// long as it takes.
    pub async fn flood(&mut self, bytes: &[u8], for_: Duration) -> usize {
        let end = tokio::time::Instant::now() + for_;
        let mut times = 0;
        while tokio::time::Instant::now() < end {
            let mut rest = bytes;
            while !rest.is_empty() {
                let written = tokio::time::timeout(DEADLINE, self.stream.write(rest)).await;
                let count = written.expect("the server reads").expect("it is open");
                rest = &rest[count..];
            }
            times += 1;
        }
        times
    }

    async fn read(&mut self) -> bool {
        let read = tokio::time::timeout(DEADLINE, self.stream.read_buf(&mut self.arrived)).await;
        read.expect("the server says something or closes")
            .is_ok_and(|count| count > 0)
    }

    /// The next frame; none when the connection has ended.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.take() {
                return Some(frame);
            }
            if !self.read().await {
                return None;
            }
        }
    }

    /// Does nothing come for so long?
    pub async fn is_silent(&mut self, for_: Duration) -> bool {
        tokio::time::timeout(for_, self.next()).await.is_err()
    }

    fn take(&mut self) -> Option<Frame> {
        let (first, second) = (*self.arrived.first()?, *self.arrived.get(1)?);
        assert!(second < 0x80, "a server does not mask");
        let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | *byte as usize);
        let (length, start) = match second {
            126 => (number(self.arrived.get(2..4)?), 4),
            127 => (number(self.arrived.get(2..10)?), 10),
            short => (short as usize, 2),
        };
        self.arrived.get(start..start + length)?;
        let payload = self.arrived.drain(..start + length).skip(start).collect();
        Some(Frame { first, payload })
    }

    /// Checks that this comes next.
    #[track_caller]
    pub fn expect(&mut self, first: u8, payload: impl AsRef<[u8]>) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let came = self.next().await;
            let payload = payload.as_ref();
            let fits = came
                .as_ref()
                .is_some_and(|came| came.first == first && came.payload == payload);
            assert!(fits, "{caller}: {} came", shown(&came));
        }
    }

    /// Checks that the server closes with this code, and then the connection.
    #[track_caller]
    pub fn expect_close(&mut self, code: u16) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let came = self.next().await;
            let fits = came.as_ref().is_some_and(|came| {
                came.first == FINAL | CLOSE && came.payload.starts_with(&code.to_be_bytes())
            });
            assert!(
                fits,
                "{caller}: {} came instead of a Close {code}",
                shown(&came)
            );
            let after = self.next().await;
            assert!(
                after.is_none(),
                "{caller}: {} came behind the Close",
                shown(&after)
            );
        }
    }
}

fn shown(frame: &Option<Frame>) -> String {
    match frame {
        None => "the end of the connection".into(),
        Some(frame) => {
            let payload = &frame.payload[..frame.payload.len().min(100)];
            format!("{:#x} {:?}", frame.first, String::from_utf8_lossy(payload))
        }
    }
}
