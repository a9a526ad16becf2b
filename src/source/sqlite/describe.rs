//! What a database holds, for listings.

use std::path::Path;

use rusqlite::Connection;

use super::literal::quoted;
use super::open::{BUSY_TIMEOUT, open_reader, read_error};
use crate::error::Result;

/// The kinds of table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// An ordinary table.
    Table,
    /// A table that an extension provides, such as a full-text index. It has no rows or pages of its own.
    Virtual,
    /// A table in which a virtual table keeps its data.
    Shadow,
    /// A view. It has no rows or pages of its own.
    View,
}

/// One table or view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: TableKind,
    /// Rows; absent where it has none of its own.
    pub rows: Option<u64>,
    /// Bytes of the pages of the table and its indexes; absent where it has none of its own.
    pub bytes: Option<u64>,
}

/// The tables and views of `database`, sorted by name. SQLite's own (`sqlite_…`) are left out.
///
/// Reads every page once. Errors: as [`backup`](super::backup()) gives them for the database.
pub fn describe(database: &Path) -> Result<Vec<Table>> {
    let connection = open_reader(database, BUSY_TIMEOUT)?;
    tables(&connection).map_err(|error| read_error(database, error))
}

fn tables(connection: &Connection) -> rusqlite::Result<Vec<Table>> {
    connection.execute_batch("BEGIN")?;
    let mut list = connection.prepare(
        "SELECT name, type FROM pragma_table_list \
         WHERE schema = 'main' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )?;
    let listed: Vec<(String, String)> =
        list.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    let mut bytes_of = connection.prepare(
        "SELECT coalesce(sum(pgsize), 0) FROM dbstat \
         WHERE aggregate = TRUE AND name IN (SELECT name FROM main.sqlite_schema WHERE tbl_name = ?1)",
    )?;
    listed
        .into_iter()
        .map(|(name, kind)| {
            let kind = match kind.as_str() {
                "view" => TableKind::View,
                "virtual" => TableKind::Virtual,
                "shadow" => TableKind::Shadow,
                _ => TableKind::Table,
            };
            let (mut rows, mut bytes) = (None, None);
            if matches!(kind, TableKind::Table | TableKind::Shadow) {
                let count = format!("SELECT count(*) FROM main.{}", quoted(&name));
                rows = Some(connection.query_row(&count, [], |row| row.get(0).map(i64::unsigned_abs))?);
                bytes = Some(bytes_of.query_row([&name], |row| row.get(0).map(i64::unsigned_abs))?);
            }
            Ok(Table { name, kind, rows, bytes })
        })
        .collect()
}
