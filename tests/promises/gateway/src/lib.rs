//! Stands before the fixture as a careful gateway does, or a bad one.
//!
//! `/to/<name>/…` goes to that object if the request has a key, as it came; what else
//! it does is the last segment of `/own/…`.

use std::cell::Cell;

use durable::object::{stubs, timers, types};
use exports::durable::object::fetch_handler::{
    Caller, Error, Guest as FetchHandler, Request, Response,
};

wit_bindgen::generate!({
    world: "durable:object/gateway",
    path: "../../../wit",
    generate_all,
});

struct Gateway;
export!(Gateway);

thread_local! {
    /// Requests that this instance has seen.
    static SEEN: Cell<u64> = const { Cell::new(0) };
}

impl FetchHandler for Gateway {
    async fn fetch(request: Request, caller: Caller) -> Result<Response, Error> {
        SEEN.set(SEEN.get() + 1);
        answer(request, caller).await
    }
}

async fn answer(request: Request, caller: Caller) -> Result<Response, Error> {
    let url = request.url.clone();
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let parameter = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(known, _)| *known == name)
            .map_or("", |it| it.1)
    };
    let number = |name: &str| parameter(name).parse::<u64>().unwrap_or(0);
    let mut segments = path.split('/');
    match (segments.next(), segments.next()) {
        (Some("to"), Some(name)) => {
            if parameter("key") != "sesame" {
                return Ok(text(403, "the gateway lets nobody in without a key"));
            }
            let target = stubs::Target::Name(name.into());
            stubs::fetch("fixture", &target, request).await
        }
        (Some("own"), Some(what)) => match what {
            "seen" => Ok(text(200, &SEEN.get().to_string())),
            "hold" => {
                println!("holding a request");
                timers::sleep(number("ms")).await;
                Ok(text(200, "held"))
            }
            "left" => {
                println!("holding a request");
                let left = durable::object::callers::left(caller).await;
                println!("a caller has left: {left}");
                Ok(text(200, "too late"))
            }
            "env" => {
                let value = std::env::var(parameter("name"));
                Ok(text(200, value.as_deref().unwrap_or("(none)")))
            }
            "echo" => Ok(Response {
                status: 200,
                headers: Vec::new(),
                body: request.body,
            }),
            "id" => {
                let id = stubs::id_from_name("fixture", parameter("name"));
                id.map(|id| text(200, &id))
            }
            "nobody" => {
                let target = stubs::Target::Name("x".into());
                stubs::fetch("nobody", &target, request).await
            }
            "outside" => {
                let request = Request {
                    url: format!("http://{}/", parameter("host")),
                    method: "GET".into(),
                    headers: Vec::new(),
                    body: types::Body::Empty,
                    upgrade: None,
                };
                let redirects = durable::object::http::Redirects::Manual;
                durable::object::http::fetch(request, redirects).await
            }
            "fail" => Err(Error {
                name: "Error".into(),
                message: "the gateway failed".into(),
                flags: types::ErrorFlags::empty(),
                details: None,
            }),
            "trap" => core::arch::wasm32::unreachable(),
            "spin" => loop {
                std::hint::black_box(());
            },
            "hoard" => {
                let bytes = vec![1u8; number("bytes") as usize];
                Ok(text(200, &std::hint::black_box(bytes).len().to_string()))
            }
            _ => Ok(text(404, "the gateway knows no such thing")),
        },
        _ => Ok(text(404, "the gateway knows no such place")),
    }
}

fn text(status: u16, text: &str) -> Response {
    Response {
        status,
        headers: vec![("x-by".into(), b"gateway".to_vec())],
        body: types::Body::Bytes(text.into()),
    }
}
