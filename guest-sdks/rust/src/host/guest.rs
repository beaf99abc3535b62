//! The host, as a component sees it: the generated bindings.
//!
//! Everything here is a plain call of the contract in `wit/`, with this crate's
//! types on the way in and out.

use crate::bindings::durable::object as host;
use crate::bindings::{wit_future, wit_stream};
use crate::host::wire;
use crate::rpc::Payload;
use crate::{Error, Request, Response, Result};
use host::types::{BodyStream, Error as WireError, StorageError};
use wit_bindgen::rt::async_support::{
    FutureReader, FutureWriter, StreamReader, StreamResult, StreamWriter, spawn_local,
};

pub mod state {
    use super::*;
    pub use host::state::{begin_block_concurrency, class_name, forked_from, id, limits, name};

    pub fn abort(reason: Option<&str>, retry_alarm: bool) -> ! {
        host::state::abort(reason, retry_alarm);
        unreachable!("the host returned from abort")
    }

    pub fn end_block_concurrency(section: u64, outcome: Result<(), Error>) {
        let outcome = outcome.map_err(WireError::from);
        host::state::end_block_concurrency(section, outcome.as_ref().map(|&()| ()));
    }
}

pub mod kv {
    use super::*;
    use crate::kv::{Entry, ListOptions};

    pub fn get(key: &str) -> Result<Option<Vec<u8>>> {
        host::kv::get(key).map_err(storage_error)
    }

    pub fn get_many(keys: &[String]) -> Result<Vec<Entry>> {
        host::kv::get_many(keys).map_err(storage_error)
    }

    pub fn list(options: &ListOptions) -> Result<Vec<Entry>> {
        host::kv::list(options).map_err(storage_error)
    }

    pub fn put(key: &str, value: &[u8]) -> Result<()> {
        host::kv::put(key, value).map_err(storage_error)
    }

    pub fn put_many(entries: &[Entry]) -> Result<()> {
        host::kv::put_many(entries).map_err(storage_error)
    }

    pub fn delete(key: &str) -> Result<bool> {
        host::kv::delete(key).map_err(storage_error)
    }

    pub fn delete_many(keys: &[String]) -> Result<u64> {
        host::kv::delete_many(keys).map_err(storage_error)
    }
}

pub mod sql {
    use super::*;
    use crate::sql::Value;
    pub use host::sql::{Rows, close};

    /// A query whose rows are read in parts.
    pub struct Cursor {
        pub id: u64,
        pub columns: Vec<String>,
    }

    pub fn exec(query: &str, params: &[Value]) -> Result<Rows> {
        host::sql::exec(query, params).map_err(storage_error)
    }

    pub fn open(query: &str, params: &[Value]) -> Result<Cursor> {
        let part = host::sql::open(query, params, 0).map_err(storage_error)?;
        let id = part
            .cursor
            .expect("where no rows are read there is a cursor");
        let columns = part.columns;
        Ok(Cursor { id, columns })
    }

    pub fn next(cursor: u64, rows_max: u32) -> Result<Vec<Vec<Value>>> {
        host::sql::next(cursor, rows_max).map_err(storage_error)
    }

    pub fn database_size() -> Result<u64> {
        host::sql::database_size().map_err(storage_error)
    }
}

pub mod transactions {
    use super::*;

    pub fn savepoint() -> Result<u64> {
        host::transactions::savepoint().map_err(storage_error)
    }

    pub fn begin(within: Option<u64>) -> Result<u64> {
        host::transactions::begin(within).map_err(storage_error)
    }

    pub fn commit(number: u64) -> Result<()> {
        host::transactions::commit(number).map_err(storage_error)
    }

    pub fn rollback(number: u64) -> Result<()> {
        host::transactions::rollback(number).map_err(storage_error)
    }
}

pub mod storage {
    use super::*;

    pub fn sync() -> impl Future<Output = Result<()>> {
        let done = host::storage::sync();
        async { done.await.map_err(storage_error) }
    }

    pub fn delete_all() -> Result<()> {
        host::storage::delete_all().map_err(storage_error)
    }
}

pub mod alarms {
    use super::*;

    pub fn get() -> Result<Option<i64>> {
        host::alarms::get().map_err(storage_error)
    }

    pub fn set(time_ms: i64) -> Result<()> {
        host::alarms::set(time_ms).map_err(storage_error)
    }

    pub fn delete() -> Result<()> {
        host::alarms::delete().map_err(storage_error)
    }
}

pub mod websockets {
    use super::*;
    use crate::websocket::{Message, SocketState};
    use host::websockets::{self, AutoResponse};

    pub use websockets::handshake;

    pub fn accept_plain(upgrade: u64) -> Result<u64> {
        websockets::accept_plain(upgrade).map_err(error)
    }

    pub fn ready_state(socket: u64) -> SocketState {
        match websockets::ready_state(socket) {
            websockets::SocketState::Open => SocketState::Open,
            websockets::SocketState::Closing => SocketState::Closing,
            websockets::SocketState::Closed => SocketState::Closed,
        }
    }

    pub fn accept(upgrade: u64, tags: &[String]) -> Result<u64> {
        websockets::accept(upgrade, tags).map_err(error)
    }

    pub fn send(socket: u64, message: &Message) -> Result<()> {
        websockets::send(socket, message).map_err(error)
    }

    pub fn close(socket: u64, code: Option<u16>, reason: &str) -> Result<()> {
        websockets::close(socket, code, reason).map_err(error)
    }

    pub fn list(tag: Option<&str>) -> Result<Vec<u64>> {
        websockets::list(tag).map_err(error)
    }

    pub fn tags(socket: u64) -> Result<Vec<String>> {
        websockets::tags(socket).map_err(error)
    }

    pub fn attachment(socket: u64) -> Result<Option<Vec<u8>>> {
        websockets::attachment(socket).map_err(error)
    }

    pub fn set_attachment(socket: u64, attachment: &[u8]) -> Result<()> {
        websockets::set_attachment(socket, attachment).map_err(error)
    }

    pub fn set_auto_response(pair: Option<(String, String)>) -> Result<()> {
        let pair = pair.map(|(request, response)| AutoResponse { request, response });
        websockets::set_auto_response(pair.as_ref()).map_err(error)
    }

    pub fn get_auto_response() -> Result<Option<(String, String)>> {
        let pair = websockets::get_auto_response().map_err(error)?;
        Ok(pair.map(|pair| (pair.request, pair.response)))
    }

    pub fn auto_response_timestamp(socket: u64) -> Result<Option<i64>> {
        websockets::auto_response_timestamp(socket).map_err(error)
    }

    pub fn set_event_timeout(timeout_ms: Option<u32>) -> Result<()> {
        websockets::set_event_timeout(timeout_ms).map_err(error)
    }

    pub fn get_event_timeout() -> Result<Option<u32>> {
        websockets::get_event_timeout().map_err(error)
    }
}

pub mod stubs {
    use super::*;
    use crate::stub::Target;
    use host::stubs;

    pub fn id_from_name(class: &str, name: &str) -> Result<String> {
        stubs::id_from_name(class, name).map_err(error)
    }

    pub fn new_unique_id(class: &str) -> Result<String> {
        stubs::new_unique_id(class).map_err(error)
    }

    pub fn id_from_string(class: &str, id: &str) -> Result<String> {
        stubs::id_from_string(class, id).map_err(error)
    }

    pub fn fetch(
        class: &str,
        target: &Target,
        request: Request,
    ) -> impl Future<Output = Result<Response>> + use<> {
        let answer = stubs::fetch(class, &wire_target(target), wire::request(request));
        async { wire::into_response(answer.await.map_err(error)?) }
    }

    pub fn call(
        class: &str,
        target: &Target,
        method: &str,
        arguments: Option<Payload>,
    ) -> impl Future<Output = Result<Payload>> + use<> {
        let arguments = arguments.map(wire::payload);
        let answer = stubs::call(class, &wire_target(target), method, arguments);
        async { Ok(wire::into_payload(answer.await.map_err(error)?)) }
    }

    pub fn call_reference(
        theirs: u64,
        method: &str,
        arguments: Option<Payload>,
    ) -> impl Future<Output = Result<Payload>> + use<> {
        let answer = stubs::call_reference(theirs, method, arguments.map(wire::payload));
        async { Ok(wire::into_payload(answer.await.map_err(error)?)) }
    }

    /// Not at once: what is being passed on is dropped here just before the host takes it.
    pub fn release(theirs: u64) {
        spawn_local(async move { stubs::release(theirs) });
    }

    fn wire_target(target: &Target) -> stubs::Target {
        match target {
            Target::Name(name) => stubs::Target::Name(name.clone()),
            Target::Id(id) => stubs::Target::Id(id.clone()),
        }
    }
}

pub mod outbound {
    use super::*;

    pub fn fetch(
        request: Request,
        redirects: crate::Redirects,
    ) -> impl Future<Output = Result<Response>> {
        let redirects = match redirects {
            crate::Redirects::Follow => host::http::Redirects::Follow,
            crate::Redirects::Manual => host::http::Redirects::Manual,
            crate::Redirects::Error => host::http::Redirects::Error,
        };
        let answer = host::http::fetch(wire::request(request), redirects);
        async { wire::into_response(answer.await.map_err(error)?) }
    }
}

pub mod callers {
    use super::*;

    pub fn left(caller: u64) -> impl Future<Output = bool> + use<> {
        host::callers::left(caller).into_future()
    }
}

pub mod timers {
    use super::*;

    pub fn now() -> std::time::SystemTime {
        std::time::SystemTime::now()
    }

    pub fn sleep(duration_ms: u64) -> impl Future<Output = ()> {
        let over = host::timers::sleep(duration_ms);
        async {
            over.await;
        }
    }
}

pub fn spawn(future: impl Future<Output = ()> + 'static) {
    spawn_local(future);
}

/// The reading end of a body.
#[derive(Debug)]
pub struct ByteReader {
    chunks: StreamReader<u8>,
    end: FutureReader<Result<(), WireError>>,
}

impl ByteReader {
    pub fn of(stream: BodyStream) -> Self {
        Self {
            chunks: stream.chunks,
            end: stream.end,
        }
    }

    pub fn into_wire(self) -> BodyStream {
        BodyStream {
            chunks: self.chunks,
            end: self.end,
        }
    }

    /// The next bytes, at most `bytes_max` of them; none after the last ones.
    pub async fn read(&mut self, bytes_max: usize) -> Option<Vec<u8>> {
        loop {
            let (status, bytes) = self.chunks.read(Vec::with_capacity(bytes_max)).await;
            if !bytes.is_empty() {
                return Some(bytes);
            }
            if !matches!(status, StreamResult::Complete(_)) {
                return None;
            }
        }
    }

    /// Whether the last bytes were the body's end.
    pub async fn end(self) -> Result<()> {
        self.end.await.map_err(error)
    }
}

/// The writing end of a body.
#[derive(Debug)]
pub struct ByteWriter {
    chunks: StreamWriter<u8>,
    end: FutureWriter<Result<(), WireError>>,
}

impl ByteWriter {
    /// Says whether the reader took all of it.
    pub async fn write(&mut self, bytes: Vec<u8>) -> bool {
        self.chunks.write_all(bytes).await.is_empty()
    }

    pub fn finish(self, end: Result<()>) {
        let end = self.end.write(end.map_err(WireError::from));
        drop(self.chunks);
        spawn_local(async {
            // A reader need not listen.
            let _ = end.await;
        });
    }
}

pub fn pipe() -> (ByteWriter, ByteReader) {
    let (writer, chunks) = wit_stream::new();
    let (ending, end) = wit_future::new(|| Err(crate::body::broken_off().into()));
    let writer = ByteWriter {
        chunks: writer,
        end: ending,
    };
    (writer, ByteReader { chunks, end })
}

fn error(error: WireError) -> Error {
    let named = Error::named(error.name, error.message).with_flags(error.flags);
    match error.details.as_deref().and_then(wire::status) {
        Some(status) => named.with_status(status),
        None => named,
    }
}

fn storage_error(error: StorageError) -> Error {
    match error {
        StorageError::Invalid(message) => Error::new(message),
        StorageError::Sqlite(error) => Error::sqlite(error.code, error.message),
    }
}

impl From<Error> for WireError {
    fn from(error: Error) -> Self {
        Self {
            name: error.name().to_owned(),
            message: format!("{error:#}"),
            flags: error.flags(),
            details: error.http_status().map(wire::details),
        }
    }
}
