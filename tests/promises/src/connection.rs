//! What does a server do with exactly these bytes?

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Abide, DEADLINE};

/// A bare TCP connection to a server.
pub struct Connection(TcpStream);

impl Connection {
    pub async fn to(abide: &Abide) -> Connection {
        Connection::to_address(abide.address()).await
    }

    pub async fn to_address(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).await;
        Connection(stream.expect("the server takes connections"))
    }

    /// Sends bytes; a server that has closed the connection may miss them.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = tokio::time::timeout(DEADLINE, self.0.write_all(bytes.as_ref())).await;
        let _ = sent.expect("the server reads or closes");
    }

    /// Says that nothing more will be sent; the answer may still come.
    pub async fn close_sending(&mut self) {
        let _ = self.0.shutdown().await;
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

    /// Is the connection still there? What has come meanwhile is dropped.
    pub async fn is_open(&mut self) -> bool {
        let mut bytes = [0; 4096];
        loop {
            match self.0.try_read(&mut bytes) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
            }
        }
    }

    /// Reads at most so many bytes, and says how many came.
    pub async fn read_some(&mut self, count_max: usize) -> usize {
        let mut bytes = vec![0; count_max];
        let mut count = 0;
        while count < count_max {
            let read = tokio::time::timeout(DEADLINE, self.0.read(&mut bytes[count..])).await;
            match read
                .expect("the server answers")
                .expect("the connection holds")
            {
                0 => break,
                more => count += more,
            }
        }
        count
    }

    /// Sends a request of which this is the head, and gives all that comes back.
    pub async fn exchange(abide: &Abide, bytes: impl AsRef<[u8]>) -> String {
        let mut connection = Connection::to(abide).await;
        connection.send(bytes).await;
        connection.rest().await
    }
}
