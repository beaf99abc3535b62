//! Waits until something that is watched has changed, and has settled.
//!
//! Looking is what finds a change, again and again. The system's notices only say
//! when to look sooner: they are lost when a folder is replaced, are not sent over
//! some network file systems, and there may be too few of them for all folders.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use super::look::{self, View};

/// Between two looks when no notice comes.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looking takes at most this part of the time, however much there is to see: one
/// in so many; and where notices come all the time.
const LOOK_SHARE: u32 = 50;
const NOTICED_SHARE: u32 = 10;

/// A look may have taken long because this process stood still.
const TOOK_MAX: Duration = Duration::from_millis(200);

/// Editors and tools write in several steps; for so long nothing must have changed.
const SETTLE: Duration = Duration::from_millis(50);

/// What changes for longer is taken as it is, and again when it changed once more.
const SETTLE_MAX: Duration = Duration::from_secs(2);

pub struct Watch {
    skipped: Vec<PathBuf>,
    watched: Vec<Watched>,
    /// None: the system sends no notices.
    notices: Option<RecommendedWatcher>,
    noticed: Arc<Notify>,
    folders: BTreeSet<PathBuf>,
}

struct Watched {
    paths: Vec<PathBuf>,
    seen: View,
}

impl Watch {
    /// Watches these groups of files and folders, and nothing in `skipped`.
    pub fn new(groups: Vec<Vec<PathBuf>>, skipped: Vec<PathBuf>) -> Watch {
        let noticed = Arc::new(Notify::new());
        let notify = noticed.clone();
        let notices = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Being read is no change.
            if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                notify.notify_one();
            }
        });
        if let Err(error) = &notices {
            tracing::info!(%error, "the system sends no notices; changes are looked for");
        }
        let mut watch = Watch {
            skipped,
            watched: Vec::new(),
            notices: notices.ok(),
            noticed,
            folders: BTreeSet::new(),
        };
        for paths in groups {
            let seen = look::at(&paths, &watch.skipped);
            if seen.cut {
                tracing::warn!(?paths, "too many files to watch them all");
            }
            watch.watched.push(Watched { paths, seen });
        }
        watch.ask_for_notices();
        watch
    }

    /// Watches these too, as one of the groups.
    pub fn add(&mut self, group: usize, paths: &[PathBuf]) {
        let watched = &mut self.watched[group];
        let more = paths.iter().filter(|path| {
            let sees = |known: &PathBuf| look::sees(known, path, &self.skipped);
            let skipped = |skipped: &PathBuf| path.starts_with(skipped);
            !watched.paths.iter().any(sees) && !self.skipped.iter().any(skipped)
        });
        let more: Vec<_> = more.cloned().collect();
        if !more.is_empty() {
            let unchanged = look::at(&watched.paths, &self.skipped) == watched.seen;
            watched.paths.extend(more);
            watched.seen = match unchanged {
                true => look::at(&watched.paths, &self.skipped),
                // Seen as a change next time.
                false => View::default(),
            };
            self.ask_for_notices();
        }
    }

    /// Waits for changes, and says which groups are others than before.
    pub async fn changed(&mut self) -> Vec<usize> {
        let (mut every, mut took) = (LOOK_EVERY, Duration::ZERO);
        loop {
            let _ = tokio::time::timeout(every, self.noticed.notified()).await;
            // Others may write beside what is watched, all the time.
            tokio::time::sleep(SETTLE.max(took * NOTICED_SHARE)).await;
            let begin = Instant::now();
            let mut views = self.look().await;
            took = begin.elapsed().min(TOOK_MAX);
            every = LOOK_EVERY.max(took * LOOK_SHARE);
            if self.is_as_seen(&views) {
                continue;
            }
            let begin = Instant::now();
            while begin.elapsed() < SETTLE_MAX {
                tokio::time::sleep(SETTLE).await;
                let later = self.look().await;
                let settled = later == views;
                views = later;
                if settled {
                    break;
                }
            }
            let mut changed = Vec::new();
            for (group, (watched, view)) in self.watched.iter_mut().zip(views).enumerate() {
                if watched.seen != view {
                    watched.seen = view;
                    changed.push(group);
                }
            }
            self.ask_for_notices();
            // Changed, and changed back while it settled.
            if !changed.is_empty() {
                return changed;
            }
        }
    }

    async fn look(&self) -> Vec<View> {
        let groups: Vec<_> = self.watched.iter().map(|it| it.paths.clone()).collect();
        let skipped = self.skipped.clone();
        let looking = move || groups.iter().map(|it| look::at(it, &skipped)).collect();
        let looked = tokio::task::spawn_blocking(looking).await;
        looked.expect("looking does not panic")
    }

    fn is_as_seen(&self, views: &[View]) -> bool {
        let mut pairs = self.watched.iter().zip(views);
        pairs.all(|(watched, view)| watched.seen == *view)
    }

    /// Asks the system for notices of all folders, anew: it may still watch one that
    /// was replaced since.
    fn ask_for_notices(&mut self) {
        let Some(notices) = &mut self.notices else {
            return;
        };
        for folder in std::mem::take(&mut self.folders) {
            let _ = notices.unwatch(&folder);
        }
        for folder in self.watched.iter().flat_map(|it| &it.seen.folders) {
            if notices.watch(folder, RecursiveMode::NonRecursive).is_ok() {
                self.folders.insert(folder.clone());
            }
        }
    }
}
