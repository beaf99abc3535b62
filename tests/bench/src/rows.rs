//! Which figures are taken, what counts as better, and what is aimed at?

use crate::prepare::Language;
use crate::servers::Kind;

/// One line of the table.
pub struct Row {
    pub name: &'static str,
    pub label: &'static str,
    pub unit: Unit,
    /// How many times better than workerd Abide is meant to be with objects in Rust.
    pub aim_times: f64,
    pub ceiling: Ceiling,
    pub task: Task,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Unit {
    /// The median of latencies, or what the label says; less is better.
    Micros,
    /// Answers per second; more is better.
    PerSecond,
    /// Memory; less is better.
    Kilobytes,
    /// A duration; less is better.
    Millis,
}

/// What the bare server has to say about a figure.
#[derive(Clone, Copy, PartialEq)]
pub enum Ceiling {
    /// It does the same work, apart from running any code of an object.
    Measured,
    /// Its echo with one connection, and one sync of the disk.
    EchoPlusSync,
    None,
}

pub enum Task {
    /// Connections that each send the next request when the answer is there.
    Loop {
        class: Class,
        objects: u64,
        connections: usize,
    },
    /// An echo asked at a steady pace while objects of this kind work without pause,
    /// or while none does.
    Neighbour { attack: Option<Attack> },
    /// Objects that never existed, one after the other.
    FirstTouch { class: Class },
    /// Counters after they were evicted.
    Wake { class: Class, writes: bool },
    /// What an object that is live and idle occupies.
    Memory { class: Class },
    /// What an object occupies that was evicted.
    EvictedMemory,
    /// What a WebSocket occupies whose object was evicted.
    SocketMemory { per_object: Crowding },
    /// A message through the WebSocket of an object that was evicted, and its echo.
    SocketWake,
    /// What one says and a thousand hear.
    FanOut,
    /// What one of ten says, which is written down, until all have heard it.
    Chat,
    /// A hundred alarms a second.
    Alarms,
    /// One object asks another.
    StubCall,
    /// From the start of the process to an object's first answer.
    Start,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Crowding {
    AllOnOne,
    OneEach,
}

/// How an object takes more than its share; each answer takes some 100 ms.
#[derive(Clone, Copy, PartialEq)]
pub enum Attack {
    SlowSql,
    Spin,
    Log,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Class {
    Echo,
    Counter,
    /// Counters that Abide evicts without their memory, as workerd does all.
    Forgetful,
    SqlRead,
    Greedy,
    Room,
    Bell,
    Caller,
    Json,
    Sort,
}

pub const CLASSES: [Class; 10] = [
    Class::Echo,
    Class::Counter,
    Class::Forgetful,
    Class::SqlRead,
    Class::Greedy,
    Class::Room,
    Class::Bell,
    Class::Caller,
    Class::Json,
    Class::Sort,
];

pub const ECHO_ALONE: &str = "echo-c1";

pub const ROWS: &[Row] = &[
    Row {
        name: ECHO_ALONE,
        label: "echo, 1 connection, p50",
        unit: Unit::Micros,
        aim_times: 4.0,
        ceiling: Ceiling::Measured,
        task: Task::Loop {
            class: Class::Echo,
            objects: 1,
            connections: 1,
        },
    },
    Row {
        name: "echo-one-c16",
        label: "echo, 16 connections, 1 object",
        unit: Unit::PerSecond,
        aim_times: 8.0,
        ceiling: Ceiling::Measured,
        task: Task::Loop {
            class: Class::Echo,
            objects: 1,
            connections: 16,
        },
    },
    Row {
        name: "echo-many-c16",
        label: "echo, 16 connections, 64 objects",
        unit: Unit::PerSecond,
        aim_times: 8.0,
        ceiling: Ceiling::Measured,
        task: Task::Loop {
            class: Class::Echo,
            objects: 64,
            connections: 16,
        },
    },
    Row {
        name: "write-c1",
        label: "counter write, 1 connection, p50",
        unit: Unit::Micros,
        aim_times: 2.0,
        ceiling: Ceiling::EchoPlusSync,
        task: Task::Loop {
            class: Class::Counter,
            objects: 1,
            connections: 1,
        },
    },
    Row {
        name: "write-one-c64",
        label: "counter write, 64 connections, 1 object",
        unit: Unit::PerSecond,
        aim_times: 15.0,
        ceiling: Ceiling::None,
        task: Task::Loop {
            class: Class::Counter,
            objects: 1,
            connections: 64,
        },
    },
    Row {
        name: "write-many-c64",
        label: "counter write, 64 connections, 1,000 objects",
        unit: Unit::PerSecond,
        aim_times: 10.0,
        ceiling: Ceiling::None,
        task: Task::Loop {
            class: Class::Counter,
            objects: 1000,
            connections: 64,
        },
    },
    Row {
        name: "select-c16",
        label: "point SELECT, 16 connections, 1 object",
        unit: Unit::PerSecond,
        aim_times: 7.0,
        ceiling: Ceiling::Measured,
        task: Task::Loop {
            class: Class::SqlRead,
            objects: 1,
            connections: 16,
        },
    },
    Row {
        name: "cpu-json",
        label: "100 KB of JSON read, changed and written, p50",
        unit: Unit::Micros,
        aim_times: 1.0,
        ceiling: Ceiling::None,
        task: Task::Loop {
            class: Class::Json,
            objects: 1,
            connections: 1,
        },
    },
    Row {
        name: "cpu-sort",
        label: "10,000 numbers sorted, p50",
        unit: Unit::Micros,
        aim_times: 1.0,
        ceiling: Ceiling::None,
        task: Task::Loop {
            class: Class::Sort,
            objects: 1,
            connections: 1,
        },
    },
    Row {
        name: "neighbour",
        label: "echo at a steady pace, p99",
        unit: Unit::Micros,
        aim_times: 2.0,
        ceiling: Ceiling::None,
        task: Task::Neighbour { attack: None },
    },
    Row {
        name: "neighbour-sql",
        label: "… beside 16 objects with slow SQL",
        unit: Unit::Micros,
        aim_times: 10.0,
        ceiling: Ceiling::None,
        task: Task::Neighbour {
            attack: Some(Attack::SlowSql),
        },
    },
    Row {
        name: "neighbour-spin",
        label: "… beside 16 objects that spin",
        unit: Unit::Micros,
        aim_times: 10.0,
        ceiling: Ceiling::None,
        task: Task::Neighbour {
            attack: Some(Attack::Spin),
        },
    },
    Row {
        name: "neighbour-log",
        label: "… beside 16 objects that log",
        unit: Unit::Micros,
        aim_times: 10.0,
        ceiling: Ceiling::None,
        task: Task::Neighbour {
            attack: Some(Attack::Log),
        },
    },
    Row {
        name: "first-touch",
        label: "first touch of a new object, p50",
        unit: Unit::Micros,
        aim_times: 12.0,
        ceiling: Ceiling::None,
        task: Task::FirstTouch { class: Class::Echo },
    },
    Row {
        name: "first-write",
        label: "first touch of a new object with a write, p50",
        unit: Unit::Micros,
        aim_times: 4.0,
        ceiling: Ceiling::None,
        task: Task::FirstTouch {
            class: Class::Counter,
        },
    },
    Row {
        name: "wake",
        label: "touch after eviction, p50",
        unit: Unit::Micros,
        aim_times: 5.0,
        ceiling: Ceiling::None,
        task: Task::Wake {
            class: Class::Counter,
            writes: false,
        },
    },
    Row {
        name: "wake-write",
        label: "touch after eviction with a write, p50",
        unit: Unit::Micros,
        aim_times: 5.0,
        ceiling: Ceiling::None,
        task: Task::Wake {
            class: Class::Counter,
            writes: true,
        },
    },
    Row {
        name: "forgetful-wake",
        label: "… that dropped the memory",
        unit: Unit::Micros,
        aim_times: 5.0,
        ceiling: Ceiling::None,
        task: Task::Wake {
            class: Class::Forgetful,
            writes: false,
        },
    },
    Row {
        name: "forgetful-wake-write",
        label: "… that dropped the memory, with a write",
        unit: Unit::Micros,
        aim_times: 5.0,
        ceiling: Ceiling::None,
        task: Task::Wake {
            class: Class::Forgetful,
            writes: true,
        },
    },
    Row {
        name: "stub-call",
        label: "a request from one object to another",
        unit: Unit::Micros,
        aim_times: 5.0,
        ceiling: Ceiling::None,
        task: Task::StubCall,
    },
    Row {
        name: "fan-out",
        label: "fan-out to 1,000 sockets, deliveries",
        unit: Unit::PerSecond,
        aim_times: 4.0,
        ceiling: Ceiling::None,
        task: Task::FanOut,
    },
    Row {
        name: "chat",
        label: "chat of 10, said and written until all hear it, p50",
        unit: Unit::Micros,
        aim_times: 2.0,
        ceiling: Ceiling::None,
        task: Task::Chat,
    },
    Row {
        name: "socket-wake",
        label: "wake by a message on a socket, p50",
        unit: Unit::Micros,
        aim_times: 5.0,
        ceiling: Ceiling::None,
        task: Task::SocketWake,
    },
    Row {
        name: "alarms",
        label: "100 alarms a second: 99 % ring within",
        unit: Unit::Millis,
        aim_times: 1.0,
        ceiling: Ceiling::None,
        task: Task::Alarms,
    },
    Row {
        name: "memory",
        label: "memory per live idle object",
        unit: Unit::Kilobytes,
        aim_times: 4.0,
        ceiling: Ceiling::None,
        task: Task::Memory { class: Class::Echo },
    },
    Row {
        name: "memory-database",
        label: "memory per live idle object with a database",
        unit: Unit::Kilobytes,
        aim_times: 4.0,
        ceiling: Ceiling::None,
        task: Task::Memory {
            class: Class::Counter,
        },
    },
    Row {
        name: "evicted-memory",
        label: "memory per evicted object",
        unit: Unit::Kilobytes,
        aim_times: 4.0,
        ceiling: Ceiling::None,
        task: Task::EvictedMemory,
    },
    Row {
        name: "socket-memory-one",
        label: "memory per socket of one evicted object",
        unit: Unit::Kilobytes,
        aim_times: 10.0,
        ceiling: Ceiling::None,
        task: Task::SocketMemory {
            per_object: Crowding::AllOnOne,
        },
    },
    Row {
        name: "socket-memory-each",
        label: "memory per evicted object with a socket",
        unit: Unit::Kilobytes,
        aim_times: 10.0,
        ceiling: Ceiling::None,
        task: Task::SocketMemory {
            per_object: Crowding::OneEach,
        },
    },
    Row {
        name: "start",
        label: "start to an object's first answer",
        unit: Unit::Millis,
        aim_times: 1.0,
        ceiling: Ceiling::Measured,
        task: Task::Start,
    },
];

impl Row {
    /// Whether a server that is up already can be measured.
    pub fn shares_server(&self) -> bool {
        !matches!(
            self.task,
            Task::Memory { .. } | Task::EvictedMemory | Task::SocketMemory { .. } | Task::Start
        )
    }

    /// How many times better than workerd Abide is meant to be.
    pub fn aim(&self, language: Language) -> Option<f64> {
        match (language, self.name) {
            (Language::Rust, _) => Some(self.aim_times),
            (Language::JavaScript, "echo-one-c16" | "select-c16") => Some(4.0),
            (Language::JavaScript, "write-one-c64") => Some(8.0),
            (Language::JavaScript, "first-touch") => Some(2.0),
            (Language::JavaScript, "memory" | "memory-database") => Some(1.0),
            (Language::JavaScript, _) => None,
        }
    }

    pub fn applies_to(&self, kind: Kind) -> bool {
        kind != Kind::Ceiling || self.ceiling == Ceiling::Measured
    }
}

impl Unit {
    /// How many times better `ours` is than `theirs`.
    pub fn times_better(self, ours: f64, theirs: f64) -> f64 {
        match self {
            Unit::PerSecond => ours / theirs,
            Unit::Micros | Unit::Kilobytes | Unit::Millis => theirs / ours,
        }
    }

    pub fn show(self, value: f64) -> String {
        match self {
            Unit::Micros if value < 1000.0 => format!("{value:.0} µs"),
            Unit::Micros => format!("{:.2} ms", value / 1000.0),
            Unit::PerSecond => format!("{}/s", thousands(value)),
            Unit::Kilobytes if value < 10.0 => format!("{value:.1} KB"),
            Unit::Kilobytes => format!("{value:.0} KB"),
            Unit::Millis => format!("{value:.0} ms"),
        }
    }
}

impl Attack {
    /// The last segment of the path.
    pub fn path(self) -> &'static str {
        match self {
            Attack::SlowSql => "sql",
            Attack::Spin => "spin",
            Attack::Log => "log",
        }
    }
}

impl Class {
    pub fn path(self) -> &'static str {
        match self {
            Class::Echo => "echo",
            Class::Counter => "counter",
            Class::Forgetful => "forgetful",
            Class::SqlRead => "sqlread",
            Class::Greedy => "greedy",
            Class::Room => "room",
            Class::Bell => "bell",
            Class::Caller => "caller",
            Class::Json => "json",
            Class::Sort => "sort",
        }
    }

    /// What the Worker exports it as.
    pub fn export(self) -> &'static str {
        match self {
            Class::Echo => "Echo",
            Class::Counter => "Counter",
            Class::Forgetful => "Forgetful",
            Class::SqlRead => "SqlRead",
            Class::Greedy => "Greedy",
            Class::Room => "Room",
            Class::Bell => "Bell",
            Class::Caller => "Caller",
            Class::Json => "Json",
            Class::Sort => "Sort",
        }
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut shown = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    //! A ratio that is upside down would turn a loss into a win.
    use super::*;

    #[test]
    fn better_means_faster_smaller_or_more() {
        assert_eq!(Unit::Micros.times_better(100.0, 400.0), 4.0);
        assert_eq!(Unit::Kilobytes.times_better(50.0, 200.0), 4.0);
        assert_eq!(Unit::PerSecond.times_better(8000.0, 2000.0), 4.0);
    }

    #[test]
    fn values_read_well() {
        assert_eq!(Unit::Micros.show(61.4), "61 µs");
        assert_eq!(Unit::Micros.show(2670.0), "2.67 ms");
        assert_eq!(Unit::PerSecond.show(73012.3), "73,012/s");
        assert_eq!(Unit::PerSecond.show(999.0), "999/s");
        assert_eq!(Unit::Kilobytes.show(52.3), "52 KB");
    }

    #[test]
    fn names_are_unique() {
        for (place, row) in ROWS.iter().enumerate() {
            assert!(
                ROWS[place + 1..].iter().all(|other| other.name != row.name),
                "{}",
                row.name
            );
        }
    }
}
