//! A wait that an import hands to its instance: ends when its work is done and
//! the input gate lets it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use wasmtime::StoreContextMut;
use wasmtime::component::{
    Access, ComponentType, FutureProducer, FutureReader, HasSelf, Lift, Lower,
};

use super::context::{Context, WAITS_MAX};
use crate::object::input_gate::Stamp;

/// Begins a wait for `work`. Other events run until it ends.
pub fn wait<T>(
    mut access: Access<'_, Context, HasSelf<Context>>,
    work: impl Future<Output = wasmtime::Result<T>> + Send + 'static,
) -> wasmtime::Result<FutureReader<T>>
where
    T: ComponentType + Lift + Lower + Send + Sync + Unpin + 'static,
{
    let context = access.get();
    if Arc::strong_count(&context.waits) > WAITS_MAX {
        let message = format!("Durable Object waits for more than {WAITS_MAX} things at once.");
        return Err(context.fate.reset(message));
    }
    let (stamp, count) = (context.stamp(), context.waits.clone());
    FutureReader::new(
        access,
        Wait {
            work: Box::pin(work),
            done: None,
            stamp,
            _count: count,
        },
    )
}

struct Wait<T> {
    work: Pin<Box<dyn Future<Output = wasmtime::Result<T>> + Send>>,
    done: Option<T>,
    stamp: Stamp,
    _count: Arc<()>,
}

impl<T: Send + Unpin + 'static> FutureProducer<Context> for Wait<T> {
    type Item = T;

    fn poll_produce(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        mut store: StoreContextMut<Context>,
        finish: bool,
    ) -> Poll<wasmtime::Result<Option<T>>> {
        if self.done.is_none()
            && let Poll::Ready(value) = self.work.as_mut().poll(cx)
        {
            self.done = Some(value?);
        }
        if self.done.is_some() && store.data_mut().admits(self.stamp, cx.waker()) {
            return Poll::Ready(Ok(self.done.take()));
        }
        match finish {
            true => Poll::Ready(Ok(None)),
            false => Poll::Pending,
        }
    }
}
