//! What a poll of a simulated instance means: a turn, its commit, its end. Follows
//! `instance::turn`.

use super::Mutant;
use super::disk::Broken;
use super::instance::Polled;
use super::order::Asker;
use super::outlet::Output;
use super::world::{Happening, World};
use crate::object::admission::Next;
use crate::object::deadlines::Verdict;

const ENTERED_PER_TURN_MAX: usize = 100;

impl World {
    /// Polls the task of a live object.
    pub fn poll_instance(&mut self) {
        if self.object.failed {
            let failed = "writes could not be made durable";
            self.instance().end.get_or_insert((failed, false));
            return self.instance_ends();
        }
        if let Some(until_ms) = self.instance().heavy_until_ms {
            if self.now_ms < until_ms {
                self.computes();
                return self.look();
            }
            self.instance().heavy_until_ms = None;
            self.computes();
        }
        let polled = self.turn();
        if polled == Polled::Pending && self.instance().preempted {
            self.computes();
            let until_ms = self.now_ms + self.dice.below(20);
            self.instance().heavy_until_ms = Some(until_ms);
            self.happens_at(until_ms, Happening::Wake);
        }
        self.deliver();
        self.note_quiet();
        match polled {
            Polled::Pending => self.look(),
            Polled::Failed => self.instance_ends(),
            Polled::Left => self.instance_is_gone(false),
        }
    }

    fn computes(&mut self) {
        let now_ms = self.now_ms;
        let instance = self.instance();
        instance.reached = true;
        instance.deadlines.reached(now_ms, false);
    }

    fn turn(&mut self) -> Polled {
        let mut entered = 0;
        self.hold_waits_if_written();
        let polled = loop {
            let polled = self.poll_event_loop();
            if polled == Polled::Pending && self.instance().preempted {
                if self.is_mutant(Mutant::CommitsWhenPreempted) {
                    let _ = self.commit();
                }
                return Polled::Pending;
            }
            entered += 1;
            if polled != Polled::Pending || self.database().has_savepoint() {
                break polled;
            }
            let next = self.reopen();
            if next == Next::Nobody {
                break polled;
            }
            let is_for_next_turn =
                matches!(next, Next::Wait(_)) && self.instance().admission.holds_waits();
            if entered == ENTERED_PER_TURN_MAX || is_for_next_turn {
                self.wake();
                break polled;
            }
        };
        if polled == Polled::Failed || self.instance().end.is_some() {
            if self.is_mutant(Mutant::TrapCommits) {
                self.database().commit_anyway();
                self.note_commits();
            }
            return Polled::Failed;
        }
        match self.commit() {
            Ok(()) => polled,
            Err(Broken(message)) => {
                self.instance().end.get_or_insert((message, false));
                Polled::Failed
            }
        }
    }

    /// Ends the round.
    fn reopen(&mut self) -> Next<u64> {
        let absent = self.is_mutant(Mutant::AbsentBlocksQueue)
            && self.called
            && !self.instance().admission.has_entered();
        if absent {
            return Next::Nobody;
        }
        let next = self.instance().admission.end_round();
        self.called = matches!(next, Next::Event | Next::Wait(_));
        self.checker.order.round_ends(match next {
            Next::Event if self.checker.order.is_closed() => Some(Asker::Within),
            Next::Event => Some(Asker::Event),
            Next::Wait(number) => Some(Asker::Wait(number)),
            Next::Nobody | Next::Anybody => None,
        });
        if let Next::Wait(number) = next
            && !self.is_mutant(Mutant::CalledIsNotWoken)
        {
            self.instance().woken.push_back(number);
            self.wake();
        }
        next
    }

    fn commit(&mut self) -> Result<(), Broken> {
        let uncommitted = self.database().uncommitted().to_vec();
        if let Err(broken) = self.database().end_turn() {
            self.checker.doom(&uncommitted);
            return Err(broken);
        }
        self.note_commits();
        Ok(())
    }

    /// Tells the checker and the committer of commits that have happened.
    pub fn note_commits(&mut self) {
        let committed = self.database().committed();
        if committed == self.committed_before {
            return;
        }
        self.committed_before = committed;
        let in_the_middle = self.instance().preempted;
        let parts = self.object.parts.as_ref().expect("it is open");
        let log = parts.database.log_at(committed);
        self.checker.committed(log, in_the_middle);
        self.call_committer();
    }

    /// Notes since when nothing runs, whatever the instance believes.
    fn note_quiet(&mut self) {
        let now_ms = self.now_ms;
        let instance = self.instance();
        let is_quiet = instance.nothing_runs();
        let quiet_ms = &mut self.checker.patience.quiet_ms;
        match is_quiet {
            true => drop(quiet_ms.get_or_insert(now_ms)),
            false => *quiet_ms = None,
        }
    }

    /// Looks whether the instance has taken too long.
    fn look(&mut self) {
        let (now_ms, told, mutant) = (self.now_ms, self.object.told, self.mutant);
        if told.is_some() {
            self.checker.patience.told_ms.get_or_insert(now_ms);
        }
        let instance = self.instance();
        if let Some(told) = told
            && mutant != Some(Mutant::ToldUnnoticed)
        {
            instance.deadlines.told(now_ms, told);
        }
        if !std::mem::take(&mut instance.reached) {
            instance.deadlines.touched();
        }
        let closed_since_ms = match mutant {
            Some(Mutant::SectionUnnoticed) => None,
            _ => instance.admission.closed_since_ms(),
        };
        match instance.deadlines.verdict(now_ms, closed_since_ms) {
            Verdict::GoOn { until_ms } => self.set_timer(until_ms),
            Verdict::Leave | Verdict::Rest => self.wake(),
            Verdict::Reset {
                message,
                reaches_waiting,
            } => {
                instance.end.get_or_insert((message, reaches_waiting));
                self.checker.patience.struck(now_ms, message);
                self.instance_ends();
            }
        }
    }

    fn set_timer(&mut self, until_ms: u64) {
        let now_ms = self.now_ms;
        let instance = self.instance();
        let is_near = instance
            .timer_for_ms
            .is_some_and(|set_ms| set_ms > now_ms && set_ms <= until_ms);
        if is_near || until_ms == u64::MAX {
            return;
        }
        instance.timer_for_ms = Some(until_ms);
        let number = instance.number;
        self.happens_at(until_ms + 1, Happening::Timer(number, until_ms));
    }

    /// The instance has come to its end; its turn is undone.
    fn instance_ends(&mut self) {
        self.doom_turn();
        let end = self.instance().end;
        let (message, reaches_waiting) = end.unwrap_or(("it trapped", false));
        self.instance().end = Some((message, reaches_waiting));
        self.database().rollback_turn();
        let committed = self.database().committed();
        let parts = self.object.parts.as_mut().expect("it is open");
        parts.outlet.abandon(&mut self.checker, committed);
        let seen = parts.database.log().to_vec();
        for event in std::mem::take(&mut self.instance().callers) {
            self.say(committed, Output::Reply(event, "an error"), &seen);
        }
        self.deliver();
        for event in std::mem::take(&mut self.instance().bodies) {
            self.say(committed, Output::Broken(event), &seen);
        }
        let reaches_waiting = reaches_waiting || self.instance().starting.is_some();
        self.instance_is_gone(reaches_waiting);
    }
}
