//! What happens to a simulated object, and what its code does then.

use super::dice::Dice;

pub type EventId = usize;

/// What the code of an object does, step by step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    Write,
    Wait(u64),
    /// Waits for whatever ends first and gives up the other.
    Race(u64, u64),
    OpenSection,
    CloseSection,
    /// Ends the section with an error, and with it the instance.
    FailSection,
    Begin,
    Commit,
    Rollback,
    Savepoint,
    Release,
    Undo,
    /// Answers; what follows runs in the background.
    Reply,
    /// Answers with a body that what follows writes.
    ReplyStreaming,
    /// Writes a chunk that the client takes after so long.
    Chunk(u64),
    Sync,
    Throw,
    Trap,
    Abort,
    /// Computes for so many slices.
    Spin(u64),
    Yield,
    /// Keeps the whole instance from going on.
    Block(u64),
    /// Waits for what never comes.
    Forever,
    /// Gives out something by which this event comes after so long.
    GiveOut(EventId, u64),
}

/// Something that happens, at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    Event(EventId),
    CallerLeaves(EventId),
    CodeUpdated,
    /// What is not durable may be lost.
    PowerLoss,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub idle_ms: u64,
    pub constructor: Vec<Op>,
    /// What each event does.
    pub events: Vec<Vec<Op>>,
    pub happens: Vec<(u64, What)>,
    pub sync_fails_percent: u64,
    pub sync_ms_max: u64,
    /// How often what was called comes later than it could.
    pub late_percent: u64,
}

impl Plan {
    pub fn random(dice: &mut Dice) -> Plan {
        let mood = Mood::random(dice);
        let count = 1 + dice.below(14) as usize;
        let spread_ms = [1, 30, 500, 100_000][dice.below(4) as usize];
        let mut happens = Vec::new();
        for event in 0..count {
            let at_ms = dice.below(spread_ms);
            happens.push((at_ms, What::Event(event)));
            if dice.percent(8) {
                let later_ms = dice.below(40);
                happens.push((at_ms + later_ms, What::CallerLeaves(event)));
            }
        }
        for (percent, what) in [(15, What::CodeUpdated), (40, What::PowerLoss)] {
            while dice.percent(percent) {
                happens.push((dice.below(spread_ms + 50), what));
            }
        }
        happens.sort_by_key(|(at_ms, _)| *at_ms);
        let mut plan = Plan {
            idle_ms: [20, 1_000, 10_000, 60_000][dice.below(4) as usize],
            constructor: match dice.below(3) {
                0 => constructor(dice, mood),
                _ => Vec::new(),
            },
            events: (0..count).map(|_| script(dice, mood, 10)).collect(),
            happens,
            sync_fails_percent: [0, 0, 10, 40][dice.below(4) as usize],
            sync_ms_max: [1, 8, 100][dice.below(3) as usize],
            late_percent: [0, 5, 30][dice.below(3) as usize],
        };
        for _ in 0..[0, 1, 5][dice.below(3) as usize] {
            plan.give_out(dice, mood);
        }
        plan
    }

    /// Adds an event that comes by what some code gives out, if it can in a section.
    fn give_out(&mut self, dice: &mut Dice, mood: Mood) {
        let event = self.events.len();
        let giver = dice.below(event as u64 + 1) as usize;
        let ops = match self.events.get_mut(giver) {
            Some(ops) => ops,
            None => &mut self.constructor,
        };
        let opened = ops.iter().position(|op| *op == Op::OpenSection);
        let place = match opened {
            Some(opened) => opened + 1,
            None => dice.below(ops.len() as u64 + 1) as usize,
        };
        let later_ms = duration(dice, mood);
        ops.insert(place, Op::GiveOut(event, later_ms));
        // It may run in the midst of another's section or transaction, so it has none, and
        // writes nothing that the other might undo.
        let waits = (0..dice.below(3)).map(|_| Op::Wait(duration(dice, mood)));
        self.events.push(waits.collect());
    }
}

/// What the scripts of one run may contain, so that rare things come in some runs
/// often and leave the others alone.
#[derive(Clone, Copy)]
struct Mood {
    fails: bool,
    hangs: bool,
    spins: bool,
    /// Code that yields goes on beside the sections of others, so it has none.
    yields: bool,
}

impl Mood {
    fn random(dice: &mut Dice) -> Mood {
        Mood {
            fails: dice.percent(40),
            hangs: dice.percent(20),
            spins: dice.percent(30),
            yields: dice.percent(15),
        }
    }
}

fn script(dice: &mut Dice, mood: Mood, length: u64) -> Vec<Op> {
    let mut ops = Vec::new();
    steps(dice, mood, length, 0, &mut ops);
    if dice.percent(25) {
        ops.push(match dice.percent(50) {
            true => Op::ReplyStreaming,
            false => Op::Reply,
        });
        let streams = ops.last() == Some(&Op::ReplyStreaming);
        for _ in 0..dice.below(4) {
            if streams {
                ops.push(Op::Chunk(dice.below(5)));
            }
            steps(dice, mood, 3, 0, &mut ops);
        }
    } else if dice.percent(10) {
        ops.push(Op::Throw);
    }
    ops
}

fn constructor(dice: &mut Dice, mood: Mood) -> Vec<Op> {
    let mut ops = Vec::new();
    steps(dice, mood, 4, 0, &mut ops);
    ops
}

/// Adds random steps; what they open they close, but for what `mood` leaves open.
fn steps(dice: &mut Dice, mood: Mood, length: u64, depth: u64, ops: &mut Vec<Op>) {
    for _ in 0..dice.below(length + 1) {
        let kind = dice.below(100);
        match kind {
            0..30 => ops.push(Op::Write),
            30..50 => ops.push(Op::Wait(duration(dice, mood))),
            50..55 => ops.push(Op::Race(duration(dice, mood), duration(dice, mood))),
            55..62 => ops.push(Op::Sync),
            62..70 if depth < 3 && !mood.yields => {
                ops.push(Op::OpenSection);
                steps(dice, mood, 4, depth + 1, ops);
                if mood.fails && dice.percent(10) {
                    ops.push(Op::FailSection);
                } else if !(mood.hangs && dice.percent(20)) {
                    ops.push(Op::CloseSection);
                }
            }
            70..80 if depth < 3 && !mood.yields => {
                ops.push(Op::Begin);
                steps(dice, mood, 5, depth + 1, ops);
                ops.push(if dice.percent(60) {
                    Op::Commit
                } else {
                    Op::Rollback
                });
            }
            80..86 => {
                ops.push(Op::Savepoint);
                for _ in 0..dice.below(3) {
                    ops.push(Op::Write);
                }
                if mood.fails && dice.percent(10) {
                    ops.push(Op::Wait(1));
                }
                ops.push(if dice.percent(50) {
                    Op::Release
                } else {
                    Op::Undo
                });
            }
            86..90 if mood.fails => {
                ops.push(if dice.percent(50) {
                    Op::Trap
                } else {
                    Op::Abort
                });
            }
            90..94 if mood.spins => ops.push(Op::Spin(1 + dice.below(4))),
            94..96 if mood.yields => ops.push(Op::Yield),
            96..98 if mood.spins => ops.push(Op::Block(duration(dice, mood))),
            98..100 if mood.hangs => ops.push(Op::Forever),
            _ => {}
        }
    }
}

fn duration(dice: &mut Dice, mood: Mood) -> u64 {
    match dice.below(10) {
        0..4 => 0,
        4..8 => dice.below(5),
        8 => dice.below(300),
        _ if mood.hangs => dice.below(50_000),
        _ => dice.below(4_000),
    }
}
