//! What may a socket be told, tagged with or given to keep? Pure; the texts are part
//! of the contract.

use std::collections::BTreeSet;

use super::{Close, Message};
use crate::object::error::ObjectError;

pub const SOCKETS_MAX: usize = 32_768;
pub const MESSAGE_BYTES_MAX: usize = 32 << 20;
const TAGS_MAX: usize = 10;
const TAG_BYTES_MAX: usize = 256;
const ATTACHMENT_BYTES_MAX: usize = 16_384;
const AUTO_RESPONSE_BYTES_MAX: usize = 2_048;
const EVENT_TIMEOUT_MS_MAX: u32 = 604_800_000;
/// What fits into a control frame beside the code (RFC 6455, 5.5).
pub const REASON_BYTES_MAX: usize = 123;

type Answer<T> = Result<T, ObjectError>;

/// The tags that a socket gets, each once, in the order given.
pub fn tags(given: Vec<String>) -> Answer<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut tags = Vec::new();
    for tag in given {
        if !seen.insert(tag.clone()) {
            continue;
        }
        if tags.len() == TAGS_MAX {
            let message = format!("a Hibernatable WebSocket cannot have more than {TAGS_MAX} tags");
            return Err(ObjectError::exception("Error", message));
        }
        if tag.len() > TAG_BYTES_MAX {
            let message = format!(
                "\"{tag}\" is longer than the max tag length ({TAG_BYTES_MAX} characters)."
            );
            return Err(ObjectError::exception("Error", message));
        }
        tags.push(tag);
    }
    Ok(tags)
}

pub fn message(message: &Message) -> Answer<()> {
    match message.bytes() {
        bytes if bytes > MESSAGE_BYTES_MAX => Err(ObjectError::exception(
            "RangeError",
            too_large(bytes as u64),
        )),
        _ => Ok(()),
    }
}

pub fn too_large(bytes: u64) -> String {
    format!("Message is too large: {bytes} > {MESSAGE_BYTES_MAX}")
}

pub fn close(code: Option<u16>, reason: String) -> Answer<Close> {
    let refused = |message: String| Err(ObjectError::exception("TypeError", message));
    match code {
        Some(code) if !is_sent(code) => refused(format!("Invalid WebSocket close code: {code}.")),
        None if !reason.is_empty() => {
            refused("If you specify a WebSocket close reason, you must also specify a code.".into())
        }
        _ if reason.len() > REASON_BYTES_MAX => refused(format!(
            "A WebSocket close reason cannot be longer than {REASON_BYTES_MAX} bytes; it had {}.",
            reason.len()
        )),
        code => Ok(Close { code, reason }),
    }
}

/// May an object send this code?
fn is_sent(code: u16) -> bool {
    (1000..5000).contains(&code) && ![1004, 1005, 1006, 1015].contains(&code)
}

pub fn attachment(bytes: usize) -> Answer<()> {
    if bytes <= ATTACHMENT_BYTES_MAX {
        return Ok(());
    }
    let message = format!(
        "A WebSocket 'attachment' cannot be larger than {ATTACHMENT_BYTES_MAX} \
         bytes.'attachment' was {bytes} bytes."
    );
    Err(ObjectError::exception("Error", message))
}

pub fn auto_response(request: &str, response: &str) -> Answer<()> {
    for (what, text) in [("Request", request), ("Response", response)] {
        let bytes = text.len();
        if bytes > AUTO_RESPONSE_BYTES_MAX {
            let message = format!(
                "{what} cannot be larger than {AUTO_RESPONSE_BYTES_MAX} bytes. A {} of size \
                 {bytes} was provided.",
                what.to_lowercase()
            );
            return Err(ObjectError::exception("RangeError", message));
        }
    }
    Ok(())
}

/// The limit that is set; none or 0 is none.
pub fn event_timeout(ms: Option<u32>) -> Answer<Option<u32>> {
    match ms {
        Some(ms) if ms > EVENT_TIMEOUT_MS_MAX => Err(ObjectError::exception(
            "Error",
            format!("Event timeout should not exceed {EVENT_TIMEOUT_MS_MAX} ms."),
        )),
        ms => Ok(ms.filter(|ms| *ms > 0)),
    }
}

pub fn too_many_sockets() -> ObjectError {
    let message = format!(
        "only {SOCKETS_MAX} websockets can be accepted on a single Durable Object instance"
    );
    ObjectError::exception("Error", message)
}

pub fn closed() -> ObjectError {
    let message = "Can't call WebSocket send() after close().";
    ObjectError::exception("TypeError", message)
}

pub fn no_such_socket(number: u64) -> ObjectError {
    let message = format!("This object has no WebSocket {number}; it may have been closed.");
    ObjectError::exception("TypeError", message)
}

/// What only sockets have that outlive an instance.
pub fn is_plain(number: u64) -> ObjectError {
    let message = format!(
        "WebSocket {number} was accepted without hibernation: it has no tags, no attachment and \
         no auto-response."
    );
    ObjectError::exception("TypeError", message)
}

#[cfg(test)]
mod tests {
    //! Each limit at its edge, with its text.

    use super::*;

    fn check<T: std::fmt::Debug + PartialEq>(answer: Answer<T>, expected: Result<T, &str>) {
        match (answer, expected) {
            (Ok(got), Ok(expected)) => assert_eq!(got, expected),
            (Err(got), Err(expected)) => assert_eq!(got.message, expected),
            (got, expected) => panic!("{got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn tags_are_few_short_and_different() {
        let many = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        check(tags(many(10)), Ok(many(10)));
        check(
            tags(many(11)),
            Err("a Hibernatable WebSocket cannot have more than 10 tags"),
        );
        let twice = [many(10), many(10)].concat();
        check(tags(twice), Ok(many(10)));
        check(tags(vec!["".into()]), Ok(vec!["".into()]));
        check(tags(vec!["é".repeat(128)]), Ok(vec!["é".repeat(128)]));
        let long = "x".repeat(257);
        let message = format!("\"{long}\" is longer than the max tag length (256 characters).");
        check(tags(vec![long]), Err(&message));
    }

    #[test]
    fn a_close_has_a_code_that_may_be_sent_and_a_short_reason() {
        for code in [1000, 1003, 1007, 1011, 1012, 3000, 4999] {
            let reason = "r".repeat(123);
            let expected = Close {
                code: Some(code),
                reason: reason.clone(),
            };
            check(close(Some(code), reason), Ok(expected));
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 5000, 65535] {
            let message = format!("Invalid WebSocket close code: {code}.");
            check(close(Some(code), String::new()), Err(&message));
        }
        let nothing = Close {
            code: None,
            reason: String::new(),
        };
        check(close(None, String::new()), Ok(nothing));
        check(
            close(None, "why".into()),
            Err("If you specify a WebSocket close reason, you must also specify a code."),
        );
        check(
            close(Some(1000), "r".repeat(124)),
            Err("A WebSocket close reason cannot be longer than 123 bytes; it had 124."),
        );
    }

    #[test]
    fn what_is_kept_with_a_socket_is_small() {
        check(attachment(16_384), Ok(()));
        check(
            attachment(16_385),
            Err(
                "A WebSocket 'attachment' cannot be larger than 16384 bytes.'attachment' was \
                 16385 bytes.",
            ),
        );
        let (fits, long) = ("x".repeat(2_048), "x".repeat(2_049));
        check(auto_response(&fits, &fits), Ok(()));
        check(
            auto_response(&long, ""),
            Err("Request cannot be larger than 2048 bytes. A request of size 2049 was provided."),
        );
        check(
            auto_response("", &long),
            Err("Response cannot be larger than 2048 bytes. A response of size 2049 was provided."),
        );
        check(event_timeout(Some(604_800_000)), Ok(Some(604_800_000)));
        check(event_timeout(Some(0)), Ok(None));
        check(
            event_timeout(Some(604_800_001)),
            Err("Event timeout should not exceed 604800000 ms."),
        );
        let large = Message::Binary(vec![0; MESSAGE_BYTES_MAX + 1]);
        check(
            message(&large),
            Err("Message is too large: 33554433 > 33554432"),
        );
    }
}
