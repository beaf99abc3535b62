//! What clients see while the newest source of a class does not build: the answers
//! of its older code, marked; or, where there is none, why there is none.

use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::answer;
use super::body::Body;
use super::vigil::Exchange;
use crate::life::class::Class;

pub const HEADER: HeaderName = HeaderName::from_static("abide-build");
const FAILED: HeaderValue = HeaderValue::from_static("failed");

/// The answer in place of a class that has no code; gives the exchange back if it
/// has some.
pub fn instead_of(class: &Class, exchange: Exchange) -> Result<Response<Body>, Exchange> {
    let failure = class.build_failure.load();
    let Some(failure) = failure.as_ref().filter(|failure| !failure.older_answers) else {
        return Err(exchange);
    };
    let message = format!(
        "class {:?} cannot be built:\n\n{}\n\nIt is built again as soon as its source changes.\n",
        class.name,
        failure.said.trim_end()
    );
    let mut response = answer::text(StatusCode::SERVICE_UNAVAILABLE, message, exchange);
    response.headers_mut().insert(HEADER, FAILED);
    Ok(response)
}

/// Marks what older code answered.
pub fn mark(class: &Class, response: &mut Response<Body>) {
    if class.build_failure.load().is_some() {
        response.headers_mut().insert(HEADER, FAILED);
    }
}
