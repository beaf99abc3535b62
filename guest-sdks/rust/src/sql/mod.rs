//! The object's own SQLite database.

mod cursor;
#[cfg(any(feature = "uuid", feature = "chrono", feature = "time"))]
mod foreign;
mod params;
mod row;
mod value;

pub use cursor::Cursor;
pub use params::{Params, ToValue};
pub use row::{FromRow, Row, Rows};
pub use value::{FromValue, Value};

use crate::Result;
use crate::host;
use crate::transaction::Guard;

/// The object's own SQLite database.
///
/// No call lets another event in. There is no implicit atomicity between calls
/// or between the statements of one call: when a later one fails, earlier ones
/// stay, unless a [`transaction`](crate::Storage::transaction_sync) holds them
/// together. `BEGIN` and `SAVEPOINT` are refused.
///
/// Parameters are tuples, see [`Params`]; they bind by position, to the last statement. Foreign keys are on. FTS5, JSON, mathematics and R*Tree are
/// there.
///
/// Limits: a statement 100,000 bytes; 100 parameters; 100 columns; text and blobs
/// 2,097,152 bytes; the result of one call 67,108,864 bytes (read larger ones with
/// [`rows`](Sql::rows)); 30 seconds. A call that breaks one fails.
///
/// Errors: what SQLite refuses has an [`sqlite_code`](crate::Error::sqlite_code).
/// Others are `SQL code did not contain a statement.`, `Wrong number of parameter
/// bindings for SQL query.` and `When executing multiple SQL statements in a
/// single call, only the last statement can have parameters.`
///
/// ```
/// # durable_object::testing::run(async |state| {
/// let sql = state.storage().sql();
/// sql.exec("CREATE TABLE teas (name TEXT, minutes REAL)", ())?;
/// sql.exec("INSERT INTO teas VALUES (?, ?), ('mate', NULL)", ("sencha", 1.5))?;
///
/// let teas: Vec<(String, Option<f64>)> =
///     sql.query("SELECT name, minutes FROM teas ORDER BY name", ())?;
/// assert_eq!(teas, [("mate".into(), None), ("sencha".into(), Some(1.5))]);
///
/// let count: i64 = sql.one("SELECT count(*) FROM teas", ())?;
/// assert_eq!(count, 2);
/// # Ok(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Sql {
    pub(crate) guard: Guard,
}

impl Sql {
    /// Runs one or more statements; gives the rows of the last, and how many rows
    /// the whole call changed.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// let sql = state.storage().sql();
    /// let result = sql.exec("CREATE TABLE t (n); INSERT INTO t VALUES (?), (2)", (1,))?;
    /// assert_eq!(result.changes(), 2);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn exec(&self, query: &str, params: impl Params) -> Result<Rows> {
        self.guard.check("exec")?;
        let rows = host::sql::exec(query, &params.into_values()?)?;
        Ok(Rows::new(rows.columns, rows.rows, rows.changes))
    }

    /// Runs a query and converts all its rows, see [`FromRow`].
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// let sql = state.storage().sql();
    /// let rows = sql.query::<(i64, String)>("VALUES (1, 'a'), (2, 'b')", ())?;
    /// assert_eq!(rows, [(1, "a".into()), (2, "b".into())]);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn query<T: FromRow>(&self, query: &str, params: impl Params) -> Result<Vec<T>> {
        self.exec(query, params)?.all()
    }

    /// Runs a query that gives exactly one row.
    ///
    /// Fails with `Expected exactly one result from SQL query, but got no
    /// results.` or `Expected exactly one result from SQL query, but got multiple
    /// results.`
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// let sql = state.storage().sql();
    /// let (sum, text): (i64, String) = sql.one("SELECT ? + 2, 'x'", (40,))?;
    /// assert_eq!((sum, text.as_str()), (42, "x"));
    ///
    /// let error = sql.one::<i64>("SELECT 1 WHERE 0", ()).unwrap_err();
    /// assert_eq!(
    ///     error.message(),
    ///     "Expected exactly one result from SQL query, but got no results.",
    /// );
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn one<T: FromRow>(&self, query: &str, params: impl Params) -> Result<T> {
        self.exec(query, params)?.one()
    }

    /// Runs a query that gives one row or none.
    ///
    /// Fails with `Expected exactly one result from SQL query, but got multiple
    /// results.`
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// let sql = state.storage().sql();
    /// assert_eq!(sql.optional::<i64>("SELECT 1 WHERE 0", ())?, None);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn optional<T: FromRow>(&self, query: &str, params: impl Params) -> Result<Option<T>> {
        self.exec(query, params)?.optional()
    }

    /// Runs a query and reads its rows in parts, for results that are too large
    /// to hold at once. A statement that writes has written everything when this
    /// returns.
    ///
    /// At most 64 cursors are open at a time; dropping one closes it. The host
    /// closes those that are open when the object has nothing left to do.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// let sql = state.storage().sql();
    /// let numbers = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t LIMIT 1000)
    ///                SELECT n FROM t";
    /// let mut sum = 0;
    /// for n in sql.rows::<i64>(numbers, ())? {
    ///     sum += n?;
    /// }
    /// assert_eq!(sum, 500_500);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn rows<T: FromRow>(&self, query: &str, params: impl Params) -> Result<Cursor<T>> {
        self.guard.check("exec")?;
        let cursor = host::sql::open(query, &params.into_values()?)?;
        Ok(Cursor::new(cursor.id, cursor.columns))
    }

    /// Size of the database in bytes, free pages not counted; 4,096 when fresh.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// assert!(state.storage().sql().database_size()? >= 4096);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn database_size(&self) -> Result<u64> {
        host::sql::database_size()
    }
}
