//! The thread that keeps the file of the index.
//!
//! All that came while it wrote is written next, as one transaction.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::table::Table;
use super::{Change, DueAlarm, ObjectName, Request, SILENT, Shared, State};
use crate::clock;

/// The clock may be set forward; it is looked at so often at least.
const LOOK_MAX: Duration = Duration::from_secs(10);
/// How long a disk that failed is left alone.
const RETRY: Duration = Duration::from_secs(1);

pub struct Keeper {
    shared: Arc<Shared>,
    /// None while the file cannot be used.
    table: Option<Table>,
    next_due_ms: Option<i64>,
    swept: Instant,
    /// Nothing is tried before, for the disk has failed.
    rests_until: Option<Instant>,
}

/// What there is to do.
#[derive(Default)]
struct Work {
    changes: HashMap<ObjectName, Change>,
    certain: Vec<ObjectName>,
    scanned: Vec<String>,
    request: Option<Request>,
}

impl Keeper {
    pub fn open(shared: Arc<Shared>) -> Keeper {
        let mut keeper = Keeper {
            shared,
            table: None,
            next_due_ms: None,
            swept: Instant::now(),
            rests_until: None,
        };
        keeper.open_table();
        keeper
    }

    /// Works until the last handle is gone.
    pub fn keep(mut self) {
        while let Some(mut work) = self.next() {
            if self.table.is_none() {
                self.open_table();
            }
            if let Err(error) = self.write(&mut work) {
                self.fail(work, &error);
            }
        }
    }

    /// Waits for something to do; none when there will be no more.
    fn next(&mut self) -> Option<Work> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state.lock();
        loop {
            if let Some(until) = self.rests_until {
                // What is lost here is found after the next start.
                if state.closed {
                    return None;
                }
                // Whoever waits for a notice must not wait for the disk to recover.
                if until > Instant::now() && !state.wants_notice() {
                    shared.changed.wait_until(&mut state, until);
                    continue;
                }
            }
            let sweeps = self.swept.elapsed() >= SILENT;
            let certain = match (state.closed, sweeps) {
                (true, _) => state.take_certain(Duration::ZERO),
                (false, true) => state.take_certain(SILENT),
                (false, false) => Vec::new(),
            };
            if sweeps {
                self.swept = Instant::now();
            }
            let request = state.request.take_if(|request| {
                let is_due = self.next_due_ms.is_some_and(|due| due <= clock::wall_ms());
                is_due || request.reply.is_closed()
            });
            let work = Work {
                changes: std::mem::take(&mut state.changes),
                certain,
                scanned: state.take_scanned(),
                request,
            };
            if !work.is_empty() {
                return Some(work);
            }
            if state.closed {
                return None;
            }
            match self.patience(&state) {
                Some(patience) => drop(shared.changed.wait_for(&mut state, patience)),
                None => shared.changed.wait(&mut state),
            }
        }
    }

    /// How long there is nothing to do, if nothing changes.
    fn patience(&self, state: &State) -> Option<Duration> {
        let sweep = SILENT.saturating_sub(self.swept.elapsed());
        let sweep = (!state.marks.is_empty()).then_some(sweep);
        let due = match (&state.request, self.next_due_ms) {
            (Some(_), Some(due_ms)) => {
                let left_ms = due_ms.saturating_sub(clock::wall_ms()).max(0);
                Some(Duration::from_millis(left_ms.unsigned_abs()).min(LOOK_MAX))
            }
            _ => None,
        };
        sweep.into_iter().chain(due).min()
    }

    fn write(&mut self, work: &mut Work) -> rusqlite::Result<()> {
        let Some(table) = &mut self.table else {
            return Err(unusable("the file cannot be opened".into()));
        };
        let mut notices = work
            .changes
            .values_mut()
            .filter_map(|it| it.notice.as_ref());
        let gives_notice = notices.next().is_some();
        if gives_notice && let Err(error) = self.shared.data.require_found() {
            return Err(unusable(error.into()));
        }
        if !work.changes.is_empty() || !work.certain.is_empty() {
            table.write(work.changes.iter(), &work.certain, gives_notice)?;
        }
        for folder in &work.scanned {
            table.set_scanned(folder)?;
        }
        work.scanned.clear();
        work.certain.clear();
        for notice in work.changes.drain().filter_map(|(_, it)| it.notice) {
            notice.finish(Ok(()));
        }
        if let Some(request) = work.request.take()
            && !request.reply.is_closed()
        {
            let taken = table.take(clock::wall_ms(), request.max)?;
            self.shared.hand_out(request, taken);
        }
        self.next_due_ms = table.next_due_ms()?;
        self.rests_until = None;
        Ok(())
    }

    /// Tells those who wait for a notice, and keeps what else was not written. An index
    /// that cannot be trusted any more is left.
    fn fail(&mut self, work: Work, error: &rusqlite::Error) {
        tracing::error!(%error, "the index of alarms cannot be written");
        let is_full = error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull);
        if !is_full && let Some(table) = self.table.take() {
            drop(table);
            self.make_anew();
        }
        let mut state = self.shared.state.lock();
        for (object, change) in work.changes {
            if let Some(notice) = change.notice {
                notice.finish(Err(error.to_string()));
            }
            if let Some(due) = change.due {
                let newer = state.changes.entry(object).or_default();
                newer.due.get_or_insert(due);
            }
        }
        let now = super::Ticket(state.last_ticket);
        let scanned = work.scanned.into_iter().map(|folder| (folder, now));
        state.newly_scanned.extend(scanned);
        if state.request.is_none() {
            state.request = work.request;
        }
        self.rests_until = Some(Instant::now() + RETRY);
    }

    /// Opens the file. One that is damaged is made anew.
    fn open_table(&mut self) {
        let path = self.shared.data.path().to_owned();
        match Table::open(&path, clock::wall_ms()) {
            Ok(table) => self.use_table(table),
            Err(error) => {
                tracing::error!(%error, "the index of alarms cannot be read");
                self.make_anew();
            }
        }
    }

    fn make_anew(&mut self) {
        let path = self.shared.data.path().to_owned();
        Table::remove(&path);
        {
            let mut state = self.shared.state.lock();
            state.marks.values_mut().for_each(|mark| mark.notice = None);
            state.scanned.clear();
            state.newly_scanned.clear();
        }
        match Table::open(&path, clock::wall_ms()) {
            Ok(table) => {
                tracing::warn!("the index of alarms is made anew from the objects' databases");
                self.use_table(table);
                self.shared.renewed.notify_one();
            }
            Err(error) => tracing::error!(%error, "the index of alarms cannot be made anew"),
        }
    }

    fn use_table(&mut self, table: Table) {
        match (table.scanned(), table.next_due_ms()) {
            (Ok(scanned), Ok(next_due_ms)) => {
                self.shared.state.lock().scanned = scanned;
                self.next_due_ms = next_due_ms;
                self.table = Some(table);
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "the index of alarms cannot be read");
            }
        }
    }
}

impl Shared {
    /// Gives objects to who asked. If they do not ask any more, the next does.
    fn hand_out(&self, request: Request, taken: Vec<(ObjectName, u32)>) {
        let mut state = self.state.lock();
        let mut due = Vec::new();
        for (object, failures) in taken {
            let taken = state.touch(&object);
            due.push(DueAlarm {
                object,
                failures,
                taken,
            });
        }
        let Err(unwanted) = request.reply.send(due) else {
            return;
        };
        for DueAlarm { object, .. } in unwanted {
            let change = state.changes.entry(object).or_default();
            change.due.get_or_insert(super::Due::At(clock::wall_ms()));
        }
    }
}

impl State {
    fn wants_notice(&self) -> bool {
        let mut changes = self.changes.values();
        changes.any(|change| change.notice.is_some())
    }
}

impl Work {
    fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && self.certain.is_empty()
            && self.scanned.is_empty()
            && self.request.is_none()
    }
}

fn unusable(cause: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(cause)
}
