//! Reads on what nobody wants to read.
//!
//! A client that is still sending its request when the server closes the
//! connection may never see the answer. So the rest of a request's body is read
//! and dropped for a while after it lost its reader.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

/// A client that has more to send than this, or takes longer, is cut off.
const BYTES_MAX: usize = 64 * 1024 * 1024;
const TIME_MAX: Duration = Duration::from_secs(5);

pub fn discard(body: Incoming) {
    if body.is_end_stream() {
        return;
    }
    // None when the process ends: then the connection does too.
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(tokio::time::timeout(TIME_MAX, read(body)));
    }
}

async fn read(mut body: Incoming) {
    let mut bytes = 0;
    while bytes <= BYTES_MAX
        && let Some(Ok(frame)) = body.frame().await
    {
        bytes += frame.data_ref().map_or(0, |data| data.len());
    }
}
