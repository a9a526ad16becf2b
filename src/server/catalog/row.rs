//! Rows: how a record is read from one, and pages of them.

use serde::de::DeserializeOwned;
use sqlx::any::AnyRow;
use sqlx::{Any, ColumnIndex, Decode, Row, Type};

use crate::error::{Error, Result};

use super::failed;

/// Where a list goes on: after the record of this time and id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// What the list is sorted by, of the last record that was given.
    pub at: i64,
    /// Its id.
    pub id: String,
}

/// A part of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The records.
    pub items: Vec<T>,
    /// Where the next page begins; `None`: there is none.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// The first `limit` of `items`, which are one more than that where there is a next page.
    pub(super) fn of(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> Cursor) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(cursor);
        Self { items, next }
    }
}

/// A record of a table.
pub(super) trait Record: Sized {
    /// From a row with all of its columns.
    fn read(row: &AnyRow) -> Result<Self>;

    fn all(rows: Vec<AnyRow>) -> Result<Vec<Self>> {
        rows.iter().map(Self::read).collect()
    }

    fn one(row: Option<AnyRow>) -> Result<Option<Self>> {
        row.as_ref().map(Self::read).transpose()
    }
}

/// A column's value.
pub(super) fn get<'r, T>(row: &'r AnyRow, column: &str) -> Result<T>
where
    T: Decode<'r, Any> + Type<Any>,
    for<'c> &'c str: ColumnIndex<AnyRow>,
{
    row.try_get(column).map_err(failed)
}

/// A column that holds JSON.
pub(super) fn json<T: DeserializeOwned>(row: &AnyRow, column: &str) -> Result<T> {
    let text: String = get(row, column)?;
    serde_json::from_str(&text).map_err(|error| {
        Error::damaged(
            format!("the catalog's column {column}"),
            format!("it is not the JSON that was written: {error}"),
        )
    })
}
