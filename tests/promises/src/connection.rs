//! What does a server do with exactly these bytes?

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Abide, DEADLINE};

/// A bare TCP connection to a server.
pub struct Connection(TcpStream);

impl Connection {
    pub async fn to(abide: &Abide) -> Connection {
        Connection(
            TcpStream::connect(abide.address())
                .await
                .expect("the server takes connections"),
        )
    }

    /// Sends bytes; a server that has closed the connection may miss them.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = tokio::time::timeout(DEADLINE, self.0.write_all(bytes.as_ref())).await;
        let _ = sent.expect("the server reads or closes");
    }

    /// Everything that the server sends until it closes the connection.
    pub async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(DEADLINE, self.0.read_to_end(&mut bytes)).await;
        // A connection that is reset has said what it had to say.
        let _ = read.unwrap_or_else(|_| {
            panic!(
                "the server does not close: {}",
                String::from_utf8_lossy(&bytes)
            )
        });
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Reads until this text has come.
    pub async fn read_until(&mut self, text: &str) -> String {
        let mut bytes = Vec::new();
        while !String::from_utf8_lossy(&bytes).contains(text) {
            let read = tokio::time::timeout(DEADLINE, self.0.read_buf(&mut bytes)).await;
            let count = read
                .expect("the server answers")
                .expect("the connection holds");
            assert!(
                count > 0,
                "closed before {text:?}: {}",
                String::from_utf8_lossy(&bytes)
            );
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What comes within a while; nothing when the server stays silent.
    pub async fn read_within(&mut self, while_: Duration) -> String {
        let mut bytes = Vec::new();
        let _ = tokio::time::timeout(while_, self.0.read_buf(&mut bytes)).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends a request of which this is the head, and gives all that comes back.
    pub async fn exchange(abide: &Abide, bytes: impl AsRef<[u8]>) -> String {
        let mut connection = Connection::to(abide).await;
        connection.send(bytes).await;
        connection.rest().await
    }
}
