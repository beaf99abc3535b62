//! What no object in memory has: sockets, other objects, the outside world.

use crate::{Error, Request, Response, Result};
use std::future::ready;

fn not_served<T>(what: &str) -> Result<T> {
    Err(Error::new(format!("{what} cannot be tested natively")))
}

pub mod websockets {
    use super::*;
    use crate::websocket::Message;

    const WHAT: &str = "a WebSocket";

    pub fn accept(_: u64, _: &[String]) -> Result<u64> {
        not_served(WHAT)
    }

    pub fn send(_: u64, _: &Message) -> Result<()> {
        not_served(WHAT)
    }

    pub fn close(_: u64, _: Option<u16>, _: &str) -> Result<()> {
        not_served(WHAT)
    }

    pub fn list(_: Option<&str>) -> Result<Vec<u64>> {
        Ok(Vec::new())
    }

    pub fn tags(_: u64) -> Result<Vec<String>> {
        not_served(WHAT)
    }

    pub fn attachment(_: u64) -> Result<Option<Vec<u8>>> {
        not_served(WHAT)
    }

    pub fn set_attachment(_: u64, _: &[u8]) -> Result<()> {
        not_served(WHAT)
    }

    pub fn set_auto_response(_: Option<(String, String)>) -> Result<()> {
        not_served(WHAT)
    }

    pub fn get_auto_response() -> Result<Option<(String, String)>> {
        not_served(WHAT)
    }

    pub fn auto_response_timestamp(_: u64) -> Result<Option<i64>> {
        not_served(WHAT)
    }

    pub fn set_event_timeout(_: Option<u32>) -> Result<()> {
        not_served(WHAT)
    }

    pub fn get_event_timeout() -> Result<Option<u32>> {
        not_served(WHAT)
    }
}

pub mod stubs {
    use super::*;
    use crate::stub::Target;

    const WHAT: &str = "a call of another object";

    pub fn id_from_name(_: &str, _: &str) -> Result<String> {
        not_served(WHAT)
    }

    pub fn new_unique_id(_: &str) -> Result<String> {
        not_served(WHAT)
    }

    pub fn id_from_string(_: &str, _: &str) -> Result<String> {
        not_served(WHAT)
    }

    pub fn fetch(
        _: &str,
        _: &Target,
        _: Request,
    ) -> impl Future<Output = Result<Response>> + use<> {
        ready(not_served(WHAT))
    }

    pub fn call(
        _: &str,
        _: &Target,
        _: &str,
        _: &[u8],
    ) -> impl Future<Output = Result<Vec<u8>>> + use<> {
        ready(not_served(WHAT))
    }
}

pub mod outbound {
    use super::*;

    pub fn fetch(_: Request) -> impl Future<Output = Result<Response>> {
        ready(not_served("a request to the outside world"))
    }
}
