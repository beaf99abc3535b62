//! Queries whose rows are read over several calls.
//!
//! ```text
//! open ─► Running ─ last row ─► Ended ─ next ─► gone
//!    │        └── the log is long: buffer_cursors ─► Buffered, or Failed: too much
//!    └──► Buffered (a statement that writes has written all at once)
//! delete_all: all ─► cancelled: every `next` fails, nothing is held
//! ```
//!
//! Invariants:
//!
//! * A running cursor reads the database as it was when it was opened, so that the
//!   log cannot be moved into it. It does so until the log is long.
//! * All rows in buffers together take at most `RESULT_BYTES_MAX`.
//! * No cursor outlives the object's events. Before that, one that nobody reads gives
//!   way to a new one.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use super::errors::StorageError;
use super::limits::{CURSOR_UNREAD, CURSORS_MAX, RESULT_BYTES_MAX};
use super::statement::Step;
use super::statement_cache::Prepared;
use super::value::{Row, Value, row_bytes};
use super::{Part, Place, Storage};

const CANCELLED: &str = "SQLite query was canceled because the database was deleted.";

/// The cursors of one object.
#[derive(Debug, Default)]
pub struct Cursors {
    by_id: HashMap<u64, Open>,
    /// The newest of those that `delete_all` has ended, for the words of their end.
    cancelled: VecDeque<u64>,
    last_id: u64,
}

#[derive(Debug)]
struct Open {
    source: Source,
    /// When it was opened or last read.
    read_at: Instant,
}

/// Where a cursor's rows come from.
#[derive(Debug)]
enum Source {
    Running(Running),
    Buffered(VecDeque<Row>),
    /// Its rows could be kept no longer; `next` says why.
    Failed(StorageError),
    Ended,
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
            .any(|open| matches!(open.source, Source::Running(_)))
    }

    /// What the rows in buffers take.
    fn buffered_bytes(&self) -> usize {
        let bytes = |open: &Open| match &open.source {
            Source::Buffered(rows) => rows.iter().map(row_bytes).sum(),
            _ => 0,
        };
        self.by_id.values().map(bytes).sum()
    }

    /// The cursor that was not read for longest, if that is long.
    fn unread(&self) -> Option<u64> {
        let (id, open) = self.by_id.iter().min_by_key(|(_, open)| open.read_at)?;
        (open.read_at.elapsed() > CURSOR_UNREAD).then_some(*id)
    }

    /// Ends all cursors with an error: their database was deleted.
    pub fn cancel(&mut self) {
        self.cancelled.extend(self.by_id.drain().map(|(id, _)| id));
        let forgotten = self.cancelled.len().saturating_sub(CURSORS_MAX);
        self.cancelled.drain(..forgotten);
    }

    /// Forgets all cursors.
    pub fn clear(&mut self) {
        self.by_id.clear();
        self.cancelled.clear();
    }

    /// The newest number.
    pub fn last_id(&self) -> u64 {
        self.last_id
    }

    /// Gives no cursor a number up to this one.
    pub fn go_on_after(&mut self, last: u64) {
        self.last_id = self.last_id.max(last);
    }

    fn insert(&mut self, source: Source) -> u64 {
        self.last_id += 1;
        let read_at = Instant::now();
        self.by_id.insert(self.last_id, Open { source, read_at });
        self.last_id
    }

    /// Why there is no such cursor.
    fn refusal(&self, cursor: u64) -> StorageError {
        StorageError::Invalid(if self.cancelled.contains(&cursor) {
            CANCELLED.to_owned()
        } else {
            format!("SQL cursor {cursor} is not open.")
        })
    }
}

impl Storage {
    /// Runs one or more statements, gives the first rows of the last, and leaves the
    /// others to `next_rows`. With a `rows_max` of 0 there is always a cursor.
    pub fn open_cursor(
        &mut self,
        query: &str,
        params: &[Value],
        rows_max: u32,
    ) -> Result<Part, StorageError> {
        self.call(|storage| {
            let changes_before = storage.total_changes();
            if rows_max == 0 {
                storage.make_room()?;
            }
            let (prepared, query) = storage.prepare_last(query, params)?;
            if prepared.writes() && prepared.statement.column_count() > 0 {
                // What it writes must not be refused for its rows afterwards.
                storage.make_room()?;
            }
            let (columns, source) = storage.begin_reading(prepared, query, params)?;
            let changes = storage.total_changes() - changes_before;
            let (rows, left) = match rows_max {
                0 => (Vec::new(), Some(source)),
                _ => storage.first_rows(source, rows_max)?,
            };
            let cursor = left.map(|source| storage.keep_open(source)).transpose()?;
            Ok(Part {
                columns,
                rows,
                changes,
                cursor,
            })
        })
    }

    /// The first rows, and where the others come from, if there are any.
    fn first_rows(
        &mut self,
        source: Source,
        rows_max: u32,
    ) -> Result<(Vec<Row>, Option<Source>), StorageError> {
        let rows_max = usize::try_from(rows_max).unwrap_or(usize::MAX);
        match source {
            Source::Running(mut running) => {
                let read = running.read(rows_max, RESULT_BYTES_MAX);
                if let Ok((rows, Step::Row)) = read {
                    return Ok((rows, Some(Source::Running(running))));
                }
                self.put_back(Source::Running(running));
                Ok((read?.0, None))
            }
            Source::Buffered(mut rows) => {
                let first = rows.drain(..rows.len().min(rows_max)).collect();
                let left = (!rows.is_empty()).then_some(Source::Buffered(rows));
                Ok((first, left))
            }
            Source::Failed(_) | Source::Ended => Ok((Vec::new(), None)),
        }
    }

    fn keep_open(&mut self, source: Source) -> Result<u64, StorageError> {
        if let Err(error) = self.make_room() {
            self.put_back(source);
            return Err(error);
        }
        Ok(self.cursors.insert(source))
    }

    /// Has one cursor more be open, in place of one that nobody reads if need be.
    fn make_room(&mut self) -> Result<(), StorageError> {
        if self.cursors.by_id.len() < CURSORS_MAX {
            return Ok(());
        }
        let Some(unread) = self.cursors.unread() else {
            return Err(StorageError::Invalid(format!(
                "At most {CURSORS_MAX} SQL cursors can be open at a time; close some first."
            )));
        };
        self.close_cursor(unread);
        Ok(())
    }

    /// Starts the last statement of a query.
    fn begin_reading(
        &mut self,
        mut prepared: Prepared,
        query: Option<Box<str>>,
        params: &[Value],
    ) -> Result<(Vec<String>, Source), StorageError> {
        if prepared.writes() {
            let bytes_max = RESULT_BYTES_MAX.saturating_sub(self.cursors.buffered_bytes());
            let rows = self.run_to_end(&mut prepared, params, bytes_max);
            let columns = prepared.statement.column_names();
            self.keep(query, prepared);
            return Ok((columns, Source::Buffered(rows?.into())));
        }
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
                in_file: self.is_open(),
            }),
            ended => {
                prepared.statement.reset();
                self.keep(query, prepared);
                ended?;
                Source::Ended
            }
        };
        Ok((columns, source))
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
            let Some(open) = storage.cursors.by_id.get_mut(&cursor) else {
                return Err(storage.cursors.refusal(cursor));
            };
            open.read_at = Instant::now();
            match &mut open.source {
                Source::Failed(error) => {
                    let error = error.clone();
                    storage.cursors.by_id.remove(&cursor);
                    Err(error)
                }
                Source::Ended => {
                    storage.cursors.by_id.remove(&cursor);
                    Ok(Vec::new())
                }
                Source::Buffered(rows) => {
                    let count = rows.len().min(rows_max);
                    let part: Vec<Row> = rows.drain(..count).collect();
                    if part.is_empty() {
                        storage.cursors.by_id.remove(&cursor);
                    }
                    Ok(part)
                }
                Source::Running(running) => {
                    let read = running.read(rows_max, RESULT_BYTES_MAX);
                    match read {
                        Ok((rows, Step::Row)) => Ok(rows),
                        Ok((rows, Step::Done)) => {
                            let source = std::mem::replace(&mut open.source, Source::Ended);
                            storage.put_back(source);
                            Ok(rows)
                        }
                        Err(error) => {
                            storage.close_cursor(cursor);
                            Err(error)
                        }
                    }
                }
            }
        })
    }

    /// Closes a cursor. One that is not open is left alone.
    pub fn close_cursor(&mut self, cursor: u64) {
        if let Some(open) = self.cursors.by_id.remove(&cursor) {
            self.counted(|storage| storage.put_back(open.source));
        }
        self.cursors.cancelled.retain(|id| *id != cursor);
    }

    /// Closes all cursors; when the object has no event left.
    pub fn close_cursors(&mut self) {
        if self.cursors.by_id.is_empty() {
            return;
        }
        let open = std::mem::take(&mut self.cursors.by_id);
        self.counted(|storage| {
            open.into_values()
                .for_each(|open| storage.put_back(open.source));
        });
    }

    /// Copies what running cursors have not read, as the log is long and cannot be
    /// moved into the database under them. A cursor with too much fails.
    pub(super) fn buffer_cursors(&mut self) {
        let is_running = |(id, open): (&u64, &Open)| match open.source {
            Source::Running(_) => Some(*id),
            _ => None,
        };
        let running: Vec<u64> = self.cursors.by_id.iter().filter_map(is_running).collect();
        for id in running {
            let bytes_left = RESULT_BYTES_MAX.saturating_sub(self.cursors.buffered_bytes());
            let Some(Open {
                source: Source::Running(cursor),
                ..
            }) = self.cursors.by_id.get_mut(&id)
            else {
                continue;
            };
            self.budget.restart();
            let read = cursor.read(usize::MAX, bytes_left);
            let source = match read {
                Ok((rows, Step::Done)) => Source::Buffered(rows.into()),
                Ok((_, Step::Row)) => Source::Failed(StorageError::Invalid(format!(
                    "SQL cursor {id} was open while too much was written, and has more than \
                     {bytes_left} bytes left to read. Read it before you write, or in parts."
                ))),
                Err(error) => Source::Failed(match self.budget.why_stopped() {
                    Some(reason) => StorageError::Invalid(reason),
                    None => error,
                }),
            };
            if let Some(open) = self.cursors.by_id.get_mut(&id) {
                let before = std::mem::replace(&mut open.source, source);
                self.put_back(before);
            }
        }
    }

    /// Keeps the statement of a cursor that is over for its next use.
    fn put_back(&mut self, source: Source) {
        let Source::Running(mut running) = source else {
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
    fn read(
        &mut self,
        rows_max: usize,
        bytes_max: usize,
    ) -> Result<(Vec<Row>, Step), StorageError> {
        let mut rows = Vec::new();
        let mut size_bytes = 0;
        while rows.len() < rows_max && size_bytes < bytes_max {
            let row = self.prepared.statement.row();
            size_bytes += row_bytes(&row);
            rows.push(row);
            if self.prepared.statement.step()? == Step::Done {
                return Ok((rows, Step::Done));
            }
        }
        Ok((rows, Step::Row))
    }
}
