//! What an object asks of a request beside what HTTP says.

use crate::{Request, host};

/// Who waits for the answer to an event.
///
/// ```no_run
/// use durable_object::{Request, RequestExt, Response, Result, spawn};
///
/// async fn fetch(request: Request) -> Result<Response> {
///     let caller = request.caller();
///     spawn(async move {
///         if caller.left().await {
///             println!("nobody waits any more");
///         }
///     });
///     // A long computation, which may look whether it is still wanted.
///     Ok(Response::default())
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller(pub(crate) u64);

impl Caller {
    /// Nobody, or the object itself.
    pub(crate) fn none() -> Self {
        Self(u64::MAX)
    }

    /// Ends with true as soon as the caller has gone, so that nobody would get the
    /// answer, and with false once the answer has left whole. A caller is gone that has dropped
    /// the future of its call, a client whose connection is closed, and a
    /// [`Gateway`](crate::Gateway)'s request whose client is gone.
    pub fn left(&self) -> impl Future<Output = bool> + use<> {
        host::callers::left(self.0)
    }
}

/// What an object asks of its requests.
pub trait RequestExt {
    /// The part of the path that follows the object's name, decoded nowhere and
    /// without a slash before it: `about/us` of `http://host/page/home/about/us`,
    /// wherever the host's routes put the name. The whole path, also without the slash before
    /// it, when the object's name or id is not in it. For objects alone: a gateway has no name.
    ///
    /// ```
    /// use durable_object::{Body, RequestExt, http};
    ///
    /// # durable_object::testing::run(async |_| {
    /// // The object in memory is of the class `test` and named `test`.
    /// let request = http::Request::get("http://host/test/test/about/us?x=1").body(Body::empty())?;
    /// assert_eq!(request.subpath(), "about/us");
    /// # Ok(()) }).unwrap();
    /// ```
    fn subpath(&self) -> &str;

    /// A segment of the path, decoded: what stands between two slashes, counted from 0. None
    /// where there is none, or nothing in it. So does a gateway find the name in a path: as it
    /// stands there, `%C3%A4` would be a name of six letters.
    ///
    /// ```
    /// use durable_object::{Body, RequestExt, http};
    ///
    /// let request = http::Request::get("http://host/room/tea%20%C3%A4/?x").body(Body::empty())?;
    /// assert_eq!(request.segment(1).as_deref(), Some("tea ä"));
    /// assert_eq!((request.segment(2), request.segment(3)), (None, None));
    /// # Ok::<(), durable_object::Error>(())
    /// ```
    fn segment(&self, index: usize) -> Option<String>;

    /// A parameter of the query, decoded; the first of that name.
    ///
    /// ```
    /// use durable_object::{Body, RequestExt, http};
    ///
    /// let request = http::Request::get("http://host/?name=Ada%20L&x=1+1").body(Body::empty())?;
    /// assert_eq!(request.query("name").as_deref(), Some("Ada L"));
    /// assert_eq!(request.query("x").as_deref(), Some("1 1"));
    /// assert_eq!(request.query("y"), None);
    /// # Ok::<(), durable_object::Error>(())
    /// ```
    fn query(&self, name: &str) -> Option<String>;

    /// Who waits for the answer.
    fn caller(&self) -> Caller;

    /// Whether the request asks for a WebSocket.
    fn wants_web_socket(&self) -> bool;
}

impl RequestExt for Request {
    fn subpath(&self) -> &str {
        let (class, id, name) = (
            host::state::class_name(),
            host::state::id(),
            host::state::name(),
        );
        below(self.uri().path(), &class, &id, name.as_deref())
    }

    fn segment(&self, index: usize) -> Option<String> {
        let path = self.uri().path();
        let path = path.strip_prefix('/').unwrap_or(path);
        let segment = path.split('/').nth(index)?;
        (!segment.is_empty()).then(|| decoded(segment))
    }

    fn query(&self, name: &str) -> Option<String> {
        let mut pairs = self
            .uri()
            .query()?
            .split('&')
            .map(|pair| match pair.split_once('=') {
                Some((key, value)) => (key, value),
                None => (pair, ""),
            });
        let (_, value) = pairs.find(|(key, _)| decoded(&key.replace('+', " ")) == name)?;
        Some(decoded(&value.replace('+', " ")))
    }

    fn caller(&self) -> Caller {
        self.extensions().get().copied().unwrap_or(Caller::none())
    }

    fn wants_web_socket(&self) -> bool {
        self.extensions()
            .get::<crate::websocket::Upgrade>()
            .is_some()
    }
}

/// What follows the first segment that names the object; with its class before it if
/// there is such a place.
fn below<'a>(path: &'a str, class: &str, id: &str, name: Option<&str>) -> &'a str {
    let path = path.strip_prefix('/').unwrap_or(path);
    let is_object = |segment: &str| {
        let segment = decoded(segment);
        let of_id = segment.strip_prefix("id:").unwrap_or(&segment);
        of_id.eq_ignore_ascii_case(id) || name == Some(&*segment)
    };
    let mut after_any = None;
    let mut before = "";
    let mut rest = path;
    while !rest.is_empty() {
        let (segment, after) = rest.split_once('/').unwrap_or((rest, ""));
        if is_object(segment) {
            if decoded(before) == class {
                return after;
            }
            after_any.get_or_insert(after);
        }
        (before, rest) = (segment, after);
    }
    after_any.unwrap_or(path)
}

/// Text without its percent signs.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = (first == b'%').then(|| after.get(..2)).flatten();
        let digits = digits.and_then(|digits| str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    //! An object finds its own part of the path, whatever the routes are.

    use super::*;

    fn check(path: &str, expected: &str) {
        let id = "0f".repeat(32);
        assert_eq!(
            below(path, "room", &id, Some("tea & co")),
            expected,
            "{path}"
        );
    }

    #[test]
    fn what_follows_the_name_is_the_objects_own() {
        check("/room/tea%20%26%20co/a/b", "a/b");
        check("/room/tea%20%26%20co", "");
        check("/room/tea%20%26%20co/", "");
        check("/rooms/tea%20%26%20co/ws", "ws");
        check("/tea%20%26%20co/x/tea%20%26%20co", "x/tea%20%26%20co");
        check(&format!("/room/id:{}/a", "0F".repeat(32)), "a");
        check(&format!("/by-id/{}/a", "0f".repeat(32)), "a");
        check("/somewhere/else", "somewhere/else");
        check("/a/tea%20%26%20co/room/tea%20%26%20co/b", "b");
        check("/%/100%", "%/100%");
    }
}
