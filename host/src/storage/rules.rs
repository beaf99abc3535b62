//! What an object's SQL may do: SQLite asks here while it prepares a statement.
//!
//! SQLite does not ask about everything: what a statement names beyond that, and
//! the names that a virtual table makes of its own, are looked for in the schema,
//! see `schema`.
//!
//! Invariants:
//!
//! * The host's own statements are allowed, but not the triggers and views of the
//!   object that may run inside them: there, and between the host's statements,
//!   the object's rules are in force, also when SQLite prepares a statement anew.
//! * What is not known is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, ffi};

use super::allowed::{
    is_free_name, is_function, is_module, is_pragma, is_setting, mentions_prefix,
};
use super::errors::StorageError;

const TRANSACTION_REFUSED: &str = "To execute a transaction, please use a transaction or savepoint \
     of the storage interface instead of the SQL statements BEGIN, COMMIT, ROLLBACK and SAVEPOINT. \
     It covers keys and the alarm too, and a turn is committed as a whole.";

/// The database that is there, as opposed to the temporary one.
const MAIN: &str = "main";

/// Whether a PRAGMA that changes a setting may take effect. SQLite carries it out
/// while it prepares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settings {
    Free,
    Held,
}

/// What a statement was seen to do, beyond what SQLite itself tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    bits: u8,
}

impl Seen {
    const TRANSACTION: u8 = 1;
    const SETTING: u8 = 2;
    const OPTIMIZE: u8 = 4;
    const SCHEMA: u8 = 8;
    const PREFIX: u8 = 16;

    /// The statement changes a setting of the connection.
    pub fn sets(self) -> bool {
        self.bits & Self::SETTING != 0
    }

    /// The statement writes, though SQLite calls it read-only.
    pub fn writes(self) -> bool {
        self.bits & Self::OPTIMIZE != 0
    }

    /// Takes note of the statement's text.
    pub fn with_text(self, text: &str) -> Self {
        let bits = if mentions_prefix(text) {
            Self::PREFIX
        } else {
            0
        };
        Self {
            bits: self.bits | bits,
        }
    }

    /// The statement may bring a name of the host, or a reference to one, into the
    /// schema. Its text cannot hide that: no way of quoting parts a name.
    pub fn may_bring_protected_names(self) -> bool {
        self.bits & Self::SCHEMA != 0 && self.bits & Self::PREFIX != 0
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
    settings_held: AtomicBool,
    seen: AtomicU8,
}

impl Rules {
    pub fn attach(&self, connection: &Connection) -> rusqlite::Result<()> {
        let shared = Arc::clone(&self.0);
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            // Inside a trigger or a view the object's code runs, whoever started it.
            let is_own = shared.trusted.load(Relaxed) && context.accessor.is_none();
            let allowed = match context.action {
                // An expression of the object's schema has no other mark.
                AuthAction::Function { function_name } if is_own => is_function(function_name),
                _ => is_own || is_allowed(&context, &shared),
            };
            if allowed {
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

    /// What `prepare` is seen to do, which prepares a statement of the object.
    pub fn watch<T>(&self, settings: Settings, prepare: impl FnOnce() -> T) -> (T, Seen) {
        self.0.seen.store(0, Relaxed);
        let held = settings == Settings::Held;
        self.0.settings_held.store(held, Relaxed);
        let prepared = prepare();
        // SQLite may prepare a statement anew when it runs.
        self.0.settings_held.store(false, Relaxed);
        (prepared, self.seen())
    }

    /// What the statement did that was prepared last, or refused.
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

fn is_allowed(context: &AuthContext<'_>, shared: &Shared) -> bool {
    let see = |bit| {
        shared.seen.fetch_or(bit, Relaxed);
    };
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
        AuthAction::CreateTable { table_name } => {
            see(Seen::SCHEMA);
            is_free_name(table_name)
        }
        AuthAction::DropTable { table_name: name }
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
            see(Seen::SCHEMA);
            is_free_name(table_name)
        }
        AuthAction::CreateVtable {
            table_name,
            module_name,
        } => {
            see(Seen::SCHEMA);
            is_module(module_name) && is_free_name(table_name)
        }
        AuthAction::DropVtable {
            table_name,
            module_name,
        } => is_module(module_name) && is_free_name(table_name),
        AuthAction::Function { function_name } => is_function(function_name),
        AuthAction::Pragma {
            pragma_name,
            pragma_value,
        } => {
            let sets = pragma_value.is_some() && is_setting(pragma_name);
            if sets {
                see(Seen::SETTING);
            }
            if pragma_name.eq_ignore_ascii_case("optimize") {
                see(Seen::OPTIMIZE);
            }
            let held = sets && shared.settings_held.load(Relaxed);
            !held && is_pragma(pragma_name, pragma_value)
        }
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
            see(Seen::TRANSACTION);
            false
        }
        _ => false,
    }
}
