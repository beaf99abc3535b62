//! Whether what enters a simulated instance may, and in which order it does.

use std::collections::BTreeMap;

use super::checker::TaskId;

/// Who can enter does so within this time, however late it is polled.
const COULD_MS_MAX: u64 = 100;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Asker {
    /// The first of the mailbox.
    Event,
    /// The first that the innermost section lets in.
    Within,
    Wait(u64),
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    /// Sections that had been opened when it began, then who asked first.
    place: (u64, u64),
    in_round: u64,
    /// It was called and has not asked again since.
    is_called: bool,
}

struct Section {
    number: u64,
    owner: TaskId,
}

#[derive(Default)]
pub struct Order {
    pub fault: Option<String>,
    sections: Vec<Section>,
    sections_opened: u64,
    askers: BTreeMap<Asker, Asked>,
    asked: u64,
    round: u64,
    entered: Option<Asker>,
    called: Option<Asker>,
    /// Waits whose work is done.
    ended: BTreeMap<u64, Ended>,
    /// Since when the first event could enter.
    event_could_ms: Option<u64>,
    /// Since when one that the innermost section lets in.
    within_could_ms: Option<u64>,
}

struct Ended {
    stamp: u64,
    since_ms: u64,
    /// So many events that came later have entered.
    overtaken: u32,
    /// Since when it could enter.
    could_ms: Option<u64>,
}

impl Order {
    fn require(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds && self.fault.is_none() {
            self.fault = Some(fault());
        }
    }

    pub fn sections_opened(&self) -> u64 {
        self.sections_opened
    }

    pub fn is_closed(&self) -> bool {
        !self.sections.is_empty()
    }

    pub fn open_sections(&self) -> usize {
        self.sections.len()
    }

    pub fn innermost_owner(&self) -> Option<TaskId> {
        self.sections.last().map(|section| section.owner)
    }

    pub fn opened_section(&mut self, owner: TaskId) {
        self.sections_opened += 1;
        self.sections.push(Section {
            number: self.sections_opened,
            owner,
        });
    }

    pub fn closed_section(&mut self, owner: TaskId) {
        let innermost = self.sections.pop().map(|section| section.owner);
        self.require(innermost == Some(owner), || {
            format!("task {owner} ends the section of {innermost:?}")
        });
    }

    /// The constructor's section ends, whatever others it has left open.
    pub fn closed_outermost(&mut self) {
        self.sections.remove(0);
    }

    /// The number of the innermost section.
    pub fn floor(&self) -> Option<u64> {
        self.sections.last().map(|innermost| innermost.number)
    }

    fn admits(&self, asker: Asker, stamp: u64) -> bool {
        match (self.sections.last(), asker) {
            (None, _) => true,
            (Some(_), Asker::Event) => false,
            (Some(innermost), Asker::Within | Asker::Wait(_)) => innermost.number <= stamp,
        }
    }

    /// A wait's work is done.
    pub fn ended(&mut self, wait: u64, stamp: u64, now_ms: u64) {
        self.ended.entry(wait).or_insert(Ended {
            stamp,
            since_ms: now_ms,
            overtaken: 0,
            could_ms: None,
        });
    }

    /// A wait that could ask was not polled.
    pub fn is_late(&mut self, wait: u64, now_ms: u64) {
        if let Some(ended) = self.ended.get_mut(&wait) {
            ended.since_ms = now_ms;
            ended.overtaken = 0;
        }
    }

    /// Nothing happens from `from_ms` to `to_ms`. `runs`: nothing keeps the instance
    /// from going on. `event_wants`: an event waits, and may run; `within_wants`: one
    /// that the innermost section lets in.
    pub fn time_passes(
        &mut self,
        from_ms: u64,
        to_ms: u64,
        runs: bool,
        event_wants: bool,
        within_wants: bool,
    ) {
        let event_could = runs && event_wants && self.admits(Asker::Event, 0);
        self.event_could_ms = event_could.then(|| self.event_could_ms.unwrap_or(from_ms));
        let mut late = is_late(self.event_could_ms, to_ms).then_some(Asker::Event);
        let within_could = runs && within_wants;
        self.within_could_ms = within_could.then(|| self.within_could_ms.unwrap_or(from_ms));
        if is_late(self.within_could_ms, to_ms) {
            late = Some(Asker::Within);
        }
        let mut waits = std::mem::take(&mut self.ended);
        for (wait, ended) in &mut waits {
            let could = runs && self.admits(Asker::Wait(*wait), ended.stamp);
            ended.could_ms = could.then(|| ended.could_ms.unwrap_or(from_ms));
            if is_late(ended.could_ms, to_ms) {
                late = Some(Asker::Wait(*wait));
            }
        }
        self.ended = waits;
        self.require(late.is_none(), || {
            format!("{late:?} could enter for long and does not")
        });
    }

    /// `asker` wants to enter and may not yet.
    pub fn asks(&mut self, asker: Asker, stamp: u64) {
        if matches!(asker, Asker::Event | Asker::Within) && self.entered.is_some() {
            return;
        }
        let asked_before = self.askers.get(&asker).map(|asked| asked.place.0);
        if asker == Asker::Within && asked_before < self.floor() {
            // A section was opened since, which lets in this one too, but not so early.
            self.withdraws(asker);
        }
        let in_round = self.round;
        let asked = &mut self.asked;
        let entry = self.askers.entry(asker).or_insert_with(|| {
            *asked += 1;
            Asked {
                place: (stamp, *asked),
                in_round,
                is_called: false,
            }
        });
        if std::mem::take(&mut entry.is_called) {
            entry.in_round = in_round;
        }
    }

    pub fn withdraws(&mut self, asker: Asker) {
        self.askers.remove(&asker);
        if self.called == Some(asker) {
            self.called = None;
        }
    }

    /// A wait is over, or was given up.
    pub fn gone(&mut self, wait: u64) {
        self.withdraws(Asker::Wait(wait));
        self.ended.remove(&wait);
    }

    /// `came_ms`: when an event came, or a wait's work was done.
    pub fn enters(&mut self, asker: Asker, stamp: u64, came_ms: u64) {
        let (before, called) = (self.entered.replace(asker), self.called.take());
        self.require(before.is_none(), || {
            format!("{asker:?} enters in the round of {before:?}")
        });
        let may = self.admits(asker, stamp);
        self.require(may, || {
            format!("{asker:?} enters though a section holds it back")
        });
        self.require(called.is_none_or(|called| called == asker), || {
            format!("{asker:?} enters in the round that is for {called:?}")
        });
        let own = self.askers.remove(&asker);
        let latest = match asker {
            Asker::Wait(_) => stamp,
            Asker::Event | Asker::Within => self.sections_opened,
        };
        let place = own.map_or((latest, u64::MAX), |own| own.place);
        if called.is_none() {
            self.overtakes(asker, place);
        }
        match asker {
            Asker::Wait(wait) => drop(self.ended.remove(&wait)),
            Asker::Within => self.within_could_ms = None,
            Asker::Event => {
                self.event_could_ms = None;
                self.overtakes_waits(came_ms);
            }
        }
    }

    /// Nobody may be ahead who could enter.
    fn overtakes(&mut self, asker: Asker, place: (u64, u64)) {
        let overtaken = self.askers.iter().find(|(other, asked)| {
            **other != asker
                && !asked.is_called
                && asked.in_round < self.round
                && asked.place < place
                && self.admits(**other, asked.place.0)
        });
        let fault = overtaken.map(|other| format!("{asker:?} {place:?} overtakes {other:?}"));
        self.require(fault.is_none(), || fault.unwrap_or_default());
    }

    /// An event asks before the waits of the same poll, so one may be ahead.
    fn overtakes_waits(&mut self, came_ms: u64) {
        let mut waits = std::mem::take(&mut self.ended);
        for (wait, ended) in &mut waits {
            let asked = self.askers.get(&Asker::Wait(*wait));
            let could = asked.is_none_or(|asked| {
                !asked.is_called && self.admits(Asker::Wait(*wait), asked.place.0)
            });
            let since_ms = ended.since_ms;
            if could && since_ms < came_ms {
                ended.overtaken += 1;
                let often = ended.overtaken;
                self.require(often <= 1, || {
                    format!("wait {wait} ended at {since_ms} and {often} later events went before")
                });
            }
        }
        self.ended = waits;
    }

    /// The round is over, and the next one is for `called`.
    pub fn round_ends(&mut self, called: Option<Asker>) {
        self.round += 1;
        self.entered = None;
        if let Some(absent @ (Asker::Event | Asker::Within)) = self.called {
            // An event that does not come asks anew.
            self.askers.remove(&absent);
        }
        self.called = called;
        if let Some(asker) = called {
            let asked = self.askers.get_mut(&asker);
            let place = asked.map(|asked| {
                asked.is_called = true;
                asked.place
            });
            match place {
                // The constructor's section may end before it enters, and let in others.
                Some(place) => self.overtakes(asker, place),
                None => self.require(false, || format!("{asker:?} is called and has not asked")),
            }
        }
    }

    /// The instance has gone, and with it everything that wanted to enter.
    pub fn instance_gone(&mut self) {
        *self = Order {
            fault: self.fault.take(),
            ..Order::default()
        };
    }
}

fn is_late(could_ms: Option<u64>, now_ms: u64) -> bool {
    could_ms.is_some_and(|since_ms| now_ms > since_ms + COULD_MS_MAX)
}
