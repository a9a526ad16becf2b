//! The text dump: SQL that makes the database again, byte for byte as the `sqlite3` shell's `.dump` writes it.
//!
//! The model is the shell 3.40 of Debian 12. What follows from that:
//! - Rows are in the order in which SQLite itself scans the table, and rowids that no column names are not kept.
//! - Indexes, triggers and views come after all tables, in the order in which they were made.
//! - A virtual table's entry goes straight into the schema; its shadow tables are dumped like any others.
//! - A text is cut at a NUL. [`Dump::texts_cut`] counts these, because the dump does not say so itself.
//!
//! It differs in two cases, where the shell's dump could not be loaded or would load a part: a view, index or trigger
//! whose text ends inside a `/*` comment has it closed, and a database that cannot be read to its end is an error.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use rusqlite::{Connection, Row};

use super::literal::{append_quoted, append_value, identifier, quoted};
use super::open::{BUSY_TIMEOUT, open_reader, read_error};
use crate::error::{Error, Result};

/// What was dumped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dump {
    /// Rows written.
    pub rows: u64,
    /// Texts with a NUL inside, of which the dump has only what stands before it.
    pub texts_cut: u64,
}

/// Writes the text dump of `database` to `out`. Memory is bounded by the largest row, not by the database.
///
/// All is read in one transaction. Where reading fails in the middle the dump ends with a `ROLLBACK`, so that loading
/// it changes nothing, and the error is given.
///
/// Errors: as [`backup`](super::backup()) gives them for the database; `Target` where `out` fails.
pub fn dump_sql(database: &Path, out: &mut dyn Write) -> Result<Dump> {
    dump_of(database, None, out)
}

/// [`dump_sql`], but only of the table or view `name`, with its indexes and triggers. Errors also: `NotFound`.
pub fn dump_table(database: &Path, name: &str, out: &mut dyn Write) -> Result<Dump> {
    let connection = open_reader(database, BUSY_TIMEOUT)?;
    let known = connection.query_row(
        "SELECT count(*) FROM main.sqlite_schema WHERE name = ?1 AND type IN ('table', 'view')",
        [name],
        |row| row.get::<_, i64>(0),
    );
    match known.map_err(|error| read_error(database, error))? {
        0 => Err(Error::NotFound(format!("the database has no table {name:?}"))),
        _ => dump_of(database, Some(name), out),
    }
}

/// The digest of what [`dump_table`] writes: it changes where the table's definition or rows do.
pub fn digest_of(database: &Path, name: &str) -> Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    dump_table(database, name, &mut hasher)?;
    Ok(*hasher.finalize().as_bytes())
}

fn dump_of<'a>(database: &Path, only: Option<&'a str>, out: &'a mut dyn Write) -> Result<Dump> {
    let connection = open_reader(database, BUSY_TIMEOUT)?;
    let out = BufWriter::with_capacity(1 << 16, out);
    let mut writer = Writer { out, only, line: Vec::new(), done: Dump::default() };
    let outcome = match writer.dump(&connection) {
        Ok(()) => writer.put(b"COMMIT;\n"),
        Err(failure) => {
            // A reader gone away cannot be told; the first failure is the one to report.
            let _ = writer.put(b"ROLLBACK; -- due to errors\n").and_then(|()| Ok(writer.out.flush()?));
            Err(failure)
        }
    };
    outcome.and_then(|()| Ok(writer.out.flush()?)).map_err(|failure| failure.into_error(database))?;
    Ok(writer.done)
}

/// Which side failed.
enum Failure {
    Database(rusqlite::Error),
    Out(io::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Failure::Database(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Out(error)
    }
}

impl Failure {
    fn into_error(self, database: &Path) -> Error {
        match self {
            Failure::Database(error) => read_error(database, error),
            Failure::Out(error) => Error::target(format!("the text dump of {}", database.display()), error),
        }
    }
}

struct Writer<'a> {
    out: BufWriter<&'a mut (dyn Write + 'a)>,
    /// Only what belongs to this table.
    only: Option<&'a str>,
    /// The statement that is being put together, kept for its allocation.
    line: Vec<u8>,
    done: Dump,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.out.write_all(bytes)?)
    }

    /// Everything but the last line.
    fn dump(&mut self, connection: &Connection) -> Result<(), Failure> {
        self.put(b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n")?;
        connection.execute_batch("BEGIN")?;
        let mut virtual_tables = false;
        let mut tables = connection.prepare(
            "SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND sql NOT NULL \
             AND tbl_name = coalesce(?1, tbl_name) ORDER BY tbl_name = 'sqlite_sequence', rowid",
        )?;
        let mut rows = tables.query([self.only])?;
        while let Some(row) = rows.next()? {
            self.table(connection, &text(row, 0)?, bytes(row, 1)?, &mut virtual_tables)?;
        }
        let mut others = connection.prepare(
            "SELECT sql FROM main.sqlite_schema WHERE sql NOT NULL AND type IN ('index', 'trigger', 'view') \
             AND tbl_name = coalesce(?1, tbl_name) ORDER BY rowid",
        )?;
        let mut rows = others.query([self.only])?;
        while let Some(row) = rows.next()? {
            let sql = bytes(row, 0)?;
            self.put(sql)?;
            // Where two dashes stand anywhere, the shell does not look whether a comment begins there.
            let dashes = sql.windows(2).any(|window| window == b"--");
            self.put(match closing(sql) {
                b"*/;\n" => b"*/;\n",
                _ if dashes => b"\n;\n",
                other => other,
            })?;
        }
        if virtual_tables {
            self.put(b"PRAGMA writable_schema=OFF;\n")?;
        }
        Ok(())
    }

    /// One table: what makes it, and its rows.
    fn table(
        &mut self,
        connection: &Connection,
        name: &str,
        sql: &[u8],
        virtual_tables: &mut bool,
    ) -> Result<(), Failure> {
        let statistics = name.strip_prefix("sqlite_stat").is_some_and(|rest| rest.chars().count() == 1);
        if name == "sqlite_sequence" {
            self.put(b"DELETE FROM sqlite_sequence;\n")?;
        } else if statistics {
            self.put(b"ANALYZE sqlite_schema;\n")?;
        } else if name.starts_with("sqlite_") {
            return Ok(());
        } else if sql.starts_with(b"CREATE VIRTUAL TABLE") {
            if !std::mem::replace(virtual_tables, true) {
                self.put(b"PRAGMA writable_schema=ON;\n")?;
            }
            return self.virtual_table(name, sql);
        } else {
            self.create_table(sql)?;
        }
        self.rows(connection, name)
    }

    fn virtual_table(&mut self, name: &str, sql: &[u8]) -> Result<(), Failure> {
        self.line.clear();
        self.line.extend_from_slice(b"INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table',");
        append_quoted(&mut self.line, name.as_bytes());
        self.line.push(b',');
        append_quoted(&mut self.line, name.as_bytes());
        self.line.extend_from_slice(b",0,");
        append_quoted(&mut self.line, sql);
        self.line.extend_from_slice(b");\n");
        Ok(self.out.write_all(&self.line)?)
    }

    /// What makes an ordinary table.
    fn create_table(&mut self, sql: &[u8]) -> Result<(), Failure> {
        match sql.strip_prefix(b"CREATE TABLE ") {
            // Shadow tables are made with quoted names, and exist already where their virtual table made them.
            Some(rest) if rest.starts_with(b"'") || rest.starts_with(b"\"") => {
                self.put(b"CREATE TABLE IF NOT EXISTS ")?;
                self.put(rest)?;
            }
            _ => self.put(sql)?,
        }
        self.put(closing(sql))
    }

    fn rows(&mut self, connection: &Connection, name: &str) -> Result<(), Failure> {
        // Generated columns are not among these: they cannot be inserted.
        let mut columns = connection.prepare("SELECT name FROM pragma_table_info(?1, 'main')")?;
        let columns: Vec<String> =
            columns.query_map([name], |row| Ok(quoted(&text(row, 0)?)))?.collect::<rusqlite::Result<_>>()?;
        if columns.is_empty() {
            return Ok(());
        }
        let mut select = connection.prepare(&format!("SELECT {} FROM main.{}", columns.join(","), quoted(name)))?;
        let insert = format!("INSERT INTO {} VALUES(", identifier(name));
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            self.line.clear();
            self.line.extend_from_slice(insert.as_bytes());
            for column in 0..columns.len() {
                if column > 0 {
                    self.line.push(b',');
                }
                self.done.texts_cut += u64::from(append_value(&mut self.line, row.get_ref(column)?));
            }
            self.line.extend_from_slice(b");\n");
            self.out.write_all(&self.line)?;
            self.done.rows += 1;
        }
        Ok(())
    }
}

/// A column of the schema as text.
fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    row.get(column)
}

/// A column of the schema as the bytes that it has.
fn bytes<'row>(row: &'row Row<'_>, column: usize) -> rusqlite::Result<&'row [u8]> {
    Ok(row.get_ref(column)?.as_bytes_or_null()?.unwrap_or_default())
}

/// What ends the statement `sql`: a comment that is open at its end is closed before.
fn closing(sql: &[u8]) -> &'static [u8] {
    let mut rest = sql;
    loop {
        let (open, close): (usize, &[u8]) = match rest {
            [] => return b";\n",
            [b'-', b'-', ..] => (2, b"\n"),
            [b'/', b'*', ..] => (2, b"*/"),
            [b'[', ..] => (1, b"]"),
            [quote @ (b'\'' | b'"' | b'`'), ..] => (1, std::slice::from_ref(quote)),
            [_, after @ ..] => {
                rest = after;
                continue;
            }
        };
        let inner = rest.get(open..).unwrap_or_default();
        match inner.windows(close.len()).position(|window| window == close) {
            Some(at) => rest = inner.get(at + close.len()..).unwrap_or_default(),
            None if close == b"\n" => return b"\n;\n",
            None if close == b"*/" => return b"*/;\n",
            None => return b";\n",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_that_is_open_at_the_end_is_closed() {
        for open in ["SELECT 1 -- x", "--", "'it''s' --'", "/* -- */ -- y", "[--] --", "--\n--", "-- /* x"] {
            assert_eq!(closing(open.as_bytes()), b"\n;\n", "{open}");
        }
        for open in ["/* --", "1 /*/", "-- x\n/* \n"] {
            assert_eq!(closing(open.as_bytes()), b"*/;\n", "{open}");
        }
        for closed in ["", "SELECT 1", "'--'", "\"--", "`--`", "[--]", "-- x\n1", "/* -- */", "1 - -1", "-", "'/*'"] {
            assert_eq!(closing(closed.as_bytes()), b";\n", "{closed}");
        }
    }
}
