//! The world around a simulated object: virtual time, what happens when, and the
//! object's life from its first event to its leaving. Follows `life::task`.

use std::collections::{BTreeMap, BTreeSet};

use super::Mutant;
use super::checker::Checker;
use super::dice::Dice;
use super::disk::{Database, Job, WriteId};
use super::guest::Task;
use super::instance::{Given, Instance};
use super::outlet::{Outlet, Output};
use super::script::{EventId, Plan, What};
use crate::object::admission::Admission;
use crate::object::mailbox::{Mailbox, MailboxLimits};
use crate::storage::CommitNumber;

/// So many things may happen in a run; more than any run needs that becomes quiet.
const STEPS_MAX: usize = 50_000;
/// The server is stopped so long after the last thing that the plan says.
const STOPS_AFTER_MS: u64 = 150_000;

const CODE_UPDATED: &str = "its code was updated";
const SHUTTING_DOWN: &str = "the server is shutting down";

const MAILBOX: MailboxLimits = MailboxLimits {
    events_max: 6,
    bytes_max: usize::MAX,
    age_max_ms: 30_000,
};

#[derive(Clone, Copy, Debug)]
pub enum Happening {
    Planned(What),
    ServerStops,
    Wake,
    Poll,
    Open,
    Close,
    /// This event comes by what an instance gave out.
    CallsBack(EventId, Given),
    /// Of the instance of this number: the work of a wait is done.
    WaitDone(u64, u64),
    /// Of the instance of this number, set for this time.
    Timer(u64, u64),
    CommitterTakes,
    SyncEnds(Job, bool),
    Courier,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Life {
    Gone,
    Opening,
    Live,
    Closing,
}

pub struct Parts {
    pub database: Database,
    pub outlet: Outlet,
}

pub struct Object {
    pub mailbox: Mailbox<EventId>,
    pub told: Option<&'static str>,
    pub failed: bool,
    pub parts: Option<Parts>,
    life: Life,
    instance: Option<Instance>,
    is_woken: bool,
    committer_is_called: bool,
}

impl Object {
    fn new() -> Object {
        Object {
            mailbox: Mailbox::new(MAILBOX),
            told: None,
            failed: false,
            parts: None,
            life: Life::Gone,
            instance: None,
            is_woken: false,
            committer_is_called: false,
        }
    }

    pub fn mailbox_and_admission(&mut self) -> (&Mailbox<EventId>, &mut Admission<u64>) {
        let instance = self.instance.as_mut().expect("it is live");
        (&self.mailbox, &mut instance.admission)
    }
}

pub struct World {
    pub now_ms: u64,
    pub dice: Dice,
    pub plan: Plan,
    pub mutant: Option<Mutant>,
    pub checker: Checker,
    pub object: Object,
    pub pushed_ms: BTreeMap<EventId, u64>,
    /// By what those events came that do not come from outside.
    pub given: BTreeMap<EventId, Given>,
    pub committed_before: CommitNumber,
    /// Somebody was called in the last round.
    pub called: bool,
    agenda: BTreeMap<(u64, u64), Happening>,
    last_number: u64,
    /// What is on disk while no database is open.
    disk: Vec<WriteId>,
    /// Events whose callers have left or lost their server.
    excused: BTreeSet<EventId>,
}

impl World {
    pub fn new(plan: Plan, dice: Dice, mutant: Option<Mutant>) -> World {
        let mut world = World {
            now_ms: 0,
            dice,
            plan,
            mutant,
            checker: Checker::default(),
            object: Object::new(),
            pushed_ms: BTreeMap::new(),
            given: BTreeMap::new(),
            committed_before: CommitNumber::ZERO,
            called: false,
            agenda: BTreeMap::new(),
            last_number: 0,
            disk: Vec::new(),
            excused: BTreeSet::new(),
        };
        let mut last_ms = 0;
        for (at_ms, what) in world.plan.happens.clone() {
            world.happens_at(at_ms, Happening::Planned(what));
            last_ms = at_ms.max(last_ms);
        }
        world.happens_at(last_ms + STOPS_AFTER_MS, Happening::ServerStops);
        world
    }

    /// Lets everything happen, until nothing does any more or a promise is broken.
    pub fn run_until_quiet(&mut self) -> Result<(), String> {
        for _ in 0..STEPS_MAX {
            let Some(((at_ms, _), what)) = self.agenda.pop_first() else {
                self.is_quiet();
                return self.checker.fault().map_or(Ok(()), Err);
            };
            self.time_passes(at_ms);
            self.now_ms = at_ms;
            self.happen(what);
            if let Some(fault) = self.checker.fault() {
                return Err(format!("at {at_ms} ms: {fault}"));
            }
        }
        Err(format!("at {} ms the object is not quiet", self.now_ms))
    }

    fn time_passes(&mut self, to_ms: u64) {
        self.checker.patience.time_is(to_ms);
        if let Some(instance) = &self.object.instance {
            let runs = instance.stuck.is_none();
            let event_wants = !self.object.mailbox.is_empty() && self.takes_events();
            let within_wants = event_wants && self.has_within();
            let order = &mut self.checker.order;
            order.time_passes(self.now_ms, to_ms, runs, event_wants, within_wants);
        }
    }

    /// All that happens, and when.
    pub fn trace(mut self) -> Vec<(u64, Happening)> {
        let mut trace = Vec::new();
        while let Some(((at_ms, _), what)) = self.agenda.pop_first() {
            self.now_ms = at_ms;
            trace.push((at_ms, what));
            self.happen(what);
        }
        trace
    }

    fn is_quiet(&mut self) {
        let life = self.object.life;
        self.checker
            .require(life == Life::Gone, || format!("in the end it is {life:?}"));
        let pushed: BTreeSet<_> = self.pushed_ms.keys().copied().collect();
        let events = self.plan.events.len();
        let never = (0..events).filter(|event| !pushed.contains(event));
        let excused = self.excused.iter().copied().chain(never).collect();
        self.checker.quiet(events, &excused);
    }

    pub fn happens_at(&mut self, at_ms: u64, what: Happening) {
        let number = self.new_number();
        self.agenda.insert((at_ms, number), what);
    }

    fn happens_soon(&mut self, ms_max: u64, what: Happening) {
        let at_ms = self.now_ms + self.dice.below(ms_max + 1);
        self.happens_at(at_ms, what);
    }

    pub fn new_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Planned(What::Event(event)) => self.push(event),
            Happening::Planned(What::CallerLeaves(event)) => self.caller_leaves(event),
            Happening::Planned(What::CodeUpdated) => self.tell(CODE_UPDATED),
            Happening::Planned(What::PowerLoss) => self.lose_power(),
            Happening::ServerStops => self.tell(SHUTTING_DOWN),
            Happening::Wake => self.wake(),
            Happening::Poll => {
                self.object.is_woken = false;
                if self.object.life == Life::Live {
                    self.poll_instance();
                }
            }
            Happening::Open => self.open(),
            Happening::Close => self.close(),
            Happening::CallsBack(event, given) => {
                if self.is_live(given.by) && !self.pushed_ms.contains_key(&event) {
                    self.given.insert(event, given);
                    self.push(event);
                }
            }
            Happening::WaitDone(instance, wait) => {
                if self.is_live(instance) {
                    self.wait_is_done(wait);
                }
            }
            Happening::Timer(instance, for_ms) => {
                if self.is_live(instance) && self.instance().timer_for_ms == Some(for_ms) {
                    self.wake();
                }
            }
            Happening::CommitterTakes => self.committer_takes(),
            Happening::SyncEnds(job, succeeds) => self.sync_ends(job, succeeds),
            Happening::Courier => self.deliver(),
        }
    }

    fn is_live(&self, number: u64) -> bool {
        let instance = self.object.instance.as_ref();
        instance.is_some_and(|instance| instance.number == number)
    }

    pub fn instance(&mut self) -> &mut Instance {
        self.object.instance.as_mut().expect("it is live")
    }

    pub fn database(&mut self) -> &mut Database {
        &mut self.object.parts.as_mut().expect("it is open").database
    }

    pub fn say(&mut self, commit: CommitNumber, output: Output, seen: &[WriteId]) {
        let parts = self.object.parts.as_mut().expect("it is open");
        parts.outlet.say(&mut self.checker, commit, output, seen);
    }

    pub fn deliver(&mut self) {
        if let Some(parts) = &mut self.object.parts {
            let proven = parts.outlet.deliver(&mut self.checker);
            proven.into_iter().for_each(|wait| self.wait_is_done(wait));
        }
    }

    pub fn wait_is_done(&mut self, number: u64) {
        let now_ms = self.now_ms;
        let Some(instance) = &mut self.object.instance else {
            return;
        };
        if let Some(wait) = instance.waits.get_mut(&number)
            && wait.done_ms.is_none()
        {
            wait.done_ms = Some(now_ms);
            let stamp = wait.stamp_checked;
            instance.woken.push_back(number);
            self.checker.order.ended(number, stamp, now_ms);
            self.wake();
        }
    }

    pub fn wake(&mut self) {
        if !std::mem::replace(&mut self.object.is_woken, true) {
            self.happens_soon(2, Happening::Poll);
        }
    }

    fn push(&mut self, event: EventId) {
        self.pushed_ms.insert(event, self.now_ms);
        if self.object.life == Life::Gone {
            self.object = Object {
                is_woken: self.object.is_woken,
                ..Object::new()
            };
            self.begin_opening();
        }
        let stamp = self.given.get(&event).map(|given| given.stamp);
        let stamp = stamp.unwrap_or_default();
        match self.object.mailbox.push(event, stamp, 1, self.now_ms) {
            Ok(()) => self.wake(),
            Err((event, _refusal)) => self.checker.answered(event, "a refusal"),
        }
    }

    /// The next event whose caller still waits.
    pub fn pop(
        &mut self,
        next: impl Fn(&mut Mailbox<EventId>) -> Option<EventId>,
    ) -> Option<EventId> {
        loop {
            let event = next(&mut self.object.mailbox)?;
            if !self.excused.contains(&event) {
                return Some(event);
            }
        }
    }

    pub fn reader_is_gone(&self, event: EventId) -> bool {
        self.excused.contains(&event)
    }

    /// May the live instance have another event?
    pub fn takes_events(&self) -> bool {
        let (Some(instance), Some(parts)) = (&self.object.instance, &self.object.parts) else {
            return false;
        };
        instance.has_room()
            && self.object.told.is_none()
            && !instance.deadlines.is_told()
            && !parts.outlet.is_full()
    }

    fn caller_leaves(&mut self, event: EventId) {
        self.excused.insert(event);
        if let Some(instance) = &mut self.object.instance
            && instance.bodies.remove(&event)
        {
            self.wake();
        }
    }

    fn tell(&mut self, what: &'static str) {
        if self.object.life != Life::Gone && self.object.told != Some(SHUTTING_DOWN) {
            self.object.told = Some(what);
            self.wake();
        }
    }

    fn is_closing(&self) -> bool {
        self.object.told == Some(SHUTTING_DOWN)
    }

    fn lose_power(&mut self) {
        if let Some(parts) = self.object.parts.take() {
            let (database, kept) = (&parts.database, parts.database.durable().0);
            let kept = kept + self.dice.below(database.committed().0 - kept + 1);
            let kept = database.log_at(CommitNumber(kept)).to_vec();
            self.checker.doom(&database.log()[kept.len()..]);
            self.disk = kept;
        }
        self.checker.power_lost(&self.disk);
        self.checker.opened(&self.disk);
        self.instance_forgotten();
        self.excused.extend(self.pushed_ms.keys());
        self.object = Object::new();
        self.agenda
            .retain(|_, what| matches!(what, Happening::Planned(_) | Happening::ServerStops));
    }

    fn begin_opening(&mut self) {
        self.object.life = Life::Opening;
        self.happens_soon(5, Happening::Open);
    }

    fn is_settled(&self) -> bool {
        let parts = self.object.parts.as_ref();
        parts.is_none_or(|parts| parts.database.is_settled())
    }

    /// Opens the database, puts it right if need be, and begins an instance.
    fn open(&mut self) {
        if self.object.failed {
            if !self.is_settled() {
                let soon_ms = self.now_ms + 1;
                return self.happens_at(soon_ms, Happening::Open);
            }
            if let Some(parts) = self.object.parts.take() {
                self.put_right(&parts.database);
                self.checker.outlet_gone();
            }
            self.object.failed = false;
        }
        if self.object.parts.is_none() {
            self.checker.opened(&self.disk);
            self.committed_before = CommitNumber::ZERO;
            self.object.parts = Some(Parts {
                database: Database::open(self.disk.clone()),
                outlet: Outlet::new(self.mutant),
            });
        }
        if self.object.told == Some(CODE_UPDATED) {
            self.object.told = None;
        }
        let idle_ms = self.plan.idle_ms;
        let mut instance = Instance::new(self.new_number(), self.now_ms, idle_ms);
        let task = self.new_number();
        instance.starting = Some(instance.admission.enter_section(self.now_ms));
        self.checker.order.opened_section(task);
        let constructor = Task::new(None, &self.plan.constructor);
        instance.tasks.insert(task, constructor);
        instance.ready.push_back(task);
        self.object.instance = Some(instance);
        self.object.life = Life::Live;
        self.called = false;
        self.checker.patience.begin(Some(self.now_ms), idle_ms);
        self.wake();
    }

    /// Takes back what a failed sync has not proven.
    fn put_right(&mut self, database: &Database) {
        let kept = match self.is_mutant(Mutant::KeepsUnproven) {
            true => database.committed(),
            false => database.durable(),
        };
        self.disk = database.log_at(kept).to_vec();
        self.checker.doom(&database.log()[self.disk.len()..]);
        self.checker.recovered(&self.disk);
    }

    /// The instance has ended or left.
    pub fn instance_is_gone(&mut self, reaches_waiting: bool) {
        self.instance_forgotten();
        self.deliver();
        if reaches_waiting {
            let committed = self.database().committed();
            let seen = self.database().log().to_vec();
            while let Some(event) = self.pop(Mailbox::pop) {
                self.say(committed, Output::Reply(event, "an error"), &seen);
            }
            self.deliver();
        }
        if !self.object.mailbox.is_empty() && !self.is_closing() {
            return self.begin_opening();
        }
        self.object.life = Life::Closing;
        self.happens_soon(5, Happening::Close);
    }

    fn instance_forgotten(&mut self) {
        self.object.instance = None;
        self.checker.order.instance_gone();
        self.checker.patience.begin(None, 0);
    }

    fn close(&mut self) {
        if !self.is_settled() {
            let soon_ms = self.now_ms + 1;
            return self.happens_at(soon_ms, Happening::Close);
        }
        self.deliver();
        if let Some(parts) = self.object.parts.take() {
            match self.object.failed {
                true => self.put_right(&parts.database),
                false => self.disk = parts.database.log().to_vec(),
            }
            self.checker.outlet_gone();
        }
        if self.is_closing() {
            while let Some(event) = self.pop(Mailbox::pop) {
                self.checker.answered(event, "unavailable");
            }
        }
        let is_forgotten =
            self.object.mailbox.close_if_empty() || self.is_mutant(Mutant::ForgetsMail);
        match is_forgotten {
            true => self.object.life = Life::Gone,
            false => self.begin_opening(),
        }
    }

    /// Has the committer come for what was committed.
    pub fn call_committer(&mut self) {
        if self.database().queued && !self.object.committer_is_called {
            self.object.committer_is_called = true;
            self.happens_soon(4, Happening::CommitterTakes);
        }
    }

    fn committer_takes(&mut self) {
        let Some(job) = self.database().take() else {
            self.object.committer_is_called = false;
            return;
        };
        if !job.dirty {
            return self.sync_ends(job, true);
        }
        let ms_max = self.plan.sync_ms_max;
        let fails_percent = self.plan.sync_fails_percent;
        let succeeds = !self.dice.percent(fails_percent);
        self.happens_soon(ms_max, Happening::SyncEnds(job, succeeds));
    }

    fn sync_ends(&mut self, job: Job, succeeds: bool) {
        let believed = succeeds || self.is_mutant(Mutant::IgnoresFailedSync);
        let parts = self.object.parts.as_mut().expect("closing waits for it");
        if succeeds {
            self.checker.synced(parts.database.log_at(job.number));
        }
        parts.database.finish(job, believed);
        if believed {
            let was_full = parts.outlet.is_full();
            parts.outlet.advance(job.number);
            self.happens_soon(3, Happening::Courier);
            if was_full && !self.is_mutant(Mutant::FullStaysAsleep) {
                self.wake();
            }
        } else {
            self.object.failed = true;
            let proven = parts.outlet.fail(&mut self.checker);
            proven.into_iter().for_each(|wait| self.wait_is_done(wait));
            self.wake();
        }
        self.object.committer_is_called = false;
        self.call_committer();
    }
}
