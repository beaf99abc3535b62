//! Do objects keep the promises that no example in the documentation shows?

use durable_object::{Body, DurableObject, Error, Request, Response, Result, State};
use durable_object::{response, sleep, spawn, testing};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

/// Polls a future once, then drops it.
async fn poll_and_drop(future: impl Future) {
    let mut future = Box::pin(future);
    poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

#[test]
fn a_transaction_whose_future_is_dropped_is_undone() {
    testing::run(async |state| {
        let storage = state.storage();
        storage.kv().put("a", "before")?;
        poll_and_drop(storage.transaction(async |txn| {
            txn.kv().put("a", "within")?;
            sleep(LONG).await;
            Ok(())
        }))
        .await;
        assert_eq!(storage.kv().get("a")?.unwrap(), b"before");
        // Nothing is left open: this would fail within a transaction.
        storage.delete_all()
    })
    .unwrap();
}

#[test]
fn a_section_whose_future_is_dropped_is_ended() {
    testing::run(async |state| {
        poll_and_drop(state.block_concurrency(async || {
            sleep(LONG).await;
            Ok(())
        }))
        .await;
        // The object in memory refuses to end any but the innermost section.
        state.block_concurrency(async || Ok(())).await
    })
    .unwrap();
}

#[test]
fn a_transaction_covers_kv_sql_and_the_alarm() {
    testing::run(async |state| {
        let storage = state.storage();
        storage.sql().exec("CREATE TABLE t (n)", ())?;
        let undone: Result<()> = storage.transaction_sync(|txn| {
            txn.kv().put("a", "1")?;
            txn.sql().exec("INSERT INTO t VALUES (1)", ())?;
            storage.set_alarm_after(LONG)?;
            Err("no".into())
        });
        assert_eq!(undone, Err(Error::new("no")));
        assert_eq!(storage.kv().get("a")?, None);
        assert_eq!(storage.alarm()?, None);
        let count: i64 = storage.sql().one("SELECT count(*) FROM t", ())?;
        assert_eq!(count, 0);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_writer_waits_for_its_reader() {
    testing::run(async |_| {
        let written = Rc::new(Cell::new(0));
        let count = written.clone();
        let (mut writer, mut body) = Body::channel();
        spawn(async move {
            while writer.write("chunk").await.is_ok() {
                count.set(count.get() + 1);
            }
        });
        sleep(LONG).await;
        assert_eq!(written.get(), 0);
        assert_eq!(body.chunk().await?.unwrap(), "chunk");
        sleep(LONG).await;
        assert_eq!(written.get(), 1);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_body_over_its_limit_is_refused_however_it_comes() {
    testing::run(async |_| {
        let (mut writer, streamed) = Body::channel();
        spawn(async move { while writer.write("1234").await.is_ok() {} });
        assert!(streamed.bytes_up_to(10).await.is_err());
        assert!(Body::from("12345678901").bytes_up_to(10).await.is_err());
        assert_eq!(Body::from("1234567890").bytes_up_to(10).await?.len(), 10);
        Ok(())
    })
    .unwrap();
}

/// Answers with how many events are in flight.
struct Waiting {
    in_flight: Cell<u32>,
    log: RefCell<Vec<u32>>,
}

impl DurableObject for Waiting {
    async fn new(_: State) -> Result<Self> {
        Ok(Self {
            in_flight: Cell::new(0),
            log: RefCell::default(),
        })
    }

    async fn fetch(&self, _: Request) -> Result<Response> {
        self.in_flight.set(self.in_flight.get() + 1);
        self.log.borrow_mut().push(self.in_flight.get());
        sleep(LONG).await;
        self.in_flight.set(self.in_flight.get() - 1);
        Ok(response::text("done"))
    }
}

#[test]
fn events_interleave_at_waits() {
    testing::run(async |state| {
        let object = Rc::new(Waiting::new(state).await?);
        for _ in 0..3 {
            let object = object.clone();
            spawn(async move {
                object.fetch(Request::default()).await.unwrap();
            });
        }
        sleep(2 * LONG).await;
        assert_eq!(*object.log.borrow(), [1, 2, 3]);
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_error_is_named_after_its_type() {
    let check = |error: Error, name: &str| assert_eq!(error.name(), name);
    check("text".into(), "Error");
    check(String::from("text").into(), "Error");
    check(Box::<dyn std::error::Error>::from("text").into(), "Error");
    check(std::io::Error::other("disk").into(), "Error");
    check("x".parse::<bool>().unwrap_err().into(), "ParseBoolError");
    check("x".parse::<f64>().unwrap_err().into(), "ParseFloatError");
}
