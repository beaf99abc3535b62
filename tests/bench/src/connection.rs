//! How does one keep-alive HTTP/1.1 connection ask and read an answer?
//!
//! The load generator shares the machine with what it measures, so this reads
//! no more of an answer than its status, its length and its body, and allocates
//! nothing per request.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Answers here are a few bytes; more than this is a mistake.
const ANSWER_BYTES_MAX: usize = 1 << 20;

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// How much of the buffer is filled, and how much of that was answered for.
    filled: usize,
    consumed: usize,
    /// The pieces of a chunked body, put together.
    joined: Vec<u8>,
}

struct Head {
    status: u16,
    length: Option<usize>,
    chunked: bool,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            buffer: vec![0; 8192],
            filled: 0,
            consumed: 0,
            joined: Vec::new(),
        })
    }

    /// Sends a whole request, then returns the status and the body of the answer.
    pub async fn ask(&mut self, request: &[u8]) -> Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        self.buffer.copy_within(self.consumed..self.filled, 0);
        self.filled -= self.consumed;
        self.consumed = 0;
        let body_at = self.find(0, b"\r\n\r\n").await? + 4;
        let head = parse_head(&self.buffer[..body_at])?;
        if head.chunked {
            self.join_chunks(body_at).await?;
            return Ok((head.status, &self.joined));
        }
        let end = body_at + head.length.unwrap_or(0);
        self.fill_to(end).await?;
        self.consumed = end;
        Ok((head.status, &self.buffer[body_at..end]))
    }

    async fn join_chunks(&mut self, mut at: usize) -> Result<()> {
        self.joined.clear();
        loop {
            let line_end = self.find(at, b"\r\n").await?;
            let line = std::str::from_utf8(&self.buffer[at..line_end])?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let length =
                usize::from_str_radix(size, 16).with_context(|| format!("chunk size {size:?}"))?;
            let data_at = line_end + 2;
            ensure!(length <= ANSWER_BYTES_MAX, "a chunk of {length} bytes");
            self.fill_to(data_at + length + 2).await?;
            self.joined
                .extend_from_slice(&self.buffer[data_at..data_at + length]);
            at = data_at + length + 2;
            if length == 0 {
                self.consumed = at;
                return Ok(());
            }
        }
    }

    async fn find(&mut self, from: usize, wanted: &[u8]) -> Result<usize> {
        loop {
            let unread = &self.buffer[from.min(self.filled)..self.filled];
            if let Some(at) = unread
                .windows(wanted.len())
                .position(|window| window == wanted)
            {
                return Ok(from + at);
            }
            self.fill_to(self.filled + 1).await?;
        }
    }

    async fn fill_to(&mut self, end: usize) -> Result<()> {
        ensure!(
            end <= ANSWER_BYTES_MAX,
            "an answer of more than {ANSWER_BYTES_MAX} bytes"
        );
        while self.filled < end {
            if self.buffer.len() < end || self.filled == self.buffer.len() {
                self.buffer.resize(end.max(self.buffer.len() * 2), 0);
            }
            match self.stream.read(&mut self.buffer[self.filled..]).await? {
                0 => bail!("the server closed the connection"),
                read => self.filled += read,
            }
        }
        Ok(())
    }
}

fn parse_head(head: &[u8]) -> Result<Head> {
    let text = std::str::from_utf8(head)?;
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first.get(9..12).and_then(|status| status.parse().ok());
    let status = status.with_context(|| format!("not an HTTP/1.1 answer: {first:?}"))?;
    let mut parsed = Head {
        status,
        length: None,
        chunked: false,
    };
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            parsed.length = Some(
                value
                    .trim()
                    .parse()
                    .with_context(|| format!("content-length {value:?}"))?,
            );
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            parsed.chunked = value.trim().eq_ignore_ascii_case("chunked");
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    //! A misread answer would count as served, or its rest as the next answer.
    use super::*;
    use tokio::net::TcpListener;

    /// Serves `answers` as one burst after the first request, and asks for each.
    fn check(answers: &'static [u8], expected: &[(u16, &str)]) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.write_all(answers).await.unwrap();
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
            });
            let mut connection = Connection::open(address).await.unwrap();
            for (status, body) in expected {
                let (got, text) = connection.ask(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
                assert_eq!((got, std::str::from_utf8(text).unwrap()), (*status, *body));
            }
            drop(connection);
            server.await.unwrap();
        });
    }

    #[test]
    fn answers_with_a_length_follow_each_other() {
        check(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 404 Not Found\r\ncontent-length: 3\r\n\r\nno!",
            &[(200, "ok"), (404, "no!")],
        );
    }

    #[test]
    fn chunks_are_put_together() {
        check(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3;x=y\r\n-ok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
            &[(200, "ok-ok"), (200, "x")],
        );
    }

    #[test]
    fn what_is_not_http_is_an_error() {
        assert!(parse_head(b"SSH-2.0-x\r\n\r\n").is_err());
        assert!(parse_head(b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n").is_err());
    }
}
