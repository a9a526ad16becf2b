//! A consistent copy of a database that may be in use.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::backup::{Backup as Copying, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::open::{BUSY_TIMEOUT, Header, beside, open_reader, read_error, read_header, write_error};
use crate::error::{Error, Result};

/// Pages are copied in steps of about this many bytes where copying keeps writers out, so that they get a turn.
const STEP_BYTES: i64 = 64 * 1024 * 1024;

/// How often the copying may begin again because somebody wrote; after that it is done in one step.
const RESTARTS_MAX: u32 = 3;

/// Page size of a database that has no pages yet, bytes.
const DEFAULT_PAGE_SIZE: u32 = 4096;

/// A copy, as its own header tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Bytes in a page: a power of two, 512 to 65,536.
    pub page_size: u32,
    /// Pages in the copy; zero where the database has never been written to.
    pub pages: u64,
    /// `PRAGMA user_version`: the schema's version in the application's own counting.
    pub user_version: i32,
    /// `PRAGMA application_id`.
    pub application_id: i32,
    /// `wal`, or `delete` for every mode with a rollback journal: the others are not properties of the file.
    pub journal_mode: String,
    /// The version of SQLite that made the copy.
    pub sqlite_version: String,
}

/// Copies `database` into the new file `staging`, as it is after some transaction's end, while others may use it.
///
/// The copy is complete in itself: what the database has in its `-wal` is in the copy's pages, and it opens in the
/// same journal mode. An unchanged database gives the same bytes every time. The copy's header differs from the
/// database's in its counters (change counter, schema cookie, version that wrote last), which begin anew.
/// Only its owner may read it. It is not synced: it is meant to be read, stored and removed.
///
/// Writers wait for at most a step of 64 MiB while the database is in a rollback mode (longer where they have undone
/// the copying three times), and never in write-ahead mode.
///
/// Errors, after which `staging` is not there: `NotFound`; `Refused` where it is no database or is encrypted; `Source`
/// where it cannot be read; `Busy` where it stays locked for 30 seconds; `Damaged`; `Target` where `staging` exists or
/// cannot be written.
pub fn backup(database: &Path, staging: &Path) -> Result<Backup> {
    backup_within(database, staging, BUSY_TIMEOUT)
}

/// [`backup`], waiting up to `timeout` for each lock.
fn backup_within(database: &Path, staging: &Path, timeout: Duration) -> Result<Backup> {
    let source = open_reader(database, timeout)?;
    let options = OpenOptions::new().write(true).create_new(true).mode(0o600).to_owned();
    options.open(staging).map_err(|error| Error::target(staging, error))?;
    copy(&source, database, staging).and_then(|()| inspect(staging)).inspect_err(|_| {
        // The failure that led here is the one to report.
        for path in [staging.to_owned(), beside(staging, "-journal"), beside(staging, "-wal"), beside(staging, "-shm")]
        {
            let _ = fs::remove_file(path);
        }
    })
}

fn copy(source: &Connection, database: &Path, staging: &Path) -> Result<()> {
    let path = std::path::absolute(staging).map_err(|error| Error::target(staging, error))?;
    let mut copy = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .map_err(|error| write_error(staging, error))?;
    // A copy that breaks off is thrown away, so it needs neither a journal nor syncing.
    copy.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        .map_err(|error| write_error(staging, error))?;
    let pragma = |name: &str| source.pragma_query_value(None, name, |row| row.get(0));
    let page_size: i64 = pragma("page_size").map_err(|error| read_error(database, error))?;
    let mode: String = source
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .map_err(|error| read_error(database, error))?;
    let step = if mode == "wal" { -1 } else { (STEP_BYTES / page_size.max(1)) as i32 };
    run(source, &mut copy, step).map_err(|failure| match failure {
        Failure::Busy => Error::Busy(format!("{} stays locked by another connection; try again", database.display())),
        Failure::Sqlite(error) => match fs::metadata(database) {
            // SQLite does not say which of the two files failed.
            Ok(_) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => write_error(staging, error),
            _ => read_error(database, error),
        },
    })?;
    copy.close().map_err(|(_, error)| write_error(staging, error))
}

enum Failure {
    Busy,
    Sqlite(rusqlite::Error),
}

/// Copies all pages, `step` at a time (−1: all at once).
fn run(source: &Connection, copy: &mut Connection, step: i32) -> Result<(), Failure> {
    let copying = Copying::new(source, copy).map_err(Failure::Sqlite)?;
    let (mut restarts, mut remaining) = (0, i32::MAX);
    loop {
        let step = if restarts < RESTARTS_MAX { step } else { -1 };
        match copying.step(step).map_err(Failure::Sqlite)? {
            StepResult::Done => return Ok(()),
            StepResult::More => {
                let now = copying.progress().remaining;
                restarts += u32::from(now >= remaining);
                remaining = now;
            }
            // SQLite has waited for as long as the connection's timeout says.
            _ => return Err(Failure::Busy),
        }
    }
}

/// Reads what the finished copy says of itself.
fn inspect(staging: &Path) -> Result<Backup> {
    let len = fs::metadata(staging).map_err(|error| Error::target(staging, error))?.len();
    let header = read_header(staging)?.unwrap_or(Header {
        page_size: DEFAULT_PAGE_SIZE,
        wal: false,
        user_version: 0,
        application_id: 0,
    });
    Ok(Backup {
        page_size: header.page_size,
        pages: len / u64::from(header.page_size),
        user_version: header.user_version,
        application_id: header.application_id,
        journal_mode: if header.wal { "wal" } else { "delete" }.to_owned(),
        sqlite_version: rusqlite::version().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_database_that_stays_locked_is_busy_and_leaves_no_copy() {
        let folder = tempfile::tempdir().unwrap();
        let (database, staging) = (folder.path().join("a.db"), folder.path().join("copy"));
        let holder = Connection::open(&database).unwrap();
        holder.execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES(1); BEGIN EXCLUSIVE").unwrap();
        let error = backup_within(&database, &staging, Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        assert!(!staging.exists());
        holder.execute_batch("ROLLBACK").unwrap();
        assert_eq!(backup_within(&database, &staging, Duration::ZERO).unwrap().pages, 2);
    }

    #[test]
    fn a_writer_between_every_two_steps_does_not_keep_the_copying_from_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("a.db");
        let writer = Connection::open(&database).unwrap();
        writer.execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES(zeroblob(100000))").unwrap();
        let source = Connection::open(&database).unwrap();
        // The hook runs when SQLite asks for the next page's lock: a write that falls between two steps.
        let mut copy = Connection::open_in_memory().unwrap();
        let copying = Copying::new(&source, &mut copy).unwrap();
        assert_eq!(copying.step(5).unwrap(), StepResult::More);
        let before = copying.progress().remaining;
        writer.execute_batch("INSERT INTO t VALUES(zeroblob(50000))").unwrap();
        assert_eq!(copying.step(5).unwrap(), StepResult::More);
        assert!(copying.progress().remaining >= before, "a restart shows as no progress");
        drop(copying);
        run(&source, &mut copy, 5).map_err(|_| "failed").unwrap();
        let rows: i64 = copy.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 2);
    }
}
