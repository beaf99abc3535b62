//! A wait that an import hands to its instance: ends when its work is done and
//! the turnstile lets it in.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use wasmtime::component::{ComponentType, FutureProducer, FutureReader, Lift, Lower};
use wasmtime::{AsContextMut, StoreContextMut};

use super::context::Context;
use super::turnstile::Entrance;

/// Begins a wait for `work` by a call of the guest. Other events run until it ends.
pub fn wait<T>(
    store: impl AsContextMut<Data = Context>,
    work: impl Future<Output = wasmtime::Result<T>> + Send + 'static,
) -> wasmtime::Result<FutureReader<T>>
where
    T: ComponentType + Lift + Lower + Send + Sync + Unpin + 'static,
{
    wait_and(store, work, |_, done| Ok(done))
}

/// The same for work whose outcome is given to the guest by `hand_over`, when it
/// takes it.
pub fn wait_and<T, D>(
    mut store: impl AsContextMut<Data = Context>,
    work: impl Future<Output = wasmtime::Result<D>> + Send + 'static,
    hand_over: fn(StoreContextMut<Context>, D) -> wasmtime::Result<T>,
) -> wasmtime::Result<FutureReader<T>>
where
    T: ComponentType + Lift + Lower + Send + Sync + 'static,
    D: Send + Unpin + 'static,
{
    let entrance = Entrance::new(store.as_context_mut().data())?;
    enter(store, work, hand_over, entrance)
}

/// A wait for what the guest is given without having asked for it.
pub fn when_done<T>(
    mut store: impl AsContextMut<Data = Context>,
    work: impl Future<Output = wasmtime::Result<T>> + Send + 'static,
) -> wasmtime::Result<FutureReader<T>>
where
    T: ComponentType + Lift + Lower + Send + Sync + Unpin + 'static,
{
    let entrance = Entrance::of_stream(store.as_context_mut().data());
    enter(store, work, |_, done| Ok(done), entrance)
}

fn enter<T, D>(
    store: impl AsContextMut<Data = Context>,
    work: impl Future<Output = wasmtime::Result<D>> + Send + 'static,
    hand_over: fn(StoreContextMut<Context>, D) -> wasmtime::Result<T>,
    entrance: Entrance,
) -> wasmtime::Result<FutureReader<T>>
where
    T: ComponentType + Lift + Lower + Send + Sync + 'static,
    D: Send + Unpin + 'static,
{
    FutureReader::new(
        store,
        Wait {
            work: Box::pin(work),
            done: None,
            hand_over,
            entrance,
        },
    )
}

struct Wait<T, D> {
    work: Pin<Box<dyn Future<Output = wasmtime::Result<D>> + Send>>,
    done: Option<D>,
    hand_over: fn(StoreContextMut<Context>, D) -> wasmtime::Result<T>,
    entrance: Entrance,
}

impl<T: 'static, D: Send + Unpin + 'static> FutureProducer<Context> for Wait<T, D> {
    type Item = T;

    fn poll_produce(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        store: StoreContextMut<Context>,
        finish: bool,
    ) -> Poll<wasmtime::Result<Option<T>>> {
        if self.done.is_none()
            && let Poll::Ready(done) = self.work.as_mut().poll(cx)
        {
            self.done = Some(done?);
        }
        if self.done.is_some() && self.entrance.passes(cx) {
            let done = self.done.take().expect("it is done");
            return Poll::Ready((self.hand_over)(store, done).map(Some));
        }
        match finish {
            true => {
                // The guest does not read any more; it may begin to again.
                self.entrance.withdraw();
                Poll::Ready(Ok(None))
            }
            false => Poll::Pending,
        }
    }
}
