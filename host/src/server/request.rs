//! From an HTTP request to the event that it is for an object, or to a refusal.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::header::{EXPECT, HeaderMap, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use super::Server;
use super::about::About;
use super::answer::Refusal;
use super::connection::Peer;
use super::discard::discard;
use super::proxies::{self, Reached, Scheme};
use super::upgrade::{self, Handshake, Upgrade};
use super::upload::{self, Broken, Upload, UploadLimits};
use super::{fields, host};
use crate::life::class::Class;
use crate::life::gateway::Seat;
use crate::limits::ServerLimits;
use crate::object::event::Request;
use crate::object::id::Target;
use crate::object::socket::line::line;
use crate::router::{self, RouteError};

/// A request that is for an object.
pub struct Addressed {
    pub request: Request,
    pub about: About,
    pub upload: Upload,
    pub upgrade: Option<Upgrade>,
}

/// Where a request goes, and by which address.
struct Destination {
    handshake: Option<Handshake>,
    class: Arc<Class>,
    target: Target,
    seat: Option<Seat>,
    url: String,
    host: String,
}

pub async fn read(
    server: &Server,
    mut request: hyper::Request<Incoming>,
    peer: &Peer,
) -> Result<Addressed, Refusal> {
    let connection = hyper::upgrade::on(&mut request);
    let (head, body) = request.into_parts();
    // Such a client sends its body only when somebody wants it.
    let is_awaited = is_awaited(&head.headers) && !body.is_end_stream();
    let destination = match check(server, &head, &body, peer) {
        Ok(destination) => destination,
        Err(refusal) => {
            leave(&head.headers, body);
            return Err(refusal);
        }
    };
    let limits = &server.limits;
    let upload_limits = UploadLimits {
        bytes_max: limits.body_bytes_max,
        timeout: Duration::from_millis(limits.body_timeout_ms),
    };
    let trusted = peer.is_trusted.then_some(&server.proxies);
    let mut headers = fields::of_request(&head.headers, &destination.host, trusted);
    let (far, upgrade) = match destination.handshake {
        None => (None, None),
        Some(handshake) => {
            headers.push(("upgrade".into(), b"websocket".into()));
            let (near, far) = line();
            near.connect();
            let upgrade = Upgrade {
                handshake,
                near,
                connection,
            };
            (Some(far), Some(upgrade))
        }
    };
    let about = About {
        class: destination.class,
        target: destination.target,
        seat: destination.seat,
        object: None,
        method: head.method,
        uri: head.uri,
        budget: server.faults.clone(),
    };
    match upload::read(body, upload_limits, is_awaited).await {
        Ok((body, upload)) => Ok(Addressed {
            request: Request {
                method: about.method.as_str().into(),
                url: destination.url,
                headers,
                body,
                upgrade: far,
            },
            about,
            upload,
            upgrade,
        }),
        Err(broken) => Err(broke_off(&broken, &about, limits)),
    }
}

/// What a client is told whose request's body did not arrive whole.
pub fn broke_off(broken: &Broken, about: &About, limits: &ServerLimits) -> Refusal {
    about.tell(&broken.to_string());
    match broken {
        Broken::TooLong => refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "the request's body is too long; at most {} bytes are accepted",
                limits.body_bytes_max
            ),
        ),
        Broken::Off(_) => refuse(
            StatusCode::BAD_REQUEST,
            "the request's body broke off or is malformed".into(),
        ),
        Broken::Stalled => refuse(
            StatusCode::REQUEST_TIMEOUT,
            format!(
                "the request's body did not come on for {} ms",
                limits.body_timeout_ms
            ),
        ),
    }
}

/// Has the body read that nobody wants, so that the client sees the answer.
pub fn leave(headers: &HeaderMap, body: Incoming) {
    if !is_awaited(headers) {
        discard(body);
    }
}

/// By which scheme and host a request comes, if it is in order, whoever answers it.
pub fn check_message<'a>(
    server: &Server,
    head: &'a Parts,
    body: &Incoming,
    peer: &Peer,
) -> Result<(Scheme, &'a str), Refusal> {
    check_protocol(head)?;
    check_size(&server.limits, head, body)?;
    let host = host::of(head.version, &head.uri, &head.headers);
    let host = host.map_err(|why| refuse(StatusCode::BAD_REQUEST, why.into()))?;
    let reached = match peer.is_trusted {
        true => proxies::reached(&head.headers),
        false => Reached::default(),
    };
    let host = reached.host.unwrap_or(host);
    let scheme = reached.scheme.unwrap_or(peer.scheme);
    let path = head.uri.path();
    if !path.starts_with('/') {
        let message = format!("the target {path:?} means this server as a whole, and no object");
        return Err(refuse(StatusCode::NOT_FOUND, message));
    }
    if !host::is_unambiguous(path) {
        let message = format!("the path {path:?} has dots or backslashes between its slashes");
        return Err(refuse(StatusCode::BAD_REQUEST, message));
    }
    Ok((scheme, host))
}

/// The object that is meant, if the request may reach it.
fn check(
    server: &Server,
    head: &Parts,
    body: &Incoming,
    peer: &Peer,
) -> Result<Destination, Refusal> {
    let (scheme, host) = check_message(server, head, body, peer)?;
    let routed = server.router.route(host, head.uri.path());
    let routed = routed.map_err(|error| {
        let status = match error {
            RouteError::NoRoute { .. } | RouteError::UnknownClass { .. } => StatusCode::NOT_FOUND,
            RouteError::NameNotText { .. } | RouteError::InvalidId { .. } => {
                StatusCode::BAD_REQUEST
            }
        };
        refuse(status, error.to_string())
    })?;
    let (class, target, seat) = match routed {
        router::Destination::Object(class, target) => (class, target, None),
        router::Destination::Gateway(gateway) => {
            let seat = gateway.seat();
            let instance = Target::Id(seat.instance());
            (gateway.class.clone(), instance, Some(seat))
        }
    };
    Ok(Destination {
        handshake: upgrade::asked(head)?,
        class,
        target,
        seat,
        url: url(scheme, host, head),
        host: host.into(),
    })
}

pub fn url(scheme: Scheme, host: &str, head: &Parts) -> String {
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let scheme = scheme.as_str();
    let mut url = String::with_capacity(scheme.len() + 3 + host.len() + path.len());
    for part in [scheme, "://", host] {
        url.push_str(part);
    }
    // As in every URL that was parsed.
    url.make_ascii_lowercase();
    url.push_str(path);
    url
}

fn check_protocol(head: &Parts) -> Result<(), Refusal> {
    if head.method == Method::CONNECT {
        let message = "this server is no proxy: it does not CONNECT".into();
        return Err(refuse(StatusCode::NOT_IMPLEMENTED, message));
    }
    if let Some(scheme) = head.uri.scheme_str()
        && scheme != "http"
        && scheme != "https"
    {
        let message = format!("{scheme:?} is not served here; ask for http or https");
        return Err(refuse(StatusCode::BAD_REQUEST, message));
    }
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    let first = codings.next().map(|coding| coding.as_bytes().trim_ascii());
    let is_plain = first.is_none_or(|coding| coding.eq_ignore_ascii_case(b"chunked"));
    if !is_plain || codings.next().is_some() {
        let message = "of the transfer codings only chunked is understood".into();
        return Err(refuse(StatusCode::NOT_IMPLEMENTED, message));
    }
    Ok(())
}

fn check_size(limits: &ServerLimits, head: &Parts, body: &Incoming) -> Result<(), Refusal> {
    let pairs = head.headers.iter();
    let bytes: usize = pairs
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    let bytes_max = limits.header_bytes_max;
    if bytes > bytes_max {
        return Err(refuse(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            format!("the request's headers have {bytes} bytes; at most {bytes_max} are accepted"),
        ));
    }
    let bytes_max = limits.body_bytes_max;
    if let Some(bytes) = body.size_hint().exact()
        && bytes > bytes_max
    {
        return Err(refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the request's body has {bytes} bytes; at most {bytes_max} are accepted"),
        ));
    }
    Ok(())
}

fn is_awaited(headers: &HeaderMap) -> bool {
    let expected = headers.get(EXPECT);
    expected.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

fn refuse(status: StatusCode, message: String) -> Refusal {
    Refusal::new(status, message)
}
