//! Who waits for an event, and who for that, back to where it began.
//!
//! A call that one object makes of another carries the chain of its callers. So a
//! call that comes round to an object which holds back events until that very call
//! is answered is recognised when it arrives, and fails instead of waiting for
//! itself. One that the object can take meanwhile goes on, as deep as chains may be.
//!
//! Invariants:
//!
//! * A section of an object is alive exactly while it is open.

use std::sync::{Arc, Weak};

use super::error::ObjectError;
use super::identity::Identity;

/// Calls within calls. Objects that need more call each other in circles: at
/// Cloudflare 16 are too many.
const DEPTH_MAX: usize = 32;

/// The callers of an event that another object has sent.
#[derive(Clone, Default)]
pub struct Chain(Option<Arc<Link>>);

struct Link {
    /// The section that was open in the calling object, in which the call was made.
    section: Option<Weak<Section>>,
    before: Chain,
    depth: usize,
}

/// A stretch of an object's code that holds back events while this lives.
pub struct Section(Arc<Identity>);

impl Section {
    pub fn of(object: &Arc<Identity>) -> Arc<Section> {
        Arc::new(Section(object.clone()))
    }
}

impl Chain {
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The chain of a call that an event with this chain makes, within `section` of
    /// its object if it holds back others. Fails when that is too deep.
    pub fn extended(&self, section: Option<&Arc<Section>>) -> Result<Chain, ObjectError> {
        let depth = self.0.as_ref().map_or(0, |link| link.depth) + 1;
        if depth > DEPTH_MAX {
            let message = format!(
                "Calls between Durable Objects are nested more than {DEPTH_MAX} deep; do they \
                 call each other in a circle?"
            );
            return Err(ObjectError::exception("Error", message));
        }
        let link = Link {
            section: section.map(Arc::downgrade),
            before: self.clone(),
            depth,
        };
        Ok(Chain(Some(Arc::new(link))))
    }

    /// Does `object` hold back events until one of these callers has its answer?
    pub fn is_waited_for_by(&self, object: &Identity) -> bool {
        let mut next = self.0.as_ref();
        while let Some(link) = next {
            let section = link.section.as_ref().and_then(Weak::upgrade);
            if section.is_some_and(|section| section.0.is_same_as(object)) {
                return true;
            }
            next = link.before.0.as_ref();
        }
        false
    }
}

/// What is told to who would wait for itself.
pub fn waits_for_itself() -> ObjectError {
    ObjectError::exception(
        "Error",
        "A call to a Durable Object would have waited for itself: it came back to an object \
         that holds back other events, by blockConcurrencyWhile(), a transaction or its \
         constructor, until this call is answered.",
    )
}

#[cfg(test)]
mod tests {
    //! Circles of calls, and which of them wait for themselves.

    use super::*;
    use crate::object::id::IdMaker;

    fn object(name: &str) -> Arc<Identity> {
        Arc::new(Identity::new("c".into(), IdMaker::new("c").of_name(name)))
    }

    #[test]
    fn who_holds_back_events_until_the_call_is_answered_is_found_in_the_chain() {
        let (a, b) = (object("a"), object("b"));
        let section = Section::of(&a);
        let of_a = Chain::default().extended(Some(&section)).unwrap();
        let of_b = of_a.extended(None).unwrap();
        assert!(of_a.is_waited_for_by(&a) && of_b.is_waited_for_by(&a));
        assert!(!of_b.is_waited_for_by(&b));
        // The same object, known by another handle.
        assert!(of_b.is_waited_for_by(&object("a")));
        drop(section);
        assert!(!of_b.is_waited_for_by(&a));
    }

    #[test]
    fn a_circle_that_holds_back_nothing_goes_on_until_it_is_too_deep() {
        let (a, mut chain) = (object("a"), Chain::default());
        for _ in 0..DEPTH_MAX {
            chain = chain.extended(None).unwrap();
            assert!(!chain.is_waited_for_by(&a));
        }
        assert!(chain.extended(None).is_err());
    }
}
