//! A model of an object's database and of what a disk makes durable of it: a list
//! of writes, of which commits are lengths.
//!
//! The stack of transactions is the real one; the rest follows `storage::turns` and
//! `storage::durable`.

use crate::storage::CommitNumber;
use crate::storage::transaction_stack::{Ending, Kind, TransactionStack};

pub type WriteId = u64;

/// The turn is lost, and the instance with it.
#[derive(Clone, Copy, Debug)]
pub struct Broken(pub &'static str);

const NOT_DURABLE: Broken = Broken("writes cannot be made durable");
const SAVEPOINT_OPEN: Broken = Broken("it waited with an open savepoint");
const NOT_INNERMOST: Broken = Broken("not the innermost transaction");

/// What a sync covers.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    pub number: CommitNumber,
    pub dirty: bool,
}

pub struct Database {
    /// What the object's code sees.
    log: Vec<WriteId>,
    /// Where SQLite's transaction began.
    base: usize,
    /// Where each savepoint that SQLite knows began.
    marks: Vec<usize>,
    stack: TransactionStack,
    began: bool,
    /// By commit number.
    lengths: Vec<usize>,
    durable: CommitNumber,
    dirty: bool,
    pub queued: bool,
    pub syncing: bool,
    failed: bool,
}

impl Database {
    pub fn open(log: Vec<WriteId>) -> Database {
        Database {
            lengths: vec![log.len()],
            log,
            base: 0,
            marks: Vec::new(),
            stack: TransactionStack::default(),
            began: false,
            durable: CommitNumber::ZERO,
            dirty: false,
            queued: false,
            syncing: false,
            failed: false,
        }
    }

    pub fn log(&self) -> &[WriteId] {
        &self.log
    }

    pub fn committed(&self) -> CommitNumber {
        CommitNumber(self.lengths.len() as u64 - 1)
    }

    pub fn newest_commit(&self) -> CommitNumber {
        match self.began {
            true => self.committed().next(),
            false => self.committed(),
        }
    }

    pub fn is_settled(&self) -> bool {
        !self.queued && !self.syncing
    }

    pub fn log_at(&self, number: CommitNumber) -> &[WriteId] {
        &self.log[..self.lengths[number.0 as usize].min(self.log.len())]
    }

    /// What was written and not committed.
    pub fn uncommitted(&self) -> &[WriteId] {
        &self.log[self.log_at(self.committed()).len()..]
    }

    pub fn durable(&self) -> CommitNumber {
        self.durable
    }

    pub fn write(&mut self, id: WriteId) -> Result<(), Broken> {
        self.require_whole()?;
        if !self.began {
            self.began = true;
            self.base = self.log.len();
        }
        while let Some(number) = self.stack.next_to_begin() {
            self.marks.push(self.log.len());
            self.stack.begun(number);
        }
        self.log.push(id);
        Ok(())
    }

    pub fn savepoint(&mut self) -> Result<u64, Broken> {
        self.require_whole()?;
        Ok(self.stack.open(Kind::Savepoint).expect("scripts are flat"))
    }

    pub fn begin(&mut self) -> Result<u64, Broken> {
        self.require_whole()?;
        if self.stack.is_empty() && self.began {
            self.commit_sql();
        }
        Ok(self
            .stack
            .open(Kind::Transaction)
            .expect("scripts are flat"))
    }

    pub fn commit(&mut self, number: u64) -> Result<(), Broken> {
        self.require_innermost(number)?;
        match self.stack.ending() {
            Ending::Nothing => {}
            Ending::Whole => self.commit_sql(),
            Ending::Savepoint(_) => drop(self.marks.pop()),
        }
        self.stack.close();
        Ok(())
    }

    /// Returns what is undone.
    pub fn rollback(&mut self, number: u64) -> Result<Vec<WriteId>, Broken> {
        self.require_innermost(number)?;
        let undone = match self.stack.ending() {
            Ending::Nothing => Vec::new(),
            Ending::Whole => {
                self.began = false;
                let undone = self.log.split_off(self.base);
                self.record();
                undone
            }
            Ending::Savepoint(_) => {
                let mark = self.marks.pop().expect("SQLite knows it");
                self.log.split_off(mark)
            }
        };
        self.stack.close();
        Ok(undone)
    }

    pub fn has_written(&self) -> bool {
        self.began && !self.stack.holds_the_turn()
    }

    pub fn has_savepoint(&self) -> bool {
        self.stack.has_savepoint()
    }

    pub fn end_turn(&mut self) -> Result<(), Broken> {
        if self.failed {
            self.rollback_turn();
            return Err(NOT_DURABLE);
        }
        if self.stack.has_savepoint() {
            self.rollback_turn();
            return Err(SAVEPOINT_OPEN);
        }
        if !self.stack.holds_the_turn() {
            self.commit_sql();
        }
        Ok(())
    }

    pub fn sync(&mut self) -> Result<CommitNumber, Broken> {
        self.require_whole()?;
        if !self.stack.holds_the_turn() && !self.stack.has_savepoint() {
            self.end_turn()?;
        }
        Ok(self.committed())
    }

    pub fn rollback_turn(&mut self) {
        self.stack.clear();
        self.marks.clear();
        if std::mem::take(&mut self.began) {
            self.log.truncate(self.base);
        }
    }

    /// The committer takes what is to be made durable.
    pub fn take(&mut self) -> Option<Job> {
        self.queued = false;
        if self.failed {
            return None;
        }
        self.syncing = true;
        Some(Job {
            number: self.committed(),
            dirty: std::mem::take(&mut self.dirty),
        })
    }

    pub fn finish(&mut self, job: Job, succeeded: bool) {
        match succeeded {
            true => self.durable = job.number,
            false => self.failed = true,
        }
        self.syncing = false;
    }

    /// Commits what holds the turn back, which must not happen.
    pub fn commit_anyway(&mut self) {
        self.stack.clear();
        self.marks.clear();
        self.commit_sql();
    }

    fn commit_sql(&mut self) {
        if std::mem::take(&mut self.began) {
            self.dirty = true;
            self.record();
        }
    }

    fn record(&mut self) {
        self.lengths.push(self.log.len());
        self.queued = true;
    }

    fn require_whole(&self) -> Result<(), Broken> {
        match self.failed {
            true => Err(NOT_DURABLE),
            false => Ok(()),
        }
    }

    fn require_innermost(&self, number: u64) -> Result<(), Broken> {
        self.require_whole()?;
        match self.stack.innermost() {
            Some(innermost) if innermost == number => Ok(()),
            _ => Err(NOT_INNERMOST),
        }
    }
}
