//! How objects that sleep go on in the next process: their memory is put into files, and
//! a **roll** says which of them are good.
//!
//! ```text
//! all objects have left ─► their logs are folded ─► leave(): snapshots, roll ─► the end
//! the next server ─► call(): the roll is taken ─► they sleep on, until something happens
//! ```
//!
//! Of an object that is not in the roll, only its data counts: one that did not leave in
//! time, or whose process was killed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::class::Classes;
use super::registry::{Asleep, Key};
use super::sleeper::{Kept, Sleeper};
use super::task::Shared;
use crate::instance::kept_memory::{KeptMemory, Record};
use crate::object::id::Target;
use crate::object::identity::Identity;
use crate::object::socket::sockets::Sockets;
use crate::storage::{Files, Imprint, roll};

/// How long a server that stops goes on writing snapshots. It is within the time that
/// service managers wait.
const LEAVING_MAX: Duration = Duration::from_secs(10);
/// How often it says how far it is.
const REPORT: Duration = Duration::from_secs(1);

/// The first line of a roll: what the others look like.
const HEAD: &str = "abide 1";

/// An object that sleeps, as a line of the roll.
#[derive(Serialize, Deserialize)]
struct Line {
    folder: String,
    id: String,
    name: Option<String>,
    memory: Record,
    files: Files,
}

/// Writes down who sleeps. They are forgotten here. Blocks.
pub fn leave(shared: &Shared, classes: &Classes, asleep: &Asleep) {
    if asleep.is_empty() {
        return;
    }
    shared.committer.fold_now();
    let keys: Vec<Key> = asleep.iter().map(|sleeper| sleeper.key().clone()).collect();
    let begin = Instant::now();
    let (mut reported, mut kept, mut lost) = (begin, 0u64, 0u64);
    let mut text = format!("{HEAD}\n");
    for key in keys {
        let Some((key, sleeper)) = asleep.remove(&key) else {
            continue;
        };
        let is_late = begin.elapsed() > LEAVING_MAX;
        match line(shared, classes, &key, sleeper) {
            Some(line) if !is_late => {
                text.push_str(&line);
                text.push('\n');
                kept += 1;
            }
            _ => lost += 1,
        }
        if reported.elapsed() >= REPORT {
            reported = Instant::now();
            tracing::info!(kept, "writing down the memory of objects that sleep");
        }
    }
    match roll::leave(&shared.data, text.as_bytes()) {
        Ok(()) if lost == 0 => tracing::info!(kept, "objects sleep with their memory"),
        Ok(()) => tracing::warn!(
            kept,
            lost,
            "objects sleep with their memory; {lost} others begin anew with their data"
        ),
        Err(error) => tracing::warn!(
            %error, kept,
            "the memory of objects that sleep cannot be left to the next server; they begin anew \
             with their data"
        ),
    }
}

fn line(shared: &Shared, classes: &Classes, key: &Key, sleeper: Sleeper) -> Option<String> {
    let (class, id) = key;
    // Sockets end with this process; an object that has some must hear of it.
    let kept = sleeper.kept.filter(|_| sleeper.sockets.is_empty())?;
    let folder = classes.get(class)?.home.folder.clone();
    let id = id.to_string();
    let files = shared.data.object(&folder, &id).ok()?;
    let recorded = kept.memory.record(&files.snapshot());
    let memory = recorded
        .inspect_err(|error| {
            let class = &**class;
            tracing::warn!(
                class,
                id,
                error = format!("{error:#}"),
                "cannot write a snapshot"
            );
        })
        .ok()?;
    let line = Line {
        folder,
        id,
        name: sleeper.sockets.identity.name().map(Into::into),
        memory,
        files: kept.imprint.files(),
    };
    serde_json::to_string(&line).ok()
}

/// Who sleeps, by the roll that an earlier server has left. Blocks.
pub fn call(shared: &Shared, classes: &Classes) -> Asleep {
    let asleep = Asleep::new();
    let taken = match roll::take(&shared.data) {
        Ok(None) => return asleep,
        Ok(Some(roll)) => String::from_utf8(roll).unwrap_or_default(),
        Err(error) => {
            tracing::warn!(%error, "the roll of objects that sleep cannot be used; they begin anew with their data");
            return asleep;
        }
    };
    let mut lines = taken.lines();
    if lines.next() != Some(HEAD) {
        tracing::info!(
            "another version of abide wrote the roll; objects begin anew with their data"
        );
        return asleep;
    }
    for line in lines {
        if let Ok(line) = serde_json::from_str::<Line>(line)
            && let Some((key, sleeper)) = sleeper(shared, classes, line)
        {
            asleep.insert(key, sleeper);
        }
    }
    asleep
}

fn sleeper(shared: &Shared, classes: &Classes, line: Line) -> Option<(Key, Sleeper)> {
    let class = classes.of_folder(&line.folder)?;
    let id = class.ids.parse(&line.id).ok()?;
    let identity = Identity::new(class.name.clone(), id);
    if let Some(name) = line.name {
        identity.addressed_as(&Target::Name(name));
    }
    let sleeper = Sleeper {
        sockets: Arc::new(Sockets::new(Arc::new(identity), shared.post.clone())),
        kept: Some(Kept {
            memory: KeptMemory::of_record(line.memory),
            imprint: Imprint::of(line.files),
        }),
    };
    Some(((class.name.clone(), id), sleeper))
}
