//! What a query gave: rows, and how they become Rust values.

use crate::sql::{FromValue, Value};
use crate::{Error, Result};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use std::rc::Rc;

/// One row of a result.
///
/// ```
/// # durable_object::testing::run(async |state| {
/// use durable_object::Row;
///
/// let row: Row = state.storage().sql().one("SELECT 1 AS n, 'x' AS t", ())?;
/// assert_eq!(row.get::<i64>(0)?, 1);
/// assert_eq!(row.get_named::<String>("t")?, "x");
/// # Ok(()) }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    columns: Rc<[String]>,
    values: Vec<Value>,
}

impl Row {
    pub(crate) fn new(columns: Rc<[String]>, values: Vec<Value>) -> Self {
        Self { columns, values }
    }

    /// The names of the columns, as SQLite names them; they may repeat.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// # use durable_object::Row;
    /// let row: Row = state.storage().sql().one("SELECT 1 AS a, 2 AS b", ())?;
    /// assert_eq!(row.columns(), ["a", "b"]);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The values, one for each column.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// # use durable_object::{Row, Value};
    /// let row: Row = state.storage().sql().one("SELECT NULL", ())?;
    /// assert_eq!(row.values(), [Value::Null]);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The value of a column, counted from 0. Fails when there is no such column,
    /// or its value is no `T`.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// # use durable_object::Row;
    /// let row: Row = state.storage().sql().one("SELECT 'x' AS t", ())?;
    /// let error = row.get::<i64>(0).unwrap_err();
    /// assert_eq!(error.message(), r#"column 0 ("t"): expected an integer, found text"#);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn get<T: FromValue>(&self, column: usize) -> Result<T> {
        let Some(value) = self.values.get(column) else {
            let columns = self.values.len();
            return Err(Error::new(format!(
                "no column {column} in a row of {columns}"
            )));
        };
        self.convert(column, value.clone())
    }

    /// The value of the first column of that name. Fails when there is none, or
    /// its value is no `T`.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// # use durable_object::Row;
    /// let row: Row = state.storage().sql().one("SELECT 2.5 AS x", ())?;
    /// assert_eq!(row.get_named::<f64>("x")?, 2.5);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn get_named<T: FromValue>(&self, column: &str) -> Result<T> {
        match self.columns.iter().position(|name| name == column) {
            Some(index) => self.get(index),
            None => Err(Error::new(format!("no column named {column:?}"))),
        }
    }

    /// The value of the first column of that name, which it leaves NULL: a large text or
    /// blob is not copied. Fails as [`get_named`](Row::get_named) does.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// # use durable_object::Row;
    /// let mut row: Row = state.storage().sql().one("SELECT 'long' AS t", ())?;
    /// assert_eq!(row.take::<String>("t")?, "long");
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn take<T: FromValue>(&mut self, column: &str) -> Result<T> {
        match self.columns.iter().position(|name| name == column) {
            Some(index) => {
                let value = std::mem::take(&mut self.values[index]);
                self.convert(index, value)
            }
            None => Err(Error::new(format!("no column named {column:?}"))),
        }
    }

    /// The same for a column that holds JSON.
    pub fn take_json<T: DeserializeOwned>(&mut self, column: &str) -> Result<T> {
        let json: Vec<u8> = self.take(column)?;
        serde_json::from_slice(&json)
            .map_err(|error| Error::from(error).context(format!("column {column:?}")))
    }

    /// Whether there is a column of that name.
    pub fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|name| name == column)
    }

    fn convert<T: FromValue>(&self, column: usize, value: Value) -> Result<T> {
        T::from_value(value).map_err(|error| {
            let name = self.columns.get(column).map_or("", String::as_str);
            Error::new(format!("column {column} ({name:?}): {}", error.message()))
        })
    }

    fn expect_columns(&self, expected: usize) -> Result<()> {
        let found = self.values.len();
        if found == expected {
            return Ok(());
        }
        Err(Error::new(format!(
            "expected a row of {expected} columns, found {found}"
        )))
    }
}

/// What a row can be read as.
///
/// Implemented for tuples of up to 16 [`FromValue`] types, one for each column;
/// for those types alone, when the row has one column; and for [`Row`]. Derive it
/// for a struct whose fields are named as the columns: `#[row(rename = "column")]`
/// names another one, `#[row(default)]` does without the column, and `#[row(json)]`
/// reads JSON.
///
/// ```
/// # durable_object::testing::run(async |state| {
/// use durable_object::FromRow;
///
/// #[derive(FromRow)]
/// struct Tea {
///     name: String,
///     minutes: f64,
///     #[row(default)]
///     origin: Option<String>,
/// }
///
/// let tea: Tea = state.storage().sql().one("SELECT 'mate' AS name, 5 AS minutes", ())?;
/// assert_eq!((tea.name.as_str(), tea.minutes), ("mate", 5.0));
/// # Ok(()) }).unwrap();
/// ```
pub trait FromRow: Sized {
    /// Converts the row, or says why not.
    fn from_row(row: Row) -> Result<Self>;
}

impl FromRow for Row {
    fn from_row(row: Row) -> Result<Self> {
        Ok(row)
    }
}

pub(super) fn single<T: FromValue>(mut row: Row) -> Result<T> {
    row.expect_columns(1)?;
    let value = std::mem::take(&mut row.values[0]);
    row.convert(0, value)
}

macro_rules! singles {
    ($($type:ty)+) => {
        $(impl FromRow for $type {
            fn from_row(row: Row) -> Result<Self> {
                single(row)
            }
        })+
    };
}

singles! { i8 i16 i32 i64 isize u8 u16 u32 u64 usize f32 f64 bool String Vec<u8> Bytes Value }

impl<T: FromValue> FromRow for Option<T> {
    fn from_row(row: Row) -> Result<Self> {
        single(row)
    }
}

macro_rules! tuples {
    ($(($count:literal $($type:ident $column:tt)+))+) => {
        $(impl<$($type: FromValue),+> FromRow for ($($type,)+) {
            fn from_row(mut row: Row) -> Result<Self> {
                row.expect_columns($count)?;
                let mut values = std::mem::take(&mut row.values).into_iter();
                Ok(($(row.convert::<$type>($column, values.next().unwrap_or_default())?,)+))
            }
        })+
    };
}

tuples! {
    (1 A 0)
    (2 A 0 B 1)
    (3 A 0 B 1 C 2)
    (4 A 0 B 1 C 2 D 3)
    (5 A 0 B 1 C 2 D 3 E 4)
    (6 A 0 B 1 C 2 D 3 E 4 F 5)
    (7 A 0 B 1 C 2 D 3 E 4 F 5 G 6)
    (8 A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7)
    (9 A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8)
    (10 A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9)
    (11 A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10)
    (12 A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11)
    (13 A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12)
    (14 A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13)
    (15 A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13 O 14)
    (16 A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13 O 14 P 15)
}

/// All rows of a result.
///
/// ```
/// # durable_object::testing::run(async |state| {
/// let rows = state.storage().sql().exec("VALUES (1), (2)", ())?;
/// assert_eq!((rows.len(), rows.is_empty(), rows.changes()), (2, false, 0));
/// for row in rows {
///     assert!(row.get::<i64>(0)? > 0);
/// }
/// # Ok(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Rows {
    columns: Rc<[String]>,
    rows: Vec<Vec<Value>>,
    changes: u64,
}

/// ```
/// # durable_object::testing::run(async |state| {
/// let sql = state.storage().sql();
/// let both = "SELECT 1 AS n UNION SELECT 2";
/// assert_eq!(sql.exec(both, ())?.columns(), ["n"]);
/// assert_eq!(sql.exec(both, ())?.all::<i64>()?, [1, 2]);
/// assert!(sql.exec(both, ())?.one::<i64>().is_err());
/// assert_eq!(sql.exec("SELECT 1 WHERE 0", ())?.optional::<i64>()?, None);
/// # Ok(()) }).unwrap();
/// ```
impl Rows {
    pub(crate) fn new(columns: Vec<String>, rows: Vec<Vec<Value>>, changes: u64) -> Self {
        Self {
            columns: columns.into(),
            rows,
            changes,
        }
    }

    /// The names of the columns, as SQLite names them; they may repeat.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Rows inserted, updated or deleted by the whole call, by triggers too.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All rows, converted.
    pub fn all<T: FromRow>(self) -> Result<Vec<T>> {
        self.into_iter().map(T::from_row).collect()
    }

    /// The only row. Fails as [`Sql::one`](crate::Sql::one) does.
    pub fn one<T: FromRow>(self) -> Result<T> {
        self.optional()?.ok_or_else(|| {
            Error::new("Expected exactly one result from SQL query, but got no results.")
        })
    }

    /// The only row, or none. Fails as [`Sql::optional`](crate::Sql::optional)
    /// does.
    pub fn optional<T: FromRow>(self) -> Result<Option<T>> {
        if self.rows.len() > 1 {
            let text = "Expected exactly one result from SQL query, but got multiple results.";
            return Err(Error::new(text));
        }
        self.into_iter().next().map(T::from_row).transpose()
    }
}

impl IntoIterator for Rows {
    type Item = Row;
    type IntoIter = RowsIntoIter;

    fn into_iter(self) -> RowsIntoIter {
        RowsIntoIter {
            columns: self.columns,
            rows: self.rows.into_iter(),
        }
    }
}

/// The rows of a [`Rows`], one after the other.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct RowsIntoIter {
    columns: Rc<[String]>,
    rows: std::vec::IntoIter<Vec<Value>>,
}

impl Iterator for RowsIntoIter {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let values = self.rows.next()?;
        Some(Row::new(self.columns.clone(), values))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }
}
