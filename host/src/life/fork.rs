//! How an object becomes two: its database and its memory are copied to a new name.
//!
//! ```text
//! a server runs:  fork() ─► the new name is taken, nothing runs there ─► the object pauses,
//!                 at rest ─► its task: carry_out() ─► both go on, or sleep
//! none does:      fork_at_rest() ─► the same with files, and a line more in the roll
//! ```
//!
//! Invariants:
//!
//! * The object that is copied loses nothing: one that cannot be at rest soon is not
//!   copied, and goes on.
//! * Events for the new name wait until its copy is whole, or there is none.
//! * Sockets and the alarm stay with the first object.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::class::Class;
use super::registry::Registry;
use super::roll;
use super::sleeper::Kept;
use crate::instance::context::ObjectParts;
use crate::instance::kept_memory::KeptMemory;
use crate::object::id::{IdMaker, ObjectId, Target};
use crate::storage::{self, DataDir, ObjectFiles, classes};
use crate::workers;
use crate::workers::watch;

/// How long to wait for an object in which something runs. New events wait meanwhile.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What in place of a name means an id.
const ID: &str = "id:";

/// Which object is to be copied, and to which name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wish {
    pub class: String,
    /// A name, or `id:` and an id.
    pub name: String,
    pub new_name: String,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forked {
    pub id: String,
    /// Why the memory was not copied; none when it was.
    pub without_memory: Option<String>,
}

/// What the task of an object is to do when the object is at rest.
pub struct Fork {
    to: ObjectFiles,
    done: oneshot::Sender<Result<Copied>>,
}

struct Copied {
    /// The memory of the copy.
    kept: Option<Kept>,
    without_memory: Option<String>,
}

/// Both objects.
struct Pair {
    from: Target,
    from_id: ObjectId,
    to: Target,
    to_id: ObjectId,
}

impl Registry {
    /// Copies an object. What was begun is finished, also when nobody waits any more.
    pub async fn fork(self: &Arc<Self>, wish: Wish) -> Result<Forked> {
        let registry = self.clone();
        let forking = workers::spawn(async move { registry.fork_to_the_end(&wish).await });
        forking.await.context("the server failed")?
    }

    async fn fork_to_the_end(&self, wish: &Wish) -> Result<Forked> {
        let names = self.classes.iter().map(|class| &*class.name);
        let class = self.classes.get(&wish.class);
        let class = class.ok_or_else(|| unknown_class(wish, names))?;
        let pair = Pair::of(wish, &class.ids)?;
        let from = self.files(class, pair.from_id)?;
        if !self.knows(class, pair.from_id) && !from.exist()? {
            return Err(unknown_object(wish));
        }
        let to = self.files(class, pair.to_id)?;
        let reserved = self.reserve(class, pair.to_id, &pair.to, || Ok(to.exist()?))?;
        let reserved = reserved.ok_or_else(|| already_there(wish))?;
        let (kept, forked) = match self.pause_and_copy(class, &pair, to).await {
            Ok(Copied {
                kept,
                without_memory,
            }) => {
                let id = pair.to_id.to_string();
                (kept, Ok(Forked { id, without_memory }))
            }
            Err(error) => (None, Err(error)),
        };
        self.begin(&reserved, kept);
        forked
    }

    async fn pause_and_copy(
        &self,
        class: &Arc<Class>,
        pair: &Pair,
        to: ObjectFiles,
    ) -> Result<Copied> {
        let (done, mut copied) = oneshot::channel();
        let (refuse, refused) = oneshot::channel();
        let order = Fork { to, done };
        let handle = self.order_fork(class, pair.from_id, &pair.from, order, refuse)?;
        let refused = async {
            match refused.await {
                Ok(reason) => anyhow!("the object cannot be copied now: {reason}; try again later"),
                // The object is at rest.
                Err(_) => std::future::pending().await,
            }
        };
        let given_up = tokio::select! {
            biased;
            copied = &mut copied => return copied.unwrap_or_else(|_| Err(stopping())),
            why = refused => why,
            () = tokio::time::sleep(PAUSE_MAX) => anyhow!(
                "the object is busy: something has run in it for {} seconds, or it keeps a \
                 WebSocket that it accepted without hibernation; try again later",
                PAUSE_MAX.as_secs()
            ),
        };
        match handle.take_fork() {
            Some(_) => {
                handle.inbox.end_pause();
                Err(given_up)
            }
            // It has begun meanwhile.
            None => copied.await.unwrap_or_else(|_| Err(stopping())),
        }
    }
}

impl Fork {
    /// Copies an object that is at rest, with this memory. Blocks.
    pub fn carry_out(self, class: &Class, parts: &ObjectParts, memory: Option<&KeptMemory>) {
        let copied = watch::apart(|| self.copy(class, parts, memory));
        let _ = self.done.send(copied);
    }

    fn copy(
        &self,
        class: &Class,
        parts: &ObjectParts,
        memory: Option<&KeptMemory>,
    ) -> Result<Copied> {
        let snapshot = self.to.snapshot();
        snapshot.remove();
        let imprint = parts.storage.lock().fork(&self.to);
        let imprint = imprint.map_err(|error| anyhow!("{error}"))?;
        let (_, component) = class.code();
        let copied = match memory {
            Some(memory) => memory.copy(&parts.snapshot, &snapshot),
            None if class.keeps_memory(&component).is_none() => Err(anyhow!(
                "objects of class {:?} keep their data alone",
                class.name
            )),
            None => Err(anyhow!("the object has none to go on from")),
        };
        Ok(match copied {
            Ok(memory) => Copied {
                kept: Some(Kept { memory, imprint }),
                without_memory: None,
            },
            Err(why) => Copied {
                kept: None,
                without_memory: Some(format!("{why:#}")),
            },
        })
    }

    pub fn refuse(self, why: impl std::fmt::Display) {
        let _ = self.done.send(Err(anyhow!("{why}")));
    }
}

/// Copies an object of a data directory that no server uses. Blocks.
pub fn fork_at_rest(data: &Arc<DataDir>, wish: &Wish) -> Result<Forked> {
    let homes = classes::homes(data)?;
    let names = homes.keys().map(String::as_str);
    let home = homes.get(&wish.class);
    let home = home.ok_or_else(|| unknown_class(wish, names))?;
    let pair = Pair::of(wish, &IdMaker::new(&home.key))?;
    let (from_id, to_id) = (pair.from_id.to_string(), pair.to_id.to_string());
    let from = data.object(&home.folder, &from_id)?;
    let to = data.object(&home.folder, &to_id)?;
    let roll = roll::Left::read(data);
    let sleeps = |id: &str| roll.as_ref().is_ok_and(|roll| roll.has(&home.folder, id));
    if !from.exist()? && !sleeps(&from_id) {
        return Err(unknown_object(wish));
    }
    if to.exist()? || sleeps(&to_id) {
        return Err(already_there(wish));
    }
    to.snapshot().remove();
    let imprint = storage::fork(&from, &to).map_err(|error| anyhow!("{error}"))?;
    let copied = roll.and_then(|roll| {
        let copy = roll::Copy {
            folder: &home.folder,
            from: (&from_id, &from),
            to: (&to_id, &to),
            name: &wish.new_name,
            imprint,
        };
        roll.add(data, copy)
    });
    Ok(Forked {
        id: to_id,
        without_memory: copied.err().map(|why| format!("{why:#}")),
    })
}

impl Pair {
    fn of(wish: &Wish, ids: &IdMaker) -> Result<Pair> {
        let from = match wish.name.strip_prefix(ID) {
            None => Target::Name(wish.name.clone()),
            Some(id) => {
                let parsed = ids.parse(id);
                Target::Id(parsed.map_err(|why| anyhow!("{:?}: {why}", wish.name))?)
            }
        };
        if wish.new_name.starts_with(ID) {
            bail!(
                "{:?} cannot be the name of a copy: its id follows from its name; choose a name",
                wish.new_name
            );
        }
        let id = |target: &Target| match target {
            Target::Id(id) => *id,
            Target::Name(name) => ids.of_name(name),
        };
        let to = Target::Name(wish.new_name.clone());
        Ok(Pair {
            from_id: id(&from),
            from,
            to_id: id(&to),
            to,
        })
    }
}

fn unknown_class<'a>(wish: &Wish, known: impl Iterator<Item = &'a str>) -> anyhow::Error {
    let known: Vec<_> = known.collect();
    let known = match known.is_empty() {
        true => "there is none here".into(),
        false => format!("there are {known:?}"),
    };
    anyhow!("there is no class {:?}; {known}", wish.class)
}

fn unknown_object(wish: &Wish) -> anyhow::Error {
    let Wish { class, name, .. } = wish;
    anyhow!("class {class:?} has no object {name:?}; nothing was ever kept of one")
}

fn already_there(wish: &Wish) -> anyhow::Error {
    let Wish {
        class, new_name, ..
    } = wish;
    anyhow!("class {class:?} has an object {new_name:?} already; choose another name for the copy")
}

fn stopping() -> anyhow::Error {
    anyhow!("the server is shutting down; try again when it has")
}
