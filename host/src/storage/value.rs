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
    fn size_bytes(&self) -> usize {
        let content = match self {
            Self::Null | Self::Integer(_) | Self::Real(_) => 0,
            Self::Text(text) => text.len(),
            Self::Blob(bytes) => bytes.len(),
        };
        VALUE_BYTES + content
    }
}

pub type Row = Vec<Value>;

/// What a value takes beside its content.
const VALUE_BYTES: usize = 32;

/// What a row takes beside its values.
const ROW_BYTES: usize = 24;

const _: () = assert!(size_of::<Value>() <= VALUE_BYTES && size_of::<Row>() <= ROW_BYTES);

/// What a row counts towards the limit of a result: the memory that it takes.
pub(super) fn row_bytes(row: &Row) -> usize {
    ROW_BYTES + row.iter().map(Value::size_bytes).sum::<usize>()
}

/// What a query gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// As SQLite names them; they may repeat.
    pub columns: Vec<String>,
    pub rows: Vec<Row>,
    /// Rows inserted, updated or deleted by the whole call, by triggers too.
    pub changes: u64,
}

/// What a query gave first, of rows that are read in parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub columns: Vec<String>,
    pub rows: Vec<Row>,
    /// As in [`Rows`].
    pub changes: u64,
    /// Gives the rows that are left.
    pub cursor: Option<u64>,
}
