//! SQLite databases: copied while in use, and put back.

#[path = "support/skipped.rs"]
mod skipped;
mod sqlite_common;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rusqlite::Connection;
use snaphold::error::{Error, ErrorKind};
use snaphold::source::sqlite::{TableKind, backup, describe, restore_file};
use sqlite_common::{SHELL_NAME, create, folder_names, query, shell};

const ACCOUNTS: i64 = 500;

fn bank(path: &Path, journal_mode: &str) -> Connection {
    let bank = create(
        path,
        &format!(
            "PRAGMA journal_mode = {journal_mode}; PRAGMA synchronous = OFF;
             CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER, note TEXT);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ACCOUNTS})
             INSERT INTO account SELECT i, 1000, hex(zeroblob(200)) FROM n;"
        ),
    );
    bank.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
    bank
}

/// Moves money at random until told to stop; every transaction keeps the sum. Counts its transactions.
fn trade(path: &Path, stop: &AtomicBool, count: &AtomicU64) {
    let bank = Connection::open(path).unwrap();
    bank.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
    bank.execute_batch("PRAGMA synchronous = OFF").unwrap();
    let mut state = 1u64;
    while !stop.load(Ordering::Relaxed) {
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as i64 % ACCOUNTS + 1
        };
        let (from, to) = (next(), next());
        bank.execute_batch(&format!(
            "BEGIN IMMEDIATE;
             UPDATE account SET balance = balance - 7 WHERE id = {from};
             UPDATE account SET balance = balance + 7 WHERE id = {to};
             COMMIT"
        ))
        .unwrap();
        count.fetch_add(1, Ordering::Relaxed);
    }
}

fn copies_keep_the_sum(journal_mode: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.db");
    let bank = bank(&path, journal_mode);
    let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| trade(&path, &stop, &count));
        for round in 0..20 {
            // So that every copy has another state to tell from the one before.
            let before = count.load(Ordering::Relaxed);
            while count.load(Ordering::Relaxed) < before + 5 {
                std::thread::yield_now();
            }
            let copy = folder.path().join(format!("copy-{round}"));
            let report = backup(&path, &copy);
            if report.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            assert_eq!(report.unwrap().journal_mode, journal_mode);
            let rows = query(&copy, "SELECT sum(balance), count(*), group_concat(balance) FROM account");
            assert_eq!(rows[0][0], (ACCOUNTS * 1000).into(), "round {round}");
            assert_eq!(rows[0][1], ACCOUNTS.into());
            assert_eq!(query(&copy, "PRAGMA integrity_check"), [["ok".to_owned().into()]]);
            seen.push(rows[0][2].clone());
        }
        stop.store(true, Ordering::Relaxed);
    });
    seen.dedup();
    assert_eq!(seen.len(), 20, "the writer must have been at work between the copies");
    drop(bank);
}

#[test]
fn copies_of_a_busy_database_in_write_ahead_mode_are_consistent() {
    copies_keep_the_sum("wal");
}

#[test]
fn copies_of_a_busy_database_in_rollback_mode_are_consistent() {
    copies_keep_the_sum("delete");
}

#[test]
fn copies_are_consistent_while_another_process_writes() {
    use std::io::Write;
    let Some(_) = shell("copies_are_consistent_while_another_process_writes") else { return };
    for journal_mode in ["wal", "delete"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bank.db");
        drop(bank(&path, journal_mode));
        let mut other =
            std::process::Command::new(SHELL_NAME).arg(&path).stdin(std::process::Stdio::piped()).spawn().unwrap();
        let mut input = other.stdin.take().unwrap();
        let writer = std::thread::spawn(move || {
            input.write_all(b".timeout 30000\nPRAGMA synchronous = OFF;\n").unwrap();
            for n in 0.. {
                let (from, to) = (n % ACCOUNTS + 1, n * 7 % ACCOUNTS + 1);
                let sql = format!(
                    "BEGIN IMMEDIATE; UPDATE account SET balance = balance - 1 WHERE id = {from};
                     UPDATE account SET balance = balance + 1, note = note || '+' WHERE id = {to}; COMMIT;\n"
                );
                // Until the other process is gone.
                if input.write_all(sql.as_bytes()).is_err() {
                    return;
                }
            }
        });
        let mut written = 0;
        for round in 0..5 {
            let (copy, before) = (folder.path().join(format!("copy-{round}")), written);
            // Again until the other process has written since the last copy.
            while written == before {
                let _ = fs::remove_file(&copy);
                backup(&path, &copy).unwrap();
                let rows = query(&copy, "SELECT sum(balance), sum(length(note)) FROM account");
                assert_eq!(rows[0][0], (ACCOUNTS * 1000).into(), "{journal_mode}");
                let rusqlite::types::Value::Integer(now) = rows[0][1] else { panic!("{rows:?}") };
                written = now;
            }
        }
        other.kill().unwrap();
        other.wait().unwrap();
        writer.join().unwrap();
    }
}

/// The negative control of the tests above: what a plain copy of the file misses, the check sees.
#[test]
fn a_plain_copy_of_the_file_is_not_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.db");
    let bank = bank(&path, "wal");
    bank.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); UPDATE account SET balance = 1 WHERE id = 1").unwrap();
    let (plain, proper) = (folder.path().join("plain"), folder.path().join("proper"));
    backup(&path, &proper).unwrap();
    fs::copy(&path, &plain).unwrap();
    let balance = "SELECT balance FROM account WHERE id = 1";
    assert_eq!(query(&proper, balance), [[1.into()]]);
    assert_eq!(query(&plain, balance), [[1000.into()]]);
}

#[test]
fn an_unchanged_database_gives_the_same_bytes_again() {
    for journal_mode in ["wal", "delete"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bank.db");
        let bank = bank(&path, journal_mode);
        let copy = |name: &str| {
            let copy = folder.path().join(name);
            let report = backup(&path, &copy).unwrap();
            (fs::read(copy).unwrap(), report)
        };
        let first = copy("1");
        assert!(first == copy("2"), "{journal_mode}: twice in a row");
        bank.query_row("SELECT count(*) FROM account", [], |_| Ok(())).unwrap();
        drop(bank);
        assert!(first == copy("3"), "{journal_mode}: after the last connection has closed");
        let bank = Connection::open(&path).unwrap();
        bank.execute_batch("UPDATE account SET balance = 5 WHERE id = 9").unwrap();
        assert!(first.0 != copy("4").0, "{journal_mode}: after a change");
        assert_eq!(first.1.page_size, 4096);
        assert_eq!(first.1.pages * 4096, first.0.len() as u64);
    }
}

#[test]
fn a_copy_tells_the_properties_of_the_database_and_leaves_nothing_beside_either() {
    for (page_size, encoding) in [(512, "UTF-8"), (4096, "UTF-16le"), (65536, "UTF-16be")] {
        for journal_mode in ["wal", "delete"] {
            let folder = tempfile::tempdir().unwrap();
            let (path, copy) = (folder.path().join("file:a?b=c%20 é.db"), folder.path().join("copy"));
            drop(create(
                &path,
                &format!(
                    "PRAGMA page_size = {page_size}; PRAGMA encoding = '{encoding}'; PRAGMA auto_vacuum = INCREMENTAL;
                     PRAGMA journal_mode = {journal_mode}; PRAGMA user_version = -7; PRAGMA application_id = 1196444487;
                     CREATE TABLE t(a); INSERT INTO t VALUES('héllo')"
                ),
            ));
            let report = backup(&path, &copy).unwrap();
            assert_eq!(report.page_size, page_size);
            assert_eq!((report.user_version, report.application_id), (-7, 1196444487));
            assert_eq!(report.journal_mode, journal_mode);
            assert!(report.sqlite_version.starts_with("3."));
            assert_eq!(folder_names(folder.path()), ["copy", "file:a?b=c%20 é.db"]);
            assert_eq!(query(&copy, "PRAGMA journal_mode"), [[journal_mode.to_owned().into()]]);
            assert_eq!(query(&copy, "SELECT a FROM t"), [["héllo".to_owned().into()]]);
        }
    }
}

#[test]
fn a_database_without_pages_is_copied_too() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("empty.db"), folder.path().join("copy"));
    fs::write(&path, b"").unwrap();
    let report = backup(&path, &copy).unwrap();
    assert_eq!(report.journal_mode, "delete");
    assert_eq!(query(&copy, "SELECT count(*) FROM sqlite_schema"), [[0.into()]]);
    assert_eq!(report.pages * u64::from(report.page_size), fs::metadata(&copy).unwrap().len());
}

#[test]
fn what_cannot_be_copied_is_said_and_leaves_no_copy() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let good = at("good.db");
    drop(bank(&good, "delete"));
    let bytes = fs::read(&good).unwrap();
    fs::write(at("text.db"), "no database at all, but long enough to hold a header".repeat(20)).unwrap();
    fs::write(at("short.db"), &bytes[..60]).unwrap();
    fs::write(at("cut.db"), &bytes[..bytes.len() / 2]).unwrap();
    let mut garbled = bytes.clone();
    garbled[..100].fill(0xa5);
    fs::write(at("garbled.db"), &garbled).unwrap();
    fs::create_dir(at("folder.db")).unwrap();
    for (name, kind) in [
        ("missing.db", ErrorKind::NotFound),
        ("text.db", ErrorKind::Refused),
        ("short.db", ErrorKind::Damaged),
        ("garbled.db", ErrorKind::Refused),
        ("folder.db", ErrorKind::Refused),
        ("cut.db", ErrorKind::Damaged),
    ] {
        let error = backup(&at(name), &at("copy")).unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {error}");
        assert!(error.to_string().contains(name) && !error.to_string().contains('\n'), "{error}");
        assert!(!at("copy").exists(), "{name}");
    }
    fs::write(at("copy"), "mine").unwrap();
    assert!(matches!(backup(&good, &at("copy")).unwrap_err(), Error::Target { .. }));
    assert_eq!(fs::read(at("copy")).unwrap(), b"mine");
    assert!(matches!(backup(&good, &at("nowhere/copy")).unwrap_err(), Error::Target { .. }));
}

#[test]
fn a_restore_brings_the_copied_state_and_its_journal_mode_back() {
    for (first, second) in [("wal", "delete"), ("delete", "wal"), ("wal", "wal")] {
        let folder = tempfile::tempdir().unwrap();
        let (path, image) = (folder.path().join("bank.db"), folder.path().join("image"));
        drop(bank(&path, first));
        backup(&path, &image).unwrap();
        let bytes = fs::read(&image).unwrap();
        let changed = Connection::open(&path).unwrap();
        changed.execute_batch(&format!("PRAGMA journal_mode = {second}; DELETE FROM account")).unwrap();
        drop(changed);
        restore_file(&image, &path).unwrap();
        assert_eq!(folder_names(folder.path()), ["bank.db"]);
        assert!(fs::read(&path).unwrap() == bytes);
        assert_eq!(query(&path, "SELECT count(*) FROM account"), [[ACCOUNTS.into()]]);
        assert_eq!(query(&path, "PRAGMA journal_mode"), [[first.to_owned().into()]]);
    }
}

#[test]
fn a_restore_over_a_database_in_use_is_refused() {
    for (journal_mode, hold) in [
        ("wal", "SELECT count(*) FROM account"),
        ("wal", "BEGIN; SELECT count(*) FROM account"),
        ("wal", "BEGIN IMMEDIATE; UPDATE account SET balance = 3"),
        ("delete", "BEGIN EXCLUSIVE"),
        ("delete", "BEGIN IMMEDIATE; UPDATE account SET balance = 3"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (path, image) = (folder.path().join("bank.db"), folder.path().join("image"));
        let holder = bank(&path, journal_mode);
        holder.execute_batch("UPDATE account SET balance = 2").unwrap();
        backup(&path, &image).unwrap();
        holder.execute_batch(hold).unwrap();
        let error = restore_file(&image, &path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy, "{journal_mode}, {hold}: {error}");
        assert!(image.exists());
        drop(holder);
        assert_eq!(query(&path, "SELECT sum(balance) FROM account"), [[(2 * ACCOUNTS).into()]]);
        assert_eq!(query(&path, "PRAGMA journal_mode"), [[journal_mode.to_owned().into()]], "{hold}");
        restore_file(&image, &path).unwrap();
    }
}

/// An idle connection in a rollback mode holds no lock, and would go on with the old file for ever.
#[test]
fn a_restore_over_a_database_that_another_process_has_open_is_refused() {
    use std::io::{BufRead, BufReader, Write};
    let Some(_) = shell("a_restore_over_a_database_that_another_process_has_open_is_refused") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (path, image) = (folder.path().join("bank.db"), folder.path().join("image"));
    drop(bank(&path, "delete"));
    backup(&path, &image).unwrap();
    let mut other = std::process::Command::new(SHELL_NAME)
        .arg(&path)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = other.stdin.take().unwrap();
    input.write_all(b".output stdout\nSELECT count(*) FROM account;\n.print\n").unwrap();
    input.flush().unwrap();
    // An answer tells that the other process has the database open.
    let mut answer = String::new();
    let mut output = BufReader::new(other.stdout.take().unwrap());
    output.read_line(&mut answer).unwrap();
    assert_eq!(answer.trim(), ACCOUNTS.to_string());
    let error = restore_file(&image, &path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(error.to_string().contains(&other.id().to_string()), "{error}");
    drop(input);
    other.wait().unwrap();
    restore_file(&image, &path).unwrap();
}

#[test]
fn an_image_that_is_damaged_or_elsewhere_is_not_restored() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let path = at("bank.db");
    let holder = bank(&path, "wal");
    holder.execute_batch("CREATE INDEX i ON account(balance)").unwrap();
    drop(holder);
    let before = fs::read(&path).unwrap();
    backup(&path, &at("image")).unwrap();
    let image = fs::read(at("image")).unwrap();

    let check = |kind: ErrorKind, image: &Path| {
        let error = restore_file(image, &path).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(fs::read(&path).unwrap() == before);
        assert!(!error.to_string().contains('\n'), "{error}");
    };
    for (at_byte, len) in [(0, 16), (16, 2), (4096, 64), (image.len() / 2 / 4096 * 4096, 64)] {
        let mut damaged = image.clone();
        damaged[at_byte..at_byte + len].fill(0x5a);
        fs::write(at("image"), damaged).unwrap();
        check(ErrorKind::Damaged, &at("image"));
    }
    fs::write(at("image"), &image[..image.len() - 4096]).unwrap();
    check(ErrorKind::Damaged, &at("image"));
    check(ErrorKind::NotFound, &at("missing"));
    fs::create_dir(at("sub")).unwrap();
    fs::write(at("sub/image"), &image).unwrap();
    check(ErrorKind::Usage, &at("sub/image"));
    check(ErrorKind::Usage, &at("sub"));
    fs::write(at("image"), &image).unwrap();
    assert_eq!(restore_file(&at("image"), &at("sub")).unwrap_err().kind(), ErrorKind::Refused);
    assert!(at("image").exists());
}

#[test]
fn a_restore_works_where_the_target_is_absent_empty_damaged_or_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    drop(bank(&at("bank.db"), "wal"));
    let is_restored = |path: &Path| {
        assert_eq!(query(path, "SELECT count(*) FROM account"), [[ACCOUNTS.into()]]);
        assert_eq!(query(path, "PRAGMA integrity_check"), [["ok".to_owned().into()]]);
    };
    let image = || {
        backup(&at("bank.db"), &at("image")).unwrap();
        at("image")
    };
    let left = |name: &str| {
        for suffix in ["-wal", "-shm", "-journal"] {
            fs::write(at(&format!("{name}{suffix}")), "left by something else").unwrap();
        }
    };
    left("absent.db");
    restore_file(&image(), &at("absent.db")).unwrap();
    is_restored(&at("absent.db"));

    fs::write(at("empty.db"), b"").unwrap();
    left("empty.db");
    restore_file(&image(), &at("empty.db")).unwrap();
    is_restored(&at("empty.db"));

    fs::write(at("damaged.db"), vec![7; 9000]).unwrap();
    left("damaged.db");
    restore_file(&image(), &at("damaged.db")).unwrap();
    is_restored(&at("damaged.db"));

    std::os::unix::fs::symlink("damaged.db", at("link.db")).unwrap();
    restore_file(&image(), &at("link.db")).unwrap();
    assert!(at("link.db").is_symlink());
    is_restored(&at("damaged.db"));
    assert_eq!(
        folder_names(folder.path()),
        ["absent.db", "bank.db", "damaged.db", "empty.db", "link.db"],
        "nothing is left beside"
    );
}

#[test]
fn a_database_is_described_by_its_tables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    drop(create(
        &path,
        "CREATE TABLE big(a); CREATE INDEX i ON big(a); CREATE TABLE \"odd \"\" name\"(id INTEGER PRIMARY KEY AUTOINCREMENT);
         INSERT INTO \"odd \"\" name\" VALUES(1); CREATE VIEW v AS SELECT * FROM big; CREATE VIRTUAL TABLE f USING fts5(x);
         CREATE TABLE w(a PRIMARY KEY) WITHOUT ROWID;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
         INSERT INTO big SELECT hex(randomblob(8)) FROM n",
    ));
    let tables = describe(&path).unwrap();
    let find = |name: &str| tables.iter().find(|table| table.name == name).unwrap();
    assert_eq!((find("big").kind, find("big").rows), (TableKind::Table, Some(3000)));
    assert!((80_000..400_000).contains(&find("big").bytes.unwrap()), "{:?}", find("big"));
    assert_eq!(find("odd \" name").rows, Some(1));
    assert_eq!((find("w").rows, find("w").bytes), (Some(0), Some(4096)));
    assert_eq!((find("v").kind, find("v").rows, find("v").bytes), (TableKind::View, None, None));
    assert_eq!((find("f").kind, find("f").rows), (TableKind::Virtual, None));
    assert_eq!(find("f_content").kind, TableKind::Shadow);
    assert!(tables.iter().all(|table| !table.name.starts_with("sqlite_")));
    assert_eq!(describe(&folder.path().join("missing")).unwrap_err().kind(), ErrorKind::NotFound);
}

/// Pages of a copy stay at their places: what is new between two copies is what was written, not what was moved.
#[test]
fn scattered_updates_change_no_more_pages_than_rows() {
    const ROWS: i64 = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let database = create(&path, "CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER, text TEXT)");
    database
        .execute_batch(&format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
             INSERT INTO t SELECT i, 1000000 + i, hex(randomblob(100)) FROM n"
        ))
        .unwrap();
    let copy = |name: &str| {
        let path_of_copy = folder.path().join(name);
        backup(&path, &path_of_copy).unwrap();
        fs::read(path_of_copy).unwrap()
    };
    let first = copy("1");
    let updated = database.execute("UPDATE t SET n = n + 1 WHERE (id * 7919) % 100 = 0", []).unwrap();
    let second = copy("2");
    assert_eq!((updated as i64, first.len()), (ROWS / 100, second.len()));
    let changed = first.chunks(4096).zip(second.chunks(4096)).filter(|(old, new)| old != new).count();
    let bytes = first.iter().zip(&second).filter(|(old, new)| old != new).count();
    println!(
        "{updated} of {ROWS} rows updated: {changed} of {} pages of 4 KiB changed, {bytes} bytes differ",
        first.len() / 4096
    );
    assert!((1..=updated).contains(&changed), "{changed} pages");
    assert!(bytes <= 4 * updated, "{bytes} bytes");
}
