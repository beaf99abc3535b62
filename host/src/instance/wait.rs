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
    enter(store, work, hand_over, Some(entrance))
}

/// A wait for what the guest is given without having asked for it. It begins when the
/// guest begins to read, be it within a section that was opened since.
pub fn when_done<T>(
    store: impl AsContextMut<Data = Context>,
    work: impl Future<Output = wasmtime::Result<T>> + Send + 'static,
) -> wasmtime::Result<FutureReader<T>>
where
    T: ComponentType + Lift + Lower + Send + Sync + Unpin + 'static,
{
    enter(store, work, |_, done| Ok(done), None)
}

fn enter<T, D>(
    store: impl AsContextMut<Data = Context>,
    work: impl Future<Output = wasmtime::Result<D>> + Send + 'static,
    hand_over: fn(StoreContextMut<Context>, D) -> wasmtime::Result<T>,
    asked: Option<Entrance>,
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
            asked,
            reading: None,
        },
    )
}

struct Wait<T, D> {
    work: Pin<Box<dyn Future<Output = wasmtime::Result<D>> + Send>>,
    done: Option<D>,
    hand_over: fn(StoreContextMut<Context>, D) -> wasmtime::Result<T>,
    /// None for what the guest did not ask for.
    asked: Option<Entrance>,
    /// Of that, the guest's read that is under way.
    reading: Option<Entrance>,
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
        let this = &mut *self;
        let entrance = match &mut this.asked {
            Some(asked) => asked,
            None => this
                .reading
                .get_or_insert_with(|| Entrance::of_stream(store.data())),
        };
        if this.done.is_some() && entrance.passes(cx) {
            let done = this.done.take().expect("it is done");
            return Poll::Ready((this.hand_over)(store, done).map(Some));
        }
        match finish {
            true => {
                // The guest does not read any more; it may begin to again.
                entrance.withdraw();
                this.reading = None;
                Poll::Ready(Ok(None))
            }
            false => Poll::Pending,
        }
    }
}
