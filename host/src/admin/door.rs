//! Where a server hears what it is asked.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Answer, Question, socket};
use crate::life::registry::Registry;
use crate::storage::DataDir;
use crate::workers;

/// Questions that are answered at a time; others wait.
const ANSWERING_MAX: usize = 16;
/// Connections at a time, also those that ask nothing; others wait.
const CONNECTIONS_MAX: usize = 128;
/// A question is short: it has a few names.
const QUESTION_BYTES_MAX: u64 = 64 << 10;
/// How long a command may take to ask, which it does at once, and to take its answer.
const TALKING_MAX: Duration = Duration::from_secs(3);
/// How long to wait when no connection can be accepted, for want of descriptors mostly.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// Open as long as this exists.
pub struct Door {
    data: Arc<DataDir>,
    hearing: Option<JoinHandle<()>>,
}

impl Door {
    /// Opens the door of a data directory that this process has locked.
    pub fn open(data: &Arc<DataDir>, registry: &Arc<Registry>) -> Door {
        // What was left by a server that was killed.
        let _ = data.dir().remove_file(socket::FILE);
        let listening = socket::listen(data.path()).and_then(UnixListener::from_std);
        // Whoever still hears when the process ends must not keep the directory open.
        let registry = Arc::downgrade(registry);
        let hearing = listening.map(|listener| workers::spawn(hear(listener, registry)));
        let hearing = hearing.inspect_err(|error| {
            tracing::warn!(
                %error, data = ?data.path(),
                "commands cannot reach this server: it cannot make the socket {}", socket::FILE
            );
        });
        Door {
            data: data.clone(),
            hearing: hearing.ok(),
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Some(hearing) = &self.hearing {
            hearing.abort();
            let _ = self.data.dir().remove_file(socket::FILE);
        }
    }
}

async fn hear(listener: UnixListener, registry: Weak<Registry>) {
    let answering = Arc::new(Semaphore::new(ANSWERING_MAX));
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let connection = connections.clone().acquire_owned().await;
        let connection = connection.expect("nobody closes it");
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let Some(registry) = registry.upgrade() else {
            return;
        };
        let answering = answering.clone();
        workers::spawn(async move {
            if let Err(error) = talk(stream, &registry, &answering).await {
                tracing::debug!(%error, "a command has gone before it had its answer");
            }
            drop(connection);
        });
    }
}

async fn talk(
    stream: UnixStream,
    registry: &Arc<Registry>,
    answering: &Semaphore,
) -> io::Result<()> {
    let (from, mut to) = stream.into_split();
    let mut question = Vec::new();
    let mut from = BufReader::new(from.take(QUESTION_BYTES_MAX));
    timeout(TALKING_MAX, from.read_until(b'\n', &mut question)).await??;
    let permit = answering.acquire().await.expect("nobody closes it");
    let answer = match serde_json::from_slice(&question) {
        Ok(question) => answer(question, registry).await,
        Err(error) => Err(anyhow::anyhow!(
            "the server does not understand what it is asked ({error}); use the abide that serves"
        )),
    };
    drop(permit);
    let answer = answer.unwrap_or_else(|error| Answer::Refused(format!("{error:#}")));
    let mut line = serde_json::to_string(&answer)?;
    line.push('\n');
    timeout(TALKING_MAX, to.write_all(line.as_bytes())).await?
}

async fn answer(question: Question, registry: &Arc<Registry>) -> Result<Answer> {
    match question {
        Question::Fork(wish) => registry.fork(wish).await.map(Answer::Forked),
    }
}
