//! What does a server do with exactly these frames of HTTP/2?
//!
//! Clients' libraries do not send what they should not; this one does.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Abide, DEADLINE};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;

pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A bare connection of HTTP/2.
pub struct Frames(TcpStream);

#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// A frame as bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Header fields as literals, not compressed.
pub fn fields(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let string = |bytes: &mut Vec<u8>, text: &str| {
        assert!(text.len() < 127, "longer ones are encoded otherwise");
        bytes.push(text.len() as u8);
        bytes.extend(text.as_bytes());
    };
    for (name, value) in pairs {
        bytes.push(0);
        string(&mut bytes, name);
        string(&mut bytes, value);
    }
    bytes
}

impl Frames {
    /// Connects and sends the preface with these settings.
    pub async fn to(abide: &Abide, settings: &[(u16, u32)]) -> Frames {
        let stream = TcpStream::connect(abide.address()).await;
        let mut frames = Frames(stream.expect("the server takes connections"));
        let mut payload = Vec::new();
        for (name, value) in settings {
            payload.extend(name.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        frames.send(PREFACE).await;
        frames.send(frame(SETTINGS, 0, 0, &payload)).await;
        frames
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = tokio::time::timeout(DEADLINE, self.0.write_all(bytes.as_ref())).await;
        let _ = sent.expect("the server reads or closes");
    }

    /// Sends a request; without a body if `ends`.
    pub async fn ask(
        &mut self,
        stream: u32,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        ends: bool,
    ) {
        let mut pairs = vec![
            (":method", method),
            (":scheme", "http"),
            (":authority", "frames.test"),
            (":path", path),
        ];
        pairs.extend(more);
        let flags = END_HEADERS | if ends { END_STREAM } else { 0 };
        self.send(frame(HEADERS, flags, stream, &fields(&pairs)))
            .await;
    }

    /// The next frame; none when the server has closed the connection.
    pub async fn next(&mut self) -> Option<Frame> {
        let next = tokio::time::timeout(DEADLINE, self.read()).await;
        next.expect("the server says something or closes")
    }

    /// The next frame, if it comes in this time.
    pub async fn next_within(&mut self, time: Duration) -> Option<Frame> {
        tokio::time::timeout(time, self.read()).await.ok()?
    }

    async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }

    /// Reads until the server closes the connection.
    pub async fn until_closed(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }

    /// All frames of a stream up to its end.
    pub async fn stream(&mut self, stream: u32) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            let frame = self
                .next()
                .await
                .expect("the stream ends before the connection");
            if frame.stream != stream {
                continue;
            }
            let is_data = frame.kind == DATA || frame.kind == HEADERS;
            let is_last = frame.kind == RST_STREAM || is_data && frame.flags & END_STREAM != 0;
            frames.push(frame);
            if is_last {
                return frames;
            }
        }
    }
}
