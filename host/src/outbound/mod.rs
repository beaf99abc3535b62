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
pub mod assets;
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
use self::assets::Assets;
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

/// What the objects of a class can reach.
#[derive(Clone, Default)]
pub struct Reach {
    pub allowed: Allowed,
    /// The static files beside their code.
    pub assets: Option<Assets>,
}

/// The way out for the objects of a class.
pub struct Outbound {
    class: Arc<str>,
    allowed: Arc<Allowed>,
    assets: Option<Assets>,
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
    pub fn new(class: Arc<str>, reach: Reach) -> Arc<Outbound> {
        let allowed = Arc::new(reach.allowed);
        Arc::new(Outbound {
            class,
            assets: reach.assets,
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

    async fn asset(&self, asked: Request, redirects: Redirects) -> Result<Response, ObjectError> {
        match &self.assets {
            Some(assets) => assets.fetch(asked, redirects).await,
            None => Err(ObjectError::type_error(format!(
                "class {:?} has no static files; those of a wrangler file's \"assets\" are there \
                 when abide serves that file",
                self.class
            ))),
        }
    }
}

impl Errands {
    async fn running(&self) -> Result<Running, ObjectError> {
        let running = tokio::time::timeout(WAIT_MAX, self.running.clone().acquire_owned());
        let Ok(Ok(running)) = running.await else {
            let message = format!("{RUNNING_MAX} requests of this object are on their way already");
            return Err(ObjectError::overloaded(message));
        };
        Ok(Running(running))
    }

    /// Sends a request and gives back the answer, whatever its status.
    pub async fn fetch(
        self,
        mut request: Request,
        redirects: Redirects,
    ) -> Result<Response, ObjectError> {
        if request.url.starts_with(assets::SCHEME) {
            let _running = self.running().await?;
            return self.outbound.asset(request, redirects).await;
        }
        let far = request.upgrade.take();
        let mut hop = Hop::first(request)?;
        let asked = match far {
            Some(_) => Some(upgrade::ask(&mut hop)?),
            None => None,
        };
        self.outbound.check(&hop)?;
        let running = self.running().await?;
        for _ in 0..=REDIRECTS_MAX {
            let response = match &asked {
                None => self.outbound.clients.send(&mut hop).await?,
                Some(_) => self.outbound.clients.send_upgrade(&mut hop).await?,
            };
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                let stops = self.outbound.farewell.hear();
                return upgrade::granted(response, asked, far, stops);
            }
            match redirect::next(hop, &response, redirects)? {
                None => return answer::of(response, running).await,
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
