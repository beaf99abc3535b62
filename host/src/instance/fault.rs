//! The log's line about an error that another object gets. The server's line speaks of the
//! object that a client asked, such as a gateway, and not of the one that failed.

use crate::object::error::ObjectError;
use crate::object::event::Happening;
use crate::object::identity::Identity;

/// What another object has asked for.
pub struct Asked {
    method: String,
    /// None for a call.
    url: Option<String>,
}

impl Asked {
    pub fn of(happening: &Happening) -> Option<Asked> {
        match happening {
            Happening::Fetch(request) => Some(Asked {
                method: request.method.clone(),
                url: Some(request.url.clone()),
            }),
            Happening::Call(_, call) => Some(Asked {
                method: call.method.clone(),
                url: None,
            }),
            _ => None,
        }
    }

    fn path(&self) -> Option<&str> {
        let (_, after_scheme) = self.url.as_ref()?.split_once("://")?;
        let path = &after_scheme[after_scheme.find('/')?..];
        path.split(['?', '#']).next()
    }

    /// Logs why the object has failed. What it passes on of another was logged there; what a
    /// call throws is often meant for its caller alone.
    pub fn tell(&self, object: &Identity, error: &ObjectError) {
        if error.flags.remote {
            return;
        }
        match self.path() {
            Some(path) => warn(object, error, Some(&self.method), Some(path)),
            None => {
                let (class, id, name, method) =
                    (&*object.class, object.id, object.name(), &self.method);
                tracing::debug!(class, %id, name, method, "{}: {error}", error.kind.as_str());
            }
        }
    }
}

/// Logs the end of an instance that other objects hear of.
pub fn tell_end(object: &Identity, error: &ObjectError) {
    warn(object, error, None, None);
}

fn warn(object: &Identity, error: &ObjectError, method: Option<&str>, path: Option<&str>) {
    let what = format!("{}: {error}", error.kind.as_str());
    if object.may_tell(what.len()) {
        let (class, id, name) = (&*object.class, object.id, object.name());
        tracing::warn!(class, %id, name, method, path, "{what}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_what_lies_between_host_and_query() {
        let path = |url: &str| {
            let asked = Asked {
                method: "GET".into(),
                url: Some(url.into()),
            };
            asked.path().map(String::from)
        };
        assert_eq!(path("http://host/a/b?c=/d"), Some("/a/b".into()));
        assert_eq!(path("http://host/?"), Some("/".into()));
        assert_eq!(path("http://host"), None);
    }
}
