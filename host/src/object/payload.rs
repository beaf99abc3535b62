//! What a method call carries, on its way between two objects.

use std::sync::Arc;

use bytes::Bytes;

use super::body::BodySource;
use super::error::ObjectError;
use super::references::Lent;

/// The size of a call's arguments or result; the text is part of the contract.
pub const DATA_BYTES_MAX: usize = 32 << 20;
/// References and streams in one call. Each is kept by host and object one by one.
const PARTS_MAX: usize = 1_000;

/// Names that an object's language has for other things than methods.
const RESERVED: [&str; 7] = [
    "alarm",
    "fetch",
    "webSocketMessage",
    "webSocketClose",
    "webSocketError",
    "constructor",
    "dup",
];

#[derive(Default)]
pub struct Payload {
    /// One CBOR item.
    pub data: Bytes,
    pub references: Vec<Arc<Lent>>,
    pub streams: Vec<BodySource>,
}

/// May a payload have so much?
pub fn check(data_bytes: usize, references: usize, streams: usize) -> Result<(), ObjectError> {
    if data_bytes > DATA_BYTES_MAX {
        let message = format!(
            "Serialized RPC arguments or return values are limited to 32MiB, but the size of \
             this value was: {data_bytes} bytes."
        );
        return Err(ObjectError::exception("Error", message));
    }
    let parts = references + streams;
    if parts > PARTS_MAX {
        let message = format!(
            "RPC arguments or return values may have {PARTS_MAX} references and streams, but \
             this one has {parts}."
        );
        return Err(ObjectError::exception("RangeError", message));
    }
    Ok(())
}

/// May a method of a class have this name?
pub fn check_method(name: &str) -> Result<(), ObjectError> {
    if !RESERVED.contains(&name) {
        return Ok(());
    }
    let message = format!("'{name}' is a reserved method and cannot be called over RPC.");
    Err(ObjectError::type_error(message))
}

#[cfg(test)]
mod tests {
    //! The bounds, to the byte.

    use super::*;

    #[test]
    fn a_payload_has_32_mib_and_no_more() {
        assert!(check(33_554_432, 1_000, 0).is_ok());
        let refused = check(33_554_433, 0, 0).unwrap_err();
        assert_eq!(
            refused.message,
            "Serialized RPC arguments or return values are limited to 32MiB, but the size of this \
             value was: 33554433 bytes."
        );
        assert!(check(0, 500, 501).is_err());
    }

    #[test]
    fn reserved_names_are_refused() {
        let refused = check_method("alarm").unwrap_err();
        assert_eq!(
            (refused.name.as_str(), refused.message.as_str()),
            (
                "TypeError",
                "'alarm' is a reserved method and cannot be called over RPC."
            )
        );
        assert!(check_method("alarms").is_ok() && check_method("").is_ok());
    }
}
