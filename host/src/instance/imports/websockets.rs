//! `websockets`: the object's ends of sockets.

use wasmtime::Result;

use crate::instance::bindings::durable::object::websockets::{
    AutoResponse, Error, Host, Message, Socket, SocketState, UpgradeToken,
};
use crate::instance::context::Context;
use crate::instance::tokens::TOKENS_MAX;
use crate::object::error::ObjectError;
use crate::object::outlet::Output;
use crate::object::socket::sockets::{self, Kind, State};
use crate::object::socket::{self, line};

type Answer<T> = Result<std::result::Result<T, Error>>;

impl Context {
    fn take_socket(
        &mut self,
        token: UpgradeToken,
        kind: Kind,
    ) -> std::result::Result<Socket, ObjectError> {
        let sockets = &self.parts.sockets;
        let kind = sockets.check(kind)?;
        let end = self.tokens.accept(token)?;
        Ok(sockets.accept(end, kind))
    }

    fn say(&self, speaker: std::sync::Arc<line::Speaker>, said: line::Said) {
        let commit = self.parts.storage.lock().newest_commit();
        self.parts.outlet.say(commit, Output::Said(speaker, said));
    }
}

impl Host for Context {
    fn handshake(&mut self) -> Result<UpgradeToken> {
        self.tokens.handshake().ok_or_else(|| {
            let message = format!("Durable Object has more than {TOKENS_MAX} upgrade tokens.");
            self.end.reset(message)
        })
    }

    fn accept(&mut self, upgrade: UpgradeToken, tags: Vec<String>) -> Answer<Socket> {
        let accepted = self.take_socket(upgrade, Kind::Kept { tags });
        Ok(accepted.map_err(Into::into))
    }

    fn accept_plain(&mut self, upgrade: UpgradeToken) -> Answer<Socket> {
        let since = self.turnstile.stamp();
        let accepted = self.take_socket(upgrade, Kind::Plain { since });
        Ok(accepted.map_err(Into::into))
    }

    fn ready_state(&mut self, socket: Socket) -> Result<SocketState> {
        Ok(match self.parts.sockets.state(socket) {
            State::Open => SocketState::Open,
            State::Closing => SocketState::Closing,
            State::Closed => SocketState::Closed,
        })
    }

    fn send(&mut self, socket: Socket, message: Message) -> Answer<()> {
        let message = match message {
            Message::Text(text) => socket::Message::Text(text),
            Message::Binary(bytes) => socket::Message::Binary(bytes),
        };
        let sent = self.parts.sockets.to_send(socket, message);
        let sent = sent.map(|(speaker, said)| self.say(speaker, said));
        Ok(sent.map_err(Into::into))
    }

    fn close(&mut self, socket: Socket, code: Option<u16>, reason: String) -> Answer<()> {
        let closed = self.parts.sockets.to_close(socket, code, reason);
        let closed = closed.map(|first| {
            if let Some((speaker, said)) = first {
                self.say(speaker, said);
            }
        });
        Ok(closed.map_err(Into::into))
    }

    fn list(&mut self, tag: Option<String>) -> Answer<Vec<Socket>> {
        Ok(Ok(self.parts.sockets.list(tag.as_deref())))
    }

    fn tags(&mut self, socket: Socket) -> Answer<Vec<String>> {
        Ok(self.parts.sockets.tags(socket).map_err(Into::into))
    }

    fn attachment(&mut self, socket: Socket) -> Answer<Option<Vec<u8>>> {
        Ok(self.parts.sockets.attachment(socket).map_err(Into::into))
    }

    fn set_attachment(&mut self, socket: Socket, attachment: Vec<u8>) -> Answer<()> {
        let set = self.parts.sockets.set_attachment(socket, attachment);
        Ok(set.map_err(Into::into))
    }

    fn set_auto_response(&mut self, pair: Option<AutoResponse>) -> Answer<()> {
        let pair = pair.map(|pair| sockets::AutoResponse {
            request: pair.request,
            response: pair.response,
        });
        let set = self.parts.sockets.set_auto_response(pair);
        Ok(set.map_err(Into::into))
    }

    fn get_auto_response(&mut self) -> Answer<Option<AutoResponse>> {
        let pair = self.parts.sockets.auto_response();
        Ok(Ok(pair.map(|pair| AutoResponse {
            request: pair.request.clone(),
            response: pair.response.clone(),
        })))
    }

    fn auto_response_timestamp(&mut self, socket: Socket) -> Answer<Option<i64>> {
        Ok(self.parts.sockets.answered_ms(socket).map_err(Into::into))
    }

    fn set_event_timeout(&mut self, timeout_ms: Option<u32>) -> Answer<()> {
        let set = self.parts.sockets.set_event_timeout(timeout_ms);
        Ok(set.map_err(Into::into))
    }

    fn get_event_timeout(&mut self) -> Answer<Option<u32>> {
        Ok(Ok(self.parts.sockets.event_timeout_ms()))
    }
}
