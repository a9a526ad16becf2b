//! Opening databases, and turning SQLite's errors into ours.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::{Access, access};

use crate::error::{Error, Result};

/// How long a call waits for locks of others before it gives up.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Length of the header at the start of a database file, bytes.
pub(super) const HEADER_LEN: usize = 100;

/// In which way a database is opened for reading, the preferred first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// As the database's own programs do: what a crashed writer left is brought to an end, and nothing is left beside
    /// the file when the last connection closes.
    ReadWrite,
    /// Where the file or its folder may not be written.
    ReadOnly,
    /// Without any lock or file beside it: where not even a `-shm` may be made, and for private copies.
    Immutable,
}

/// The path of the file that SQLite keeps beside `database`: `-wal`, `-shm` or `-journal`.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Opens `database` for reading, waiting up to `timeout` for locks, and sees to it that its schema can be read.
///
/// Errors: `NotFound`, `Refused` where it is not a plain file or not a database, `Source` where it cannot be read,
/// `Busy` where others keep it locked, `Damaged`.
pub(super) fn open_reader(database: &Path, timeout: Duration) -> Result<Connection> {
    check_readable(database)?;
    let mut modes = vec![Mode::ReadWrite, Mode::ReadOnly];
    // This mode sees neither a log nor a journal, so there must be none.
    let empty = |suffix| fs::metadata(beside(database, suffix)).map_or(true, |file| file.len() == 0);
    if empty("-wal") && empty("-journal") {
        modes.push(Mode::Immutable);
    }
    let mut outcome = Err(io::Error::from(io::ErrorKind::PermissionDenied)).map_err(|e| Error::source(database, e));
    for mode in modes {
        match open_as(database, mode, timeout) {
            Ok(connection) => return Ok(connection),
            Err(error) => {
                let denied = matches!(
                    error.sqlite_error_code(),
                    Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)
                );
                outcome = Err(read_error(database, error));
                if !denied {
                    break;
                }
            }
        }
    }
    outcome
}

/// Opens `database` in one mode and reads its schema once.
pub(super) fn open_as(database: &Path, mode: Mode, timeout: Duration) -> rusqlite::Result<Connection> {
    // Absolute, because SQLite would take a relative `file:…` for a URI.
    let path = std::path::absolute(database).unwrap_or_else(|_| database.to_owned());
    let connection = match mode {
        Mode::ReadWrite => Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE),
        Mode::ReadOnly => Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY),
        Mode::Immutable => Connection::open_with_flags(
            immutable_uri(&path),
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
        ),
    }?;
    connection.busy_timeout(timeout)?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// `path` as a URI that promises that nobody changes the file.
fn immutable_uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'/' | b'.' | b'-' | b'_' => uri.push(byte.into()),
            _ => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri + "?immutable=1"
}

/// That `database` is there, a plain file, and may be read by this process, found out without opening it.
fn check_readable(database: &Path) -> Result<()> {
    let metadata = match fs::metadata(database) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::NotFound(format!("there is no database at {}", database.display())));
        }
        Err(error) => return Err(Error::source(database, error)),
    };
    if !metadata.is_file() {
        return Err(Error::Refused(format!("{} is not a file, so it is no SQLite database", database.display())));
    }
    access(database, Access::READ_OK).map_err(|error| Error::source(database, error.into()))
}

/// What an error means that came up while `database` was read.
pub(super) fn read_error(database: &Path, error: rusqlite::Error) -> Error {
    classify(database, error, |path, error| Error::Source { path, error })
}

/// What an error means that came up while `database` was written.
pub(super) fn write_error(database: &Path, error: rusqlite::Error) -> Error {
    classify(database, error, |path, error| Error::Target { path, error })
}

fn classify(database: &Path, error: rusqlite::Error, medium: fn(PathBuf, io::Error) -> Error) -> Error {
    let shown = database.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            Error::Refused(format!("{shown} is not an SQLite database, or it is encrypted"))
        }
        Some(ErrorCode::DatabaseCorrupt) => Error::damaged(shown, format!("SQLite says: {error}")),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            Error::Busy(format!("{shown} is locked by another connection; try again when it is done"))
        }
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
            | ErrorCode::SystemIoFailure
            | ErrorCode::DiskFull,
        ) => medium(database.to_owned(), io::Error::other(error)),
        _ => Error::Failed(format!("SQLite failed on {shown}: {error}")),
    }
}

/// The fields of a database file's header that a snapshot records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes in a page: a power of two, 512 to 65,536.
    pub page_size: u32,
    /// Whether the database is in write-ahead mode.
    pub wal: bool,
    /// `PRAGMA user_version`.
    pub user_version: i32,
    /// `PRAGMA application_id`.
    pub application_id: i32,
}

/// Reads the header of a private copy (see the module's note on locks); `None` where the file is empty, which SQLite
/// takes for a database without tables.
pub(super) fn read_header(copy: &Path) -> Result<Option<Header>> {
    let mut bytes = Vec::with_capacity(HEADER_LEN);
    let file = File::open(copy).map_err(|error| Error::source(copy, error))?;
    file.take(HEADER_LEN as u64).read_to_end(&mut bytes).map_err(|error| Error::source(copy, error))?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let header = parse_header(&bytes);
    header.map(Some).ok_or_else(|| Error::Refused(format!("{} is not an SQLite database", copy.display())))
}

fn parse_header(bytes: &[u8]) -> Option<Header> {
    let be_i32 = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(i32::from_be_bytes);
    if bytes.get(..16)? != b"SQLite format 3\0" || bytes.len() < HEADER_LEN {
        return None;
    }
    let page_size = match u16::from_be_bytes(bytes.get(16..18)?.try_into().ok()?) {
        1 => 65536,
        size if size >= 512 && size.is_power_of_two() => size.into(),
        _ => return None,
    };
    let wal = *bytes.get(18)? == 2;
    Some(Header { page_size, wal, user_version: be_i32(60)?, application_id: be_i32(68)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_reads_the_same_and_immutable_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("file:a %41?mode=memory#é.db");
        let writer = Connection::open(&database).unwrap();
        writer.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(a); INSERT INTO t VALUES(7)").unwrap();
        drop(writer);
        for mode in [Mode::Immutable, Mode::ReadWrite, Mode::ReadOnly] {
            let connection = open_as(&database, mode, Duration::ZERO).unwrap();
            let value: i64 = connection.query_row("SELECT a FROM t", [], |row| row.get(0)).unwrap();
            assert_eq!(value, 7);
            assert_eq!(beside(&database, "-shm").exists(), mode != Mode::Immutable, "{mode:?}");
            let written = connection.execute("INSERT INTO t VALUES(8)", []).is_ok();
            assert_eq!(written, mode == Mode::ReadWrite);
            connection.execute("DELETE FROM t WHERE a = 8", []).ok();
        }
    }

    #[test]
    fn a_header_tells_the_page_size_and_the_mode_or_is_none() {
        let mut header = [0; HEADER_LEN];
        header[..16].copy_from_slice(b"SQLite format 3\0");
        header[18] = 1;
        for (stored, page_size) in [([2, 0], 512), ([16, 0], 4096), ([0, 1], 65536)] {
            header[16..18].copy_from_slice(&stored);
            let parsed = parse_header(&header).unwrap();
            assert_eq!((parsed.page_size, parsed.wal), (page_size, false));
        }
        for wrong in [[0, 0], [1, 0], [16, 1], [0, 2], [255, 255]] {
            header[16..18].copy_from_slice(&wrong);
            assert_eq!(parse_header(&header), None, "{wrong:?}");
        }
        assert_eq!(parse_header(&header[..99]), None);
        assert_eq!(parse_header(&[]), None);
    }
}
