//! Tells the connections that last for long that the server stops.

use std::task::Context;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;

/// How long they may take to hear of it: a moment, if nobody is stuck.
const HEARD_MAX: Duration = Duration::from_secs(1);

pub struct Farewell(watch::Sender<bool>);

/// The end of one connection. It is dropped when the connection has heard, or is over.
pub struct Hearing(Option<BoxFuture<'static, ()>>);

impl Default for Farewell {
    fn default() -> Farewell {
        Farewell(watch::Sender::new(false))
    }
}

impl Farewell {
    /// Says it, and returns when all have heard.
    pub async fn say(&self) {
        self.0.send_replace(true);
        let _ = tokio::time::timeout(HEARD_MAX, self.0.closed()).await;
    }

    pub fn hear(&self) -> Hearing {
        let mut receiver = self.0.subscribe();
        let said = async move {
            // Without a sender there is nobody left to end it in order.
            let _ = receiver.wait_for(|is_said| *is_said).await;
        };
        Hearing(Some(said.boxed()))
    }
}

impl Hearing {
    /// Was it said? If not, it will wake the task of `cx`.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let has_heard = match &mut self.0 {
            Some(said) => said.poll_unpin(cx).is_ready(),
            None => true,
        };
        if has_heard {
            self.0 = None;
        }
        has_heard
    }
}

#[cfg(test)]
mod tests {
    //! Who hears, and until when it is waited for.

    use std::task::Waker;

    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn it_has_been_said_when_all_have_heard() {
        let cx = &mut Context::from_waker(Waker::noop());
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let _inside = runtime.enter();
        let farewell = Farewell::default();
        let (mut one, gone) = (farewell.hear(), farewell.hear());
        assert!(!one.poll(cx));
        let mut say = Box::pin(farewell.say());
        assert!(say.poll_unpin(cx).is_pending());
        assert!(one.poll(cx) && one.poll(cx));
        assert!(say.poll_unpin(cx).is_pending());
        drop(gone);
        assert!(say.poll_unpin(cx).is_ready());
    }
}
