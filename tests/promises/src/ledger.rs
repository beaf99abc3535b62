//! What was asked of the objects, what was acknowledged, and what may they hold now?
//!
//! Every request adds one to an object's counter. After a crash, a counter may lack
//! nothing that was acknowledged and hold nothing that nobody asked for.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// When something happened: a position in the recording of the disk, or 0 where
/// nothing is recorded.
pub type Moment = u64;

#[derive(Clone, Debug, Default)]
pub struct Ledger {
    objects: BTreeMap<String, Vec<Request>>,
}

#[derive(Clone, Debug)]
struct Request {
    sent: Moment,
    /// When it was acknowledged, and which number it was given.
    acknowledged: Option<(Moment, u64)>,
}

/// Names one request until it is answered.
pub struct Ticket {
    object: String,
    index: usize,
}

impl Ledger {
    /// Begins with objects that hold these counts.
    pub fn holding(counts: &BTreeMap<String, u64>) -> Ledger {
        let requests = |count: u64| {
            (1..=count).map(|n| Request {
                sent: 0,
                acknowledged: Some((0, n)),
            })
        };
        let objects = counts
            .iter()
            .map(|(object, count)| (object.clone(), requests(*count).collect()))
            .collect();
        Ledger { objects }
    }

    pub fn send(&mut self, object: &str, now: Moment) -> Ticket {
        let requests = self.objects.entry(object.to_string()).or_default();
        requests.push(Request {
            sent: now,
            acknowledged: None,
        });
        Ticket {
            object: object.to_string(),
            index: requests.len() - 1,
        }
    }

    /// Notes an answer: the counter, as it stood after this request.
    pub fn acknowledge(&mut self, ticket: &Ticket, now: Moment, number: u64) {
        let requests = self
            .objects
            .get_mut(&ticket.object)
            .expect("a ticket names an object");
        requests[ticket.index].acknowledged = Some((now, number));
        let twice = requests
            .iter()
            .filter(|request| request.acknowledged.is_some_and(|(_, n)| n == number))
            .count();
        assert_eq!(
            twice, 1,
            "{} has acknowledged the number {number} twice",
            ticket.object
        );
    }

    pub fn objects(&self) -> Vec<String> {
        self.objects.keys().cloned().collect()
    }

    pub fn acknowledged(&self) -> usize {
        self.objects
            .values()
            .flatten()
            .filter(|request| request.acknowledged.is_some())
            .count()
    }

    /// The moment of one acknowledgement since the recording began; `lot` draws which.
    pub fn some_acknowledgement(&self, lot: u64) -> Option<Moment> {
        let requests = self.objects.values().flatten();
        let moments: Vec<_> = requests
            .filter_map(|request| request.acknowledged)
            .map(|(moment, _)| moment)
            .filter(|moment| *moment > 0)
            .collect();
        let index = lot as usize % moments.len().max(1);
        moments.get(index).copied()
    }

    /// What an object may hold when everything stopped at this moment.
    pub fn bounds(&self, object: &str, moment: Moment) -> RangeInclusive<u64> {
        let requests = self.objects.get(object).map_or(&[][..], Vec::as_slice);
        let acknowledged = requests.iter().filter_map(|request| request.acknowledged);
        let least = acknowledged
            .filter(|(at, _)| *at <= moment)
            .map(|(_, number)| number)
            .max()
            .unwrap_or(0);
        let most = requests
            .iter()
            .filter(|request| request.sent <= moment)
            .count() as u64;
        least..=most
    }

    #[track_caller]
    pub fn check(&self, object: &str, moment: Moment, found: u64) {
        let bounds = self.bounds(object, moment);
        assert!(
            bounds.contains(&found),
            "{object} holds {found}; {} were acknowledged and {} asked for",
            bounds.start(),
            bounds.end()
        );
    }
}
