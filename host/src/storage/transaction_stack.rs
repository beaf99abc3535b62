//! Which savepoints and transactions are open, and which of them SQLite knows.
//!
//! Nothing is said to SQLite before the first write inside: an empty transaction
//! costs nothing, and one on a database that does not exist yet creates none.
//!
//! Invariants:
//!
//! * Numbers grow and are never used again.
//! * Only the innermost one can be ended.
//! * A transaction lies in the innermost open one, which its caller names, and in
//!   the savepoints that are open within that: they end within the turn, so whoever
//!   calls meanwhile is inside them.
//! * If SQLite knows one, it knows all outside it.
//!
//! This module decides and performs no I/O.

use super::limits::TRANSACTION_DEPTH_MAX;

/// How a transaction may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ends within the turn.
    Savepoint,
    /// May last over turns; nothing is committed meanwhile.
    Transaction,
}

#[derive(Debug)]
struct Level {
    number: u64,
    kind: Kind,
    /// Whether SQLite has been told.
    begun: bool,
}

/// What to say to SQLite when a level ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// SQLite never heard of it.
    Nothing,
    /// It is SQLite's transaction itself.
    Whole,
    /// It is the savepoint of this number.
    Savepoint(u64),
}

#[derive(Debug, Default)]
pub struct TransactionStack {
    levels: Vec<Level>,
    last_number: u64,
}

impl TransactionStack {
    /// Opens a level; none when there are too many.
    pub fn open(&mut self, kind: Kind) -> Option<u64> {
        if self.levels.len() >= TRANSACTION_DEPTH_MAX {
            return None;
        }
        self.last_number += 1;
        self.levels.push(Level {
            number: self.last_number,
            kind,
            begun: false,
        });
        Some(self.last_number)
    }

    /// The newest number.
    pub fn last_number(&self) -> u64 {
        self.last_number
    }

    /// Gives no level a number up to this one.
    pub fn go_on_after(&mut self, last: u64) {
        self.last_number = self.last_number.max(last);
    }

    /// The innermost level, by its number.
    pub fn innermost(&self) -> Option<u64> {
        self.levels.last().map(|level| level.number)
    }

    /// The innermost transaction, whatever savepoints are open within it. A new
    /// transaction must name it.
    pub fn innermost_transaction(&self) -> Option<u64> {
        let transactions = |level: &&Level| level.kind == Kind::Transaction;
        let innermost = self.levels.iter().rev().find(transactions);
        innermost.map(|level| level.number)
    }

    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// Whether the turn's writes wait for the end of a transaction.
    pub fn holds_the_turn(&self) -> bool {
        self.root_is_transaction()
    }

    /// Whether there is one that must end within the turn.
    pub fn has_savepoint(&self) -> bool {
        self.levels
            .iter()
            .any(|level| level.kind == Kind::Savepoint)
    }

    /// What ending the innermost level takes.
    pub fn ending(&self) -> Ending {
        match self.levels.last() {
            Some(level) if level.begun => {
                if self.levels.len() == 1 && level.kind == Kind::Transaction {
                    Ending::Whole
                } else {
                    Ending::Savepoint(level.number)
                }
            }
            _ => Ending::Nothing,
        }
    }

    /// Forgets the innermost level, which has ended.
    pub fn close(&mut self) {
        self.levels.pop();
    }

    /// The next savepoint that SQLite must be told of, outermost first. The
    /// outermost transaction is SQLite's own and needs none.
    pub fn next_to_begin(&mut self) -> Option<u64> {
        if self.root_is_transaction() {
            self.levels[0].begun = true;
        }
        self.levels
            .iter()
            .find(|level| !level.begun)
            .map(|level| level.number)
    }

    /// Records that SQLite knows the savepoint of this number.
    pub fn begun(&mut self, number: u64) {
        if let Some(level) = self.levels.iter_mut().find(|level| level.number == number) {
            level.begun = true;
        }
    }

    /// Forgets all levels: everything was rolled back.
    pub fn clear(&mut self) {
        self.levels.clear();
    }

    fn root_is_transaction(&self) -> bool {
        self.levels
            .first()
            .is_some_and(|level| level.kind == Kind::Transaction)
    }
}

#[cfg(test)]
mod tests {
    //! The stack is pure: each test drives it alone.
    use super::*;

    fn begin_all(stack: &mut TransactionStack) -> Vec<u64> {
        let mut told = Vec::new();
        while let Some(number) = stack.next_to_begin() {
            stack.begun(number);
            told.push(number);
        }
        told
    }

    #[test]
    fn an_empty_transaction_says_nothing_to_sqlite() {
        let mut stack = TransactionStack::default();
        stack.open(Kind::Transaction);
        assert_eq!(stack.ending(), Ending::Nothing);
    }

    #[test]
    fn the_outermost_transaction_is_sqlites_own() {
        let mut stack = TransactionStack::default();
        stack.open(Kind::Transaction);
        stack.open(Kind::Savepoint);
        assert_eq!(begin_all(&mut stack), [2]);
        assert_eq!(stack.ending(), Ending::Savepoint(2));
        stack.close();
        assert_eq!(stack.ending(), Ending::Whole);
    }

    #[test]
    fn an_outermost_savepoint_lies_within_the_turn() {
        let mut stack = TransactionStack::default();
        stack.open(Kind::Savepoint);
        stack.open(Kind::Transaction);
        assert_eq!(begin_all(&mut stack), [1, 2]);
        assert_eq!(stack.innermost_transaction(), Some(2));
        assert!(!stack.holds_the_turn());
        assert_eq!(stack.ending(), Ending::Savepoint(2));
    }

    #[test]
    fn a_savepoint_is_no_transaction_to_begin_within() {
        let mut stack = TransactionStack::default();
        stack.open(Kind::Savepoint);
        assert_eq!(stack.innermost_transaction(), None);
        stack.open(Kind::Transaction);
        stack.open(Kind::Savepoint);
        assert_eq!(stack.innermost_transaction(), Some(2));
        assert_eq!(stack.innermost(), Some(3));
    }

    #[test]
    fn numbers_are_never_used_again() {
        let mut stack = TransactionStack::default();
        assert_eq!(stack.open(Kind::Savepoint), Some(1));
        stack.clear();
        assert_eq!(stack.open(Kind::Savepoint), Some(2));
    }

    #[test]
    fn the_depth_is_bounded() {
        let mut stack = TransactionStack::default();
        for _ in 0..TRANSACTION_DEPTH_MAX {
            assert!(stack.open(Kind::Savepoint).is_some());
        }
        assert_eq!(stack.open(Kind::Savepoint), None);
    }
}
