//! From a request's host and path to the object that is meant, or to the gateway.
//!
//! Configured routes are tried first, then `/<class>/<name>/…`. A segment
//! `id:<64 hexadecimal digits>` in place of the name addresses by id; a name that
//! itself begins so is written `id%3A…`.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use matchit::InsertError;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::life::class::{Class, Classes};
use crate::life::gateway::Gateway;
use crate::object::id::{InvalidId, ObjectId, Target};
use crate::written::Written;

/// What clients send encoded in a path, beside what is not ASCII.
const SENT_ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'|');

/// A route as the configuration states it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteRule {
    /// Only for this host, without a port.
    pub host: Option<String>,
    /// For example `/rooms/{name}/{*rest}`; has one parameter, `name` or `id`. The
    /// rest may be nothing: `/rooms/lobby` and `/rooms/lobby/` are meant too.
    pub path: String,
    pub class: String,
    /// Where it stands, for errors.
    pub written: Written,
}

/// Where a request goes, or why nowhere.
pub type Routed = Result<Destination, RouteError>;

pub enum Destination {
    Object(Arc<Class>, Target),
    Gateway(Arc<Gateway>),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RouteError {
    NoRoute {
        path: String,
        default_route: DefaultRoute,
    },
    UnknownClass {
        class: String,
        known: Vec<String>,
    },
    NameNotText {
        segment: String,
    },
    InvalidId {
        id: String,
        why: InvalidId,
    },
}

/// A route that the configuration cannot have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleError(pub String);

pub struct Router {
    classes: Arc<Classes>,
    rules: Rules<Arc<Class>>,
    default_route: DefaultRoute,
}

/// Does `/<class>/<name>/…` lead straight to an object?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DefaultRoute {
    Open,
    Closed,
}

/// Configured routes, and what each leads to.
pub struct Rules<T> {
    /// By host; routes for every host under none.
    by_host: HashMap<Option<String>, matchit::Router<T>>,
}

impl<T: Clone> Rules<T> {
    /// Puts the rules in order. `class` tells what a class's name stands for.
    pub fn new(
        rules: &[RouteRule],
        class: impl Fn(&str) -> Option<T>,
    ) -> Result<Rules<T>, RuleError> {
        let mut by_host: HashMap<_, matchit::Router<T>> = HashMap::new();
        let mut shorter = Vec::new();
        for rule in rules {
            let refused = |why: &str| {
                RuleError(
                    rule.written
                        .told(format_args!("route {:?} {why}", rule.path)),
                )
            };
            let known = class(&rule.class).ok_or_else(|| {
                refused(&format!(
                    "names class {:?}, which is not configured",
                    rule.class
                ))
            })?;
            let host = rule.host.as_deref().map(host_name).transpose();
            let host = host.map_err(|why| refused(&why))?;
            check_path(&rule.path).map_err(|why| refused(&why))?;
            let paths = by_host.entry(host.clone()).or_default();
            paths.insert(&rule.path, known.clone()).map_err(|error| {
                refused(&match error {
                    InsertError::Conflict { with } => {
                        format!("is for the same paths as route {with:?}; remove one of them")
                    }
                    error => format!("cannot be used: {error}"),
                })
            })?;
            // A rest may be nothing.
            if let Some((before, _)) = rule.path.rsplit_once("/{*")
                && !rule.path.contains("{*name}")
            {
                shorter.push((host.clone(), before.to_owned(), known.clone()));
                shorter.push((host, format!("{before}/"), known));
            }
        }
        for (host, path, class) in shorter {
            // Rules of their own for these come before; that is no conflict.
            let _ = by_host.entry(host).or_default().insert(path, class);
        }
        Ok(Rules { by_host })
    }

    /// What the rule for this host and path leads to, with its parameters.
    fn find<'a, 'p>(&'a self, host: &str, path: &'p str) -> Option<matchit::Match<'a, 'p, &'a T>> {
        if self.by_host.is_empty() {
            return None;
        }
        let host = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
            _ => host,
        };
        let host = host.strip_suffix('.').unwrap_or(host);
        let keys = [Some(host.to_ascii_lowercase()), None];
        keys.iter()
            .find_map(|key| self.by_host.get(key)?.at(path).ok())
    }
}

/// The host of a rule as requests have it, or why none ever will.
fn host_name(host: &str) -> Result<String, String> {
    let example = "; write only a name, for example host = \"chat.example.com\"";
    let refused = |why: &str| Err(format!("has host {host:?}, {why}{example}"));
    if host.is_empty() {
        return refused("which is empty");
    }
    if host.contains("://") || host.contains('/') {
        return refused("but a host has no scheme and no path");
    }
    if host.contains('*') {
        return refused("but wildcards are not served");
    }
    if !host.is_ascii() {
        return refused("but clients send names like this encoded, as xn--…");
    }
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').and_then(|it| it.parse().ok());
        let address: Option<std::net::Ipv6Addr> = address;
        return match address {
            Some(address) => Ok(format!("[{address}]")),
            None => refused("which is no IPv6 address in brackets"),
        };
    }
    if host.contains(':') {
        return refused("but a port is not part of it (an IPv6 address stands in brackets)");
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let name = host.strip_suffix('.').unwrap_or(host);
    if !host.bytes().all(fits) || name.split('.').any(str::is_empty) {
        return refused("which is not the name of a host");
    }
    Ok(name.to_ascii_lowercase())
}

/// Why a request can never have this path, or no object be found by it.
fn check_path(path: &str) -> Result<(), String> {
    if !path.starts_with('/') {
        return Err("must begin with a slash".into());
    }
    if let Some(mark) = path.chars().find(|mark| "?#".contains(*mark)) {
        return Err(format!(
            "holds {mark:?}; routes are chosen by the path alone, without a query"
        ));
    }
    if path.contains("{{") || path.contains("}}") {
        return Err("holds a doubled brace; write %7B and %7D for braces in a path".into());
    }
    if path
        .split('/')
        .any(|segment| segment == "." || segment == "..")
    {
        return Err("holds a segment . or .., which clients resolve before they ask".into());
    }
    let mut parameters = Vec::new();
    for (at, piece) in path.split('{').enumerate() {
        let fixed = match piece.split_once('}') {
            _ if at == 0 => piece,
            Some((parameter, fixed)) => {
                parameters.push(parameter);
                fixed
            }
            None => return Err("opens a brace and does not close it".into()),
        };
        check_fixed(fixed)?;
    }
    let objects = parameters
        .iter()
        .filter(|it| ["name", "id", "*name"].contains(it));
    match objects.count() {
        1 => {}
        0 => {
            return Err(
                "does not say which object is meant; put {name} or {id} into it, for example \
                 \"/rooms/{name}/{*rest}\""
                    .into(),
            );
        }
        _ => return Err("says more than once which object is meant".into()),
    }
    parameters.sort_unstable();
    match parameters.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(twice) => Err(format!("has two parameters {:?}", twice[0])),
        None => Ok(()),
    }
}

/// Checks the part of a path that requests must have as it stands.
fn check_fixed(text: &str) -> Result<(), String> {
    if text.contains('}') {
        return Err("closes a brace that it did not open".into());
    }
    let as_sent = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@%".contains(&byte);
    if !text.bytes().all(as_sent) {
        let encoded = utf8_percent_encode(text, SENT_ENCODED);
        return Err(format!(
            "holds {text:?}, which clients send encoded; write {encoded}"
        ));
    }
    if decode(text).is_err() {
        return Err("holds a % that does not begin an encoded character".into());
    }
    Ok(())
}

impl Router {
    pub fn new(
        classes: Arc<Classes>,
        rules: &[RouteRule],
        default_route: DefaultRoute,
    ) -> Result<Router, RuleError> {
        let rules = Rules::new(rules, |name| classes.get(name).cloned())?;
        Ok(Router {
            classes,
            rules,
            default_route,
        })
    }

    /// `host` may carry a port; `path` is encoded as in a URL, without a query.
    pub fn route(&self, host: &str, path: &str) -> Routed {
        if let Some(routed) = self.by_rule(host, path) {
            return routed;
        }
        let by_default = match self.default_route {
            DefaultRoute::Open => self.by_default(path),
            DefaultRoute::Closed => Err(RouteError::NoRoute {
                path: path.into(),
                default_route: self.default_route,
            }),
        };
        match (by_default, &self.classes.gateway) {
            (Err(RouteError::NoRoute { .. } | RouteError::UnknownClass { .. }), Some(gateway)) => {
                Ok(Destination::Gateway(gateway.clone()))
            }
            (by_default, _) => by_default,
        }
    }

    fn by_default(&self, path: &str) -> Routed {
        let mut segments = path.strip_prefix('/').unwrap_or(path).split('/');
        let (class, name) = (segments.next(), segments.next());
        let (Some(class), Some(name)) = (class, name) else {
            return Err(RouteError::NoRoute {
                path: path.into(),
                default_route: self.default_route,
            });
        };
        let class = decode(class)?;
        let class = self
            .classes
            .get(&class)
            .ok_or_else(|| RouteError::UnknownClass {
                class,
                known: self
                    .classes
                    .iter()
                    .map(|class| class.name.to_string())
                    .collect(),
            })?;
        let target = match name.strip_prefix("id:") {
            Some(id) => Target::Id(parse(class, id)?),
            None => Target::Name(decode(name)?),
        };
        Ok(Destination::Object(class.clone(), target))
    }

    fn by_rule(&self, host: &str, path: &str) -> Option<Routed> {
        let found = self.rules.find(host, path)?;
        let class = found.value;
        let target = match found.params.get("id") {
            Some(id) => parse(class, id).map(Target::Id),
            None => decode(found.params.get("name")?).map(Target::Name),
        };
        Some(target.map(|target| Destination::Object(class.clone(), target)))
    }
}

fn decode(segment: &str) -> Result<String, RouteError> {
    let well_formed = segment.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    let not_text = || RouteError::NameNotText {
        segment: segment.into(),
    };
    if !well_formed {
        return Err(not_text());
    }
    let text = percent_decode_str(segment).decode_utf8();
    text.map(Into::into).map_err(|_| not_text())
}

fn parse(class: &Class, id: &str) -> Result<ObjectId, RouteError> {
    class
        .ids
        .parse(id)
        .map_err(|why| RouteError::InvalidId { id: id.into(), why })
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RouteError::NoRoute {
                path,
                default_route,
            } => match default_route {
                DefaultRoute::Open => write!(
                    f,
                    "no object at {path:?}; the default route is /<class>/<name>/…"
                ),
                DefaultRoute::Closed => write!(f, "no object at {path:?}"),
            },
            RouteError::UnknownClass { class, known } => write!(
                f,
                "no class {class:?}; this server has {}",
                known.join(", ")
            ),
            RouteError::NameNotText { segment } => {
                write!(f, "the name {segment:?} is not percent-encoded UTF-8")
            }
            RouteError::InvalidId { id, why } => write!(f, "{why} ({id:?})"),
        }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RuleError {}

#[cfg(test)]
mod tests {
    //! Addresses, each against the object that it means.

    use super::*;
    use crate::life::class;

    fn rule(host: Option<&str>, path: &str, class: &str) -> RouteRule {
        RouteRule {
            host: host.map(Into::into),
            path: path.into(),
            class: class.into(),
            written: Written::at("abide.toml:1"),
        }
    }

    fn router(rules: &[RouteRule]) -> Result<Router, RuleError> {
        let classes = ["counter", "room"].map(class::of_name_only);
        Router::new(Arc::new(Classes::new(classes)), rules, DefaultRoute::Open)
    }

    fn check(rules: &[RouteRule], host: &str, path: &str, class: &str, name: &str) {
        let routed = router(rules).unwrap().route(host, path);
        let (found, target) = object(routed.unwrap_or_else(|error| panic!("{path}: {error}")));
        assert_eq!(&*found.name, class, "{path}");
        assert_eq!(target, Target::Name(name.into()), "{path}");
    }

    fn object(destination: Destination) -> (Arc<Class>, Target) {
        match destination {
            Destination::Object(class, target) => (class, target),
            Destination::Gateway(_) => panic!("there is no gateway"),
        }
    }

    fn check_error(path: &str, expected: &str) {
        let error = router(&[])
            .unwrap()
            .route("localhost", path)
            .map(drop)
            .unwrap_err();
        assert!(error.to_string().contains(expected), "{path}: {error}");
    }

    #[test]
    fn the_default_route_names_class_and_object() {
        check(&[], "", "/counter/demo", "counter", "demo");
        check(&[], "", "/counter/demo/a/b", "counter", "demo");
        check(&[], "", "/counter/", "counter", "");
        check(&[], "", "/room/%C3%A9%2F%20", "room", "é/ ");
        check(&[], "", "/room/id%3A12", "room", "id:12");
    }

    #[test]
    fn an_address_that_means_nothing_says_why() {
        check_error("/", "the default route is /<class>/<name>/");
        check_error("/counter", "the default route is /<class>/<name>/");
        check_error(
            "/cuonter/x",
            "no class \"cuonter\"; this server has counter, room",
        );
        check_error("/counter/%ff", "not percent-encoded UTF-8");
        check_error("/counter/%4", "not percent-encoded UTF-8");
        check_error("/counter/id:12", "must be 64 hex digits (\"12\")");
        check_error(
            &format!("/counter/id:{}", "0".repeat(64)),
            "not valid for this namespace",
        );
    }

    #[test]
    fn an_object_is_addressed_by_its_id_too() {
        let id = class::of_name_only("counter").ids.of_name("demo");
        let router = router(&[]).unwrap();
        let routed = router.route("", &format!("/counter/id:{id}/x")).unwrap();
        assert_eq!(object(routed).1, Target::Id(id));
    }

    #[test]
    fn a_gateway_takes_what_nothing_else_is_asked_for() {
        let goes = |default_route, path: &str| {
            let classes = Classes::new([class::of_name_only("counter")]);
            let classes = classes.behind(Some(class::of_name_only("(gateway)")));
            let router = Router::new(Arc::new(classes), &[], default_route).unwrap();
            let routed = router.route("", path);
            routed.map(|destination| match destination {
                Destination::Object(class, _) => class.name.to_string(),
                Destination::Gateway(gateway) => gateway.class.name.to_string(),
            })
        };
        let gateway = Ok("(gateway)".to_owned());
        for path in ["/", "/counter", "/counter/x", "/counter/id:12", "/%ff/%ff"] {
            assert_eq!(goes(DefaultRoute::Closed, path), gateway, "{path}");
        }
        for path in ["/", "/counter", "/room/x", "/(gateway)/x"] {
            assert_eq!(goes(DefaultRoute::Open, path), gateway, "{path}");
        }
        assert_eq!(goes(DefaultRoute::Open, "/counter/x"), Ok("counter".into()));
        assert!(goes(DefaultRoute::Open, "/counter/id:12").is_err());
    }

    #[test]
    fn without_a_default_route_there_is_none() {
        let classes = Arc::new(Classes::new([class::of_name_only("counter")]));
        let router = Router::new(classes, &[], DefaultRoute::Closed).unwrap();
        let error = router.route("", "/counter/x").map(drop).unwrap_err();
        assert_eq!(error.to_string(), "no object at \"/counter/x\"");
    }

    #[test]
    fn routes_come_before_the_default() {
        let rules = [
            rule(None, "/rooms/{name}/{*rest}", "room"),
            rule(Some("Chat.example.com"), "/{name}", "room"),
        ];
        check(&rules, "localhost", "/rooms/a%20b/x/y", "room", "a b");
        check(&rules, "chat.example.com:8080", "/lobby", "room", "lobby");
        check(&rules, "localhost", "/counter/lobby", "counter", "lobby");
    }

    #[test]
    fn the_rest_of_a_route_may_be_nothing() {
        let rules = [
            rule(None, "/rooms/{name}/{*rest}", "room"),
            rule(None, "/counters/{name}", "counter"),
            rule(None, "/counters/{name}/{*more}", "room"),
        ];
        for path in ["/rooms/lobby", "/rooms/lobby/", "/rooms/lobby/x/y"] {
            check(&rules, "localhost", path, "room", "lobby");
        }
        // What has a rule of its own keeps it.
        check(&rules, "localhost", "/counters/a", "counter", "a");
        check(&rules, "localhost", "/counters/a/", "room", "a");
        let all = [rule(None, "/{*name}", "room")];
        check(&all, "localhost", "/a/b", "room", "a/b");
    }

    #[test]
    fn a_host_is_matched_in_whatever_way_it_is_written() {
        let rules = [
            rule(Some("Chat.Example.com."), "/{name}", "room"),
            rule(Some("[0:0::1]"), "/{name}", "room"),
        ];
        for host in [
            "chat.example.com",
            "CHAT.example.com.",
            "chat.example.com:80",
            "[::1]:80",
        ] {
            check(&rules, host, "/lobby", "room", "lobby");
        }
    }

    #[test]
    fn a_route_that_cannot_work_is_refused() {
        let refused = |host, path, class| {
            let refused = router(&[rule(host, path, class)]).map(drop);
            refused.expect_err(path).0
        };
        let check = |path, expected: &str| {
            let message = refused(None, path, "room");
            assert!(message.contains(expected), "{message:?} lacks {expected:?}");
        };
        assert!(refused(None, "/x/{name}", "nobody").contains("not configured"));
        check("x/{name}", "begin with a slash");
        check("/x/y", "put {name} or {id} into it");
        check("/{name}/{name}{x}", "more than once");
        check("/{name}/{id}", "more than once");
        check("/{x}/{name}/{x}", "two parameters \"x\"");
        check("/{name}/{a}{b}", "cannot be used");
        check("/r/{name}?x=1", "without a query");
        check("/r/{name}#x", "by the path alone");
        check("/ä/{name}", "write /%C3%A4/");
        check("/a b/{name}", "write /a%20b/");
        check("/x/{{name}}", "doubled brace");
        check("/x/{name", "does not close it");
        check("/x}/{name}", "did not open");
        check("/%zz/{name}", "encoded character");
        check("/../{name}", "clients resolve");
        check("/{*rest}/{name}", "cannot be used");
        for (host, expected) in [
            ("h.test:80", "a port is not part of it"),
            ("http://h.test", "no scheme"),
            ("h.test/", "no path"),
            ("*.test", "wildcards"),
            ("ä.test", "xn--"),
            ("", "empty"),
            ("::1", "brackets"),
            ("[::x]", "no IPv6 address"),
            ("a..b", "not the name of a host"),
            ("a b", "not the name of a host"),
            ("user@h", "not the name of a host"),
        ] {
            let message = refused(Some(host), "/{name}", "room");
            assert!(message.contains(expected), "{message:?} lacks {expected:?}");
        }
    }

    #[test]
    fn routes_that_clash_are_refused() {
        for (one, other) in [
            ("/r/{name}", "/r/{id}"),
            ("/{name}", "/{name}"),
            ("/{name}/{*rest}", "/{id}/{*more}"),
        ] {
            let rules = [rule(None, one, "room"), rule(None, other, "room")];
            let refused = router(&rules).map(drop).expect_err(other).0;
            let named = format!("the same paths as route {one:?}");
            assert!(refused.contains(&named), "{refused}");
        }
    }
}
