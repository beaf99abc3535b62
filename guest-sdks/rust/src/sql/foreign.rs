//! Types of other crates as parameters and columns.

use crate::sql::{FromRow, FromValue, Row, ToValue, Value};
use crate::{Error, Result};

/// Reads and writes a type as its text, and lets it be a row of one column.
macro_rules! as_text {
    ($type:ty, $write:expr, $read:expr) => {
        impl ToValue for $type {
            fn to_value(&self) -> Result<Value> {
                let write: fn(&$type) -> Result<String> = $write;
                Ok(Value::Text(write(self)?))
            }
        }

        impl FromValue for $type {
            fn from_value(value: Value) -> Result<Self> {
                let read: fn(&str) -> Result<$type> = $read;
                let text = String::from_value(value)?;
                read(&text).map_err(|error| error.context(format!("{text:?} is none")))
            }
        }

        impl FromRow for $type {
            fn from_row(row: Row) -> Result<Self> {
                super::row::single(row)
            }
        }
    };
}

#[cfg(feature = "uuid")]
as_text! {
    uuid::Uuid,
    |uuid| Ok(uuid.to_string()),
    |text| uuid::Uuid::parse_str(text).map_err(Error::from)
}

#[cfg(feature = "chrono")]
as_text! {
    chrono::DateTime<chrono::Utc>,
    |time| Ok(time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
    |text| Ok(chrono::DateTime::parse_from_rfc3339(text).map_err(Error::from)?.to_utc())
}

#[cfg(feature = "time")]
as_text! {
    time::OffsetDateTime,
    |time| {
        let utc = time.to_offset(time::UtcOffset::UTC);
        utc.format(&time::format_description::well_known::Rfc3339).map_err(Error::from)
    },
    |text| {
        let format = &time::format_description::well_known::Rfc3339;
        time::OffsetDateTime::parse(text, format).map_err(Error::from)
    }
}

#[cfg(all(test, feature = "uuid", feature = "chrono", feature = "time"))]
mod tests {
    //! What goes into the database comes out of it.

    use super::*;

    fn check<T: ToValue + FromValue + PartialEq + std::fmt::Debug>(value: T, text: &str) {
        assert_eq!(value.to_value().unwrap(), Value::Text(text.into()));
        assert_eq!(T::from_value(Value::Text(text.into())).unwrap(), value);
        let error = T::from_value(Value::Text("x".into())).unwrap_err();
        assert_eq!(error.message(), r#""x" is none"#);
    }

    #[test]
    fn types_of_other_crates_survive_the_database() {
        let uuid = uuid::Uuid::from_u128(7);
        check(uuid, "00000000-0000-0000-0000-000000000007");
        let time = chrono::DateTime::from_timestamp(1, 500_000_000).unwrap();
        check(time, "1970-01-01T00:00:01.500Z");
        let time = time::OffsetDateTime::from_unix_timestamp(1).unwrap();
        check(time, "1970-01-01T00:00:01Z");
    }
}
