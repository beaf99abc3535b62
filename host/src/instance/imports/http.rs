//! `http`: the outside world.

use tokio::sync::oneshot;
use wasmtime::Result;
use wasmtime::component::{Access, FutureReader, HasSelf};

use crate::instance::bindings::durable::object::http::{
    Error, Host, HostWithStore, Redirects, Request, Response,
};
use crate::instance::context::Context;
use crate::instance::message;
use crate::instance::wait::{wait, wait_and};
use crate::object::outlet::Output;
use crate::{outbound, workers};

impl Host for Context {}

impl HostWithStore<Context> for HasSelf<Context> {
    fn fetch(
        mut access: Access<'_, Context, Self>,
        request: Request,
        redirects: Redirects,
    ) -> Result<FutureReader<std::result::Result<Response, Error>>> {
        let token = request.upgrade;
        let request = match message::request_of_world(&mut access, request)? {
            Ok(request) => request,
            Err(error) => return wait(access, async { Ok(Err(error.into())) }),
        };
        let context = access.get();
        let outstanding = match context.outgoing.begin(request.bytes()) {
            Ok(outstanding) => outstanding,
            Err(error) => return wait(access, async { Ok(Err(error.into())) }),
        };
        let (proof, proven) = oneshot::channel();
        let commit = context.parts.storage.lock().newest_before_call();
        context.parts.outlet.say(commit, Output::Proof(proof));
        let answer = context.errands.clone().fetch(request, redirects.into());
        let (mut sender, answered) = oneshot::channel();
        // It goes on whether or not the guest looks; a guest that does not want it any
        // more ends it.
        workers::spawn(async move {
            let whole = async {
                proven.await.ok()?;
                Some(answer.await)
            };
            let answer = tokio::select! {
                answer = whole => answer,
                () = sender.closed() => None,
            };
            if let Some(answer) = answer {
                let _ = sender.send(answer);
            }
            drop(outstanding);
        });
        let answer = async move {
            match answered.await {
                Ok(answer) => Ok((token, answer)),
                // The gate has failed: the object is about to be reset.
                Err(_) => std::future::pending().await,
            }
        };
        wait_and(access, answer, message::answer_to_world)
    }
}

impl From<Redirects> for outbound::Redirects {
    fn from(redirects: Redirects) -> outbound::Redirects {
        match redirects {
            Redirects::Follow => outbound::Redirects::Follow,
            Redirects::Manual => outbound::Redirects::Manual,
            Redirects::Error => outbound::Redirects::Error,
        }
    }
}
