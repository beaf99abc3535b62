//! What does an object's alarm do?
//!
//! `/set?in=MS&plan=STEPS;STEPS…` sets the alarm and says what each run of its handler
//! does, the last as often as there are more; `/runs` tells how often it ran and what it
//! found then.

mod steps;

use std::time::SystemTime;

use durable::object::{alarms, kv, state, storage, timers, types};
use exports::durable::object::alarm_handler::{AlarmInfo, Guest as AlarmHandler};
use exports::durable::object::fetch_handler::{
    Caller, Error, Guest as FetchHandler, Request, Response,
};
use exports::durable::object::lifecycle::Guest as Lifecycle;

wit_bindgen::generate!({
    inline: "
        package promises:alarm-clock;
        world alarm-clock {
            include durable:object/imports@0.1.0;
            export durable:object/lifecycle@0.1.0;
            export durable:object/fetch-handler@0.1.0;
            export durable:object/alarm-handler@0.1.0;
        }
    ",
    path: "../../../wit",
    generate_all,
});

struct AlarmClock;
export!(AlarmClock);

impl Lifecycle for AlarmClock {
    /// Fails while there is the key `unborn`, which counts down; takes as long as `slow` says.
    async fn start() -> Result<(), Error> {
        match number("slow")? {
            0 => {}
            ms => {
                timers::sleep(ms).await;
            }
        }
        let left = number("unborn")?;
        if left == 0 {
            return Ok(());
        }
        put("unborn", &(left - 1).to_string())?;
        storage::sync().await.map_err(refused)?;
        Err(error("unborn"))
    }
}

impl AlarmHandler for AlarmClock {
    async fn alarm(info: AlarmInfo) -> Result<(), Error> {
        let found = alarms::get().map_err(refused)?;
        let run = number("run-count")?;
        put("run-count", &(run + 1).to_string())?;
        let name = state::name().unwrap_or("(none)".into());
        let found = found.map_or("none", |_| "set");
        let line = format!("{} {} {name} {found}\n", info.retry_count, info.is_retry);
        put("runs", &(get("runs")? + &line))?;
        put("scheduled", &info.scheduled_time.to_string())?;
        // What a run did to this point is there, whatever comes then.
        storage::sync().await.map_err(refused)?;
        steps::run(&get("plan")?, run as usize).await
    }
}

impl FetchHandler for AlarmClock {
    async fn fetch(request: Request, _: Caller) -> Result<Response, Error> {
        let (path, query) = request.url.split_once('?').unwrap_or((&request.url, ""));
        let parameter = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let found = pairs.find(|(other, _)| *other == name);
            found.map_or("", |(_, value)| value)
        };
        let route = path.rsplit('/').next().unwrap_or_default();
        let answer = match route {
            "set" => {
                put("plan", parameter("plan"))?;
                put("unborn", parameter("unborn"))?;
                put("also", parameter("also"))?;
                put("slow", parameter("slow"))?;
                set_in(parameter("in").parse().unwrap_or(0))?
            }
            "set-at" => {
                alarms::set(parameter("at").parse().unwrap_or(0)).map_err(refused)?;
                "set".into()
            }
            "set-then-trap" => {
                set_in(0)?;
                put("also", "set")?;
                core::arch::wasm32::unreachable()
            }
            "get" => match alarms::get().map_err(refused)? {
                Some(_) => "set".into(),
                None => "none".into(),
            },
            "time" => alarms::get().map_err(refused)?.unwrap_or(0).to_string(),
            "delete" => {
                alarms::delete().map_err(refused)?;
                "deleted".into()
            }
            "sleep" => {
                timers::sleep(parameter("ms").parse().unwrap_or(0)).await;
                "slept".into()
            }
            "runs" | "scheduled" | "also" | "run-count" => get(route)?,
            other => return Err(error(&format!("the alarm clock has no route {other}"))),
        };
        Ok(Response {
            status: 200,
            headers: Vec::new(),
            body: types::Body::Bytes(answer.into_bytes()),
        })
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    since.as_millis() as i64
}

fn set_in(ms: i64) -> Result<String, Error> {
    let time_ms = now_ms() + ms;
    alarms::set(time_ms).map_err(refused)?;
    Ok(time_ms.to_string())
}

fn get(key: &str) -> Result<String, Error> {
    let value = kv::get(key).map_err(refused)?;
    Ok(String::from_utf8_lossy(&value.unwrap_or_default()).into_owned())
}

fn number(key: &str) -> Result<u64, Error> {
    Ok(get(key)?.parse().unwrap_or(0))
}

fn put(key: &str, value: &str) -> Result<(), Error> {
    kv::put(key, value.as_bytes()).map_err(refused)
}

fn error(message: &str) -> Error {
    Error {
        name: "Error".into(),
        message: message.into(),
        flags: types::ErrorFlags::empty(),
        details: None,
    }
}

fn refused(refusal: types::StorageError) -> Error {
    match refusal {
        types::StorageError::Invalid(message) => error(&message),
        types::StorageError::Sqlite(failure) => error(&failure.message),
    }
}
