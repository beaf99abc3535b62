//! Sends clients of plain HTTP on to HTTPS.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{HeaderValue, LOCATION};

use super::answer::{Refusal, refusal, text};
use super::body::Body;
use super::vigil::Vigil;
use super::{host, target};

/// The port that need not be written.
const HTTPS_PORT: u16 = 443;

/// The same address on `port`, for good and with the same method.
pub fn answer(
    mut request: hyper::Request<Incoming>,
    port: u16,
    vigil: &Arc<Vigil>,
) -> hyper::Response<Body> {
    let exchange = vigil.begin(request.version(), request.method());
    if let Err(refused) = target::encode(request.uri_mut()) {
        return refusal(refused, exchange);
    }
    let host = match host::of(request.version(), request.uri(), request.headers()) {
        Ok(host) => host::without_port(host),
        Err(why) => {
            let why = Refusal {
                status: StatusCode::BAD_REQUEST,
                message: why.into(),
            };
            return refusal(why, exchange);
        }
    };
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    // `*` means the server as a whole.
    let path = if path == "*" { "/" } else { path };
    let location = match port {
        HTTPS_PORT => format!("https://{host}{path}"),
        port => format!("https://{host}:{port}{path}"),
    };
    let mut answer = text(
        StatusCode::PERMANENT_REDIRECT,
        format!("{location}\n"),
        exchange,
    );
    if let Ok(location) = HeaderValue::try_from(location) {
        answer.headers_mut().insert(LOCATION, location);
    }
    answer
}
