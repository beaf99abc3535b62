//! How does a test speak through a WebSocket, as a common client does?

use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::{Abide, DEADLINE};

/// What a client buffers; a thousand of them must fit into a test.
const BUFFER_BYTES: usize = 4096;

pub struct WebSocket {
    stream: WebSocketStream<TcpStream>,
    pub response: Response,
}

/// What comes through a WebSocket.
#[derive(Clone, PartialEq, Debug)]
pub enum Said {
    Text(String),
    Binary(Bytes),
    Ping,
    Pong(Bytes),
    /// The code and the reason.
    Close(u16, String),
    /// The connection ended without a Close.
    Gone,
}

impl WebSocket {
    /// Opens a WebSocket, which must be granted.
    pub async fn open(abide: &Abide, path: &str) -> WebSocket {
        WebSocket::try_open(abide, path, &[])
            .await
            .unwrap_or_else(|error| panic!("no WebSocket at {path}: {error}"))
    }

    /// Asks for a WebSocket with more header fields.
    pub async fn try_open(
        abide: &Abide,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<WebSocket, Error> {
        let mut request = format!("ws://{}{path}", abide.address()).into_client_request()?;
        for (name, value) in headers {
            let value = value.parse().expect("a header of a test");
            request.headers_mut().insert(*name, value);
        }
        let tcp = TcpStream::connect(abide.address()).await?;
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .max_message_size(None)
            .max_frame_size(None);
        let opened = client_async_with_config(request, tcp, Some(config));
        let opened = tokio::time::timeout(DEADLINE, opened).await;
        let (stream, response) = opened.expect("an answer to a handshake")?;
        Ok(WebSocket { stream, response })
    }

    pub async fn send(&mut self, text: &str) {
        self.try_send(text).await.expect("the socket is open");
    }

    pub async fn try_send(&mut self, text: &str) -> Result<(), Error> {
        self.say(Message::Text(text.into())).await
    }

    pub async fn send_binary(&mut self, bytes: Vec<u8>) {
        let sent = self.say(Message::Binary(bytes.into())).await;
        sent.expect("the socket is open");
    }

    pub async fn ping(&mut self, payload: &'static [u8]) {
        let sent = self.say(Message::Ping(Bytes::from_static(payload))).await;
        sent.expect("the socket is open");
    }

    pub async fn close(&mut self, code: u16, reason: &str) {
        let frame = CloseFrame {
            code: CloseCode::from(code),
            reason: reason.into(),
        };
        let sent = self.say(Message::Close(Some(frame))).await;
        sent.expect("the socket is open");
    }

    pub async fn close_without_code(&mut self) {
        let sent = self.say(Message::Close(None)).await;
        sent.expect("the socket is open");
    }

    async fn say(&mut self, message: Message) -> Result<(), Error> {
        let sent = tokio::time::timeout(DEADLINE, self.stream.send(message)).await;
        sent.expect("the server takes messages")
    }

    /// What comes next, of messages and Closes.
    pub async fn next(&mut self) -> Said {
        loop {
            match self.next_of_all().await {
                Said::Ping => {}
                said => return said,
            }
        }
    }

    /// What comes next, pings too. They are answered.
    pub async fn next_of_all(&mut self) -> Said {
        let next = tokio::time::timeout(DEADLINE, self.stream.next()).await;
        match next.expect("something comes, or the connection ends") {
            Some(Ok(Message::Text(text))) => Said::Text(text.to_string()),
            Some(Ok(Message::Binary(bytes))) => Said::Binary(bytes),
            Some(Ok(Message::Ping(_))) => Said::Ping,
            Some(Ok(Message::Pong(payload))) => Said::Pong(payload),
            Some(Ok(Message::Close(None))) => Said::Close(1005, String::new()),
            Some(Ok(Message::Close(Some(close)))) => {
                Said::Close(close.code.into(), close.reason.to_string())
            }
            Some(Ok(Message::Frame(_))) => unreachable!("only whole messages come"),
            Some(Err(_)) | None => Said::Gone,
        }
    }

    /// The next text, which must be one.
    #[track_caller]
    pub fn text(&mut self) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            match self.next().await {
                Said::Text(text) => text,
                other => panic!("{caller}: {other:?} instead of a text"),
            }
        }
    }

    /// Sends a text and gives the text that comes next.
    pub async fn ask(&mut self, text: &str) -> String {
        self.send(text).await;
        self.text().await
    }
}
