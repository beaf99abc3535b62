//! Do objects in memory reach each other, their clients and their alarms?

use durable_object::http::StatusCode;
use durable_object::testing::{self, World};
use durable_object::{
    AlarmHandler, AlarmInfo, Close, DurableObject, Error, Function, Message, Reference, Request,
    RequestExt, Response, Result, State, Transaction, WebSocket, WebSocketHandler, methods, now,
    response, sleep,
};
use std::cell::Cell;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// A room in which everybody hears everybody.
struct Room {
    state: State,
    awake: Cell<u32>,
}

impl DurableObject for Room {
    async fn new(state: State) -> Result<Self> {
        state
            .websockets()
            .set_auto_response(Some(("ping", "pong")))?;
        Ok(Room {
            state,
            awake: Cell::new(0),
        })
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        match request.subpath() {
            "ws" => {
                let socket = self.state.websockets().accept(&request, ["member"])?;
                socket.set_attachment_as(&request.query("name"))?;
                Ok(response::status(StatusCode::SWITCHING_PROTOCOLS))
            }
            "count" => {
                self.awake.set(self.awake.get() + 1);
                Ok(response::text(self.awake.get().to_string()))
            }
            "odd" => Ok(response::status(StatusCode::from_u16(600)?)),
            "no-socket" => Ok(response::status(StatusCode::SWITCHING_PROTOCOLS)),
            _ => Err(Error::status(StatusCode::NOT_FOUND, "no such place")),
        }
    }
}

impl WebSocketHandler for Room {
    async fn message(&self, socket: WebSocket, message: Message) -> Result<()> {
        let Message::Text(text) = message else {
            return socket.close(1003, "text only");
        };
        let name: String = socket
            .attachment_as::<Option<_>>()?
            .flatten()
            .unwrap_or_default();
        for member in self.state.websockets().tagged("member")? {
            member.send(format!("{name}: {text}"))?;
        }
        Ok(())
    }

    async fn close(&self, socket: WebSocket, close: Close) -> Result<()> {
        self.state.storage().kv().put("left", close.reason)?;
        socket.close(1000, "bye")
    }
}

durable_object::export! {
    "room" => Room: WebSocketHandler,
    "egg" => Egg: AlarmHandler + CallHandler,
}

/// Rings when its time has come, and calls back.
struct Egg {
    state: State,
}

impl DurableObject for Egg {
    async fn new(state: State) -> Result<Self> {
        Ok(Egg { state })
    }

    async fn fetch(&self, _: Request) -> Result<Response> {
        let answer = self.state.class("room").named("kitchen");
        let request = durable_object::http::Request::get("http://x/room/kitchen/count");
        answer.fetch(request.body(().into())?).await
    }
}

#[methods]
impl Egg {
    pub fn cook(&self, minutes: u32) -> Result<()> {
        self.state.storage().set_alarm(now() + minutes * MINUTE)
    }

    pub fn rings(&self) -> Result<u64> {
        Ok(self.state.storage().kv().get_as("rings")?.unwrap_or(0))
    }

    pub async fn twice(&self, n: u64, double: Reference) -> Result<u64> {
        double.call((double.call::<u64>((n,)).await?,)).await
    }

    /// Counts what another egg calls back, in a transaction around all of it.
    pub async fn counted(&self, keeps: bool) -> Result<u64> {
        let storage = self.state.storage();
        let counting = storage.clone();
        let count = Function::new(async move |(n,): (u64,)| {
            let work = async |txn: &Transaction| {
                txn.kv().put_as("counted", &(n + 1))?;
                sleep(Duration::from_millis(1)).await;
                Ok(n + 1)
            };
            counting.transaction(work).await
        });
        let other = self.state.class("egg").named("other");
        storage
            .transaction(async |_| {
                let counted = other.call::<u64>("twice", (0, count)).await?;
                match keeps {
                    true => Ok(counted),
                    false => Err(Error::new("undone")),
                }
            })
            .await
    }
}

impl AlarmHandler for Egg {
    async fn alarm(&self, info: AlarmInfo) -> Result<()> {
        self.state
            .storage()
            .kv()
            .put_as("rings", &(self.rings()? + 1))?;
        match info.retry_count {
            0 | 1 => Err(Error::new("still asleep")),
            _ => Ok(()),
        }
    }
}

fn world() -> World {
    World::new()
        .class::<Room>("room", |object| object.web_sockets())
        .class::<Egg>("egg", |object| object.alarm().calls())
}

#[test]
fn clients_of_a_room_hear_each_other() {
    world()
        .run(async |world| {
            let room = world.named("room", "kitchen");
            let mut ada = room.connect("ws?name=ada").await?;
            let mut bob = room.connect("ws?name=bob").await?;
            ada.send("hello")?;
            assert_eq!(ada.next().await, Some("ada: hello".into()));
            assert_eq!(bob.next().await, Some("ada: hello".into()));
            // The host answers by itself.
            bob.send("ping")?;
            assert_eq!(bob.next().await, Some("pong".into()));
            // Tags and attachments outlive the instance.
            room.restart();
            bob.send("still here")?;
            assert_eq!(ada.next().await, Some("bob: still here".into()));
            ada.close(1000, "tired")?;
            sleep(MINUTE).await;
            assert_eq!(ada.closed(), Some((Some(1000), "bye".into())));
            room.inspect(|state| {
                assert_eq!(state.websockets().all()?.len(), 1);
                assert_eq!(state.storage().kv().get("left")?.unwrap(), b"tired");
                Ok(())
            })
        })
        .unwrap();
}

#[test]
fn what_is_no_handshake_is_refused_with_a_status() {
    world()
        .run(async |world| {
            let room = world.named("room", "kitchen");
            let answer = room.get("ws").await?;
            assert_eq!(answer.status(), StatusCode::UPGRADE_REQUIRED);
            assert_eq!(room.get("nowhere").await?.status(), StatusCode::NOT_FOUND);
            assert!(room.connect("nowhere").await.is_err());
            for (path, status) in [("odd", "600"), ("no-socket", "101")] {
                let refused = room.get(path).await.unwrap_err().to_string();
                assert!(refused.contains(&format!("answered with status {status};")));
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_alarm_runs_when_its_time_has_come_and_is_tried_again() {
    world()
        .run(async |world| {
            let egg = world.named("egg", "breakfast");
            egg.call_method::<()>("cook", (4,)).await?;
            sleep(3 * MINUTE).await;
            assert_eq!(egg.call_method::<u64>("rings", ()).await?, 0);
            sleep(MINUTE).await;
            assert_eq!(egg.call_method::<u64>("rings", ()).await?, 1);
            sleep(MINUTE).await;
            assert_eq!(egg.call_method::<u64>("rings", ()).await?, 3);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_class_without_a_handler_sets_no_alarm() {
    world()
        .run(async |world| {
            let room = world.named("room", "kitchen");
            let set = room.inspect(|state| state.storage().set_alarm_after(MINUTE));
            assert!(set.unwrap_err().message().contains("alarm() handler"));
            Ok(())
        })
        .unwrap();
}

#[test]
fn objects_call_each_other_and_functions_that_were_given_out() {
    world()
        .run(async |world| {
            let egg = world.named("egg", "breakfast");
            for n in 1..=2 {
                let answer = egg.get("/").await?;
                assert_eq!(answer.into_body().text().await?, n.to_string());
            }
            let double = Function::new(async |(n,): (u64,)| Ok(2 * n));
            assert_eq!(egg.call_method::<u64>("twice", (10, double)).await?, 40);
            let error = egg.call_method::<u64>("fry", ()).await.unwrap_err();
            let text = r#"The RPC receiver does not implement the method "fry"."#;
            assert_eq!(error.message(), text);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_transaction_lets_in_what_it_gave_out_and_what_that_begins_lies_within() {
    world()
        .run(async |world| {
            let egg = world.named("egg", "breakfast");
            let counted = || egg.inspect(|state| state.storage().kv().get_as::<u64>("counted"));
            let undone = egg.call_method::<u64>("counted", (false,)).await;
            assert_eq!(undone.unwrap_err().message(), "undone");
            assert_eq!(counted()?, None);
            assert_eq!(egg.call_method::<u64>("counted", (true,)).await?, 2);
            assert_eq!(counted()?, Some(2));
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_object_that_the_test_drives_has_clients_too() {
    testing::run(async |state| {
        let room = Room::new(state).await?;
        let (request, mut client) = testing::web_socket("http://host/test/test/ws?name=ada");
        assert_eq!(room.fetch(request).await?.status(), 101);
        let socket = client.socket().expect("it was accepted");
        room.message(socket, "hi".into()).await?;
        assert_eq!(client.try_next(), Some("ada: hi".into()));
        room.message(socket, vec![1].into()).await?;
        assert_eq!(client.closed(), Some((Some(1003), "text only".into())));
        assert!(socket.send("more").is_err());
        Ok(())
    })
    .unwrap();
}

/// Says something, fails in the given way, and has an alarm.
struct Clumsy {
    state: State,
}

impl DurableObject for Clumsy {
    async fn new(state: State) -> Result<Self> {
        if state.storage().kv().get("broken")?.is_some() {
            return Err(Error::new("broken"));
        }
        Ok(Clumsy { state })
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let kv = self.state.storage().kv();
        kv.put("written", "")?;
        match request.subpath() {
            "call" => {
                let room = self.state.class("room").named("kitchen");
                let request = durable_object::http::Request::get("http://x/room/kitchen/count");
                let _never_sent = room.fetch(request.body(().into())?);
                self.state.abort(Some("clumsy"))
            }
            "break" => kv.put("broken", "")?,
            "beside" => durable_object::spawn(reset(self.state.clone())),
            "alarm" => self.state.storage().set_alarm_after(MINUTE)?,
            _ => {}
        }
        sleep(MINUTE / 2).await;
        Ok(Response::default())
    }
}

async fn reset(state: State) {
    state.abort(Some("beside"))
}

impl AlarmHandler for Clumsy {
    async fn alarm(&self, _: AlarmInfo) -> Result<()> {
        let kv = self.state.storage().kv();
        let rings: u32 = kv.get_as("rings")?.unwrap_or(0);
        kv.put_as("rings", &(rings + 1))?;
        sleep(MINUTE).await;
        self.state.abort_without_retry(None)
    }
}

fn clumsy_world() -> World {
    world().class::<Clumsy>("clumsy", |object| object.alarm())
}

#[test]
fn what_a_reset_object_has_written_and_said_is_undone() {
    clumsy_world()
        .run(async |world| {
            let clumsy = world.named("clumsy", "a");
            let error = clumsy.get("call").await.unwrap_err();
            assert!(error.is_reset() && error.message() == "clumsy");
            let written = clumsy.inspect(|state| state.storage().kv().get("written"));
            assert_eq!(written?, None);
            let count = world.named("room", "kitchen").get("count").await?;
            assert_eq!(count.into_body().text().await?, "1");
            Ok(())
        })
        .unwrap();
}

#[test]
fn what_runs_beside_an_event_may_reset_its_object() {
    clumsy_world()
        .run(async |world| {
            let clumsy = world.named("clumsy", "a");
            let error = clumsy.get("beside").await.unwrap_err();
            assert_eq!(error.message(), "beside");
            clumsy.get("again").await?;
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_alarm_may_give_up() {
    clumsy_world()
        .run(async |world| {
            let clumsy = world.named("clumsy", "a");
            clumsy.get("alarm").await?;
            sleep(60 * MINUTE).await;
            clumsy.inspect(|state| {
                assert_eq!(state.storage().kv().get_as::<u32>("rings")?, Some(1));
                assert_eq!(state.storage().alarm()?, None);
                Ok(())
            })
        })
        .unwrap();
}

#[test]
fn the_alarm_of_an_object_that_cannot_start_does_not_run() {
    clumsy_world()
        .run(async |world| {
            let clumsy = world.named("clumsy", "a");
            clumsy.get("alarm").await?;
            clumsy.get("break").await?;
            clumsy.restart();
            sleep(60 * MINUTE).await;
            assert_eq!(clumsy.get("x").await.unwrap_err().message(), "broken");
            clumsy.inspect(|state| {
                assert_eq!(state.storage().kv().get("rings")?, None);
                assert!(state.storage().alarm()?.is_some());
                Ok(())
            })
        })
        .unwrap();
}

#[test]
fn any_number_of_arguments_may_be_none() {
    struct Sum;

    impl DurableObject for Sum {
        async fn new(_: State) -> Result<Self> {
            Ok(Sum)
        }

        async fn fetch(&self, _: Request) -> Result<Response> {
            Ok(Response::default())
        }
    }

    impl durable_object::CallHandler for Sum {
        async fn call(&self, call: durable_object::Call) -> Result<durable_object::Payload> {
            let numbers: Vec<u32> = call.arguments()?;
            durable_object::Payload::of(&numbers.iter().sum::<u32>())
        }
    }

    World::new()
        .class::<Sum>("sum", |object| object.calls())
        .run(async |world| {
            let sum = world.named("sum", "a");
            assert_eq!(sum.call_method::<u32>("sum", ()).await?, 0);
            assert_eq!(sum.call_method::<u32>("sum", (1, 2)).await?, 3);
            Ok(())
        })
        .unwrap();
}
