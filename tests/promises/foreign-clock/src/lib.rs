//! What if an object waits by WASI's own clock instead of the host's timers?
//!
//! `/wait-then-put?MS` waits like that and acknowledges a write; `/roll-back?MS` waits
//! within a transaction, by the host's timers, and takes it back; `/get` reads.

use durable::object::{kv, timers, transactions, types};
use exports::durable::object::fetch_handler::{
    Caller, Error, Guest as FetchHandler, Request, Response,
};
use exports::durable::object::lifecycle::Guest as Lifecycle;
use wasi::clocks::monotonic_clock;

wit_bindgen::generate!({
    inline: "
        package promises:foreign-clock;
        world foreign-clock {
            include durable:object/imports@0.1.0;
            import wasi:clocks/monotonic-clock@0.3.0;
            export durable:object/lifecycle@0.1.0;
            export durable:object/fetch-handler@0.1.0;
        }
        package wasi:clocks@0.3.0 {
            interface monotonic-clock {
                wait-for: async func(how-long: u64);
            }
        }
    ",
    path: "../../../wit",
    generate_all,
});

struct ForeignClock;
export!(ForeignClock);

impl Lifecycle for ForeignClock {
    async fn start() -> Result<(), Error> {
        Ok(())
    }
}

impl FetchHandler for ForeignClock {
    async fn fetch(request: Request, _: Caller) -> Result<Response, Error> {
        let (path, ms) = request.url.split_once('?').unwrap_or((&request.url, "0"));
        let ms: u64 = ms.parse().unwrap_or(0);
        match path.rsplit('/').next().unwrap_or_default() {
            "wait-then-put" => {
                monotonic_clock::wait_for(ms * 1_000_000).await;
                kv::put("x", b"kept").map_err(refused)?;
                text(b"kept")
            }
            "roll-back" => {
                let transaction = transactions::begin(None).map_err(refused)?;
                kv::put("y", b"taken back").map_err(refused)?;
                timers::sleep(ms).await;
                transactions::rollback(transaction).map_err(refused)?;
                text(b"rolled back")
            }
            _ => text(&kv::get("x").map_err(refused)?.unwrap_or_default()),
        }
    }
}

fn text(bytes: &[u8]) -> Result<Response, Error> {
    Ok(Response {
        status: 200,
        headers: Vec::new(),
        body: types::Body::Bytes(bytes.to_vec()),
    })
}

fn refused(refusal: types::StorageError) -> Error {
    Error {
        name: "Error".into(),
        message: format!("{refusal:?}"),
        flags: types::ErrorFlags::empty(),
        details: None,
    }
}
