//! What an object gives back while nothing happens to it, and what must go on when it
//! slept.
//!
//! A connection takes about 90 KB: the index of the log, pages, statements, what
//! SQLite keeps ready. Opening one anew takes some 50 µs, so an object that is
//! quiet closes it. What the object can see of a connection survives: its settings
//! and the last row id.

use std::io;

use super::imprint::Imprint;
use super::limits::REST_WAL_BYTES_MAX;
use super::object_files::Proven;
use super::{Place, Storage};

/// What an object that remembers its past can see of an earlier connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traces {
    /// No cursor, transaction or savepoint had a higher number.
    pub last_number: u64,
    pub last_rowid: i64,
}

impl Storage {
    /// What the object can see of this connection later. None while that is more: an
    /// open transaction, or settings that it has changed.
    pub fn traces(&self) -> Option<Traces> {
        let is_plain =
            self.lost.is_none() && !self.settings_touched && !self.began && self.stack.is_empty();
        is_plain.then(|| Traces {
            last_number: self.stack.last_number().max(self.cursors.last_id()),
            last_rowid: match &self.place {
                Place::Open(database) => database.last_rowid(),
                Place::Unopened | Place::Absent => self.last_rowid,
            },
        })
    }

    /// Goes on where another storage of the object was. To be called before anything
    /// else.
    pub fn go_on_from(&mut self, traces: Traces) {
        self.stack.go_on_after(traces.last_number);
        self.cursors.go_on_after(traces.last_number);
        match &self.place {
            Place::Open(database) => database.set_last_rowid(traces.last_rowid),
            Place::Unopened | Place::Absent => self.last_rowid = traces.last_rowid,
        }
    }

    /// Gives back memory and descriptors, as the object is quiet. The next call
    /// takes a little longer. Does nothing while something is open.
    pub fn rest(&mut self) {
        self.counted(Self::give_back);
    }

    /// Whether another program has changed the files since the host has closed them. Says
    /// so once: what comes next begins anew with the data.
    pub fn notice_change(&mut self) -> bool {
        let is_changed = self
            .left
            .as_ref()
            .is_some_and(|left| !left.fits(&self.files));
        if is_changed {
            self.left = None;
            self.last_rowid = 0;
            self.durable.leave_wal();
        }
        is_changed
    }

    /// Of files that the host has closed just now.
    pub(super) fn imprint(&self) -> io::Result<Imprint> {
        match self.durable.has_found_wal() {
            true => Imprint::take(&self.files),
            // Another program had the database open at the same time.
            false => Ok(Imprint::default()),
        }
    }

    fn give_back(&mut self) {
        self.empty = if self.cursors.any_running() {
            self.empty.take()
        } else {
            None
        };
        let whole = self.lost.is_none() && self.durable() == self.committed;
        if !whole || self.settings_touched || !self.may_checkpoint() {
            return;
        }
        // Whoever opens the file reads all of its log.
        let is_short = self.durable.wal_bytes() <= REST_WAL_BYTES_MAX;
        let Place::Open(database) = &mut self.place else {
            return;
        };
        if !is_short {
            database.shrink();
            return;
        }
        self.last_rowid = database.last_rowid();
        self.place = Place::Unopened;
        // A database without a commit is removed when it is closed.
        let stays = self.durable.proven() != Proven::Nothing;
        self.left = stays.then(|| self.imprint().unwrap_or_default());
    }
}
