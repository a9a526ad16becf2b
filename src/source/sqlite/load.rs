//! What is loaded into a SQLite instance: a database file as it is, or SQL text that makes one.

use std::fs;
use std::io::Read;
use std::path::Path;

use rusqlite::Connection;

use crate::error::{Error, Result};

const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Makes the file at `path`, which was loaded as `file_name`, a database: nothing is to be done where it is one; SQL text
/// is run in a new database that takes its place.
pub fn make_database(path: &Path, file_name: &str) -> Result<()> {
    let failed = |error| Error::source(path, error);
    let mut head = Vec::new();
    fs::File::open(path).map_err(failed)?.take(MAGIC.len() as u64).read_to_end(&mut head).map_err(failed)?;
    if head == MAGIC {
        return Ok(());
    }
    let refused =
        |detail: String| Error::Refused(format!("{file_name} is neither a SQLite database nor SQL text: {detail}"));
    let text = String::from_utf8(fs::read(path).map_err(failed)?).map_err(|error| refused(error.to_string()))?;
    if text.trim().is_empty() {
        return Err(refused("it is empty".into()));
    }
    fs::write(path, b"").map_err(|error| Error::target(path, error))?;
    let database = Connection::open(path).map_err(|error| Error::Failed(error.to_string()))?;
    database.execute_batch(&text).map_err(|error| refused(error.to_string()))?;
    database.close().map_err(|(_, error)| Error::Failed(error.to_string()))
}
