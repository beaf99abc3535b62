//! `websockets`: not served yet; every call says so.

use wasmtime::Result;

use super::types::not_served;
use crate::instance::bindings::durable::object::websockets::{
    AutoResponse, Error, Host, Message, Socket, UpgradeToken,
};
use crate::instance::context::Context;

type Answer<T> = Result<std::result::Result<T, Error>>;

fn refuse<T>() -> Answer<T> {
    Ok(Err(not_served("websockets")))
}

impl Host for Context {
    fn accept(&mut self, _upgrade: UpgradeToken, _tags: Vec<String>) -> Answer<Socket> {
        refuse()
    }

    fn send(&mut self, _socket: Socket, _message: Message) -> Answer<()> {
        refuse()
    }

    fn close(&mut self, _socket: Socket, _code: Option<u16>, _reason: String) -> Answer<()> {
        refuse()
    }

    fn list(&mut self, _tag: Option<String>) -> Answer<Vec<Socket>> {
        refuse()
    }

    fn tags(&mut self, _socket: Socket) -> Answer<Vec<String>> {
        refuse()
    }

    fn attachment(&mut self, _socket: Socket) -> Answer<Option<Vec<u8>>> {
        refuse()
    }

    fn set_attachment(&mut self, _socket: Socket, _attachment: Vec<u8>) -> Answer<()> {
        refuse()
    }

    fn set_auto_response(&mut self, _pair: Option<AutoResponse>) -> Answer<()> {
        refuse()
    }

    fn get_auto_response(&mut self) -> Answer<Option<AutoResponse>> {
        refuse()
    }

    fn auto_response_timestamp(&mut self, _socket: Socket) -> Answer<Option<i64>> {
        refuse()
    }

    fn set_event_timeout(&mut self, _timeout_ms: Option<u32>) -> Answer<()> {
        refuse()
    }

    fn get_event_timeout(&mut self) -> Answer<Option<u32>> {
        refuse()
    }
}
