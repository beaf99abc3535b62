//! Do objects and gateways learn who waits for them, and how what they call failed?

use durable_object::http::{self, StatusCode};
use durable_object::testing::{InMemory, World};
use durable_object::{
    Body, Call, CallHandler, DurableObject, Error, Function, Gateway, Objects, Payload, Reference,
    Request, RequestExt, Response, Result, State, response, sleep, spawn, timeout,
};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Tells what it has seen of its callers.
struct Clerk {
    state: State,
}

impl DurableObject for Clerk {
    async fn new(state: State) -> Result<Self> {
        Ok(Clerk { state })
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let kv = self.state.storage().kv();
        let caller = request.caller();
        let other = self.state.class("clerk").named("other");
        match request.subpath() {
            "wait" => {
                let seen = kv.clone();
                spawn(async move { seen.put_as("left", &caller.left().await) });
                sleep(3 * SECOND).await;
                kv.put("waited", "")?;
                Ok(Response::default())
            }
            "early" => {
                let left = timeout(SECOND, caller.left()).await;
                Ok(response::text(format!("{:?}", left.ok())))
            }
            "stream" => {
                spawn(async move { kv.put_as("left", &caller.left().await) });
                let body = Body::written_by(async |writer| {
                    for _ in 0..3 {
                        writer.write("chunk").await?;
                    }
                    Ok(())
                });
                Ok(Response::new(body))
            }
            "pass" => {
                let mut request = request;
                *request.uri_mut() = "/clerk/other/path".parse()?;
                other.fetch(request).await
            }
            "spawn" => {
                spawn(other.call::<()>("early", ()));
                Ok(response::text("begun"))
            }
            "path" => Ok(response::text(request.uri().to_string())),
            "ask" => {
                let asked = other.fetch(get("http://host/clerk/other/wait"));
                let answer = timeout(SECOND, asked).await;
                Ok(response::text(answer.is_err().to_string()))
            }
            "fail" => {
                let error = other.call::<()>("fail", ()).await.unwrap_err();
                Ok(response::text(told(&error)))
            }
            "reset" => {
                let given: Reference = other.call("give", ()).await?;
                let reset = other.call::<()>("reset", ()).await.unwrap_err();
                let ended = given.call::<()>(()).await.unwrap_err();
                Ok(response::text(format!(
                    "{}\n{}",
                    told(&reset),
                    told(&ended)
                )))
            }
            _ => Err(Error::status(StatusCode::NOT_FOUND, "no such place")),
        }
    }
}

fn told(error: &Error) -> String {
    let (remote, reset) = (error.is_remote(), error.is_reset());
    let source = error.source().map(ToString::to_string);
    let status = error.http_status().map(|status| status.as_u16());
    format!("{error:?} {source:?} {status:?} {remote} {reset}")
}

impl CallHandler for Clerk {
    async fn call(&self, call: Call) -> Result<Payload> {
        match call.method() {
            "title" if call.is_property() => Payload::of("clerk"),
            "early" => Payload::of(&timeout(SECOND, call.caller().left()).await.ok()),
            "fail" => Err(Error::named("ClerkError", "x")
                .with_status(StatusCode::CONFLICT)
                .context("failing")),
            "give" => Payload::of(&Function::new(async |(): ()| Ok(()))),
            "reset" => self.state.abort(Some("enough")),
            _ => Err(call.no_such_method()),
        }
    }
}

/// Passes everything on, but for what it does itself.
struct Front {
    objects: Objects,
}

impl Gateway for Front {
    fn new(objects: Objects) -> Result<Self> {
        Ok(Front { objects })
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let clerk = self.objects.class("clerk").named("a");
        match request.uri().path() {
            "/early" => {
                let left = timeout(SECOND, request.caller().left()).await;
                Ok(response::text(format!("{:?}", left.ok())))
            }
            "/subpath" => Ok(response::text(request.subpath())),
            "/spawn" => {
                spawn(async move {
                    sleep(3 * SECOND).await;
                    let asked = clerk.fetch(get("http://host/clerk/a/wait"));
                    asked.await.map(|_| ())
                });
                sleep(5 * SECOND).await;
                Ok(Response::default())
            }
            _ => clerk.fetch(request).await,
        }
    }
}

fn get(url: &str) -> Request {
    let request = http::Request::get(url).body(Body::empty());
    request.expect("a test's URL is one")
}

fn world() -> World {
    World::new()
        .gateway::<Front>()
        .class::<Clerk>("clerk", |object| object.calls())
}

fn has_left(clerk: &InMemory) -> Result<Option<bool>> {
    clerk.inspect(|state| state.storage().kv().get_as("left"))
}

async fn text(answer: Result<Response>) -> Result<String> {
    answer?.into_body().text().await
}

#[test]
fn a_caller_that_waits_has_not_left_and_has_its_answer_at_last() {
    world()
        .run(async |world| {
            let clerk = world.named("clerk", "a");
            assert_eq!(text(clerk.get("early").await).await?, "None");
            let called: Option<bool> = clerk.call_method("early", ()).await?;
            assert_eq!(called, None);
            clerk.get("wait").await?;
            sleep(SECOND).await;
            assert_eq!(has_left(&clerk)?, Some(false));
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_object_learns_that_its_caller_has_left_and_goes_on() {
    world()
        .run(async |world| {
            let clerk = world.named("clerk", "a");
            timeout(SECOND, clerk.get("wait")).await.unwrap_err();
            sleep(SECOND).await;
            assert_eq!(has_left(&clerk)?, Some(true));
            sleep(3 * SECOND).await;
            let waited = clerk.inspect(|state| state.storage().kv().get("waited"));
            assert!(waited?.is_some());
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_object_whose_call_is_given_up_learns_of_it() {
    world()
        .run(async |world| {
            let asks = world.named("clerk", "asks");
            assert_eq!(text(asks.get("ask").await).await?, "true");
            sleep(SECOND).await;
            assert_eq!(has_left(&world.named("clerk", "other"))?, Some(true));
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_answer_has_left_with_the_last_of_its_body() {
    world()
        .run(async |world| {
            let clerk = world.named("clerk", "a");
            let answer = world.fetch(get("http://host/clerk/a/stream")).await?;
            sleep(SECOND).await;
            assert_eq!(has_left(&clerk)?, None);
            assert_eq!(answer.into_body().bytes().await?.len(), 15);
            sleep(SECOND).await;
            assert_eq!(has_left(&clerk)?, Some(false));

            let clerk = world.named("clerk", "b");
            let mut body = clerk.get("stream").await?.into_body();
            body.chunk().await?;
            drop(body);
            sleep(SECOND).await;
            assert_eq!(has_left(&clerk)?, Some(true));
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_object_behind_a_gateway_learns_that_the_client_has_left() {
    world()
        .run(async |world| {
            let asked = world.fetch(get("http://host/clerk/a/wait"));
            timeout(SECOND, asked).await.unwrap_err();
            sleep(SECOND).await;
            assert_eq!(has_left(&world.named("clerk", "a"))?, Some(true));
            let early = world.fetch(get("http://host/early"));
            assert_eq!(text(early.await).await?, "None");
            Ok(())
        })
        .unwrap();
}

#[test]
fn what_a_gateway_has_spawned_goes_on_without_the_client() {
    world()
        .run(async |world| {
            let asked = world.fetch(get("http://host/spawn"));
            timeout(SECOND, asked).await.unwrap_err();
            sleep(10 * SECOND).await;
            assert_eq!(has_left(&world.named("clerk", "a"))?, Some(false));
            Ok(())
        })
        .unwrap();
}

#[test]
#[should_panic = "a gateway has no subpath"]
fn a_gateway_has_no_subpath() {
    let asked = async |world: &World| world.fetch(get("http://host/subpath")).await;
    let _ = world().run(asked);
}

#[test]
fn an_error_of_another_object_is_text_with_a_name_and_a_status() {
    world()
        .run(async |world| {
            let clerk = world.named("clerk", "a");
            let failed = text(clerk.get("fail").await).await?;
            assert_eq!(failed, "ClerkError: failing: x None Some(409) true false");
            let reset = text(clerk.get("reset").await).await?;
            let expected = "Error: enough None None true true\n\
                 Error: The reference has ended: the Durable Object that gave it out was reset, or \
                 has left memory. None None true true";
            assert_eq!(reset, expected);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_test_reads_properties() {
    world()
        .run(async |world| {
            let clerk = world.named("clerk", "a");
            assert_eq!(clerk.property::<String>("title").await?, "clerk");
            assert!(clerk.property::<String>("name").await.is_err());
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_request_is_passed_on_with_a_path_of_its_own() {
    world()
        .run(async |world| {
            let seen = text(world.named("clerk", "a").get("pass").await).await?;
            assert_eq!(seen, "/clerk/other/path");
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_call_borrows_nothing() {
    world()
        .run(async |world| {
            let clerk = world.named("clerk", "a");
            let reset = text(clerk.get("spawn").await).await?;
            assert_eq!(reset, "begun");
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_path_to_an_object_reads_as_a_client_writes_it() {
    world()
        .run(async |world| {
            let paths = [
                ("b", "b"),
                ("a-b_c.d~e", "a-b_c.d~e"),
                ("tea & ä/", "tea%20%26%20%C3%A4%2F"),
            ];
            for (name, path) in paths {
                let seen = text(world.named("clerk", name).get("path").await).await?;
                assert_eq!(seen, format!("http://host/clerk/{path}/path"));
            }
            Ok(())
        })
        .unwrap();
}
