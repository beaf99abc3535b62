//! Which instance of the gateway gets a request?
//!
//! A gateway has no identity, so any of its instances may take any request. Each lives
//! like an object, and is dropped alone when it fails: what others are busy with goes
//! on. The one with the fewest requests takes the next; those that get none leave.

use std::sync::Arc;

use parking_lot::Mutex;

use super::class::Class;
use crate::object::id::ObjectId;

/// More cores than this are busy with objects. Each instance may take as much memory
/// as its limit says.
const INSTANCES_MAX: usize = 32;

pub struct Gateway {
    pub class: Arc<Class>,
    ids: Vec<ObjectId>,
    /// Requests that each has and that have not been answered whole.
    requests: Mutex<[usize; INSTANCES_MAX]>,
}

/// A request's place in an instance; it is free again when dropped.
pub struct Seat {
    gateway: Arc<Gateway>,
    instance: usize,
}

impl Gateway {
    pub fn new(class: Class) -> Arc<Gateway> {
        let names = (0..INSTANCES_MAX).map(|number| number.to_string());
        Arc::new(Gateway {
            ids: names.map(|name| class.ids.of_name(&name)).collect(),
            class: Arc::new(class),
            requests: Mutex::default(),
        })
    }

    /// A seat in the least busy instance, the first of those.
    pub fn seat(self: &Arc<Gateway>) -> Seat {
        let mut requests = self.requests.lock();
        let by_load = requests.iter().enumerate().min_by_key(|(_, load)| **load);
        let instance = by_load.map_or(0, |(instance, _)| instance);
        requests[instance] += 1;
        Seat {
            gateway: self.clone(),
            instance,
        }
    }
}

impl Seat {
    pub fn instance(&self) -> ObjectId {
        self.gateway.ids[self.instance]
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.gateway.requests.lock()[self.instance] -= 1;
    }
}

#[cfg(test)]
mod tests {
    //! Requests are spread, and instances are used again.

    use super::*;
    use crate::life::class;

    #[test]
    fn the_least_busy_instance_takes_a_request_and_the_first_of_those() {
        let gateway = Gateway::new(class::of_name_only("gateway"));
        let first = gateway.seat();
        let second = gateway.seat();
        assert_ne!(first.instance(), second.instance());
        let instance = first.instance();
        drop(first);
        assert_eq!(gateway.seat().instance(), instance);
        let seats: Vec<_> = (0..2 * INSTANCES_MAX - 1).map(|_| gateway.seat()).collect();
        assert_eq!(*gateway.requests.lock(), [2; INSTANCES_MAX]);
        drop((second, seats));
        assert_eq!(*gateway.requests.lock(), [0; INSTANCES_MAX]);
    }
}
