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

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::class::Classes;
use super::registry::{Asleep, Key};
use super::sleeper::{Kept, Sleeper};
use super::task::Shared;
use crate::instance::kept_memory::{KeptMemory, Record};
use crate::object::id::Target;
use crate::object::identity::Identity;
use crate::object::socket::sockets::Sockets;
use crate::storage::{DataDir, Files, Imprint, ObjectFiles, roll};

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

/// A roll that lies in a data directory that no server uses.
pub struct Left {
    text: String,
    lines: Vec<Line>,
}

/// An object that is a copy of another.
pub struct Copy<'a> {
    pub folder: &'a str,
    pub from: (&'a str, &'a ObjectFiles),
    pub to: (&'a str, &'a ObjectFiles),
    pub name: &'a str,
    /// Of the database of the copy.
    pub imprint: Imprint,
}

impl Left {
    /// Fails when no object has its memory from it.
    pub fn read(data: &DataDir) -> Result<Left> {
        let roll = roll::read(data).context("the roll of objects that sleep cannot be used")?;
        let roll = roll.context("no server has stopped in order and left the memory of objects")?;
        let text = String::from_utf8(roll)?;
        let Some(lines) = lines(&text) else {
            bail!("another version of abide wrote the roll of objects that sleep");
        };
        let lines = lines.collect();
        Ok(Left { text, lines })
    }

    pub fn has(&self, folder: &str, id: &str) -> bool {
        self.find(folder, id).is_some()
    }

    fn find(&self, folder: &str, id: &str) -> Option<&Line> {
        let mut lines = self.lines.iter();
        lines.find(|line| line.folder == folder && line.id == id)
    }

    /// Copies the memory of an object, and leaves a roll with the copy. Blocks until it
    /// is durable.
    pub fn add(mut self, data: &DataDir, copy: Copy<'_>) -> Result<()> {
        let ((from_id, from), (to_id, to)) = (copy.from, copy.to);
        let line = self.find(copy.folder, from_id);
        let line = line.context("the object has none to go on from")?;
        if !Imprint::of(line.files.clone()).fits(from) {
            bail!("somebody has changed the object's database while it slept");
        }
        let memory = KeptMemory::of_record(line.memory.clone());
        let memory = memory.copy(&from.snapshot(), &to.snapshot())?;
        let line = Line {
            folder: copy.folder.into(),
            id: to_id.into(),
            name: Some(copy.name.into()),
            memory: memory.record(&to.snapshot())?,
            files: copy.imprint.files(),
        };
        self.text.push_str(&serde_json::to_string(&line)?);
        self.text.push('\n');
        let left = roll::leave(data, self.text.as_bytes());
        left.context("the roll of objects that sleep cannot be written")
    }
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
    let Some(lines) = lines(&taken) else {
        tracing::info!(
            "another version of abide wrote the roll; objects begin anew with their data"
        );
        return asleep;
    };
    for line in lines {
        if let Some((key, sleeper)) = sleeper(shared, classes, line) {
            asleep.insert(key, sleeper);
        }
    }
    asleep
}

/// The lines of a roll that can be read; none if it is of another version.
fn lines(roll: &str) -> Option<impl Iterator<Item = Line>> {
    let mut lines = roll.lines();
    let is_ours = lines.next() == Some(HEAD);
    is_ours.then(|| lines.filter_map(|line| serde_json::from_str(line).ok()))
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
