//! What the tests of SQLite databases share.
#![allow(dead_code, reason = "each test program uses a part")]

use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::skipped;

/// The program that the text dumps are compared with.
pub const SHELL_NAME: &str = "sqlite3";

/// The version of the `sqlite3` shell; `None`, and a message that names the test, where there is none.
/// Where `CI` is `true` there must be one.
pub fn shell(test: &str) -> Option<(u32, u32)> {
    let Ok(output) = Command::new(SHELL_NAME).arg("--version").output() else {
        skipped::missing(test, "the sqlite3 shell");
        return None;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let mut numbers = text.split(['.', ' ']).map(|part| part.parse().unwrap_or(0));
    Some((numbers.next().unwrap(), numbers.next().unwrap()))
}

/// Makes a database with a script.
pub fn create(path: &Path, script: &str) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(script).unwrap_or_else(|error| panic!("{error}: {script}"));
    connection
}

/// All rows of a query.
pub fn rows(connection: &Connection, sql: &str) -> Vec<Vec<Value>> {
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let read = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column)).collect();
    statement.query_map([], read).unwrap().collect::<Result<_, _>>().unwrap()
}

/// All rows of a query on a database that nobody has open.
pub fn query(path: &Path, sql: &str) -> Vec<Vec<Value>> {
    // Absolute paths only, as tests have them, so a name is never taken for a URI.
    rows(&Connection::open(path).unwrap(), sql)
}

/// The names in a folder, sorted.
pub fn folder_names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = std::fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}
