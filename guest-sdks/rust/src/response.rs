//! Short ways to write the usual responses.
//!
//! A [`Response`] is an `http::Response<Body>`; whatever is not here is made with
//! `http::Response::builder()`.
//!
//! ```
//! use durable_object::{Body, Response, http};
//!
//! # fn main() -> durable_object::Result<()> {
//! let response: Response = http::Response::builder()
//!     .status(201)
//!     .header("location", "/counter/tea")
//!     .body(Body::empty())?;
//! # Ok(()) }
//! ```

use crate::{Body, Error, Response, Result};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderName, StatusCode};
use serde::Serialize;

/// 200 with a text, as `text/plain; charset=utf-8`.
///
/// ```
/// let response = durable_object::response::text("hello");
/// assert_eq!(response.status(), 200);
/// assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
/// ```
pub fn text(text: impl Into<String>) -> Response {
    with_type("text/plain; charset=utf-8", text.into().into())
}

/// 200 with a page, as `text/html; charset=utf-8`.
///
/// ```
/// let response = durable_object::response::html("<p>hello");
/// assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
/// ```
pub fn html(page: impl Into<String>) -> Response {
    with_type("text/html; charset=utf-8", page.into().into())
}

/// 200 with the JSON of a value, as `application/json`. Fails when the value has
/// no JSON form, such as a map whose keys are not text.
///
/// ```
/// let response = durable_object::response::json(&[1, 2, 3]).unwrap();
/// assert_eq!(response.headers()["content-type"], "application/json");
/// ```
pub fn json(value: &(impl Serialize + ?Sized)) -> Result<Response> {
    Ok(with_type("application/json", Body::from_json(value)?))
}

/// A status without a body.
///
/// ```
/// use durable_object::{http::StatusCode, response};
///
/// assert_eq!(response::status(StatusCode::NOT_FOUND).status(), 404);
/// ```
pub fn status(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

/// 405 for a request whose method the object does not serve, with the header
/// `allow` that HTTP asks for. Fails when `allow` cannot be a header's value.
///
/// ```
/// let response = durable_object::response::method_not_allowed("GET, POST").unwrap();
/// assert_eq!(response.status(), 405);
/// assert_eq!(response.headers()["allow"], "GET, POST");
/// ```
pub fn method_not_allowed(allow: &str) -> Result<Response> {
    let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
    let allow = HeaderValue::from_str(allow)?;
    response.headers_mut().insert(http::header::ALLOW, allow);
    Ok(response)
}

/// What a client gets for an error that has a status; others stay errors.
pub(crate) fn of_error(error: Error) -> Result<Response> {
    let Some(status) = error.http_status() else {
        return Err(error);
    };
    let mut response = text(format!("{error:#}"));
    *response.status_mut() = status;
    Ok(response)
}

fn with_type(content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    let name: HeaderName = CONTENT_TYPE;
    let value = HeaderValue::from_static(content_type);
    response.headers_mut().insert(name, value);
    response
}
