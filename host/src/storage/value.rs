//! What SQL takes and gives: values, rows, cursors.

/// One value of SQL. Integers and reals stay apart.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Integer(i64),
    Real(f64),
    /// Invalid UTF-8 in the database reads as U+FFFD.
    Text(String),
    Blob(Vec<u8>),
}

impl Value {
    /// What the value counts towards the limit of a result.
    pub(super) fn size_bytes(&self) -> usize {
        let content = match self {
            Self::Null | Self::Integer(_) | Self::Real(_) => 0,
            Self::Text(text) => text.len(),
            Self::Blob(bytes) => bytes.len(),
        };
        8 + content
    }
}

pub type Row = Vec<Value>;

/// What a query gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// As SQLite names them; they may repeat.
    pub columns: Vec<String>,
    pub rows: Vec<Row>,
    /// Rows inserted, updated or deleted by the whole call, by triggers too.
    pub changes: u64,
}

/// A query whose rows are read in parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor {
    pub id: u64,
    pub columns: Vec<String>,
}
