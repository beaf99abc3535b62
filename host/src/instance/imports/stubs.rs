//! `stubs`: other objects, and what they have given out.

use tokio::sync::oneshot;
use wasmtime::component::{Access, FutureReader, HasSelf};
use wasmtime::{AsContextMut, Result, StoreContextMut};

use crate::instance::bindings::durable::object::stubs::{
    Error, Host, HostWithStore, Payload, Request, Response, Target,
};
use crate::instance::context::Context;
use crate::instance::wait::{wait, wait_and};
use crate::instance::{chains, message, payload};
use crate::object::error::ObjectError;
use crate::object::event::{Call, Event, Waiting};
use crate::object::id::{self, IdMaker};
use crate::object::outlet::Output;
use crate::object::payload::{Payload as CallPayload, check_method};
use crate::object::post::{Letter, Recipient};

type Answer<T> = std::result::Result<T, Error>;

impl Host for Context {
    fn id_from_name(&mut self, class: String, name: String) -> Result<Answer<String>> {
        let id = self.ids(&class).map(|ids| ids.of_name(&name).to_string());
        Ok(id.map_err(Error::from))
    }

    fn new_unique_id(&mut self, class: String) -> Result<Answer<String>> {
        let id = self.ids(&class).map(|ids| ids.random().to_string());
        Ok(id.map_err(Error::from))
    }

    fn id_from_string(&mut self, class: String, id: String) -> Result<Answer<String>> {
        let id = self.ids(&class).and_then(|ids| parsed(ids, &id));
        Ok(id.map(|id| id.to_string()).map_err(Error::from))
    }

    fn release(&mut self, theirs: u64) -> Result<()> {
        self.held.release(theirs);
        Ok(())
    }
}

impl Context {
    fn ids(&self, class: &str) -> std::result::Result<&IdMaker, ObjectError> {
        let found = self.parts.ids.get(class);
        found.ok_or_else(|| ObjectError::type_error(format!("no class {class:?} is configured")))
    }

    fn object(&self, class: String, target: Target) -> std::result::Result<Recipient, ObjectError> {
        let ids = self.ids(&class)?;
        let target = match target {
            Target::Name(name) => id::Target::Name(name),
            Target::Id(id) => id::Target::Id(parsed(ids, &id)?),
        };
        Ok(Recipient::Object {
            post: self.parts.post.clone(),
            class,
            target,
        })
    }
}

fn parsed(ids: &IdMaker, id: &str) -> std::result::Result<id::ObjectId, ObjectError> {
    let parsed = ids.parse(id);
    parsed.map_err(|why| ObjectError::type_error(why.to_string()))
}

impl HostWithStore<Context> for HasSelf<Context> {
    fn fetch(
        mut access: Access<'_, Context, Self>,
        class: String,
        target: Target,
        request: Request,
    ) -> Result<FutureReader<Answer<Response>>> {
        let token = request.upgrade;
        let request = match message::request_of_world(&mut access, request)? {
            Ok(request) => request,
            Err(error) => return wait(access, async { Ok(Err(error.into())) }),
        };
        let bytes = request.bytes();
        let to = access.get().object(class, target);
        let sent = send(access.as_context_mut(), to, bytes, |waiting| {
            Event::fetch(request, waiting)
        })?;
        match sent {
            Ok(reply) => {
                let reply = async move {
                    let reply = answer(reply).await?;
                    let checked = reply.and_then(|response| match response.status {
                        // Whether that makes sense is known by the token.
                        101 => Ok(response),
                        _ => response.checked(),
                    });
                    Ok((token, checked))
                };
                wait_and(access, reply, message::answer_to_world)
            }
            Err(error) => {
                let refused = access.get().tokens.answered(token, None);
                debug_assert!(refused.is_ok(), "it was not answered");
                wait(access, async { Ok(Err(error.into())) })
            }
        }
    }

    fn call(
        mut access: Access<'_, Context, Self>,
        class: String,
        target: Target,
        method: String,
        arguments: Option<Payload>,
    ) -> Result<FutureReader<Answer<Payload>>> {
        let to = check_method(&method).and_then(|()| access.get().object(class, target));
        call(access, to, method, arguments)
    }

    fn call_reference(
        mut access: Access<'_, Context, Self>,
        theirs: u64,
        method: String,
        arguments: Option<Payload>,
    ) -> Result<FutureReader<Answer<Payload>>> {
        let lent = access.get().held.get(theirs).cloned();
        call(access, lent.map(Recipient::Giver), method, arguments)
    }
}

fn call(
    mut access: Access<'_, Context, HasSelf<Context>>,
    to: std::result::Result<Recipient, ObjectError>,
    method: String,
    arguments: Option<Payload>,
) -> Result<FutureReader<Answer<Payload>>> {
    let arguments = match arguments {
        Some(arguments) => payload::of_world(access.as_context_mut(), arguments)?.map(Some),
        None => Ok(None),
    };
    let call = arguments.and_then(|arguments| {
        let call = Call { method, arguments };
        Ok((to?, call))
    });
    let sent = match call {
        Ok((to, call)) => {
            let lent = match &to {
                Recipient::Giver(lent) => Some(lent.clone()),
                Recipient::Object { .. } => None,
            };
            send(access.as_context_mut(), Ok(to), call.bytes(), |waiting| {
                Event::call(lent, call, waiting)
            })?
        }
        Err(error) => Err(error),
    };
    match sent {
        Ok(reply) => wait_and(
            access,
            answer(reply),
            |store, reply: std::result::Result<CallPayload, _>| match reply {
                Ok(result) => Ok(payload::to_world(store, result)?.map_err(Error::from)),
                Err(error) => Ok(Err(Error::from(error))),
            },
        ),
        Err(error) => wait(access, async { Ok(Err(error.into())) }),
    }
}

type Reply<T> = oneshot::Receiver<std::result::Result<T, ObjectError>>;

/// Sends an event of so many bytes to another object. It leaves when what was written
/// before is durable, and after all that was sent before.
fn send<T>(
    mut store: StoreContextMut<Context>,
    to: std::result::Result<Recipient, ObjectError>,
    bytes: usize,
    event: impl FnOnce(Waiting<T>) -> Event,
) -> Result<std::result::Result<Reply<T>, ObjectError>> {
    let callers = chains::of_caller(store.as_context_mut())?;
    let context = store.data();
    let begun = to.and_then(|to| {
        let chain = callers.extended(context.section())?;
        let outstanding = context.outgoing.begin(bytes + to.bytes())?;
        Ok((to, chain, outstanding))
    });
    let (to, chain, outstanding) = match begun {
        Ok(begun) => begun,
        Err(error) => return Ok(Err(error)),
    };
    let (sender, reply) = oneshot::channel();
    let event = event(Waiting::of_object(sender, outstanding)).within(chain);
    let commit = context.parts.storage.lock().newest_before_call();
    let letter = Letter { to, event };
    context.parts.outlet.say(commit, Output::Call(letter));
    Ok(Ok(reply))
}

/// What the other object says.
async fn answer<T>(reply: Reply<T>) -> Result<std::result::Result<T, ObjectError>> {
    let gone = || ObjectError::unavailable("the object went away before it answered");
    let reply = reply.await.unwrap_or_else(|_| Err(gone()));
    Ok(reply.map_err(ObjectError::seen_from_outside))
}
