//! The code of a simulated object: tasks that run scripts, each up to its next wait.

use std::collections::VecDeque;

use super::Mutant;
use super::checker::TaskId;
use super::disk::Broken;
use super::instance::{Given, Stuck, StuckBy, Wait};
use super::outlet::Output;
use super::script::{EventId, Op};
use super::world::{Happening, World};

/// What an instance's code runs for one event, or for its constructor.
pub struct Task {
    /// None for the constructor.
    pub event: Option<EventId>,
    ops: VecDeque<Op>,
    /// It has answered, and goes on in the background.
    pub returned: bool,
    /// Sections that are open, innermost last.
    sections: Vec<u64>,
    /// Transactions and savepoints that are open, with the sections of the former.
    open: Vec<(u64, Option<u64>)>,
    chunks: u64,
    streams: bool,
    spins: u64,
    /// The chunk that is being written.
    pub writing: bool,
}

impl Task {
    pub fn new(event: Option<EventId>, ops: &[Op]) -> Task {
        Task {
            event,
            ops: ops.iter().copied().collect(),
            returned: false,
            sections: Vec::new(),
            open: Vec::new(),
            chunks: 0,
            streams: false,
            spins: 0,
            writing: false,
        }
    }
}

/// How a run of a task came to its end.
pub enum Ran {
    /// It waits, or has nothing left to do.
    UpToWait,
    /// The store is in the middle of its work.
    Stuck(Stuck),
    /// The instance has come to its end.
    Failed,
}

impl World {
    /// Runs `id` up to its next wait.
    pub fn run(&mut self, id: TaskId) -> Ran {
        loop {
            self.checker.runs(id);
            let Some(task) = self.instance().tasks.get_mut(&id) else {
                return Ran::UpToWait;
            };
            if task.spins > 0 {
                task.spins -= 1;
                let by = StuckBy::Spinning;
                return Ran::Stuck(Stuck { task: id, by });
            }
            let Some(op) = task.ops.pop_front() else {
                self.task_ends(id);
                return Ran::UpToWait;
            };
            let stepped = self.step(id, op);
            self.hold_waits_if_written();
            match stepped {
                Ok(Step::On) => {}
                Ok(Step::Waits) => return Ran::UpToWait,
                Ok(Step::Stuck(by)) => return Ran::Stuck(Stuck { task: id, by }),
                Err(Broken(message)) => {
                    self.doom_turn();
                    self.instance().end.get_or_insert((message, false));
                    return Ran::Failed;
                }
            }
        }
    }

    /// Waits end when what was written before them is committed.
    pub fn hold_waits_if_written(&mut self) {
        let holds =
            self.database().has_written() && !self.is_mutant(Mutant::WaitsEndBeforeTheCommit);
        self.instance().admission.hold_waits(holds);
    }

    fn task(&mut self, id: TaskId) -> &mut Task {
        self.instance().tasks.get_mut(&id).expect("it runs")
    }

    fn step(&mut self, id: TaskId, op: Op) -> Result<Step, Broken> {
        match op {
            Op::Write => {
                let write = self.new_number();
                self.database().write(write)?;
                self.checker.wrote(write, id);
            }
            Op::Wait(ms) => return Ok(self.begin_waits(id, &[ms])),
            Op::Race(first, second) => return Ok(self.begin_waits(id, &[first, second])),
            Op::OpenSection => {
                let section = self.open_section(id);
                self.task(id).sections.push(section);
            }
            Op::CloseSection | Op::FailSection => {
                let section = self.task(id).sections.pop();
                self.close_section(id, section)?;
                if op == Op::CloseSection {
                    return Ok(Step::On);
                }
                self.instance().end = Some(("the section failed", true));
                return Err(Broken("the section failed"));
            }
            Op::Begin => {
                let number = self.database().begin()?;
                self.note_commits();
                let section = self.open_section(id);
                self.task(id).open.push((number, Some(section)));
            }
            Op::Commit | Op::Rollback => {
                let (number, section) = self.task(id).open.pop().unwrap_or_default();
                match op {
                    Op::Commit => self.database().commit(number)?,
                    _ => self.roll_back(id, number)?,
                }
                self.note_commits();
                self.close_section(id, section)?;
            }
            Op::Savepoint => {
                let number = self.database().savepoint()?;
                self.task(id).open.push((number, None));
            }
            Op::Release | Op::Undo => {
                let (number, _) = self.task(id).open.pop().unwrap_or_default();
                match op {
                    Op::Release => self.database().commit(number)?,
                    _ => self.roll_back(id, number)?,
                }
            }
            Op::Reply => self.task_returns(id, "a reply"),
            Op::ReplyStreaming => {
                self.task(id).streams = true;
                self.task_returns(id, "a streamed reply");
            }
            Op::Throw => self.task_returns(id, "an exception"),
            Op::Chunk(ms) => {
                self.task(id).writing = true;
                return Ok(self.begin_waits(id, &[ms]));
            }
            Op::Sync => return self.begin_sync(id),
            Op::Trap => return Err(Broken("it trapped")),
            Op::Abort => return Err(Broken("it called abort()")),
            Op::Spin(slices) => self.task(id).spins = slices,
            Op::Yield => {
                self.instance().yielded.push_back(id);
                return Ok(Step::Waits);
            }
            Op::Block(ms) => {
                let until_ms = self.now_ms + ms;
                self.happens_at(until_ms, Happening::Wake);
                return Ok(Step::Stuck(StuckBy::Blocking { until_ms }));
            }
            Op::GiveOut(event, ms) => self.gives_out(event, ms),
            Op::Forever => {
                self.new_wait(id);
                return Ok(Step::Waits);
            }
        }
        Ok(Step::On)
    }

    fn gives_out(&mut self, event: EventId, ms: u64) {
        let at_ms = self.now_ms + ms;
        let stamp_checked = self.checker.order.sections_opened();
        let instance = self.instance();
        let given = Given {
            by: instance.number,
            stamp: instance.admission.stamp(),
            stamp_checked,
        };
        self.happens_at(at_ms, Happening::CallsBack(event, given));
    }

    fn roll_back(&mut self, id: TaskId, number: u64) -> Result<(), Broken> {
        let undone = self.database().rollback(number)?;
        self.checker.took_back(id, &undone);
        Ok(())
    }

    fn open_section(&mut self, id: TaskId) -> u64 {
        let now_ms = self.now_ms;
        let number = self.instance().admission.enter_section(now_ms);
        self.checker.order.opened_section(id);
        self.checker.patience.section_ms.get_or_insert(now_ms);
        number
    }

    fn close_section(&mut self, id: TaskId, section: Option<u64>) -> Result<(), Broken> {
        let number = section.unwrap_or(0);
        let left = self.instance().admission.leave_section(number);
        left.map_err(|_| Broken("not the innermost section"))?;
        self.checker.order.closed_section(id);
        // The constructor is a section, with a limit of its own.
        let constructors = usize::from(self.instance().starting.is_some());
        if self.checker.order.open_sections() == constructors {
            self.checker.patience.section_ms = None;
        }
        Ok(())
    }

    fn new_wait(&mut self, task: TaskId) -> u64 {
        let number = self.new_number();
        let stamp_checked = self.checker.order.sections_opened();
        let wait = Wait {
            task,
            stamp: self.instance().admission.stamp(),
            stamp_checked,
            place: None,
            done_ms: None,
            rival: None,
        };
        self.instance().waits.insert(number, wait);
        number
    }

    /// Begins waits of which the first that ends counts.
    fn begin_waits(&mut self, id: TaskId, durations_ms: &[u64]) -> Step {
        let mut numbers = Vec::new();
        for ms in durations_ms {
            let number = self.new_wait(id);
            numbers.push(number);
            if *ms == 0 {
                self.wait_is_done(number);
            } else {
                let instance = self.instance().number;
                let at_ms = self.now_ms + ms;
                self.happens_at(at_ms, Happening::WaitDone(instance, number));
            }
        }
        if let [first, second] = numbers[..] {
            for (one, other) in [(first, second), (second, first)] {
                let wait = self.instance().waits.get_mut(&one);
                wait.expect("it has begun").rival = Some(other);
            }
        }
        Step::Waits
    }

    fn begin_sync(&mut self, id: TaskId) -> Result<Step, Broken> {
        let commit = self.database().sync()?;
        self.note_commits();
        let number = self.new_wait(id);
        // It proves the commits, and says nothing of what is not committed.
        let seen = self.database().log_at(commit).to_vec();
        self.say(commit, Output::Proof(number), &seen);
        Ok(Step::Waits)
    }

    /// A chunk is taken from the object.
    pub fn say_chunk(&mut self, id: TaskId) {
        let task = self.task(id);
        task.writing = false;
        let (event, number) = (task.event.expect("events stream"), task.chunks);
        task.chunks += 1;
        if self.instance().bodies.contains(&event) {
            self.say_newest(Output::Chunk(event, number));
        }
    }

    fn task_returns(&mut self, id: TaskId, text: &'static str) {
        let task = self.task(id);
        if !std::mem::replace(&mut task.returned, true)
            && let Some(event) = task.event
        {
            self.instance().returned.push((event, text));
        }
    }

    fn task_ends(&mut self, id: TaskId) {
        self.task_returns(id, "a reply");
        let task = self.instance().tasks.remove(&id).expect("it ran");
        if task.event.is_none() {
            self.instance().has_started = true;
        }
        if let (Some(event), true) = (task.event, task.streams) {
            // Bodies are said by the host, which sees the reply first.
            self.instance().bodies_ended.push((event, task.chunks));
        }
    }

    /// The turn is going to be undone: nothing that it wrote may be found again.
    pub fn doom_turn(&mut self) {
        if let Some(parts) = &self.object.parts {
            self.checker.doom(parts.database.uncommitted());
        }
    }

    /// Says output that may reveal all that was written.
    pub fn say_newest(&mut self, output: Output) {
        let commit = self.database().newest_commit();
        let seen = self.database().log().to_vec();
        self.say(commit, output, &seen);
    }

    pub fn is_mutant(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }
}

enum Step {
    On,
    Waits,
    Stuck(StuckBy),
}
