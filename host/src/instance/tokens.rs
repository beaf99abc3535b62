//! Ends of WebSockets that nobody has accepted yet, as an instance knows them: by
//! number.

use std::collections::HashMap;

use crate::object::error::ObjectError;
use crate::object::socket::line::{End, line};

/// Tokens at a time: as many as events that run in one instance.
pub const TOKENS_MAX: usize = 10_000;

#[derive(Default)]
pub struct Tokens {
    tokens: HashMap<u64, Token>,
    last: u64,
}

enum Token {
    /// Of a request that came.
    Came(End),
    /// Not sent yet: this object's end, and the other one's.
    Fresh(End, End),
    /// Sent with a request that is not answered with 101 yet.
    Sent(End),
    /// Answered with 101.
    Answered(End),
}

impl Tokens {
    /// A token for the end that came with a request.
    pub fn came(&mut self, end: End) -> u64 {
        self.add(Token::Came(end))
    }

    /// A token for a socket that this object asks for; none when it has too many.
    pub fn handshake(&mut self) -> Option<u64> {
        if self.tokens.len() >= TOKENS_MAX {
            return None;
        }
        let (near, far) = line();
        Some(self.add(Token::Fresh(near, far)))
    }

    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The newest number.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Gives out no number up to this one.
    pub fn go_on_after(&mut self, last: u64) {
        self.last = self.last.max(last);
    }

    fn add(&mut self, token: Token) -> u64 {
        self.last += 1;
        self.tokens.insert(self.last, token);
        self.last
    }

    /// The end to send along with a request.
    pub fn send(&mut self, number: u64) -> Result<End, ObjectError> {
        match self.tokens.remove(&number) {
            Some(Token::Came(end)) => Ok(end),
            Some(Token::Fresh(near, far)) => {
                self.tokens.insert(number, Token::Sent(near));
                Ok(far)
            }
            other => Err(self.put_back(number, other, "was sent with a request already")),
        }
    }

    /// A request with this token, or without one, was answered with this status, or
    /// not at all. Fails when the answer makes no sense.
    pub fn answered(
        &mut self,
        number: Option<u64>,
        status: Option<u16>,
    ) -> Result<(), ObjectError> {
        let sent = number.and_then(|number| match self.tokens.remove(&number) {
            Some(Token::Sent(near)) => Some((number, near)),
            _ => None,
        });
        match (sent, status) {
            (Some((number, near)), Some(101)) if near.is_answered() => {
                self.tokens.insert(number, Token::Answered(near));
                Ok(())
            }
            (Some(_), Some(101)) => Err(ObjectError::type_error(
                "the answer has status 101, but the WebSocket was not accepted",
            )),
            (None, Some(101)) if number.is_none() => Err(ObjectError::type_error(
                "the answer has status 101, but no WebSocket was asked for",
            )),
            _ => Ok(()),
        }
    }

    /// The end to accept.
    pub fn accept(&mut self, number: u64) -> Result<End, ObjectError> {
        match self.tokens.remove(&number) {
            Some(Token::Came(end) | Token::Answered(end)) => Ok(end),
            other => Err(self.put_back(
                number,
                other,
                "is for a request of the object's own, which \
                must be answered with 101 first",
            )),
        }
    }

    /// The request that the token came with was answered.
    pub fn forget(&mut self, number: u64) {
        self.tokens.remove(&number);
    }

    fn put_back(&mut self, number: u64, token: Option<Token>, what: &str) -> ObjectError {
        let message = match token {
            Some(token) => {
                self.tokens.insert(number, token);
                format!("the upgrade token {number} {what}")
            }
            None => format!(
                "there is no upgrade token {number}; it was used, or its request was answered"
            ),
        };
        ObjectError::type_error(message)
    }
}
