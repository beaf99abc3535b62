//! What an object's SQL may do: SQLite asks here while it prepares a statement.
//!
//! Invariants:
//!
//! * The host's own statements are always allowed; between them the object's
//!   rules are in force, also when SQLite prepares a statement anew.
//! * What is not known is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, ffi};

use super::allowed::{is_free_name, is_function, is_module, is_pragma, is_setting};
use super::errors::StorageError;

const TRANSACTION_REFUSED: &str = "To execute a transaction, please use the transaction() function \
     of the storage API instead of the SQL BEGIN TRANSACTION or SAVEPOINT statements. It rolls back \
     by itself on errors, and it covers keys and the alarm too.";

/// The database that is there, as opposed to the temporary one.
const MAIN: &str = "main";

/// What a statement was seen to do, beyond what SQLite itself tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    bits: u8,
}

impl Seen {
    const TRANSACTION: u8 = 1;
    const SETTING: u8 = 2;
    const OPTIMIZE: u8 = 4;
    const ALTER: u8 = 8;

    /// The statement changes a setting of the connection.
    pub fn sets(self) -> bool {
        self.bits & Self::SETTING != 0
    }

    /// The statement writes, though SQLite calls it read-only.
    pub fn writes(self) -> bool {
        self.bits & Self::OPTIMIZE != 0
    }

    /// The statement may rename a table.
    pub fn alters(self) -> bool {
        self.bits & Self::ALTER != 0
    }

    /// A better error than SQLite's, if there is one.
    pub fn explain(self, error: StorageError) -> StorageError {
        match error {
            StorageError::Sqlite { code, .. }
                if code == ffi::SQLITE_AUTH && self.bits & Self::TRANSACTION != 0 =>
            {
                StorageError::Sqlite {
                    code,
                    message: TRANSACTION_REFUSED.to_owned(),
                }
            }
            other => other,
        }
    }
}

/// The rules of one connection, shared with SQLite's authorizer.
#[derive(Clone, Debug, Default)]
pub struct Rules(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    trusted: AtomicBool,
    seen: AtomicU8,
}

impl Rules {
    pub fn attach(&self, connection: &Connection) -> rusqlite::Result<()> {
        let shared = Arc::clone(&self.0);
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            if shared.trusted.load(Relaxed) || is_allowed(&context, &shared.seen) {
                Authorization::Allow
            } else {
                Authorization::Deny
            }
        }))
    }

    /// Lets the host's own statements pass until the guard goes.
    pub fn trust(&self) -> Trust {
        self.0.trusted.store(true, Relaxed);
        Trust(Arc::clone(&self.0))
    }

    /// Forgets what was seen; a statement is about to be prepared.
    pub fn start(&self) {
        self.0.seen.store(0, Relaxed);
    }

    pub fn seen(&self) -> Seen {
        Seen {
            bits: self.0.seen.load(Relaxed),
        }
    }
}

/// The host's own statements are running.
#[derive(Debug)]
pub struct Trust(Arc<Shared>);

impl Drop for Trust {
    fn drop(&mut self) {
        self.0.trusted.store(false, Relaxed);
    }
}

fn is_allowed(context: &AuthContext<'_>, seen: &AtomicU8) -> bool {
    let see = |bit| seen.store(seen.load(Relaxed) | bit, Relaxed);
    // For ALTER TABLE the database comes as an argument.
    let database = match context.action {
        AuthAction::AlterTable { database_name, .. } => Some(database_name),
        _ => context.database_name,
    };
    if database.is_some_and(|name| name != MAIN) {
        // SQLite looks into the temporary schema by itself; nothing can be put there.
        return match context.action {
            AuthAction::Read { table_name, .. } | AuthAction::Update { table_name, .. } => {
                database == Some("temp") && is_free_name(table_name)
            }
            _ => false,
        };
    }
    match context.action {
        AuthAction::Select | AuthAction::Recursive => true,
        // `PRAGMA optimize` analyzes all tables; statistics hold no contents.
        AuthAction::Analyze { .. } => true,
        AuthAction::CreateTable { table_name: name }
        | AuthAction::DropTable { table_name: name }
        | AuthAction::CreateView { view_name: name }
        | AuthAction::DropView { view_name: name }
        | AuthAction::Insert { table_name: name }
        | AuthAction::Delete { table_name: name }
        | AuthAction::Reindex { index_name: name } => is_free_name(name),
        AuthAction::Read { table_name, .. } | AuthAction::Update { table_name, .. } => {
            is_free_name(table_name)
        }
        AuthAction::CreateIndex {
            index_name: name,
            table_name,
        }
        | AuthAction::DropIndex {
            index_name: name,
            table_name,
        }
        | AuthAction::CreateTrigger {
            trigger_name: name,
            table_name,
        }
        | AuthAction::DropTrigger {
            trigger_name: name,
            table_name,
        } => is_free_name(name) && is_free_name(table_name),
        AuthAction::AlterTable { table_name, .. } => {
            see(Seen::ALTER);
            is_free_name(table_name)
        }
        AuthAction::CreateVtable {
            table_name,
            module_name,
        }
        | AuthAction::DropVtable {
            table_name,
            module_name,
        } => is_module(module_name) && is_free_name(table_name),
        AuthAction::Function { function_name } => is_function(function_name),
        AuthAction::Pragma {
            pragma_name,
            pragma_value,
        } => {
            if pragma_value.is_some() && is_setting(pragma_name) {
                see(Seen::SETTING);
            }
            if pragma_name.eq_ignore_ascii_case("optimize") {
                see(Seen::OPTIMIZE);
            }
            is_pragma(pragma_name, pragma_value)
        }
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
            see(Seen::TRANSACTION);
            false
        }
        _ => false,
    }
}
