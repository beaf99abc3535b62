//! Queries whose rows are read over several calls.
//!
//! ```text
//! open ─► Running ─ last row ─► Ended ─ next ─► gone
//!    └──► Buffered (a statement that writes has written all at once)
//! delete_all: Running, Buffered ─► Cancelled: every `next` fails
//! ```

use std::collections::{HashMap, VecDeque};

use super::errors::StorageError;
use super::limits::{CURSORS_MAX, RESULT_BYTES_MAX};
use super::statement::Step;
use super::statement_cache::Prepared;
use super::value::{Row, Value};
use super::{Cursor, Place, Storage};

const CANCELLED: &str = "SQLite query was canceled because the database was deleted.";

/// The cursors of one object.
#[derive(Debug, Default)]
pub struct Cursors {
    by_id: HashMap<u64, Source>,
    last_id: u64,
}

/// Where a cursor's rows come from.
#[derive(Debug)]
enum Source {
    Running(Running),
    Buffered(VecDeque<Row>),
    Ended,
    Cancelled,
}

/// A statement that stands on a row which was not given out yet.
#[derive(Debug)]
struct Running {
    prepared: Prepared,
    query: Option<Box<str>>,
    /// Whether the statement belongs to the file, not to the empty database.
    in_file: bool,
}

impl Cursors {
    /// Whether a statement is between two of its steps.
    pub fn any_running(&self) -> bool {
        self.by_id
            .values()
            .any(|source| matches!(source, Source::Running(_)))
    }

    /// Ends all cursors with an error: their database was deleted.
    pub fn cancel(&mut self) {
        for source in self.by_id.values_mut() {
            *source = Source::Cancelled;
        }
    }

    /// Forgets all cursors.
    pub fn clear(&mut self) {
        self.by_id.clear();
    }

    fn insert(&mut self, source: Source) -> u64 {
        self.last_id += 1;
        self.by_id.insert(self.last_id, source);
        self.last_id
    }
}

impl Storage {
    /// Runs one or more statements, and leaves the rows of the last to `next_rows`.
    pub fn open_cursor(&mut self, query: &str, params: &[Value]) -> Result<Cursor, StorageError> {
        self.call(|storage| {
            if storage.cursors.by_id.len() >= CURSORS_MAX {
                return Err(StorageError::Invalid(format!(
                    "At most {CURSORS_MAX} SQL cursors can be open at a time; close some first."
                )));
            }
            let (mut prepared, query) = storage.prepare_last(query, params)?;
            let (columns, source) = if prepared.writes() {
                let rows = storage.run_to_end(&mut prepared, params);
                let columns = prepared.statement.column_names();
                storage.keep(query, prepared);
                (columns, Source::Buffered(rows?.into()))
            } else {
                let params: Vec<_> = params.iter().map(Into::into).collect();
                let step = prepared
                    .statement
                    .start(&params)
                    .and_then(|()| prepared.statement.step());
                let columns = prepared.statement.column_names();
                let source = match step {
                    Ok(Step::Row) => Source::Running(Running {
                        prepared,
                        query,
                        in_file: storage.is_open(),
                    }),
                    ended => {
                        prepared.statement.reset();
                        storage.keep(query, prepared);
                        ended?;
                        Source::Ended
                    }
                };
                (columns, source)
            };
            let id = storage.cursors.insert(source);
            Ok(Cursor { id, columns })
        })
    }

    /// Up to `rows_max` further rows; none is the end, and closes the cursor.
    pub fn next_rows(&mut self, cursor: u64, rows_max: u32) -> Result<Vec<Row>, StorageError> {
        self.call(|storage| {
            if rows_max == 0 {
                return Err(StorageError::Invalid(
                    "The number of rows to read must be positive.".to_owned(),
                ));
            }
            let rows_max = usize::try_from(rows_max).unwrap_or(usize::MAX);
            match storage.cursors.by_id.get_mut(&cursor) {
                None => Err(StorageError::Invalid(format!(
                    "SQL cursor {cursor} is not open."
                ))),
                Some(Source::Cancelled) => Err(StorageError::Invalid(CANCELLED.to_owned())),
                Some(Source::Ended) => {
                    storage.cursors.by_id.remove(&cursor);
                    Ok(Vec::new())
                }
                Some(Source::Buffered(rows)) => {
                    let count = rows.len().min(rows_max);
                    let part: Vec<Row> = rows.drain(..count).collect();
                    if part.is_empty() {
                        storage.cursors.by_id.remove(&cursor);
                    }
                    Ok(part)
                }
                Some(Source::Running(running)) => {
                    let read = running.read(rows_max);
                    match read {
                        Ok((rows, Step::Row)) => Ok(rows),
                        Ok((rows, Step::Done)) => {
                            storage.stop(cursor);
                            storage.cursors.by_id.insert(cursor, Source::Ended);
                            Ok(rows)
                        }
                        Err(error) => {
                            storage.stop(cursor);
                            Err(error)
                        }
                    }
                }
            }
        })
    }

    /// Closes a cursor. One that is not open is left alone.
    pub fn close_cursor(&mut self, cursor: u64) {
        self.stop(cursor);
    }

    /// Closes all cursors; when the object has no event left.
    pub fn close_cursors(&mut self) {
        let open: Vec<u64> = self.cursors.by_id.keys().copied().collect();
        for cursor in open {
            self.stop(cursor);
        }
    }

    /// Ends a cursor and keeps its statement for the next use.
    fn stop(&mut self, cursor: u64) {
        let Some(Source::Running(mut running)) = self.cursors.by_id.remove(&cursor) else {
            return;
        };
        running.prepared.statement.reset();
        if running.in_file == self.is_open() {
            self.keep(running.query, running.prepared);
            return;
        }
        drop(running);
        if matches!(self.place, Place::Open(_)) && !self.cursors.any_running() {
            self.empty = None;
        }
    }
}

impl Running {
    /// Reads rows up to a number and a size, and says where the statement stands.
    fn read(&mut self, rows_max: usize) -> Result<(Vec<Row>, Step), StorageError> {
        let mut rows = Vec::new();
        let mut size_bytes = 0;
        while rows.len() < rows_max && size_bytes < RESULT_BYTES_MAX {
            let row = self.prepared.statement.row();
            size_bytes += row.iter().map(Value::size_bytes).sum::<usize>();
            rows.push(row);
            if self.prepared.statement.step()? == Step::Done {
                return Ok((rows, Step::Done));
            }
        }
        Ok((rows, Step::Row))
    }
}
