//! The object's own SQLite database.

mod cursor;
mod row;
mod value;

pub use cursor::Cursor;
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
/// Parameters are made with [`params!`](crate::params) and bind by position, to
/// the last statement. Foreign keys are on. FTS5, JSON, mathematics and R*Tree are
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
/// use durable_object::params;
///
/// let sql = state.storage().sql();
/// sql.exec("CREATE TABLE teas (name TEXT, minutes REAL)", params![])?;
/// sql.exec("INSERT INTO teas VALUES (?, ?), ('mate', NULL)", params!["sencha", 1.5])?;
///
/// let teas: Vec<(String, Option<f64>)> =
///     sql.query("SELECT name, minutes FROM teas ORDER BY name", params![])?;
/// assert_eq!(teas, [("mate".into(), None), ("sencha".into(), Some(1.5))]);
///
/// let count: i64 = sql.one("SELECT count(*) FROM teas", params![])?;
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
    /// use durable_object::params;
    ///
    /// let sql = state.storage().sql();
    /// let result = sql.exec("CREATE TABLE t (n); INSERT INTO t VALUES (?), (2)", params![1])?;
    /// assert_eq!(result.changes(), 2);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn exec(&self, query: &str, params: impl AsRef<[Value]>) -> Result<Rows> {
        self.guard.check("exec")?;
        let rows = host::sql::exec(query, params.as_ref())?;
        Ok(Rows::new(rows.columns, rows.rows, rows.changes))
    }

    /// Runs a query and converts all its rows, see [`FromRow`].
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// use durable_object::params;
    ///
    /// let sql = state.storage().sql();
    /// let rows = sql.query::<(i64, String)>("VALUES (1, 'a'), (2, 'b')", params![])?;
    /// assert_eq!(rows, [(1, "a".into()), (2, "b".into())]);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn query<T: FromRow>(&self, query: &str, params: impl AsRef<[Value]>) -> Result<Vec<T>> {
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
    /// use durable_object::params;
    ///
    /// let sql = state.storage().sql();
    /// let (sum, text): (i64, String) = sql.one("SELECT ? + 2, 'x'", params![40])?;
    /// assert_eq!((sum, text.as_str()), (42, "x"));
    ///
    /// let error = sql.one::<i64>("SELECT 1 WHERE 0", params![]).unwrap_err();
    /// assert_eq!(
    ///     error.message(),
    ///     "Expected exactly one result from SQL query, but got no results.",
    /// );
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn one<T: FromRow>(&self, query: &str, params: impl AsRef<[Value]>) -> Result<T> {
        self.exec(query, params)?.one()
    }

    /// Runs a query that gives one row or none.
    ///
    /// Fails with `Expected exactly one result from SQL query, but got multiple
    /// results.`
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// use durable_object::params;
    ///
    /// let sql = state.storage().sql();
    /// assert_eq!(sql.optional::<i64>("SELECT 1 WHERE 0", params![])?, None);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn optional<T: FromRow>(
        &self,
        query: &str,
        params: impl AsRef<[Value]>,
    ) -> Result<Option<T>> {
        self.exec(query, params)?.optional()
    }

    /// Runs a query and reads its rows in parts, for results that are too large
    /// to hold at once. A statement that writes has written everything when this
    /// returns.
    ///
    /// At most 64 cursors are open at a time; dropping one closes it. The host
    /// closes those that are open when the object has no event left.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// use durable_object::params;
    ///
    /// let sql = state.storage().sql();
    /// let numbers = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t LIMIT 1000)
    ///                SELECT n FROM t";
    /// let mut sum = 0;
    /// for n in sql.rows::<i64>(numbers, params![])? {
    ///     sum += n?;
    /// }
    /// assert_eq!(sum, 500_500);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn rows<T: FromRow>(&self, query: &str, params: impl AsRef<[Value]>) -> Result<Cursor<T>> {
        self.guard.check("exec")?;
        let cursor = host::sql::open(query, params.as_ref())?;
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

/// The parameters of a query: each becomes a [`Value`].
///
/// Text, numbers, booleans, bytes, `None` and references to them are accepted. A
/// `u64` or `usize` is not, since SQLite's integers are signed: convert it first.
///
/// ```
/// use durable_object::{Value, params};
///
/// let name = String::from("ada");
/// let params = params![&name, 36, None::<i64>, true];
/// assert_eq!(params[0], Value::Text("ada".into()));
/// assert_eq!(params[1..], [Value::Integer(36), Value::Null, Value::Integer(1)]);
/// assert!(params![].is_empty());
/// ```
#[macro_export]
macro_rules! params {
    () => {
        [] as [$crate::Value; 0]
    };
    ($($value:expr),+ $(,)?) => {
        [$($crate::Value::from($value)),+]
    };
}
