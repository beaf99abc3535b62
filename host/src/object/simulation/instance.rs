//! A model of a live instance: its event loop, as `instance::serve` and wasmtime
//! drive it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Mutant;
use super::checker::TaskId;
use super::guest::{Ran, Task};
use super::order::Asker;
use super::outlet::Output;
use super::script::EventId;
use super::world::World;
use crate::object::admission::{Admission, Entry, Place};
use crate::object::deadlines::{Deadlines, Verdict};
use crate::object::input_gate::Stamp;
use crate::object::mailbox::Mailbox;

/// What may run at a time; few, so that runs come up against it.
const RUNNING_MAX: usize = 8;

pub struct Instance {
    pub number: u64,
    pub admission: Admission<u64>,
    pub deadlines: Deadlines,
    /// It came back to the host in this poll.
    pub reached: bool,
    /// The poll ended in the middle of computing.
    pub preempted: bool,
    /// It waits for a turn for long work until then.
    pub heavy_until_ms: Option<u64>,
    pub quiet: bool,
    /// While the constructor runs: the section that it is.
    pub starting: Option<u64>,
    /// The constructor has returned, and the host does not know yet.
    pub has_started: bool,
    /// Why it ends, and whether that reaches the events that wait.
    pub end: Option<(&'static str, bool)>,
    pub tasks: BTreeMap<TaskId, Task>,
    pub ready: VecDeque<TaskId>,
    pub yielded: VecDeque<TaskId>,
    pub stuck: Option<Stuck>,
    pub waits: BTreeMap<u64, Wait>,
    pub woken: VecDeque<u64>,
    /// Events whose answers the host has not taken yet.
    pub returned: Vec<(EventId, &'static str)>,
    pub bodies_ended: Vec<(EventId, u64)>,
    /// Callers of the events that run.
    pub callers: BTreeSet<EventId>,
    /// Bodies that are being streamed.
    pub bodies: BTreeSet<EventId>,
    pub timer_for_ms: Option<u64>,
}

/// Something that an instance gave out, when it had opened so many sections.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    pub by: u64,
    pub stamp: Stamp,
    /// The same, in the checker's books.
    pub stamp_checked: u64,
}

pub struct Wait {
    pub task: TaskId,
    pub stamp: Stamp,
    /// The same, in the checker's books.
    pub stamp_checked: u64,
    pub place: Option<Place>,
    pub done_ms: Option<u64>,
    /// What is given up when this ends.
    pub rival: Option<u64>,
}

/// A task in whose middle the poll ended.
pub struct Stuck {
    pub task: TaskId,
    pub by: StuckBy,
}

#[derive(Clone, Copy)]
pub enum StuckBy {
    Spinning,
    Blocking { until_ms: u64 },
    Yielding,
}

/// How a poll of the event loop ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Polled {
    Pending,
    Left,
    Failed,
}

impl Instance {
    pub fn new(number: u64, now_ms: u64, idle_ms: u64) -> Instance {
        Instance {
            number,
            admission: Admission::default(),
            deadlines: Deadlines::serving_after_start(now_ms, idle_ms, now_ms),
            reached: false,
            preempted: false,
            heavy_until_ms: None,
            quiet: false,
            starting: None,
            has_started: false,
            end: None,
            tasks: BTreeMap::new(),
            ready: VecDeque::new(),
            yielded: VecDeque::new(),
            stuck: None,
            waits: BTreeMap::new(),
            woken: VecDeque::new(),
            returned: Vec::new(),
            bodies_ended: Vec::new(),
            callers: BTreeSet::new(),
            bodies: BTreeSet::new(),
            timer_for_ms: None,
        }
    }

    /// May another event run?
    pub fn has_room(&self) -> bool {
        self.callers.len() < RUNNING_MAX
    }

    /// Does nothing run, neither for events nor in the background?
    pub fn nothing_runs(&self) -> bool {
        self.tasks.is_empty()
            && self.returned.is_empty()
            && self.bodies.is_empty()
            && self.bodies_ended.is_empty()
    }
}

impl World {
    /// Polls the event loop: runs everything up to its next wait.
    pub fn poll_event_loop(&mut self) -> Polled {
        let now_ms = self.now_ms;
        self.instance().preempted = false;
        if let Some(stuck) = self.instance().stuck.take() {
            match stuck.by {
                StuckBy::Blocking { until_ms } if now_ms < until_ms => {
                    self.instance().stuck = Some(stuck);
                    return Polled::Pending;
                }
                _ => {}
            }
            if let Some(polled) = self.run_and_note(stuck.task) {
                return polled;
            }
        }
        loop {
            if let Some(polled) = self.poll_host() {
                return polled;
            }
            let one_ended = self.poll_waits();
            if let Some(task) = self.instance().ready.pop_front() {
                if let Some(polled) = self.run_and_note(task) {
                    return polled;
                }
            } else if let Some(task) = self.instance().yielded.pop_front() {
                let by = StuckBy::Yielding;
                let now_ms = self.now_ms;
                self.checker.patience.blocked_ms.get_or_insert(now_ms);
                self.instance().stuck = Some(Stuck { task, by });
                self.wake();
                return Polled::Pending;
            } else if !one_ended {
                return Polled::Pending;
            }
        }
    }

    fn run_and_note(&mut self, task: TaskId) -> Option<Polled> {
        match self.run(task) {
            Ran::UpToWait => None,
            Ran::Failed => Some(Polled::Failed),
            Ran::Stuck(stuck) => {
                self.instance().preempted = matches!(stuck.by, StuckBy::Spinning);
                let blocked_ms = &mut self.checker.patience.blocked_ms;
                match stuck.by {
                    StuckBy::Spinning => *blocked_ms = None,
                    // One call after another blocks it like a single one.
                    _ => drop(blocked_ms.get_or_insert(self.now_ms)),
                }
                self.instance().stuck = Some(stuck);
                Some(Polled::Pending)
            }
        }
    }

    /// The host's side of the event loop.
    fn poll_host(&mut self) -> Option<Polled> {
        self.checker.patience.blocked_ms = None;
        if std::mem::take(&mut self.instance().has_started) {
            self.started();
        }
        if !self.is_mutant(Mutant::BlockedTooEarly) {
            let now_ms = self.now_ms;
            self.instance().deadlines.came_back(now_ms);
        }
        loop {
            for (event, text) in std::mem::take(&mut self.instance().returned) {
                self.instance().deadlines.touched();
                self.instance().callers.remove(&event);
                if text == "a streamed reply" && !self.reader_is_gone(event) {
                    self.instance().bodies.insert(event);
                }
                self.say_newest(Output::Reply(event, text));
            }
            for (event, chunks) in std::mem::take(&mut self.instance().bodies_ended) {
                if self.instance().bodies.remove(&event) {
                    self.say_newest(Output::End(event, chunks));
                }
            }
            if !self.admit() {
                break;
            }
        }
        if self.instance().admission.has_entered() {
            return None;
        }
        self.poll_leave()
    }

    fn started(&mut self) {
        let instance = self.instance();
        if let Some(section) = instance.starting.take() {
            instance.admission.leave_any_section(section);
            instance.deadlines.started();
            self.checker.order.closed_outermost();
            self.checker.patience.starting_ms = None;
        }
    }

    /// Lets the next event in, if it may enter.
    fn admit(&mut self) -> bool {
        if self.object.mailbox.is_empty() || !self.takes_events() {
            self.instance().admission.withdraw_event();
            self.checker.order.withdraws(Asker::Event);
            self.checker.order.withdraws(Asker::Within);
            return false;
        }
        let is_taken = self.instance().admission.has_entered();
        let entry = self.lets_event_in();
        let Some(entry) = entry else {
            if !is_taken {
                self.note_asking();
            }
            return false;
        };
        let asker = match entry {
            Entry::First => {
                // Without a section all stand in one queue.
                self.checker.order.withdraws(Asker::Within);
                Asker::Event
            }
            Entry::Within(_) => {
                // The first of the mailbox has asked, too.
                let stamp = self.checker.order.sections_opened();
                self.checker.order.asks(Asker::Event, stamp);
                Asker::Within
            }
        };
        let popped = match entry {
            Entry::First => self.pop(Mailbox::pop),
            Entry::Within(floor) => self.pop(|mailbox| mailbox.pop_within(floor)),
        };
        let Some(event) = popped else {
            self.checker.order.withdraws(asker);
            return false;
        };
        let stamp = match asker {
            Asker::Within => self.given[&event].stamp_checked,
            _ => self.checker.order.sections_opened(),
        };
        let pushed_ms = self.pushed_ms[&event];
        self.checker.order.enters(asker, stamp, pushed_ms);
        self.checker.patience.quiet_ms = None;
        self.instance().deadlines.touched();
        self.instance().quiet = false;
        let ops = self.plan.events[event].clone();
        let task = self.new_number();
        if self.given.contains_key(&event) {
            self.checker.is_let_in(task);
        }
        let instance = self.instance();
        instance.callers.insert(event);
        instance.tasks.insert(task, Task::new(Some(event), &ops));
        instance.ready.push_back(task);
        true
    }

    /// Which events want to enter and may not.
    fn note_asking(&mut self) {
        let stamp = self.checker.order.sections_opened();
        self.checker.order.asks(Asker::Event, stamp);
        match self.has_within() {
            true => self.checker.order.asks(Asker::Within, stamp),
            false => self.checker.order.withdraws(Asker::Within),
        }
    }

    /// Is there an event that the innermost section lets in?
    pub fn has_within(&self) -> bool {
        let floor = self.checker.order.floor();
        floor.is_some_and(|floor| self.object.mailbox.has_within(Stamp(floor)))
    }

    fn lets_event_in(&mut self) -> Option<Entry> {
        let mutant = self.mutant;
        let (mailbox, admission) = self.object.mailbox_and_admission();
        let lets_in = admission.ask_event(|floor| match mutant {
            Some(Mutant::SectionKeepsOutItsOwn) => false,
            _ => mailbox.has_within(floor),
        });
        let instead = match mutant {
            Some(Mutant::SectionIgnoresNewcomers) => {
                !admission.has_entered() && admission.closed_since_ms().is_some()
            }
            Some(Mutant::EventsOvertakeWaits) => {
                !admission.has_entered() && admission.closed_since_ms().is_none()
            }
            Some(Mutant::TwoEnterARound) => admission.has_entered(),
            _ => false,
        };
        lets_in.or(instead.then_some(Entry::First))
    }

    fn poll_leave(&mut self) -> Option<Polled> {
        let (now_ms, mutant) = (self.now_ms, self.mutant);
        let instance = self.instance();
        let nothing_runs = instance.nothing_runs();
        let quiet = match mutant {
            Some(Mutant::IdleWhileBackgroundRuns) => instance.callers.is_empty(),
            _ => nothing_runs,
        };
        instance.reached = true;
        instance.quiet = quiet;
        instance.deadlines.reached(now_ms, quiet);
        let closed_since_ms = instance.admission.closed_since_ms();
        match instance.deadlines.verdict(now_ms, closed_since_ms) {
            Verdict::Leave => {
                self.checker.patience.quiet_ms = match nothing_runs {
                    true => self.checker.patience.quiet_ms.or(Some(now_ms)),
                    false => None,
                };
                self.checker.patience.leaves(now_ms);
                Some(Polled::Left)
            }
            Verdict::Rest => {
                instance.deadlines.rested();
                self.wake();
                None
            }
            _ => None,
        }
    }

    /// Polls the waits that were woken, until one has ended.
    fn poll_waits(&mut self) -> bool {
        let mut late = Vec::new();
        let mut ended = false;
        while let Some(number) = self.instance().woken.pop_front() {
            let late_percent = self.plan.late_percent;
            if self.dice.percent(late_percent) {
                if self.instance().waits.contains_key(&number) {
                    self.checker.order.is_late(number, self.now_ms);
                }
                late.push(number);
                self.wake();
                continue;
            }
            if self.poll_wait(number) {
                ended = true;
                break;
            }
        }
        self.instance().woken.extend(late);
        self.wake_for_nothing();
        ended
    }

    /// Now and then a wait is polled that nothing has woken.
    fn wake_for_nothing(&mut self) {
        let late_percent = self.plan.late_percent;
        if self.dice.percent(late_percent) {
            let instance = self.instance();
            let queued = instance.waits.iter().find(|(_, wait)| wait.place.is_some());
            if let Some((number, _)) = queued
                && !instance.woken.contains(number)
            {
                instance.woken.push_back(*number);
                self.wake();
            }
        }
    }

    /// Asks for a wait to end; what waits for it then goes on.
    fn poll_wait(&mut self, number: u64) -> bool {
        let instance = self.instance();
        let Some(wait) = instance.waits.get_mut(&number) else {
            return false;
        };
        let Some(done_ms) = wait.done_ms else {
            return false;
        };
        let stamp = wait.stamp_checked;
        let passes = instance
            .admission
            .ask_wait(&mut wait.place, wait.stamp, || number);
        if !passes {
            self.checker.order.asks(Asker::Wait(number), stamp);
            return false;
        }
        self.checker
            .order
            .enters(Asker::Wait(number), stamp, done_ms);
        let wait = self.instance().waits.remove(&number).expect("it asked");
        let has_written = self.database().has_written();
        self.checker.require(!has_written, || {
            let task = wait.task;
            format!("task {task} goes on before what was written until then is committed")
        });
        if let Some(rival) = wait.rival {
            self.give_up(rival);
        }
        if self.instance().tasks[&wait.task].writing {
            self.say_chunk(wait.task);
        }
        self.instance().ready.push_back(wait.task);
        true
    }

    fn give_up(&mut self, number: u64) {
        let instance = self.instance();
        if let Some(mut wait) = instance.waits.remove(&number) {
            instance.admission.withdraw_wait(&mut wait.place);
        }
        self.checker.order.gone(number);
    }
}
