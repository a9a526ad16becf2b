//! A restore that stops at any point leaves a whole database, the old one or the new one.

use super::*;
use crate::error::ErrorKind;

const ROWS: i64 = 400;

/// A folder with an old database that has something of its state beside its file, and an image of a new one.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The old database's last transaction is in its log alone.
    fn with_log() -> Self {
        let place = Place { folder: tempfile::tempdir().unwrap() };
        let writer = fill(&place.at("made.db"), "old", "wal");
        writer.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); UPDATE t SET generation = 'older'").unwrap();
        writer.execute_batch("UPDATE t SET generation = 'old'").unwrap();
        place.take_over(writer, "-wal")
    }

    /// A transaction of the old database was cut off in the middle of writing its pages.
    fn with_hot_journal() -> Self {
        let place = Place { folder: tempfile::tempdir().unwrap() };
        let writer = fill(&place.at("made.db"), "old", "delete");
        writer.execute_batch("BEGIN; UPDATE t SET generation = 'torn', pad = 'x' || pad").unwrap();
        // When pages leave the cache by themselves depends on what other connections of the process keep in it; and a
        // journal becomes hot, and its first byte other than 0, only once pages go to the file.
        writer.cache_flush().unwrap();
        assert_ne!(fs::read(beside(&place.at("made.db"), "-journal")).unwrap()[0], 0);
        place.take_over(writer, "-journal")
    }

    /// Leaves the files as a crash of `writer` at this moment would, and adds the image.
    fn take_over(self, writer: Connection, suffix: &str) -> Self {
        fs::copy(self.at("made.db"), self.at("a.db")).unwrap();
        fs::copy(beside(&self.at("made.db"), suffix), beside(&self.at("a.db"), suffix)).unwrap();
        drop(writer);
        fs::remove_file(self.at("made.db")).unwrap();
        drop(fill(&self.at("image"), "new", "wal"));
        self
    }

    /// The files as they are now, with all names of `keep` taken from there instead.
    fn copy_to_new(&self, keep: &[(&str, &Path)]) -> Self {
        let copy = Place { folder: tempfile::tempdir().unwrap() };
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.folder.path().join(entry.file_name())).unwrap();
        }
        for (name, from) in keep {
            fs::copy(from, copy.at(name)).unwrap();
        }
        copy
    }

    /// What the database at the target is, looked at as an application would.
    fn state(&self) -> Result<String, String> {
        let read = || -> rusqlite::Result<(String, i64, i64, String)> {
            let connection = Connection::open_with_flags(self.at("a.db"), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            let check = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
            connection.query_row("SELECT min(generation), count(*), count(DISTINCT generation) FROM t", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, check))
            })
        };
        match read() {
            Ok((state, ROWS, 1, check)) if check == "ok" => Ok(state),
            other => Err(format!("{other:?}")),
        }
    }
}

fn fill(path: &Path, generation: &str, mode: &str) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |_| Ok(())).unwrap();
    // The new database has other pages at other places than the old one.
    let pad = if generation == "new" { 700 } else { 300 };
    connection
        .execute_batch(&format!(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, generation TEXT, pad TEXT); CREATE INDEX i ON t(generation, id);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
             INSERT INTO t SELECT i, '{generation}', hex(zeroblob({pad})) FROM n"
        ))
        .unwrap();
    connection
}

const STEPS: [Step; 8] = [
    Step::ImageChecked,
    Step::ImageSynced,
    Step::Settled,
    Step::BesideRemoved,
    Step::FolderReady,
    Step::Renamed,
    Step::FolderSynced,
    Step::Released,
];

fn crash_everywhere(place: Place, suffix: &str) {
    let beside_name = format!("a.db{suffix}");
    let original = place.copy_to_new(&[]);
    let leftover = original.at(&beside_name);
    assert_ne!(fs::metadata(&leftover).unwrap().len(), 0);
    assert_eq!(place.copy_to_new(&[]).state().unwrap(), "old");
    let mut steps = Vec::new();
    restore_watched(&place.at("image"), &place.at("a.db"), Duration::ZERO, &mut |step| {
        steps.push(step);
        let expected = if steps.contains(&Step::Renamed) { "new" } else { "old" };
        assert_eq!(place.copy_to_new(&[]).state().unwrap(), expected, "{step:?}");
        // Until the folder is synced, a loss of power may bring back what was removed beside the database.
        if !steps.contains(&Step::FolderReady) {
            let lost = place.copy_to_new(&[(&beside_name, &leftover)]);
            assert_eq!(lost.state().unwrap(), "old", "{step:?}, removal lost");
        }
    })
    .unwrap();
    assert_eq!(steps, STEPS);
    assert_eq!(place.state().unwrap(), "new");

    // The negative control: the order that this one avoids, the rename before the removal, is seen to destroy.
    let naive = original.copy_to_new(&[("a.db", &original.at("image"))]);
    assert_ne!(naive.state(), Ok("new".to_owned()), "a stale {suffix} must do harm, or this test shows nothing");
}

#[test]
fn a_restore_over_a_log_leaves_a_whole_database_at_every_point() {
    crash_everywhere(Place::with_log(), "-wal");
}

#[test]
fn a_restore_over_a_hot_journal_leaves_a_whole_database_at_every_point() {
    crash_everywhere(Place::with_hot_journal(), "-journal");
}

#[test]
fn what_others_begin_beside_the_new_database_is_not_touched() {
    let place = Place::with_log();
    restore_watched(&place.at("image"), &place.at("a.db"), Duration::ZERO, &mut |step| {
        if step == Step::Renamed {
            for suffix in BESIDE {
                fs::write(beside(&place.at("a.db"), suffix), "of the new database").unwrap();
            }
        }
    })
    .unwrap();
    for suffix in BESIDE {
        assert_eq!(fs::read(beside(&place.at("a.db"), suffix)).unwrap(), b"of the new database", "{suffix}");
    }
}

#[test]
fn nobody_gets_at_the_old_database_between_its_settling_and_the_rename() {
    let place = Place::with_log();
    let mut tried = 0;
    restore_watched(&place.at("image"), &place.at("a.db"), Duration::ZERO, &mut |step| {
        if matches!(step, Step::Settled | Step::BesideRemoved | Step::FolderReady) {
            let other = Connection::open(place.at("a.db")).unwrap();
            other.busy_timeout(Duration::ZERO).unwrap();
            for sql in ["SELECT count(*) FROM t", "UPDATE t SET pad = ''", "PRAGMA journal_mode = WAL"] {
                let error = other.query_row(sql, [], |_| Ok(())).unwrap_err();
                assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy), "{step:?}: {sql}");
                tried += 1;
            }
        }
    })
    .unwrap();
    assert_eq!(tried, 9);
    assert_eq!(place.state().unwrap(), "new");
}

#[test]
fn a_restore_that_fails_gives_the_old_database_back_as_it_was() {
    let place = Place::with_log();
    let error = restore_watched(&place.at("image"), &place.at("a.db"), Duration::ZERO, &mut |step| {
        if step == Step::FolderReady {
            fs::remove_file(place.at("image")).unwrap();
        }
    })
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(matches!(error, Error::Target { .. }), "{error}");
    assert_eq!(place.state().unwrap(), "old");
    let connection = Connection::open(place.at("a.db")).unwrap();
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}
