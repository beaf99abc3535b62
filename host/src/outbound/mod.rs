//! Requests of objects to the outside world.
//!
//! ```text
//! object ─ allowed? ─► hop ─ connect: resolve, allowed? ─► the server
//!             ▲                                                │
//!             └──────────── redirect ◄─────────────────────────┤
//! object ◄───────────────────── answer ◄───────────────────────┘
//! ```
//!
//! Invariants:
//!
//! * A connection is made to an address that was looked at, not to a name that may
//!   mean another by then, and is used for one class only.
//! * Each hop is looked at like the first.
//! * A body that broke off never looks whole, in either direction.

mod address;
pub mod allowed;
mod answer;
mod client;
mod connect;
mod farewell;
mod hop;
mod redirect;
mod roots;
mod sent;
mod upgrade;

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::allowed::Allowed;
use self::client::Clients;
use self::farewell::Farewell;
use self::hop::Hop;
pub use self::redirect::Redirects;
use crate::object::error::ObjectError;
use crate::object::event::{Request, Response};

/// Requests of one instance that are on their way, up to the end of the answer's body.
/// More wait for these: one object must not use up what its class may have.
const RUNNING_MAX: usize = 32;
/// How long one waits for another of its instance to end.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// As in browsers.
const REDIRECTS_MAX: usize = 20;

/// The way out for the objects of a class.
pub struct Outbound {
    class: Arc<str>,
    allowed: Arc<Allowed>,
    clients: Clients,
    /// Ends the WebSockets that objects have opened.
    farewell: Farewell,
}

/// The requests of one instance.
#[derive(Clone)]
pub struct Errands {
    outbound: Arc<Outbound>,
    running: Arc<Semaphore>,
}

/// A request that is under way, until its answer has come whole.
pub struct Running(#[expect(dead_code, reason = "held until then")] OwnedSemaphorePermit);

impl Outbound {
    pub fn new(class: Arc<str>, allowed: Allowed) -> Arc<Outbound> {
        let allowed = Arc::new(allowed);
        Arc::new(Outbound {
            class,
            clients: Clients::new(allowed.clone()),
            allowed,
            farewell: Farewell::default(),
        })
    }

    /// The server stops: tells those at the other end of WebSockets to come back, and
    /// objects that they have left.
    pub async fn stop(&self) {
        self.farewell.say().await;
    }

    pub fn errands(self: &Arc<Self>) -> Errands {
        Errands {
            outbound: self.clone(),
            running: Arc::new(Semaphore::new(RUNNING_MAX)),
        }
    }

    /// May this address be asked for at all?
    fn check(&self, hop: &Hop) -> Result<(), ObjectError> {
        if self.allowed.admits(&hop.url) {
            return Ok(());
        }
        Err(ObjectError::type_error(format!(
            "{} is not allowed for class {:?}: its setting is outbound = {}; add {:?} to outbound in \
             [classes.{}]",
            hop.origin(),
            self.class,
            self.allowed,
            hop.origin(),
            self.class
        )))
    }
}

impl Errands {
    /// Sends a request and gives back the answer, whatever its status.
    pub async fn fetch(
        self,
        mut request: Request,
        redirects: Redirects,
    ) -> Result<Response, ObjectError> {
        let far = request.upgrade.take();
        let mut hop = Hop::first(request)?;
        let key = match far {
            Some(_) => Some(upgrade::ask(&mut hop)?),
            None => None,
        };
        self.outbound.check(&hop)?;
        let running = tokio::time::timeout(WAIT_MAX, self.running.acquire_owned());
        let Ok(Ok(running)) = running.await else {
            let message = format!("{RUNNING_MAX} requests of this object are on their way already");
            return Err(ObjectError::overloaded(message));
        };
        for _ in 0..=REDIRECTS_MAX {
            let response = match &key {
                None => self.outbound.clients.send(&mut hop).await?,
                Some(_) => self.outbound.clients.send_upgrade(&mut hop).await?,
            };
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                let stops = self.outbound.farewell.hear();
                return upgrade::granted(response, key, far, stops);
            }
            match redirect::next(hop, &response, redirects)? {
                None => return answer::of(response, Running(running)).await,
                Some(next) => hop = next,
            }
            self.outbound.check(&hop)?;
        }
        let message = format!(
            "Too many redirects: more than {REDIRECTS_MAX}, the last to {}",
            hop.url
        );
        Err(ObjectError::type_error(message))
    }
}
