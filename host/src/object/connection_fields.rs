//! Which header fields belong to a connection and not to the message that came by it?

/// Fields of the connection, and the credentials between a client and its proxy. The
/// name is in lower case.
pub fn is_of_connection(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
            | "proxy-authenticate"
            | "proxy-authentication-info"
            | "proxy-authorization"
    )
}

/// The fields that a value of `connection` names; the usual words are no fields.
pub fn named(connection: &[u8]) -> impl Iterator<Item = &[u8]> {
    let words = connection.split(|byte| *byte == b',');
    let is_field = |word: &&[u8]| {
        // The last two say where the message goes and where it ends.
        let others: [&[u8]; 4] = [b"close", b"keep-alive", b"host", b"content-length"];
        !others.iter().any(|other| word.eq_ignore_ascii_case(other))
    };
    words.map(<[u8]>::trim_ascii).filter(is_field)
}

/// Whether one of these values, each of which is a list, has the word.
pub fn has_word<'a>(values: impl IntoIterator<Item = &'a [u8]>, word: &str) -> bool {
    let mut words = values
        .into_iter()
        .flat_map(|value| value.split(|byte| *byte == b','));
    words.any(|it| it.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}
