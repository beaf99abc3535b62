//! Which statements an object may not run: those that would meddle with the turn, and
//! with what is not its own.

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, Result, ffi};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

const TRANSACTION_REFUSED: &str = "To execute a transaction, please use a transaction or savepoint \
     of the storage interface instead of the SQL statements BEGIN, COMMIT, ROLLBACK and SAVEPOINT. \
     It covers keys and the alarm too, and a turn is committed as a whole.";

const MODULES: [&str; 4] = ["fts5", "fts5vocab", "rtree", "rtree_i32"];

/// What may be asked, and set where there is something to set.
const PRAGMAS: [&str; 18] = [
    "case_sensitive_like",
    "data_version",
    "defer_foreign_keys",
    "foreign_key_check",
    "foreign_key_list",
    "foreign_keys",
    "ignore_check_constraints",
    "index_info",
    "index_list",
    "index_xinfo",
    "legacy_alter_table",
    "optimize",
    "quick_check",
    "recursive_triggers",
    "reverse_unordered_selects",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// What SQLite's authorizer asks.
#[derive(Clone, Default)]
pub struct Guard(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// The statement is not the object's.
    is_own: AtomicBool,
    saw_transaction: AtomicBool,
}

impl Guard {
    pub fn attach(&self, database: &Connection) -> Result<()> {
        let shared = self.0.clone();
        database.authorizer(Some(move |asked: AuthContext<'_>| {
            // Inside a trigger or a view the object's code runs, whoever started it.
            let is_own = shared.is_own.load(Relaxed) && asked.accessor.is_none();
            match is_own || is_allowed(&asked, &shared) {
                true => Authorization::Allow,
                false => Authorization::Deny,
            }
        }))
    }

    /// Runs a statement that is not the object's.
    pub fn own<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = self.0.is_own.swap(true, Relaxed);
        let done = work();
        self.0.is_own.store(before, Relaxed);
        done
    }

    /// A better error than SQLite's, if there is one.
    pub fn explained(&self, error: crate::Error) -> crate::Error {
        let saw_transaction = self.0.saw_transaction.swap(false, Relaxed);
        match error.sqlite_code() {
            Some(ffi::SQLITE_AUTH) if saw_transaction => {
                crate::Error::sqlite(ffi::SQLITE_AUTH, TRANSACTION_REFUSED.to_owned())
            }
            _ => error,
        }
    }
}

fn is_allowed(asked: &AuthContext<'_>, shared: &Shared) -> bool {
    let database = match asked.action {
        AuthAction::AlterTable { database_name, .. } => Some(database_name),
        _ => asked.database_name,
    };
    if database.is_some_and(|name| name != "main") {
        // SQLite looks there by itself; nothing can be put there.
        return matches!(
            asked.action,
            AuthAction::Read { .. } | AuthAction::Update { .. }
        );
    }
    match asked.action {
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
            shared.saw_transaction.store(true, Relaxed);
            false
        }
        AuthAction::Pragma {
            pragma_name,
            pragma_value,
        } => {
            let name = pragma_name.to_ascii_lowercase();
            PRAGMAS.contains(&&*name) || (name == "page_size" && pragma_value.is_none())
        }
        AuthAction::CreateVtable {
            table_name,
            module_name,
        } => MODULES.contains(&&*module_name.to_ascii_lowercase()) && is_free(table_name),
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => false,
        AuthAction::CreateTable { table_name: name }
        | AuthAction::DropTable { table_name: name }
        | AuthAction::AlterTable {
            table_name: name, ..
        }
        | AuthAction::CreateView { view_name: name }
        | AuthAction::DropView { view_name: name }
        | AuthAction::Insert { table_name: name }
        | AuthAction::Delete { table_name: name }
        | AuthAction::Read {
            table_name: name, ..
        }
        | AuthAction::Update {
            table_name: name, ..
        } => is_free(name),
        AuthAction::CreateIndex {
            index_name: name,
            table_name: of,
        }
        | AuthAction::DropIndex {
            index_name: name,
            table_name: of,
        }
        | AuthAction::CreateTrigger {
            trigger_name: name,
            table_name: of,
        }
        | AuthAction::DropTrigger {
            trigger_name: name,
            table_name: of,
        } => is_free(name) && is_free(of),
        _ => true,
    }
}

/// Names that begin with `_cf_` are not the object's.
fn is_free(name: &str) -> bool {
    let start = name.as_bytes().get(..4);
    !start.is_some_and(|start| start.eq_ignore_ascii_case(b"_cf_"))
}
