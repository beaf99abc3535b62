//! From a request's host and path to the object that is meant.
//!
//! Configured routes are tried first, then `/<class>/<name>/…`. A segment
//! `id:<64 hexadecimal digits>` in place of the name addresses by id; a name that
//! itself begins so is written `id%3A…`.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use crate::class::{Class, Classes};
use crate::object::id::{InvalidId, ObjectId, Target};

/// A route as the configuration states it.
#[derive(Clone, Debug)]
pub struct RouteRule {
    /// Only for this host, without a port.
    pub host: Option<String>,
    /// For example `/rooms/{name}/{*rest}`; has one parameter, `name` or `id`.
    pub path: String,
    pub class: String,
    /// File and line where it stands, for errors.
    pub place: String,
}

/// Where a request goes, or why nowhere.
pub type Routed = Result<(Arc<Class>, Target), RouteError>;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RouteError {
    NoRoute { path: String },
    UnknownClass { class: String, known: Vec<String> },
    NameNotText { segment: String },
    InvalidId { id: String, why: InvalidId },
}

/// A route that the configuration cannot have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleError(pub String);

pub struct Router {
    classes: Arc<Classes>,
    /// By host; routes for every host under none.
    rules: HashMap<Option<String>, matchit::Router<Arc<Class>>>,
}

impl Router {
    pub fn new(classes: Arc<Classes>, rules: &[RouteRule]) -> Result<Router, RuleError> {
        let mut by_host: HashMap<_, matchit::Router<Arc<Class>>> = HashMap::new();
        for rule in rules {
            let (path, place) = (&rule.path, &rule.place);
            let class = classes.get(&rule.class).ok_or_else(|| {
                let class = &rule.class;
                RuleError(format!(
                    "{place}: route {path:?} names class {class:?}, which is not configured"
                ))
            })?;
            if !path.starts_with('/') {
                let message = format!("{place}: route {path:?} must begin with a slash");
                return Err(RuleError(message));
            }
            let named = ["{name}", "{id}", "{*name}"]
                .iter()
                .any(|name| path.contains(name));
            if !named {
                return Err(RuleError(format!(
                    "{place}: route {path:?} does not say which object is meant; \
                     put {{name}} or {{id}} into it, for example \"/rooms/{{name}}/{{*rest}}\""
                )));
            }
            let host = rule.host.as_ref().map(|host| host.to_ascii_lowercase());
            by_host
                .entry(host)
                .or_default()
                .insert(path, class.clone())
                .map_err(|error| {
                    RuleError(format!("{place}: route {path:?} cannot be used: {error}"))
                })?;
        }
        Ok(Router {
            classes,
            rules: by_host,
        })
    }

    /// `host` may carry a port; `path` is as the client wrote it, without a query.
    pub fn route(&self, host: &str, path: &str) -> Routed {
        if let Some(routed) = self.by_rule(host, path) {
            return routed;
        }
        let mut segments = path.strip_prefix('/').unwrap_or(path).split('/');
        let (class, name) = (segments.next(), segments.next());
        let (Some(class), Some(name)) = (class, name) else {
            return Err(RouteError::NoRoute { path: path.into() });
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
        Ok((class.clone(), target))
    }

    fn by_rule(&self, host: &str, path: &str) -> Option<Routed> {
        if self.rules.is_empty() {
            return None;
        }
        let without_port = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
            _ => host,
        };
        let keys = [Some(without_port.to_ascii_lowercase()), None];
        keys.iter().find_map(|key| {
            let found = self.rules.get(key)?.at(path).ok()?;
            let class = found.value;
            let target = match found.params.get("id") {
                Some(id) => parse(class, id).map(Target::Id),
                None => decode(found.params.get("name")?).map(Target::Name),
            };
            Some(target.map(|target| (class.clone(), target)))
        })
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
            RouteError::NoRoute { path } => write!(
                f,
                "no object at {path:?}; the default route is /<class>/<name>/…"
            ),
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
    use crate::class;

    fn rule(host: Option<&str>, path: &str, class: &str) -> RouteRule {
        RouteRule {
            host: host.map(Into::into),
            path: path.into(),
            class: class.into(),
            place: "abide.toml:1".into(),
        }
    }

    fn router(rules: &[RouteRule]) -> Result<Router, RuleError> {
        let classes = ["counter", "room"].map(class::of_name_only);
        Router::new(Arc::new(Classes::new(classes)), rules)
    }

    fn check(rules: &[RouteRule], host: &str, path: &str, class: &str, name: &str) {
        let routed = router(rules).unwrap().route(host, path);
        let (found, target) = routed.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(&*found.name, class, "{path}");
        assert_eq!(target, Target::Name(name.into()), "{path}");
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
        let id = class::of_name_only("counter").ids.from_name("demo");
        let router = router(&[]).unwrap();
        let (_, target) = router.route("", &format!("/counter/id:{id}/x")).unwrap();
        assert_eq!(target, Target::Id(id));
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
    fn a_route_that_cannot_work_is_refused() {
        let refused = |path, class| router(&[rule(None, path, class)]).map(drop).unwrap_err().0;
        assert!(refused("/x/{name}", "nobody").contains("not configured"));
        assert!(refused("x/{name}", "room").contains("begin with a slash"));
        assert!(refused("/x/y", "room").contains("put {name} or {id} into it"));
        assert!(refused("/{name}/{name}{x}", "room").contains("cannot be used"));
    }
}
