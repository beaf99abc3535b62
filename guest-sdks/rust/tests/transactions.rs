//! Which transactions lie in each other, and which wait for each other?

use durable_object::{Result, State, Transaction, sleep, spawn, testing, timeout};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(10);
const LONG: Duration = Duration::from_secs(5);

/// Runs two futures beside each other.
async fn join<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut a_is, mut b_is) = (None, None);
    poll_fn(move |cx| {
        if a_is.is_none()
            && let Poll::Ready(value) = a.as_mut().poll(cx)
        {
            a_is = Some(value);
        }
        if b_is.is_none()
            && let Poll::Ready(value) = b.as_mut().poll(cx)
        {
            b_is = Some(value);
        }
        match (a_is.take(), b_is.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (a_is, b_is) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

/// Polls a future once; it must have to wait.
async fn poll_once(future: &mut Pin<Box<dyn Future<Output = Result<()>> + '_>>) {
    poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

/// Puts a key, waits, and ends as told.
async fn put(txn: &Transaction, key: &str, wait: Duration, end: Result<()>) -> Result<()> {
    txn.kv().put(key, "")?;
    sleep(wait).await;
    end
}

fn keys(state: &State) -> Result<String> {
    let all = state.storage().kv().list(Default::default())?;
    let keys: Vec<_> = all.into_iter().map(|entry| entry.key).collect();
    Ok(keys.join(" "))
}

#[test]
fn two_beside_each_other_do_not_share_their_end() {
    testing::run(async |state| {
        let storage = state.storage();
        let (a, b) = join(
            storage.transaction(async |txn| put(txn, "a", SHORT, Err("no".into())).await),
            storage.transaction(async |txn| put(txn, "b", LONG, Ok(())).await),
        )
        .await;
        assert_eq!(a.unwrap_err().message(), "no");
        b?;
        assert_eq!(keys(&state)?, "b");
        storage.delete_all()
    })
    .unwrap();
}

#[test]
fn two_beside_each_other_each_see_what_the_other_has_kept() {
    testing::run(async |state| {
        let storage = state.storage();
        let add = async |txn: &Transaction| {
            let n = txn.kv().get_as::<u64>("n")?.unwrap_or(0);
            sleep(SHORT).await;
            txn.kv().put_as("n", &(n + 1))
        };
        let (a, b) = join(storage.transaction(add), storage.transaction(add)).await;
        a.and(b)?;
        assert_eq!(storage.kv().get_as("n")?, Some(2));
        Ok(())
    })
    .unwrap();
}

#[test]
fn one_that_work_begins_lies_in_it() {
    testing::run(async |state| {
        let storage = state.storage();
        let undone: Result<()> = storage
            .transaction(async |_| {
                sleep(SHORT).await;
                storage
                    .transaction(async |txn| put(txn, "inner", SHORT, Ok(())).await)
                    .await?;
                Err("no".into())
            })
            .await;
        assert!(undone.is_err());
        assert_eq!(keys(&state)?, "");
        storage
            .transaction(async |outer| {
                outer.kv().put("outer", "")?;
                let inner = storage
                    .transaction(async |txn| put(txn, "inner", SHORT, Err("no".into())).await)
                    .await;
                assert!(inner.is_err());
                storage
                    .transaction(async |txn| put(txn, "later", SHORT, Ok(())).await)
                    .await
            })
            .await?;
        assert_eq!(keys(&state)?, "later outer");
        storage.delete_all()
    })
    .unwrap();
}

#[test]
fn two_within_one_do_not_share_their_end() {
    testing::run(async |state| {
        let storage = state.storage();
        storage
            .transaction(async |_| {
                let (a, b) = join(
                    storage.transaction(async |txn| put(txn, "a", SHORT, Err("no".into())).await),
                    storage.transaction(async |txn| put(txn, "b", LONG, Ok(())).await),
                )
                .await;
                assert!(a.is_err());
                b
            })
            .await?;
        assert_eq!(keys(&state)?, "b");
        let undone: Result<()> = storage
            .transaction(async |_| {
                let c = storage.transaction(async |txn| put(txn, "c", SHORT, Ok(())).await);
                let d = storage.transaction(async |txn| put(txn, "d", SHORT, Ok(())).await);
                let (c, d) = join(c, d).await;
                c.and(d)?;
                assert_eq!(keys(&state)?, "b c d");
                Err("no".into())
            })
            .await;
        assert!(undone.is_err());
        assert_eq!(keys(&state)?, "b");
        storage.delete_all()
    })
    .unwrap();
}

#[test]
fn they_begin_in_the_order_in_which_they_asked() {
    let order = Rc::new(RefCell::new(String::new()));
    testing::run(async |state| {
        for (name, wait) in [("a", LONG), ("b", SHORT), ("c", SHORT)] {
            let (state, order) = (state.clone(), order.clone());
            spawn(async move {
                for round in ["1", "2"] {
                    let work = async |_: &Transaction| {
                        order.borrow_mut().push_str(&format!("{name}{round}( "));
                        sleep(wait).await;
                        order.borrow_mut().push_str(") ");
                        Ok(())
                    };
                    state.storage().transaction(work).await.unwrap();
                }
            });
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(*order.borrow(), "a1( ) b1( ) c1( ) a2( ) b2( ) c2( ) ");
}

#[test]
fn one_that_is_spawned_by_work_does_not_lie_in_it() {
    testing::run(async |state| {
        let storage = state.storage();
        let undone: Result<()> = storage
            .transaction(async |txn| {
                txn.kv().put("work", "")?;
                spawn(async move {
                    let work = async |txn: &Transaction| put(txn, "spawned", SHORT, Ok(())).await;
                    storage.transaction(work).await.unwrap();
                });
                sleep(LONG).await;
                assert_eq!(keys(&state)?, "work");
                Err("no".into())
            })
            .await;
        assert!(undone.is_err());
        sleep(LONG).await;
        assert_eq!(keys(&state)?, "spawned");
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_next_one_begins_when_the_future_before_is_dropped() {
    testing::run(async |state| {
        let storage = state.storage();
        let ran = Rc::new(Cell::new(false));
        let mut open: Pin<Box<dyn Future<Output = Result<()>>>> =
            Box::pin(storage.transaction(async |txn| put(txn, "open", LONG, Ok(())).await));
        poll_once(&mut open).await;
        let mut queued: Pin<Box<dyn Future<Output = Result<()>>>> =
            Box::pin(storage.transaction(async |txn| put(txn, "queued", LONG, Ok(())).await));
        poll_once(&mut queued).await;
        let has_run = ran.clone();
        spawn(async move {
            let work = async |txn: &Transaction| put(txn, "last", SHORT, Ok(())).await;
            storage.transaction(work).await.unwrap();
            has_run.set(true);
        });
        sleep(SHORT).await;
        drop(open);
        sleep(SHORT).await;
        assert!(!ran.get(), "the one that asked before goes first");
        drop(queued);
        sleep(LONG).await;
        assert!(ran.get());
        assert_eq!(keys(&state)?, "last");
        storage.delete_all()
    })
    .unwrap();
}

#[test]
fn the_next_one_begins_when_work_has_rolled_back() {
    testing::run(async |state| {
        let storage = state.storage();
        let (a, b) = join(
            storage.transaction(async |txn| {
                txn.kv().put("a", "")?;
                sleep(SHORT).await;
                txn.rollback()?;
                sleep(LONG).await;
                // It lies in no other, so it waits for the one beside.
                storage
                    .transaction(async |txn| put(txn, "c", SHORT, Ok(())).await)
                    .await
            }),
            storage.transaction(async |txn| put(txn, "b", 2 * LONG, Err("no".into())).await),
        )
        .await;
        a?;
        assert!(b.is_err());
        assert_eq!(keys(&state)?, "c");
        storage.delete_all()
    })
    .unwrap();
}

#[test]
fn one_given_away_by_work_is_undone_with_it() {
    testing::run(async |state| {
        let storage = state.storage();
        let given_away = RefCell::new(None);
        let outer = storage.transaction(async |txn| {
            txn.kv().put("outer", "")?;
            let mut inner: Pin<Box<dyn Future<Output = Result<()>>>> =
                Box::pin(storage.transaction(async |txn| put(txn, "inner", SHORT, Ok(())).await));
            poll_once(&mut inner).await;
            given_away.replace(Some(inner));
            Ok(())
        });
        let refused = outer.await.unwrap_err();
        assert!(refused.message().contains("not the innermost"), "{refused}");
        assert_eq!(keys(&state)?, "");
        // Nothing is left open: this would fail within a transaction.
        storage.delete_all()?;
        let inner = given_away.take().expect("it was given away");
        let swept = "The transaction was undone, because the one around it ended before it.";
        assert_eq!(inner.await.unwrap_err().message(), swept);
        storage
            .transaction(async |txn| put(txn, "next", SHORT, Ok(())).await)
            .await?;
        assert_eq!(keys(&state)?, "next");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_wait_that_began_outside_ends_after_the_transaction_and_one_within_in_time() {
    testing::run(async |state| {
        let storage = state.storage();
        let work = storage.transaction(async |txn| put(txn, "k", LONG, Ok(())).await);
        timeout(SHORT, work).await??;
        assert_eq!(keys(&state)?, "k");
        let within = storage.transaction(async |_| Ok(timeout(SHORT, sleep(LONG)).await));
        assert!(within.await?.is_err());
        let section = state.block_concurrency(async || Ok(sleep(LONG).await));
        timeout(SHORT, section).await??;
        Ok(())
    })
    .unwrap();
}

#[test]
fn each_object_in_memory_has_transactions_of_its_own() {
    testing::run(async |state| {
        let work = async |_: &Transaction| {
            testing::run(async |other| {
                let work = async |txn: &Transaction| put(txn, "k", Duration::ZERO, Ok(())).await;
                other.storage().transaction(work).await
            })
        };
        state.storage().transaction(work).await?;
        assert_eq!(keys(&state)?, "");
        Ok(())
    })
    .unwrap();
}
