//! When what an object writes is kept or undone.
//!
//! A turn is one poll of the object's code: what it does without waiting. Its first
//! write begins SQLite's transaction, its end commits it. Savepoints and transactions
//! of the object lie within; one that is the outermost is SQLite's transaction itself,
//! and holds back the end of the turn.

use super::errors::sqlite;
use super::space::Holder;
use super::{Memory, Space, with};
use crate::{Error, Result};
use rusqlite::ErrorCode;

const CONSTRAINTS_VIOLATED: &str = "Durable Object was reset and rolled back to its last known good \
     state because the application left the database in a state where constraints were violated: ";

const SAVEPOINT_OPEN: &str = "Durable Object was reset because it waited with an open savepoint. \
     End the savepoint before waiting, or use a transaction.";

const DEPTH_MAX: usize = 64;

/// An open transaction or savepoint.
pub struct Open {
    it: Holder,
    is_transaction: bool,
}

impl Memory {
    /// Begins what a write needs.
    pub fn begin_write(&self) -> Result<()> {
        if !self.began.get() {
            self.own("BEGIN").map_err(sqlite)?;
            self.began.set(true);
        }
        Ok(())
    }

    /// Whether something is written that is not kept yet.
    pub fn began(&self) -> bool {
        self.began.get()
    }

    /// Whether a transaction holds back the end of turns.
    pub fn in_transaction(&self) -> bool {
        self.open.first().is_some_and(|open| open.is_transaction)
    }

    /// The transaction that holds back other events.
    pub fn holder(&self) -> Option<Holder> {
        let outermost = self.open.first().filter(|open| open.is_transaction);
        outermost.map(|open| open.it)
    }

    /// The innermost transaction.
    pub fn innermost(&self) -> Option<Holder> {
        let mut innermost_first = self.open.iter().rev();
        let transaction = innermost_first.find(|open| open.is_transaction);
        transaction.map(|open| open.it)
    }

    /// Keeps what the turn wrote. The error says why the object is reset; the turn is
    /// undone then.
    pub fn end_turn(&mut self) -> Result<(), String> {
        if self.in_transaction() || !self.began.get() {
            return Ok(());
        }
        if !self.open.is_empty() {
            self.rollback_turn();
            return Err(SAVEPOINT_OPEN.to_owned());
        }
        let committed = self.own("COMMIT");
        self.began.set(committed.is_err());
        let Err(error) = committed else {
            return Ok(());
        };
        self.rollback_turn();
        let is_violated = error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation);
        let error = sqlite(error);
        Err(match is_violated {
            true => format!("{CONSTRAINTS_VIOLATED}{error}"),
            false => error.to_string(),
        })
    }

    /// Undoes all that is not kept, because the instance is gone.
    pub fn rollback_turn(&mut self) {
        self.open.clear();
        self.cursors.clear();
        self.began.set(false);
        if !self.database.is_autocommit() {
            let undone = self.own("ROLLBACK");
            undone.expect("SQLite undoes a transaction in memory");
        }
        self.restore_settings();
    }

    /// Whether SQLite has undone the turn by itself, as OR ROLLBACK has it do.
    pub fn is_torn(&self) -> bool {
        self.began.get() && self.database.is_autocommit()
    }

    /// Ends the turn so far, in the midst of the object's code.
    pub fn commit_so_far(&mut self) -> Result<()> {
        self.end_turn().map_err(|why| {
            self.broken = Some(why.clone());
            Error::new(why)
        })
    }

    fn push(&mut self, is_transaction: bool) -> Result<u64> {
        if self.open.len() == DEPTH_MAX {
            return Err(Error::new(format!(
                "At most {DEPTH_MAX} transactions and savepoints can be open at a time."
            )));
        }
        let is_whole = is_transaction && self.open.is_empty();
        self.begin_write()?;
        let number = self.number();
        if !is_whole {
            let savepoint = format!("SAVEPOINT _cf_{number}");
            self.own(&savepoint).map_err(sqlite)?;
        }
        let it = Space::current().holding(number);
        self.open.push(Open { it, is_transaction });
        Ok(number)
    }

    /// Ends the innermost one by one of these statements: the first if it is SQLite's
    /// transaction itself.
    fn end(&mut self, number: u64, whole: &str, savepoint: &str) -> Result<()> {
        match self.open.last().map(|open| open.it.number) {
            Some(innermost) if innermost == number => {}
            Some(inner) => {
                return Err(Error::new(format!(
                    "Transaction {number} is not the innermost one; end {inner} first."
                )));
            }
            None => return Err(Error::new(format!("Transaction {number} is not open."))),
        }
        let is_whole = self.open.len() == 1 && self.in_transaction();
        let statements = if is_whole { whole } else { savepoint };
        self.own(statements).map_err(sqlite)?;
        if is_whole {
            self.began.set(false);
        }
        self.open.pop();
        Ok(())
    }
}

pub fn savepoint() -> Result<u64> {
    with(|memory| memory.push(false))
}

pub fn begin(within: Option<u64>) -> Result<u64> {
    let number = with(|memory| {
        match (memory.innermost().map(|it| it.number), within) {
            (open, within) if open == within => {}
            (Some(open), _) => {
                return Err(Error::new(format!(
                    "Transaction {open} is open; begin within it, or wait until it has ended."
                )));
            }
            (None, within) => {
                return Err(Error::new(format!(
                    "Transaction {} is not open; begin within none.",
                    within.unwrap_or_default()
                )));
            }
        }
        if memory.open.is_empty() {
            memory.commit_so_far()?;
        }
        memory.push(true)
    })?;
    Space::current().watch_holder();
    Ok(number)
}

pub fn commit(number: u64) -> Result<()> {
    let savepoint = format!("RELEASE _cf_{number}");
    with(|memory| memory.end(number, "COMMIT", &savepoint))?;
    Space::current().let_others_go_on();
    Ok(())
}

pub fn rollback(number: u64) -> Result<()> {
    let savepoint = format!("ROLLBACK TO _cf_{number}; RELEASE _cf_{number}");
    with(|memory| memory.end(number, "ROLLBACK", &savepoint))?;
    Space::current().let_others_go_on();
    Ok(())
}
