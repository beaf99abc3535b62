//! Does a host keep one promise?

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use crate::case::{Act, Case, Ending, ErrorKind, Event, Expected, OnSocket, Step, Target};
use crate::expression::{Names, on_the_wire};
use crate::host::{Address, Answer, Host, Opened};
use crate::pattern::{Numbers, TextPattern, matches};
use crate::socket::Socket;

/// What a report shows of a value.
const SHOWN_CHARACTERS_MAX: usize = 400;

/// An exception or a reset.
const ANY_FAILURE: &str = "failure";

/// What a host cannot do: words of the cases' `needs` lines, and whole topics.
#[derive(Clone, Default, Debug)]
pub struct Lacks(pub Vec<String>);

impl Lacks {
    pub fn prevent(&self, case: &Case) -> bool {
        self.0.contains(&case.topic) || case.needs.iter().any(|need| self.0.contains(need))
    }

    pub fn numbers(&self) -> Numbers {
        let loose = self.0.iter().any(|word| word == "exact-integers");
        if loose {
            Numbers::Loose
        } else {
            Numbers::Exact
        }
    }
}

/// Runs a case; an error says which step gave what instead of what.
pub fn run(case: &Case, host: &Host, lacks: &Lacks) -> Result<()> {
    let mut names = Names::new(token());
    let mut flying = Vec::new();
    let mut failures = String::new();
    let mut sockets = HashMap::new();
    for (index, act) in case.acts.iter().enumerate() {
        host.pause();
        let event = match act {
            Act::Event(event) => event,
            Act::OnSocket(act) => {
                if let Err(error) = on_socket(act, &mut sockets, &mut names, lacks) {
                    let _ = writeln!(failures, "line {}: {}\n    {error:#}", act.line, act.text);
                    break;
                }
                continue;
            }
        };
        if event.is_after_all {
            for (index, event, sent) in flying.drain(..) {
                collect(index, event, sent, &mut names, lacks, &mut failures);
            }
        }
        if let Some(label) = &event.socket {
            match open(event, host, &names)? {
                Opened::Socket(socket) => {
                    sockets.insert(label.clone(), *socket);
                    if !matches!(event.ending, Ending::Answer | Ending::Any) {
                        let opened = Err(anyhow!("the socket opened"));
                        note(index, event, opened, &mut failures);
                    }
                }
                Opened::No(answer) => {
                    note(
                        index,
                        event,
                        check(event, answer, &mut names, lacks),
                        &mut failures,
                    );
                }
            }
            continue;
        }
        let sent = send(event, host, &names).with_context(|| format!("line {}", event.line))?;
        if event.in_background {
            flying.push((index, event, sent));
        } else {
            collect(index, event, sent, &mut names, lacks, &mut failures);
        }
    }
    for (index, event, sent) in flying {
        collect(index, event, sent, &mut names, lacks, &mut failures);
    }
    if !failures.is_empty() {
        bail!("{}", failures.trim_end());
    }
    Ok(())
}

fn on_socket(
    act: &OnSocket,
    sockets: &mut HashMap<String, Socket>,
    names: &mut Names,
    lacks: &Lacks,
) -> Result<()> {
    let socket = sockets
        .get_mut(&act.socket)
        .context("the socket did not open")?;
    socket.act(&act.what, names, lacks.numbers())
}

fn open(event: &Event, host: &Host, names: &Names) -> Result<Opened> {
    let steps = steps_of(event, names)?;
    std::thread::sleep(Duration::from_millis(event.delay_ms));
    host.open(&event.class, &address_of(event, names)?, &steps)
}

type Sent = Vec<JoinHandle<Result<Answer>>>;

fn send(event: &Event, host: &Host, names: &Names) -> Result<Sent> {
    let steps = steps_of(event, names)?;
    std::thread::sleep(Duration::from_millis(event.delay_ms));
    let mut sent = Vec::new();
    for _ in 0..event.times {
        let address = address_of(event, names)?;
        let (host, class, steps) = (host.clone(), event.class.clone(), steps.clone());
        sent.push(std::thread::spawn(move || {
            host.run(&class, &address, &steps)
        }));
    }
    Ok(sent)
}

/// Which object the event is for.
pub fn address_of(event: &Event, names: &Names) -> Result<Address> {
    let text = |value| match names.expand(value)? {
        Value::String(text) => Ok(text),
        other => bail!("{other} is not a text"),
    };
    Ok(match &event.target {
        Target::Label(label) => Address::Name(names.name_of(label)),
        Target::Name(name) => Address::Name(text(name)?),
        Target::Id(id) => Address::Id(text(id)?),
    })
}

/// The steps of the event, as they travel.
pub fn steps_of(event: &Event, names: &Names) -> Result<Value> {
    let mut steps = Vec::new();
    for step in &event.steps {
        let script = names
            .expand(&step.script)
            .with_context(|| format!("line {}: {}", step.line, step.text))?;
        steps.push(on_the_wire(script));
    }
    Ok(Value::Array(steps))
}

fn collect(
    index: usize,
    event: &Event,
    sent: Sent,
    names: &mut Names,
    lacks: &Lacks,
    failures: &mut String,
) {
    for handle in sent {
        let answer = handle
            .join()
            .unwrap_or_else(|_| bail!("the client panicked"));
        let verdict = answer.and_then(|answer| check(event, answer, names, lacks));
        note(index, event, verdict, failures);
    }
}

fn note(index: usize, event: &Event, verdict: Result<()>, failures: &mut String) {
    if let Err(error) = verdict {
        let (number, line) = (index + 1, event.line);
        let _ = writeln!(failures, "event {number} (line {line}): {error:#}");
    }
}

/// Is this the answer that the event must have?
pub fn check(event: &Event, answer: Answer, names: &mut Names, lacks: &Lacks) -> Result<()> {
    let results = match (&event.ending, answer) {
        (Ending::Answer, Answer::Results(results)) => results,
        (Ending::Answer, Answer::Failure { status, kind, text }) => {
            bail!(
                "failed with {status}{}: {}",
                shown_kind(&kind),
                shortened(text.trim())
            )
        }
        (Ending::Any, _) => return Ok(()),
        (Ending::Exception { name, message }, answer) => {
            return check_failure("exception", &[name, message], answer);
        }
        (Ending::Reset { message }, answer) => return check_failure("reset", &[message], answer),
        (Ending::Failure { message }, answer) => {
            return check_failure(ANY_FAILURE, &[message], answer);
        }
    };
    let mut report = String::new();
    for (index, step) in event.steps.iter().enumerate() {
        let Some(result) = results.get(index) else {
            let _ = write!(
                report,
                "\n  line {}: {}\n    gave no result",
                step.line,
                shortened(&step.text)
            );
            break;
        };
        if !step_holds(step, result, names, lacks).with_context(|| format!("line {}", step.line))? {
            let (line, text, got) = (
                step.line,
                shortened(&step.text),
                shortened(&result.to_string()),
            );
            let expected = shortened(&shown_expected(&step.expected));
            let _ = write!(
                report,
                "\n  line {line}: {text}\n    expected {expected}\n    got      {got}"
            );
        }
    }
    if !report.is_empty() {
        bail!("{report}");
    }
    Ok(())
}

/// The exact name and message must occur in the answer's text, in whatever frame.
fn check_failure(kind: &str, patterns: &[&TextPattern], answer: Answer) -> Result<()> {
    let shown: Vec<_> = patterns.iter().map(|pattern| pattern.to_string()).collect();
    let expected = format!("{kind} {}", shown.join(" "));
    match answer {
        Answer::Results(results) => {
            bail!(
                "expected {expected}, got an answer: {}",
                shortened(&Value::Array(results).to_string())
            )
        }
        Answer::Failure {
            status,
            kind: got_kind,
            text,
        } => {
            let is_kind = got_kind
                .as_ref()
                .is_none_or(|got| got == kind || kind == ANY_FAILURE);
            if status < 500 || !is_kind || !patterns.iter().all(|pattern| pattern.occurs_in(&text))
            {
                bail!(
                    "expected {expected}, got {status}{}: {}",
                    shown_kind(&got_kind),
                    shortened(text.trim())
                );
            }
            Ok(())
        }
    }
}

fn step_holds(step: &Step, result: &Value, names: &mut Names, lacks: &Lacks) -> Result<bool> {
    let error = result.as_object().and_then(|fields| fields.get("error"));
    match &step.expected {
        Expected::Success => Ok(error.is_none()),
        Expected::Value(pattern) => matches(pattern, result, names, lacks.numbers()),
        Expected::Error { kind, message } => Ok(error.is_some_and(|error| {
            let got_message = error.get("message").and_then(Value::as_str);
            let got_kind = error.get("kind").and_then(Value::as_str);
            let got_code = error.get("code").and_then(Value::as_i64);
            // A probe whose host does not tell the kinds apart leaves them out.
            let is_kind = match kind {
                ErrorKind::Any => true,
                ErrorKind::Invalid => got_kind.is_none_or(|got| got == "invalid"),
                ErrorKind::Sqlite(code) => {
                    got_kind.is_none_or(|got| got == "sqlite")
                        && got_code.is_none_or(|got| got == *code)
                }
            };
            is_kind && got_message.is_some_and(|got| message.matches(got))
        })),
    }
}

fn shown_expected(expected: &Expected) -> String {
    match expected {
        Expected::Success => "success".into(),
        Expected::Value(value) => value.to_string(),
        Expected::Error {
            kind: ErrorKind::Any,
            message,
        } => format!("error {message}"),
        Expected::Error {
            kind: ErrorKind::Invalid,
            message,
        } => format!("invalid {message}"),
        Expected::Error {
            kind: ErrorKind::Sqlite(code),
            message,
        } => format!("sqlite {code} {message}"),
    }
}

fn shown_kind(kind: &Option<String>) -> String {
    kind.as_ref()
        .map(|kind| format!(" ({kind})"))
        .unwrap_or_default()
}

pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.into(),
    }
}

/// A word that no other run of a case uses, so that each has objects of its own.
pub fn token() -> String {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    format!(
        "c{:016x}",
        RandomState::new().hash_one(RUNS.fetch_add(1, Ordering::Relaxed))
    )
}

#[cfg(test)]
mod tests {
    //! What a report calls a failure must be one, and the other way round.

    use serde_json::json;

    use super::*;

    fn step(expected: Expected) -> Step {
        Step {
            line: 1,
            text: String::new(),
            script: json!([]),
            expected,
        }
    }

    fn holds(expected: Expected, result: Value) -> bool {
        step_holds(
            &step(expected),
            &result,
            &mut Names::new("t"),
            &Lacks::default(),
        )
        .unwrap()
    }

    #[test]
    fn an_error_is_no_success() {
        assert!(holds(Expected::Success, json!(null)));
        assert!(!holds(
            Expected::Success,
            json!({"error": {"message": "x"}})
        ));
        assert!(!holds(
            Expected::Value(json!(null)),
            json!({"error": {"message": "x"}})
        ));
    }

    #[test]
    fn errors_are_compared_by_kind_code_and_message() {
        let error = |kind| Expected::Error {
            kind,
            message: TextPattern::Exact("x".into()),
        };
        let got = json!({"error": {"kind": "sqlite", "code": 19, "message": "x"}});
        assert!(holds(error(ErrorKind::Any), got.clone()));
        assert!(holds(error(ErrorKind::Sqlite(19)), got.clone()));
        assert!(!holds(error(ErrorKind::Sqlite(1)), got.clone()));
        assert!(!holds(error(ErrorKind::Invalid), got));
        assert!(!holds(
            error(ErrorKind::Any),
            json!({"error": {"message": "y"}})
        ));
        assert!(!holds(error(ErrorKind::Any), json!("x")));
    }

    #[test]
    fn a_failed_event_must_say_what_was_promised() {
        let message = TextPattern::Exact("boom".into());
        let failure = |status, kind: &str| {
            let text = "Error: boom".to_string();
            check_failure(
                "reset",
                &[&message],
                Answer::Failure {
                    status,
                    kind: Some(kind.into()),
                    text,
                },
            )
        };
        assert!(failure(500, "reset").is_ok());
        assert!(failure(500, "exception").is_err());
        assert!(failure(404, "reset").is_err());
        assert!(check_failure("reset", &[&message], Answer::Results(Vec::new())).is_err());
    }
}
