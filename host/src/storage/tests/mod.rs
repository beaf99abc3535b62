//! What storage promises, tried on real files in a directory of its own.

mod alarms;
mod asleep;
mod bounds;
mod durability;
mod functions;
mod fuzz;
mod guards;
mod keys;
mod limited;
mod oracle;
mod queries;
mod refusals;
mod transactions;

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use tempfile::TempDir;

use super::turns::TurnEnd;
use super::value::Row;
use super::{Committer, DataDir, Durability, Storage, StorageError, StorageLimits, Value};

/// A data directory with its committer, and what that has reported.
struct World {
    directory: TempDir,
    data: Arc<DataDir>,
    committer: Committer,
    reports: Arc<Mutex<Vec<Durability>>>,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::open(directory.path()).unwrap();
        let committer = Committer::start(&data).unwrap();
        Self {
            directory,
            data,
            committer,
            reports: Arc::default(),
        }
    }

    fn storage(&self, id: &str) -> Storage {
        self.storage_with(id, StorageLimits::default())
    }

    fn storage_with(&self, id: &str, limits: StorageLimits) -> Storage {
        let files = self.data.object("class", id).unwrap();
        let reports = Arc::clone(&self.reports);
        Storage::new(files, limits, &self.committer, move |report| {
            reports.lock().push(report);
        })
    }

    fn file(&self, id: &str) -> PathBuf {
        let name = format!("class/{}/{id}.sqlite", &id[..2]);
        self.directory.path().join(name)
    }

    fn wal(&self, id: &str) -> PathBuf {
        self.file(id).with_extension("sqlite-wal")
    }
}

/// A storage in a world of its own.
fn alone(test: impl FnOnce(&mut Storage)) {
    let world = World::new();
    test(&mut world.storage("ab"));
}

/// The message of a result that must be an error.
fn message<T: std::fmt::Debug>(result: Result<T, StorageError>) -> String {
    match result {
        Err(error) => error.to_string(),
        Ok(value) => format!("no error but {value:?}"),
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// The rows of a query without parameters.
fn rows(storage: &mut Storage, query: &str) -> Vec<Row> {
    storage
        .exec(query, &[])
        .unwrap_or_else(|error| panic!("{query}: {error}"))
        .rows
}

/// The only value of a query without parameters.
fn value(storage: &mut Storage, query: &str) -> Value {
    let rows = rows(storage, query);
    assert_eq!((rows.len(), rows[0].len()), (1, 1), "{query}");
    rows[0][0].clone()
}

/// Ends a turn that has written, and waits until that is durable.
fn commit_durably(storage: &mut Storage) {
    assert!(matches!(storage.end_turn(), Ok(TurnEnd::Committed(_))));
    storage.durable.wait().unwrap();
    assert_eq!(storage.durable(), storage.committed());
}
