//! Which request does a line of the log speak of?

use std::sync::Arc;

use hyper::Method;
use hyper::http::uri::Uri;

use crate::clock;
use crate::life::class::Class;
use crate::life::gateway::Seat;
use crate::object::error::ObjectError;
use crate::object::id::Target;
use crate::object::identity::Identity;
use crate::object::log_budget::{LogBudget, shortened};

/// A request that is on its way.
pub struct About {
    pub class: Arc<Class>,
    pub target: Target,
    /// Some if that is an instance of the gateway, which is held for as long as the request
    /// is under way.
    pub seat: Option<Seat>,
    /// The object that got it; none as long as none has.
    pub object: Option<Arc<Identity>>,
    pub method: Method,
    pub uri: Uri,
    /// For what is said before it is known which object it is about.
    pub budget: Arc<LogBudget>,
}

impl About {
    /// Logs what is wrong with the request or its answer. Clients and objects can make
    /// things wrong as often as they like, so there is a budget for it.
    pub fn tell(&self, what: &str) {
        let what = &*shortened(what);
        let budget = match &self.object {
            Some(object) => &object.faults,
            None => &self.budget,
        };
        let Some(dropped) = budget.take(what.len(), clock::now_ms()) else {
            return;
        };
        let class = &*self.class.name;
        if dropped > 0 {
            tracing::warn!(
                class,
                dropped,
                "{dropped} lines about requests were dropped"
            );
        }
        let (method, path) = (&self.method, self.uri.path());
        let id = match (&self.object, &self.target) {
            (Some(object), _) => Some(object.id),
            (None, Target::Id(id)) => Some(*id),
            (None, Target::Name(_)) => None,
        };
        let id = id.map(tracing::field::display);
        let name = match &self.target {
            Target::Name(name) => Some(name.as_str()),
            Target::Id(_) => self.object.as_ref().and_then(|object| object.name()),
        };
        tracing::warn!(class, id, name, %method, path, "{what}");
    }

    /// Logs why the object did not answer, or not to the end.
    pub fn tell_error(&self, error: &ObjectError) {
        self.tell(&format!("{}: {error}", error.kind.as_str()));
    }
}
