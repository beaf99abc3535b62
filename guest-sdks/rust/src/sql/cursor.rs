//! A result whose rows are read in parts.

use crate::host;
use crate::sql::{FromRow, Row, Value};
use crate::{Error, Result};
use std::marker::PhantomData;
use std::rc::Rc;

/// How many rows one call of the host brings: few enough to hold, enough to make
/// the call cheap.
const ROWS_MAX: u32 = 64;

/// The rows of [`Sql::rows`](crate::Sql::rows), read as they are taken. Dropping it
/// closes it.
///
/// A row fails when it is no `T`, and with `SQLite query was canceled because the
/// database was deleted.` after [`Storage::delete_all`](crate::Storage::delete_all).
/// An error of the host ends the iteration.
///
/// ```
/// # durable_object::testing::run(async |state| {
/// let mut rows = state.storage().sql().rows::<(i64, i64)>("VALUES (1, 2), (3, 4)", ())?;
/// assert_eq!(rows.columns().len(), 2);
/// assert_eq!(rows.next().unwrap()?, (1, 2));
/// assert_eq!(rows.next().unwrap()?, (3, 4));
/// assert!(rows.next().is_none());
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Cursor<T> {
    /// None once the host has closed it.
    id: Option<u64>,
    columns: Rc<[String]>,
    fetched: std::vec::IntoIter<Vec<Value>>,
    row: PhantomData<fn() -> T>,
}

impl<T> Cursor<T> {
    pub(crate) fn new(id: u64, columns: Vec<String>) -> Self {
        Self {
            id: Some(id),
            columns: columns.into(),
            fetched: Vec::new().into_iter(),
            row: PhantomData,
        }
    }

    /// The names of the columns, as SQLite names them; they may repeat.
    ///
    /// ```
    /// # durable_object::testing::run(async |state| {
    /// # use durable_object::Row;
    /// let rows = state.storage().sql().rows::<Row>("SELECT 1 AS n", ())?;
    /// assert_eq!(rows.columns(), ["n"]);
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The next row as it came; none at the end.
    fn next_values(&mut self) -> Result<Option<Vec<Value>>, Error> {
        if let Some(values) = self.fetched.next() {
            return Ok(Some(values));
        }
        // The host closes a cursor by itself at its end and on an error.
        let Some(id) = self.id.take() else {
            return Ok(None);
        };
        self.fetched = host::sql::next(id, ROWS_MAX)?.into_iter();
        let first = self.fetched.next();
        if first.is_some() {
            self.id = Some(id);
        }
        Ok(first)
    }
}

impl<T: FromRow> Iterator for Cursor<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        let values = self.next_values().transpose()?;
        Some(values.and_then(|values| T::from_row(Row::new(self.columns.clone(), values))))
    }
}

impl<T> Drop for Cursor<T> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            host::sql::close(id);
        }
    }
}
