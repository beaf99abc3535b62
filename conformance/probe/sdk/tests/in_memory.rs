//! Do the objects in memory of the SDK's module `testing` keep the promises that a host
//! keeps?
//!
//! The same cases, with the probe that is written with the SDK, in one process and in
//! virtual time. `../lacks-in-memory` says what is left out, and why.

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use conformance::case::{Act, Case, Ending, Event, SocketAct};
use conformance::expression::Names;
use conformance::host::{Address, Answer};
use conformance::pattern::matches;
use conformance::run::{Lacks, address_of, check, steps_of, token};
use conformance::socket::{message, seen_as};
use durable_object::testing::{Client, InMemory, World};
use durable_object::{Body, Error, Message, Response, http, sleep, timeout};
use libtest_mimic::{Arguments, Failed, Trial};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sdk_probe::Probe;
use serde_json::{Value, json};

/// Longer than any case waits.
const ANSWER_DEADLINE: Duration = Duration::from_secs(120);
/// A Close would have been answered by then.
const UNANSWERED: Duration = Duration::from_millis(500);

/// What is left out: words and topics as of a host, steps, and whole cases.
struct LeftOut {
    lacks: Lacks,
    steps: Vec<String>,
    cases: Vec<String>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::from_args();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let left_out = LeftOut::read(&here.join("lacks-in-memory"))?;
    let mut cases = conformance::read_cases(&here.join("../../cases"))?;
    for promise in &left_out.cases {
        if !cases.iter().any(|case| case.promise == *promise) {
            bail!("lacks-in-memory: there is no case {promise:?}");
        }
    }
    cases.retain(|case| !left_out.prevent(case));
    let trials = cases.into_iter().map(|case| {
        let lacks = left_out.lacks.clone();
        let name = format!("{} {}", case.topic, case.promise);
        Trial::test(name, move || {
            let failed =
                |error| Failed::from(format!("{}.cases:{}\n{error:#}", case.topic, case.line));
            run(&case, &lacks).map_err(failed)
        })
    });
    Ok(libtest_mimic::run(&arguments, trials.collect()).exit_code())
}

impl LeftOut {
    /// Lines of `word`, `step` or `case` and what is meant, under comments that say why.
    fn read(file: &Path) -> Result<LeftOut> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let mut left_out = LeftOut {
            lacks: Lacks::default(),
            steps: Vec::new(),
            cases: Vec::new(),
        };
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (kind, what) = line.split_once(' ').context("a kind and a name")?;
            match kind {
                "word" => left_out.lacks.0.push(what.into()),
                "step" => left_out.steps.push(what.into()),
                "case" => left_out.cases.push(what.into()),
                other => bail!("lacks-in-memory: {other:?} is no word, step or case"),
            }
        }
        Ok(left_out)
    }

    fn prevent(&self, case: &Case) -> bool {
        let scripts = case.acts.iter().flat_map(scripts);
        self.lacks.prevent(case)
            || self.cases.contains(&case.promise)
            || scripts.into_iter().any(|script| self.has_step(script))
    }

    /// Is it a step that is left out, or does it have one in it?
    fn has_step(&self, script: &Value) -> bool {
        let Value::Array(items) = script else {
            return false;
        };
        let first = items.first().and_then(Value::as_str);
        first.is_some_and(|first| self.steps.iter().any(|step| step == first))
            || items.iter().any(|item| self.has_step(item))
    }
}

fn scripts(act: &Act) -> Vec<&Value> {
    match act {
        Act::Event(event) => event.steps.iter().map(|step| &step.script).collect(),
        Act::OnSocket(act) => match &act.what {
            SocketAct::Sends(value) => vec![value],
            _ => Vec::new(),
        },
    }
}

fn run(case: &Case, lacks: &Lacks) -> Result<()> {
    let world = ["probe", "other"]
        .into_iter()
        .fold(World::new(), |world, class| {
            world.class::<Probe>(class, |object| object.alarm().calls().web_sockets())
        });
    let outcome = world.run(async |world| Ok(run_in(world, case, lacks).await));
    outcome.map_err(|error| anyhow::anyhow!("{error}"))?
}

type Flying<'a> = (&'a Event, std::pin::Pin<Box<dyn Future<Output = Answer>>>);

async fn run_in(world: &World, case: &Case, lacks: &Lacks) -> Result<()> {
    let mut names = Names::new(token());
    let mut clients = HashMap::new();
    let mut flying: Vec<Flying<'_>> = Vec::new();
    for act in &case.acts {
        let event = match act {
            Act::Event(event) => event,
            Act::OnSocket(act) => {
                let client = clients.get_mut(&act.socket);
                let client = client.context("the socket did not open")?;
                let acted = on_socket(client, &act.what, &mut names, lacks).await;
                acted.with_context(|| format!("line {}: {}", act.line, act.text))?;
                continue;
            }
        };
        let place = || format!("line {}", event.line);
        if event.is_after_all {
            land(flying.drain(..), &mut names, lacks).await?;
        }
        sleep(Duration::from_millis(event.delay_ms)).await;
        let steps = steps_of(event, &names).with_context(place)?;
        let object = object(world, event, &names).with_context(place)?;
        if let Some(label) = &event.socket {
            let query = utf8_percent_encode(&steps.to_string(), NON_ALPHANUMERIC).to_string();
            match object.connect(&format!("run?steps={query}")).await {
                Ok(_) if !matches!(event.ending, Ending::Answer | Ending::Any) => {
                    bail!("line {}: the socket opened", event.line);
                }
                Ok(client) => drop(clients.insert(label.clone(), client)),
                Err(error) => {
                    check(event, failure(&error), &mut names, lacks).with_context(place)?;
                }
            }
            continue;
        }
        let sent = (0..event.times).map(|_| (event, sent(&object, &steps)));
        let sent: Vec<Flying<'_>> = sent.collect();
        match event.in_background {
            true => {
                flying.extend(sent);
                // It arrives before what comes next.
                sleep(Duration::from_millis(1)).await;
            }
            false => land(sent.into_iter(), &mut names, lacks).await?,
        }
    }
    land(flying.into_iter(), &mut names, lacks).await
}

async fn land(
    flying: impl Iterator<Item = Flying<'_>>,
    names: &mut Names,
    lacks: &Lacks,
) -> Result<()> {
    for (event, answer) in flying {
        let answer = timeout(ANSWER_DEADLINE, answer).await;
        let answer = answer.ok().context("there was no answer")?;
        check(event, answer, names, lacks).with_context(|| format!("line {}", event.line))?;
    }
    Ok(())
}

fn object(world: &World, event: &Event, names: &Names) -> Result<InMemory> {
    Ok(match address_of(event, names)? {
        Address::Name(name) => world.named(&event.class, &name),
        Address::Id(id) => {
            let object = world.with_id(&event.class, &id);
            object.map_err(|error| anyhow::anyhow!("{error}"))?
        }
    })
}

/// Sends steps; the result is their answer.
fn sent(object: &InMemory, steps: &Value) -> std::pin::Pin<Box<dyn Future<Output = Answer>>> {
    let request = http::Request::post("http://host/run").body(Body::from(steps.to_string()));
    let answer = object.fetch(request.expect("it is a request"));
    Box::pin(async { answered(answer.await).await })
}

async fn answered(answer: durable_object::Result<Response>) -> Answer {
    let response = match answer {
        Ok(response) => response,
        Err(error) => return failure(&error),
    };
    let status = response.status().as_u16();
    let text = response.into_body().bytes_up_to(usize::MAX).await;
    let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
    match serde_json::from_str(&text) {
        Ok(Value::Array(results)) if status == 200 => Answer::Results(results),
        _ => Answer::Failure {
            status,
            kind: None,
            text,
        },
    }
}

fn failure(error: &Error) -> Answer {
    let kind = match error.is_reset() {
        true => "reset",
        false => "exception",
    };
    Answer::Failure {
        status: 500,
        kind: Some(kind.into()),
        text: format!("{}: {}", error.name(), error.message()),
    }
}

async fn on_socket(
    client: &mut Client,
    what: &SocketAct,
    names: &mut Names,
    lacks: &Lacks,
) -> Result<()> {
    match what {
        SocketAct::Sends(value) => {
            let message = match message(names.expand(value)?)? {
                tungstenite::Message::Text(text) => Message::Text(text.to_string()),
                other => Message::Binary(other.into_data().to_vec()),
            };
            // Who is closed meanwhile sees that where it looks next.
            let _ = client.send(message);
        }
        SocketAct::Receives(pattern) => {
            let got = match timeout(ANSWER_DEADLINE, client.next()).await {
                Ok(Some(Message::Text(text))) => json!(text),
                Ok(Some(Message::Binary(bytes))) => {
                    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                    json!({ "blob": digits })
                }
                Ok(None) => bail!("it was closed with {:?}", client.closed()),
                Err(_) => bail!("it saw nothing for too long"),
            };
            if !matches(pattern, &seen_as(pattern, &got), names, lacks.numbers())? {
                bail!("it received {got}");
            }
        }
        SocketAct::Closes { code, reason } => {
            let closed = client.close(code.unwrap_or(1005), reason);
            closed.map_err(|error| anyhow::anyhow!("{error}"))?;
        }
        SocketAct::IsClosed { code, reason } => {
            let next = timeout(ANSWER_DEADLINE, client.next()).await;
            match (next, client.closed()) {
                (Ok(None), Some((got, why)))
                    if got.unwrap_or(1005) == *code && reason.matches(&why) => {}
                (next, closed) => bail!("it saw {next:?} and {closed:?}"),
            }
        }
        SocketAct::Drops => {
            let gone = client.vanish();
            gone.map_err(|error| anyhow::anyhow!("{error}"))?;
        }
        SocketAct::IsDropped => {
            let next = timeout(ANSWER_DEADLINE, client.next()).await;
            if !matches!(next, Ok(None)) || client.closed().is_some() {
                bail!("it saw {next:?} and {:?}", client.closed());
            }
        }
        SocketAct::IsUnanswered => {
            let next = timeout(UNANSWERED, client.next()).await;
            if !matches!(next, Err(_) | Ok(None)) || client.closed().is_some() {
                bail!("it saw {next:?} and {:?}", client.closed());
            }
        }
    }
    Ok(())
}
