//! An object: an instance that gets events, sleeps, and wakes.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use component_snapshot::runtime::{Awake, NotNow, Restoring, Saving, Snapshot, Unsaved};
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::join_all;
use wasmtime::component::{
    Access, Accessor, FutureReader, HasSelf, ResourceTable, Source, StreamConsumer, StreamReader,
    StreamResult,
};
use wasmtime::{Result, Store, StoreContextMut};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::bindings::Object as Exports;
use crate::bindings::durable::object::types::{Body, BodyStream, Error, Request};
use crate::bindings::durable::object::{kv, state, timers, types};
use crate::guest::Guest;
use crate::handles::Streams;
use crate::outside::Outside;

/// How often everything that runs is looked at without an answer before time passes.
const PATIENCE: u32 = 30;

/// What an instance sees of its host.
pub struct Host {
    wasi: WasiCtx,
    pub table: ResourceTable,
    outside: Outside,
}

impl Host {
    pub fn new(outside: &Outside) -> Host {
        let mut wasi = WasiCtx::builder();
        wasi.wall_clock(outside.clone())
            .monotonic_clock(outside.clone())
            .secure_random(outside.clone())
            .insecure_random(outside.clone())
            .insecure_random_seed(7);
        Host {
            wasi: wasi.build(),
            table: ResourceTable::new(),
            outside: outside.clone(),
        }
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// What happens to an object.
#[derive(Clone, Debug)]
pub struct Event {
    pub method: &'static str,
    pub path: String,
    /// The chunks of its body. One is given whole, more come as a stream.
    pub body: Vec<Vec<u8>>,
}

/// An object that is awake.
pub struct Object<'a> {
    guest: &'a Guest,
    outside: Outside,
    store: Store<Host>,
    exports: Exports,
    awake: Awake,
}

impl<'a> Object<'a> {
    /// An object that nobody has called before.
    pub async fn start(guest: &'a Guest, outside: &Outside) -> Result<Object<'a>> {
        let (mut store, instance) = guest.instantiate(outside).await?;
        let awake = guest.accessors.start(&mut store, instance).await?;
        let exports = guest.indices.load(&mut store, &instance)?;
        let constructor = exports.durable_object_lifecycle();
        let started = store.run_concurrent(async |accessor| constructor.call_start(accessor).await);
        started
            .await??
            .map_err(|error| wasmtime::format_err!("{}", error.message))?;
        Ok(Object {
            guest,
            outside: outside.clone(),
            store,
            exports,
            awake,
        })
    }

    /// An object that goes on where it was.
    pub async fn wake(
        guest: &'a Guest,
        outside: &Outside,
        snapshot: &Snapshot,
        restoring: Restoring,
    ) -> Result<Object<'a>> {
        let (mut store, instance) = guest.instantiate(outside).await?;
        let awake = guest
            .accessors
            .restore(&mut store, instance, snapshot, &mut Streams, restoring)
            .await?;
        Ok(Object {
            guest,
            outside: outside.clone(),
            exports: guest.indices.load(&mut store, &instance)?,
            store,
            awake,
        })
    }

    /// Delivers events at the same time; their answers, when all that they began has
    /// ended.
    pub async fn deliver(&mut self, events: &[Event]) -> Result<Vec<String>> {
        let (exports, outside) = (&self.exports, &self.outside);
        let work = self.store.run_concurrent(async |accessor| {
            let mut answers = join_all(events.iter().map(|event| answer(accessor, exports, event)));
            let answers = patiently(outside, |cx| answers.poll_unpin(cx)).await;
            patiently(outside, |cx| accessor.poll_no_interesting_tasks(cx)).await;
            answers.into_iter().collect()
        });
        work.await?
    }

    /// Saves the object when it has come to rest.
    pub async fn save(&mut self, saving: Saving<'_>) -> Result<Snapshot, Unsaved> {
        const ATTEMPTS: u32 = 100;
        for _ in 0..ATTEMPTS {
            let accessors = &self.guest.accessors;
            let saved = accessors
                .save(&mut self.store, &self.awake, &mut Streams, saving)
                .await;
            if !matches!(saved, Err(Unsaved::NotNow(NotNow::Busy))) {
                return saved;
            }
            // What the host does for streams takes a while to end.
            self.store
                .run_concurrent(async |_| tokio::task::yield_now().await)
                .await?;
        }
        Err(Unsaved::NotNow(NotNow::Busy))
    }
}

/// Waits until `poll` is ready. Time passes when nothing else happens.
async fn patiently<Output>(
    outside: &Outside,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<Output>,
) -> Output {
    let mut idle = 0;
    poll_fn(|cx| {
        let polled = poll(cx);
        if polled.is_pending() {
            idle += 1;
            if idle % PATIENCE == 0 {
                outside.pass_time();
            }
            cx.waker().wake_by_ref();
        }
        polled
    })
    .await
}

async fn answer(accessor: &Accessor<Host>, exports: &Exports, event: &Event) -> Result<String> {
    let body = match &event.body[..] {
        [] => Body::Empty,
        [whole] => Body::Bytes(whole.clone()),
        chunks => accessor.with(|mut access| streamed(&mut access, chunks.concat()))?,
    };
    let request = Request {
        method: event.method.into(),
        url: format!("http://host/class/name/{}", event.path),
        headers: Vec::new(),
        body,
        upgrade: None,
    };
    let handler = exports.durable_object_fetch_handler();
    let response = match handler.call_fetch(accessor, request, 1).await? {
        Ok(response) => response,
        Err(error) => return Ok(format!("{}: {}", error.name, error.message)),
    };
    let body = match response.body {
        Body::Empty => Vec::new(),
        Body::Bytes(bytes) => bytes,
        Body::Stream(stream) => read(accessor, stream).await?,
    };
    Ok(format!(
        "{} {}",
        response.status,
        String::from_utf8_lossy(&body)
    ))
}

fn streamed(access: &mut Access<'_, Host>, bytes: Vec<u8>) -> Result<Body> {
    Ok(Body::Stream(BodyStream {
        chunks: StreamReader::new(&mut *access, bytes)?,
        end: FutureReader::new(access, async { wasmtime::error::Ok(Ok(())) })?,
    }))
}

async fn read(accessor: &Accessor<Host>, mut stream: BodyStream) -> Result<Vec<u8>> {
    let (whole, done) = oneshot::channel();
    accessor.with(|mut access| {
        let collector = Collector(Vec::new(), Some(whole));
        stream.chunks.pipe(&mut access, collector)?;
        stream.end.close(&mut access)
    })?;
    Ok(done.await?)
}

/// Collects a body, and gives it away when the stream has ended.
struct Collector(Vec<u8>, Option<oneshot::Sender<Vec<u8>>>);

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(whole) = self.1.take() {
            let _ = whole.send(std::mem::take(&mut self.0));
        }
    }
}

impl StreamConsumer<Host> for Collector {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'_, Host>,
        source: Source<'_, u8>,
        _: bool,
    ) -> Poll<Result<StreamResult>> {
        let mut source = source.as_direct(store);
        self.0.extend_from_slice(source.remaining());
        let length = source.remaining().len();
        source.mark_read(length);
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

impl types::Host for Host {}

impl kv::Host for Host {
    fn get(&mut self, key: String) -> Result<Option<Vec<u8>>, types::StorageError> {
        Ok(self.outside.get(&key))
    }

    fn put(&mut self, key: String, value: Vec<u8>) -> Result<(), types::StorageError> {
        self.outside.put(key, value);
        Ok(())
    }

    fn get_many(&mut self, _: Vec<String>) -> Result<Vec<kv::Entry>, types::StorageError> {
        Err(absent())
    }

    fn list(&mut self, _: kv::ListOptions) -> Result<Vec<kv::Entry>, types::StorageError> {
        Err(absent())
    }

    fn put_many(&mut self, _: Vec<kv::Entry>) -> Result<(), types::StorageError> {
        Err(absent())
    }

    fn delete(&mut self, _: String) -> Result<bool, types::StorageError> {
        Err(absent())
    }

    fn delete_many(&mut self, _: Vec<String>) -> Result<u64, types::StorageError> {
        Err(absent())
    }
}

fn absent() -> types::StorageError {
    types::StorageError::Invalid("these tests do without".into())
}

impl state::Host for Host {
    fn id(&mut self) -> String {
        "id".into()
    }

    fn name(&mut self) -> Option<String> {
        None
    }

    fn class_name(&mut self) -> String {
        "class".into()
    }

    fn forked_from(&mut self) -> Option<String> {
        None
    }

    fn limits(&mut self) -> state::ResourceLimits {
        unimplemented!("these tests do without")
    }

    fn abort(&mut self, _: Option<String>, _: bool) {}

    fn begin_block_concurrency(&mut self) -> u64 {
        0
    }

    fn end_block_concurrency(&mut self, _: u64, _: Result<(), Error>) {}
}

impl timers::Host for Host {}

impl timers::HostWithStore<Host> for HasSelf<Host> {
    fn sleep(mut access: Access<'_, Host, Self>, duration_ms: u64) -> FutureReader<u64> {
        let passed = access.get().outside.sleep(duration_ms);
        let future = async move {
            let _ = passed.await; // time passes for everybody in the end
            wasmtime::error::Ok(duration_ms)
        };
        FutureReader::new(access, future).expect("there is room for a future")
    }
}
