//! What does a file of cases say?
//!
//! ```text
//! # A comment.
//! case a missing key reads as none
//!   kv.get "missing" => null
//!
//! case an exception rolls nothing back
//! event on a
//!   kv.put "k" "1"
//!   throw "Error" "boom"
//! ends with exception "Error" "boom"
//! event on a
//!   kv.get "k" => "1"
//! ```
//!
//! A step is an operation, its arguments in JSON, and what it must give. It goes on
//! over the end of a line while a bracket is open, or when the next line begins
//! with `=>`.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::case::{
    Act, Case, Ending, ErrorKind, Event, Expected, OnSocket, SocketAct, Step, Target,
};
use crate::pattern::TextPattern;

/// The class and the object that events go to if they do not say otherwise.
const DEFAULT_CLASS: &str = "probe";
const DEFAULT_LABEL: &str = "a";

pub fn parse(topic: &str, text: &str) -> Result<Vec<Case>> {
    let mut cases: Vec<Case> = Vec::new();
    for (line, statement) in statements(text) {
        let parsed = add(&mut cases, topic, line, &statement);
        parsed.with_context(|| format!("line {line}: {}", statement.trim()))?;
    }
    for case in &cases {
        if case.events().all(|event| event.steps.is_empty()) {
            bail!(
                "line {}: the case {:?} has no steps",
                case.line,
                case.promise
            );
        }
    }
    Ok(cases)
}

fn add(cases: &mut Vec<Case>, topic: &str, line: usize, statement: &str) -> Result<()> {
    let (word, rest) = split_word(statement);
    if word == "case" {
        let promise = rest.to_string();
        if promise.is_empty() || cases.iter().any(|case| case.promise == promise) {
            bail!("a case needs a promise of its own");
        }
        let topic = topic.to_string();
        cases.push(Case {
            topic,
            promise,
            line,
            needs: Vec::new(),
            is_slow: false,
            acts: Vec::new(),
        });
        return Ok(());
    }
    let case = cases.last_mut().context("a file begins with a case")?;
    match word {
        "needs" => case.needs.extend(rest.split_whitespace().map(String::from)),
        "slow" => case.is_slow = true,
        "event" => case.acts.push(Act::Event(event(line, rest)?)),
        "ends" => last_event(case)?.ending = ending(rest)?,
        "client" => {
            let on_socket = on_socket(line, statement, rest)?;
            let label = &on_socket.socket;
            if !case
                .events()
                .any(|event| event.socket.as_ref() == Some(label))
            {
                bail!("no event opens the socket {label}");
            }
            case.acts.push(Act::OnSocket(on_socket));
        }
        _ => {
            if case.acts.is_empty() {
                case.acts.push(Act::Event(event(line, "")?));
            }
            let (event, step) = (last_event(case)?, step(line, statement)?);
            if event.socket.is_some() && !matches!(step.expected, Expected::Success) {
                bail!("an event that opens a socket gives no results");
            }
            event.steps.push(step);
        }
    }
    Ok(())
}

/// The event that steps and endings belong to.
fn last_event(case: &mut Case) -> Result<&mut Event> {
    match case.acts.last_mut() {
        Some(Act::Event(event)) => Ok(event),
        _ => bail!("this belongs to an event, and there is none just before"),
    }
}

/// `client LABEL sends VALUE`, `receives PATTERN`, `closes [CODE [REASON]]`,
/// `is closed CODE REASON`, `drops`, `is dropped`, `is unanswered`
fn on_socket(line: usize, statement: &str, rest: &str) -> Result<OnSocket> {
    let (socket, rest) = split_word(rest);
    let (verb, mut rest) = split_word(rest);
    let code = |value: Value| {
        let code = value.as_u64().and_then(|code| u16::try_from(code).ok());
        code.with_context(|| format!("{value} is no code"))
    };
    let what = match verb {
        "sends" => SocketAct::Sends(next_value(&mut rest)?.context("sends what?")?),
        "receives" => SocketAct::Receives(next_value(&mut rest)?.context("receives what?")?),
        "closes" => SocketAct::Closes {
            code: next_value(&mut rest)?.map(code).transpose()?,
            reason: match next_value(&mut rest)? {
                Some(Value::String(reason)) => reason,
                _ => String::new(),
            },
        },
        "drops" => SocketAct::Drops,
        "is" => {
            let (state, after) = split_word(rest);
            rest = after;
            match state {
                "closed" => SocketAct::IsClosed {
                    code: code(next_value(&mut rest)?.context("is closed with which code?")?)?,
                    reason: text_pattern(&mut rest)?,
                },
                "dropped" => SocketAct::IsDropped,
                "unanswered" => SocketAct::IsUnanswered,
                other => bail!("a socket is closed, dropped or unanswered, not {other:?}"),
            }
        }
        other => bail!("a client does not {other:?}"),
    };
    nothing_left(rest)?;
    Ok(OnSocket {
        line,
        text: statement.trim().into(),
        socket: socket.into(),
        what,
    })
}

/// Whole statements with the number of their first line.
fn statements(text: &str) -> Vec<(usize, String)> {
    let mut statements: Vec<(usize, String)> = Vec::new();
    let mut depth = 0;
    for (index, line) in text.lines().enumerate() {
        let content = line.trim();
        if depth == 0 && (content.is_empty() || content.starts_with('#')) {
            continue;
        }
        match statements.last_mut() {
            Some((_, statement)) if depth > 0 || content.starts_with("=>") => {
                statement.push(' ');
                statement.push_str(content);
            }
            _ => statements.push((index + 1, content.to_string())),
        }
        let is_prose = ["case ", "needs "]
            .iter()
            .any(|word| content.starts_with(word));
        if !is_prose {
            depth += open_brackets(content);
        }
    }
    statements
}

/// Brackets opened less those closed, outside of texts.
fn open_brackets(line: &str) -> i32 {
    let (mut depth, mut in_text, mut is_escaped) = (0, false, false);
    for letter in line.chars() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if in_text => is_escaped = true,
            '"' => in_text = !in_text,
            '[' | '{' if !in_text => depth += 1,
            ']' | '}' if !in_text => depth -= 1,
            _ => {}
        }
    }
    depth
}

/// `[on [CLASS/]LABEL | on [CLASS/]name EXPR | on [CLASS/]id EXPR] [x TIMES] [after all] [after MS ms] [in background] [as socket LABEL]`
fn event(line: usize, text: &str) -> Result<Event> {
    let mut event = Event {
        line,
        class: DEFAULT_CLASS.into(),
        target: Target::Label(DEFAULT_LABEL.into()),
        times: 1,
        is_after_all: false,
        delay_ms: 0,
        in_background: false,
        socket: None,
        steps: Vec::new(),
        ending: Ending::Answer,
    };
    let mut rest = text;
    loop {
        let (word, after) = split_word(rest);
        rest = after;
        match word {
            "" => return Ok(event),
            "on" => {
                let (target, after) = split_word(rest);
                rest = after;
                let (class, target) = target.split_once('/').unwrap_or((DEFAULT_CLASS, target));
                event.class = class.into();
                event.target = match target {
                    "name" => Target::Name(next_value(&mut rest)?.context("whose name?")?),
                    "id" => Target::Id(next_value(&mut rest)?.context("which id?")?),
                    "" => bail!("on which object?"),
                    label => Target::Label(label.into()),
                };
            }
            "x" => {
                let (count, after) = split_word(rest);
                rest = after;
                event.times = count.parse().context("how many times?")?;
            }
            "after" => {
                let (what, after) = split_word(rest);
                rest = after;
                if what == "all" {
                    event.is_after_all = true;
                } else {
                    event.delay_ms = what.parse().context("after how long?")?;
                    rest = after.strip_prefix("ms").context("after so many ms")?;
                }
            }
            "in" => {
                let (_, after) = rest
                    .split_once("background")
                    .context("did you mean: in background")?;
                rest = after.trim_start();
                event.in_background = true;
            }
            "as" => {
                let (_, after) = rest
                    .split_once("socket")
                    .context("did you mean: as socket LABEL")?;
                let (label, after) = split_word(after);
                if label.is_empty() {
                    bail!("as which socket?");
                }
                event.socket = Some(label.into());
                rest = after;
            }
            other => bail!("{other:?} is not understood here"),
        }
    }
}

/// `with exception NAME MESSAGE`, `with reset MESSAGE`, `with failure MESSAGE` (either
/// of them), or `in any way`.
fn ending(text: &str) -> Result<Ending> {
    if text == "in any way" {
        return Ok(Ending::Any);
    }
    let (with, rest) = split_word(text);
    let (kind, mut rest) = split_word(rest);
    let ending = match (with, kind) {
        ("with", "exception") => Ending::Exception {
            name: text_pattern(&mut rest)?,
            message: text_pattern(&mut rest)?,
        },
        ("with", "reset") => Ending::Reset {
            message: text_pattern(&mut rest)?,
        },
        ("with", "failure") => Ending::Failure {
            message: text_pattern(&mut rest)?,
        },
        _ => bail!(
            "an event ends with exception NAME MESSAGE, with reset MESSAGE, with failure MESSAGE, or in any way"
        ),
    };
    nothing_left(rest)?;
    Ok(ending)
}

fn step(line: usize, text: &str) -> Result<Step> {
    let (operation, mut rest) = split_word(text);
    if !operation.starts_with(|letter: char| letter.is_ascii_lowercase()) {
        bail!("a step begins with the name of an operation");
    }
    let mut script = vec![Value::from(operation)];
    while let Some(value) = next_value(&mut rest)? {
        script.push(value);
    }
    let expected = match rest.strip_prefix("=>") {
        Some(expected) => expected_of(expected.trim_start())?,
        None => Expected::Success,
    };
    Ok(Step {
        line,
        text: text.into(),
        script: script.into(),
        expected,
    })
}

fn expected_of(text: &str) -> Result<Expected> {
    let (word, mut rest) = split_word(text);
    let kind = match word {
        "error" => ErrorKind::Any,
        "invalid" => ErrorKind::Invalid,
        "sqlite" => {
            let code = next_value(&mut rest)?.and_then(|code| code.as_i64());
            ErrorKind::Sqlite(code.context("sqlite CODE MESSAGE")?)
        }
        _ => {
            let mut rest = text;
            let value = next_value(&mut rest)?.context("nothing follows =>")?;
            nothing_left(rest)?;
            return Ok(Expected::Value(value));
        }
    };
    let message = text_pattern(&mut rest)?;
    nothing_left(rest)?;
    Ok(Expected::Error { kind, message })
}

/// `"exact"` or `~"regular expression"`.
fn text_pattern(rest: &mut &str) -> Result<TextPattern> {
    let is_regex = rest.starts_with('~');
    *rest = rest.trim_start_matches('~');
    let text = next_value(rest)?.context("a text is missing")?;
    let text = text
        .as_str()
        .with_context(|| format!("{text} is not a text"))?;
    if is_regex {
        TextPattern::regex(text)
    } else {
        Ok(TextPattern::Exact(text.into()))
    }
}

/// Takes one JSON value off the front; none at the end and before `=>`.
fn next_value(rest: &mut &str) -> Result<Option<Value>> {
    if rest.is_empty() || rest.starts_with("=>") {
        return Ok(None);
    }
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
    let value = values.next().transpose()?;
    *rest = rest[values.byte_offset()..].trim_start();
    Ok(value)
}

fn nothing_left(rest: &str) -> Result<()> {
    if !rest.is_empty() {
        bail!("{rest:?} is too much");
    }
    Ok(())
}

fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace)
        .map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    //! A case that is read wrongly proves something else than it says.

    use serde_json::json;

    use super::*;

    #[test]
    fn a_case_without_events_is_one_event() {
        let cases = parse(
            "kv",
            "# c\ncase it works\n  kv.put \"a\" [1,\n  2]\n  => null\n  kv.get \"a\"\n",
        )
        .unwrap();
        let [case] = &cases[..] else {
            panic!("one case")
        };
        assert_eq!(
            (case.promise.as_str(), case.line, case.acts.len()),
            ("it works", 2, 1)
        );
        let steps = &case.events().next().unwrap().steps;
        assert_eq!(steps[0].script, json!(["kv.put", "a", [1, 2]]));
        assert!(matches!(&steps[0].expected, Expected::Value(Value::Null)));
        assert!(matches!(&steps[1].expected, Expected::Success));
    }

    #[test]
    fn events_say_where_how_often_and_how_they_end() {
        let text = "case c\nneeds x y\nslow\nevent on other/b x 10 after 5 ms in background\n throw \"E\" \"m\"\n\
                    ends with exception \"E\" ~\"m.*\"\nevent after all on id {\"saved\": \"x\"}\n abort\nends with reset \"r\"";
        let cases = parse("t", text).unwrap();
        let case = &cases[0];
        assert!(case.is_slow && case.needs == ["x", "y"]);
        let events: Vec<_> = case.events().collect();
        let [first, second] = events[..] else {
            panic!("two events")
        };
        assert_eq!(
            (
                first.class.as_str(),
                first.times,
                first.delay_ms,
                first.in_background
            ),
            ("other", 10, 5, true)
        );
        assert!(matches!(&first.target, Target::Label(label) if label == "b"));
        assert!(
            matches!(&first.ending, Ending::Exception { message, .. } if message.matches("mmm"))
        );
        assert!(matches!(&second.target, Target::Id(value) if *value == json!({"saved": "x"})));
        assert!(matches!(&second.ending, Ending::Reset { .. }));
        assert!(second.is_after_all && !first.is_after_all);
    }

    #[test]
    fn a_client_does_something_with_a_socket() {
        let text = "case c\nevent as socket s\n  k\nclient s sends [[\"k\"]]\nclient s closes 1000 \"x\"\n\
                    client s is closed 1000 ~\"x*\"";
        let cases = parse("t", text).unwrap();
        let acts = &cases[0].acts;
        assert!(matches!(&acts[0], Act::Event(event) if event.socket.as_deref() == Some("s")));
        let what = |index: usize| match &acts[index] {
            Act::OnSocket(on_socket) => &on_socket.what,
            Act::Event(_) => panic!("not on a socket"),
        };
        assert!(matches!(what(1), SocketAct::Sends(value) if *value == json!([["k"]])));
        assert!(matches!(
            what(2),
            SocketAct::Closes {
                code: Some(1000),
                ..
            }
        ));
        assert!(matches!(what(3), SocketAct::IsClosed { code: 1000, .. }));
    }

    #[test]
    fn errors_are_told_apart() {
        let text = "case c\n a => error \"x\"\n b => invalid ~\"x+\"\n c => sqlite 2067 \"x\"\n d => {\"error\": 1}";
        let cases = parse("t", text).unwrap();
        let kind = |step: &Step| match &step.expected {
            Expected::Error { kind, .. } => Some(*kind),
            _ => None,
        };
        let steps = &cases[0].events().next().unwrap().steps;
        let kinds: Vec<_> = steps.iter().map(kind).collect();
        assert_eq!(
            kinds,
            [
                Some(ErrorKind::Any),
                Some(ErrorKind::Invalid),
                Some(ErrorKind::Sqlite(2067)),
                None
            ]
        );
    }

    #[test]
    fn mistakes_are_refused_with_their_line() {
        for (text, line) in [
            ("kv.get \"a\"", "line 1"),
            ("case a", "line 1"),
            ("case a\n  kv.get \"a", "line 2"),
            ("case a\n  kv.get => 1 2", "line 2"),
            ("case a\n  k => error x", "line 2"),
            ("case a\nevent at b", "line 2"),
            ("case a\n  k\ncase a\n  k", "line 3"),
            ("case a\n  k => ~\"(\"", "line 2"),
            ("case a\n  k => error ~\"(\"", "line 2"),
            ("case a\n  k\nclient s sends \"x\"", "line 3"),
            ("case a\nevent as socket", "line 2"),
            ("case a\nevent as socket s\n  k => 1", "line 3"),
            ("case a\nevent as socket s\n  k\nclient s sings", "line 4"),
            (
                "case a\nevent as socket s\n  k\nclient s drops\n  k",
                "line 5",
            ),
        ] {
            let error = format!("{:#}", parse("t", text).expect_err(text));
            assert!(error.contains(line), "{text:?}: {error}");
        }
    }
}
