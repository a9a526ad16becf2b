//! Putting a database file in the place of another.
//!
//! A database is more than its file: a `-wal` or `-journal` beside it belongs to it by name alone, and SQLite would
//! play one that the old file left into the new file. So the order is:
//!
//! 1. Check the image, and sync it.
//! 2. Settle the old database: make it whole in its one file (a hot journal is rolled back, the write-ahead log
//!    brought in and removed by leaving that mode) and hold it locked, so that nobody can begin a new log.
//! 3. Remove what still stands beside it, and sync the folder: from here on nothing that belongs to the old file can
//!    come back, not even after a loss of power.
//! 4. Rename the image over it, and sync the folder.
//! 5. Let go of the old file, which has no name any more.
//!
//! At every point in between there is one whole database at the name, the old one or the new one, and no log or
//! journal beside it that is not its own. What can be left of a restore that was cut short is the old database, whole,
//! in rollback mode instead of write-ahead mode.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::open::{Mode, beside, open_as, write_error};
use crate::error::{Error, Result};

/// How long the restore waits for others to finish with the target.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// Files that SQLite keeps beside a database.
const BESIDE: [&str; 3] = ["-wal", "-journal", "-shm"];

/// A point of the restore. Tests look at the files at each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    ImageChecked,
    ImageSynced,
    Settled,
    BesideRemoved,
    FolderReady,
    Renamed,
    FolderSynced,
    Released,
}

/// Puts the database file `image` in the place of `target`, whole or not at all.
///
/// `image` is a complete database in the same folder; it is gone afterwards. Owner and mode are those of the image: set
/// them before. `target` may be absent, empty, damaged, or a symbolic link (then the file that it points to is
/// replaced, and the image stands beside that). The restored database opens in the image's journal mode.
///
/// Errors, all of which leave the target's data as they were and the image where it is: `NotFound` where there is no
/// image; `Usage` where it is in another folder; `Damaged` where the image does not pass SQLite's check; `Busy` where
/// a connection holds the target locked or another process has it open; `Refused` where the target is no file;
/// `Target` where it cannot be written. A folder that cannot be synced after the rename is `Target` too: then the new
/// database is in its place, but may not outlast a loss of power.
///
/// Connections of this process that are open and idle on a database in a rollback mode are not noticed: the caller must
/// close its own.
pub fn restore_file(image: &Path, target: &Path) -> Result<()> {
    restore_watched(image, target, LOCK_TIMEOUT, &mut |_| {})
}

/// [`restore_file`], waiting up to `timeout` for the target's lock and telling `watch` of every step.
fn restore_watched(image: &Path, target: &Path, timeout: Duration, watch: &mut dyn FnMut(Step)) -> Result<()> {
    let target = &resolve(target)?;
    let folder = folder_of(target);
    check_place(image, target, folder)?;
    check_image(image)?;
    watch(Step::ImageChecked);
    sync(image)?;
    watch(Step::ImageSynced);
    refuse_held(target)?;
    let settled = settle(target, timeout)?;
    let outcome = replace(image, target, folder, watch);
    if outcome.is_err() {
        settled.give_back(target);
    } else {
        drop(settled);
        watch(Step::Released);
    }
    outcome
}

/// Steps 3 and 4, under the lock.
fn replace(image: &Path, target: &Path, folder: &Path, watch: &mut dyn FnMut(Step)) -> Result<()> {
    watch(Step::Settled);
    // Once more: whoever opened the target since then waits for the lock and would go on with a file without a name.
    refuse_held(target)?;
    for suffix in BESIDE {
        let path = beside(target, suffix);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::target(path, error)),
            _ => {}
        }
    }
    watch(Step::BesideRemoved);
    // Also for the log that SQLite removed: it does not sync the folder.
    sync(folder)?;
    watch(Step::FolderReady);
    fs::rename(image, target).map_err(|error| Error::target(target, error))?;
    watch(Step::Renamed);
    sync(folder)?;
    watch(Step::FolderSynced);
    Ok(())
}

/// The file that `target` names: links are followed, as SQLite follows them.
fn resolve(target: &Path) -> Result<PathBuf> {
    match fs::canonicalize(target) {
        Ok(path) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(target).is_err() => {
            std::path::absolute(target).map_err(|error| Error::target(target, error))
        }
        Err(error) => Err(Error::target(target, error)),
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn check_place(image: &Path, target: &Path, folder: &Path) -> Result<()> {
    let shown = image.display();
    let place = fs::canonicalize(image).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::NotFound(format!("there is no database image at {shown}")),
        _ => Error::target(image, error),
    })?;
    let folder = fs::canonicalize(folder).map_err(|error| Error::target(folder, error))?;
    if folder_of(&place) != folder || fs::symlink_metadata(image).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(Error::Usage(format!("the image {shown} must be a file beside {}", target.display())));
    }
    match fs::metadata(target) {
        Ok(metadata) if !metadata.is_file() => {
            Err(Error::Refused(format!("{} is not a file, so no database can be restored there", target.display())))
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::target(target, error)),
        _ => Ok(()),
    }
}

/// That the image is whole by SQLite's own check. Nothing is made beside it.
fn check_image(image: &Path) -> Result<()> {
    let check = || -> rusqlite::Result<String> {
        let connection = open_as(image, Mode::Immutable, Duration::ZERO)?;
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
    };
    match check() {
        Ok(verdict) if verdict == "ok" => Ok(()),
        Ok(verdict) => Err(Error::damaged(image.display(), verdict.replace('\n', " "))),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Err(Error::damaged(image.display(), error)),
            _ => Err(write_error(image, error)),
        },
    }
}

/// Refuses where another process has `target` open, as far as this process may see that.
fn refuse_held(target: &Path) -> Result<()> {
    let Ok(metadata) = fs::metadata(target) else { return Ok(()) };
    match other_holder(metadata.dev(), metadata.ino()) {
        None => Ok(()),
        Some(pid) => Err(Error::Busy(format!(
            "{} is open in process {pid}; end that process (or its connection), then restore again",
            target.display()
        ))),
    }
}

/// Some other process that has the file open. SQLite's locks do not tell of a connection that is idle in a rollback
/// mode; it would go on with a file without a name.
fn other_holder(device: u64, inode: u64) -> Option<u32> {
    let processes = fs::read_dir("/proc").ok()?;
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|&pid| pid != std::process::id()).find(|pid| {
        // A process of another user, or one that has just ended, cannot be looked into.
        let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        descriptors.flatten().any(|descriptor| {
            fs::metadata(descriptor.path()).is_ok_and(|open| (open.dev(), open.ino()) == (device, inode))
        })
    })
}

/// The old database, whole in one file and locked.
struct Settled {
    /// Holds the lock by an open transaction; `None` where there is no database to lock.
    lock: Option<Connection>,
    /// Whether it was in write-ahead mode.
    was_wal: bool,
}

impl Settled {
    /// Ends the lock and puts the old database back into its journal mode, as well as that goes.
    fn give_back(self, target: &Path) {
        let was_locked = self.lock.is_some();
        drop(self.lock);
        if was_locked && self.was_wal {
            // Only a convenience is lost where this fails: the data are whole in either mode.
            let _ = open_writer(target, Duration::ZERO)
                .and_then(|connection| connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())));
        }
    }
}

fn open_writer(target: &Path, timeout: Duration) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(target, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(timeout)?;
    Ok(connection)
}

/// Brings everything that belongs to `target` into its one file, and locks it.
fn settle(target: &Path, timeout: Duration) -> Result<Settled> {
    match fs::symlink_metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Settled { lock: None, was_wal: false }),
        _ => {}
    }
    let attempt = || -> rusqlite::Result<Option<Settled>> {
        let connection = open_writer(target, timeout)?;
        let mode = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, String>(0));
        connection.execute_batch("PRAGMA synchronous = EXTRA")?;
        let was_wal = mode("PRAGMA journal_mode")? == "wal";
        // Leaving write-ahead mode needs the database for itself, brings the log in, and removes it.
        let now = mode("PRAGMA journal_mode = DELETE")?;
        connection.execute_batch("BEGIN EXCLUSIVE")?;
        let alone = now == "delete" && mode("PRAGMA journal_mode")? == "delete";
        Ok(alone.then_some(Settled { lock: Some(connection), was_wal }))
    };
    let busy =
        || Error::Busy(format!("{} is in use by another connection; close it, then restore again", target.display()));
    match attempt() {
        Ok(settled) => settled.ok_or_else(busy),
        Err(error) => match error.sqlite_error_code() {
            // What is to be replaced is no database (any more): it has no state to bring in, and no lock of SQLite's.
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Ok(Settled { lock: None, was_wal: false }),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Err(busy()),
            _ => Err(write_error(target, error)),
        },
    }
}

/// Makes a file's bytes, or a folder's names, durable.
fn sync(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| Error::target(path, error))
}

#[cfg(test)]
#[path = "restore_tests.rs"]
mod tests;
