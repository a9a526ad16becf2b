//! A SQLite database and a folder that are written all the time while snapshots are taken of them: every one is whole.

#[path = "cli/program.rs"]
mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use program::Place;
use rusqlite::Connection;

const ACCOUNTS: u64 = 2000;
const EACH: i64 = 100;
const SNAPSHOTS: usize = 20;

/// A row of numbers that looks like chance, from a seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// The transfers that were made, and the sum of all balances; in words, what is wrong.
fn state(database: &Path) -> Result<(u64, i64), String> {
    let say = |error: rusqlite::Error| error.to_string();
    let database = Connection::open(database).map_err(say)?;
    let whole: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(say)?;
    if whole != "ok" {
        return Err(whole);
    }
    let sum: i64 = database.query_row("SELECT sum(balance) FROM accounts", [], |row| row.get(0)).map_err(say)?;
    let made: i64 = database.query_row("SELECT count(*) FROM transfers", [], |row| row.get(0)).map_err(say)?;
    if sum != EACH * ACCOUNTS as i64 {
        return Err(format!("the sum is {sum}"));
    }
    Ok((made.unsigned_abs(), sum))
}

fn make(database: &Path) {
    let database = Connection::open(database).unwrap();
    database.pragma_update(None, "journal_mode", "wal").unwrap();
    database
        .execute_batch(
            "CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER, note TEXT);
             CREATE INDEX by_balance ON accounts (balance);
             CREATE TABLE transfers (id INTEGER PRIMARY KEY, source INTEGER, target INTEGER, amount INTEGER);",
        )
        .unwrap();
    database
        .execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
             INSERT INTO accounts SELECT i, ?2, 'account ' || i FROM n",
            (ACCOUNTS as i64, EACH),
        )
        .unwrap();
}

/// Moves money from one account to another, in a transaction of several statements, until it is told to stop.
fn transfer(path: &Path, stop: &AtomicBool, made: &AtomicU64) {
    let seed = 20_261_122;
    println!("seed {seed}");
    let mut numbers = Numbers(seed);
    let database = Connection::open(path).unwrap();
    database.busy_timeout(Duration::from_secs(60)).unwrap();
    while !stop.load(Ordering::Relaxed) {
        let (source, target) = (1 + numbers.below(ACCOUNTS) as i64, 1 + numbers.below(ACCOUNTS) as i64);
        let amount = numbers.below(50) as i64;
        database.execute_batch("BEGIN IMMEDIATE").unwrap();
        database.execute("UPDATE accounts SET balance = balance - ?1 WHERE id = ?2", (amount, source)).unwrap();
        database.execute("INSERT INTO transfers VALUES (NULL, ?1, ?2, ?3)", (source, target, amount)).unwrap();
        database.execute("UPDATE accounts SET balance = balance + ?1 WHERE id = ?2", (amount, target)).unwrap();
        database.execute_batch("COMMIT").unwrap();
        made.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn every_snapshot_of_a_database_that_is_written_is_whole() {
    let place = Place::bare();
    place.run(["init", "--encryption", "none"]).succeeds();
    let live = place.path("shop.db");
    make(&live);
    place.run(["instance", "add", "shop", "--source", &format!("sqlite:{}", live.display())]).succeeds();
    let (stop, made) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut taken: Vec<(String, u64, u64)> = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| transfer(&live, &stop, &made));
        for _ in 0..SNAPSHOTS {
            let before = made.load(Ordering::Relaxed);
            let snapshot = place.run(["snapshot", "take", "shop", "--json"]);
            let after = made.load(Ordering::Relaxed);
            if snapshot.code != 0 {
                stop.store(true, Ordering::Relaxed);
            }
            let snapshot = snapshot.succeeds().object();
            taken.push((snapshot["id"].as_str().unwrap().to_string(), before, after));
            // The writer gets on between two.
            while made.load(Ordering::Relaxed) < after + 20 && !stop.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    let mut last = 0;
    for (id, before, after) in &taken {
        let target = place.path(&format!("restored-{id}"));
        let source = format!("sqlite:{}", target.display());
        place.run(["clone", id, "--name", &format!("copy-{id}"), "--source", &source]).succeeds();
        let (transfers, _) = state(&target).unwrap_or_else(|wrong| panic!("{id}: {wrong}"));
        // What was committed before it began is in it; one may be committed and not counted yet.
        assert!((*before..=after + 1).contains(&transfers), "{id}: {transfers}, not {before} to {after}");
        assert!(transfers > last, "{id}");
        last = transfers;
    }
    println!("{SNAPSHOTS} snapshots beside {} transfers, each whole", made.load(Ordering::Relaxed));

    // In place, with nobody writing.
    place.run(["restore", &taken[3].0, "--confirm", "RESTORE"]).succeeds();
    let (transfers, _) = state(&live).unwrap();
    assert!((taken[3].1..=taken[3].2 + 1).contains(&transfers));

    // The check finds what is wrong.
    let other = place.path("wrong.db");
    fs::copy(&live, &other).unwrap();
    let database = Connection::open(&other).unwrap();
    database.execute("UPDATE accounts SET balance = balance + 1 WHERE id = 7", []).unwrap();
    drop(database);
    assert!(state(&other).is_err());
}

/// The sum of the numbers in a folder's files.
fn sum_of(folder: &Path) -> i64 {
    let number = |path: PathBuf| fs::read_to_string(path).unwrap().trim().parse::<i64>().unwrap();
    fs::read_dir(folder).unwrap().map(|entry| number(entry.unwrap().path())).sum()
}

/// The commands before and after a snapshot make a writer wait, so that the files of a folder fit each other.
#[test]
fn every_snapshot_of_a_folder_whose_writer_is_held_is_whole() {
    const FILES: u64 = 50;
    let place = Place::bare();
    place.run(["init", "--encryption", "none"]).succeeds();
    let folder = place.path("balances");
    fs::create_dir(&folder).unwrap();
    let file = |number: u64| folder.join(format!("account-{number}"));
    (0..FILES).for_each(|number| fs::write(file(number), format!("{EACH}\n")).unwrap());
    let (wish, held) = (place.path("hold"), place.path("held"));
    let before = format!("touch {0}; until [ -e {1} ]; do :; done", wish.display(), held.display());
    let after = format!("rm {1}; rm {0}", wish.display(), held.display());
    let source = format!("files:{}", folder.display());
    place.run(["instance", "add", "shop", "--source", &source, "--before", &before, "--after", &after]).succeeds();
    let (stop, made) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut ids = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut numbers = Numbers(7);
            while !stop.load(Ordering::Relaxed) {
                if wish.exists() {
                    // Where the file is there already, it has said so.
                    let _ = fs::File::create_new(&held);
                    while wish.exists() && !stop.load(Ordering::Relaxed) {
                        std::thread::yield_now();
                    }
                    continue;
                }
                let add = |number: u64, amount: i64| {
                    let now: i64 = fs::read_to_string(file(number)).unwrap().trim().parse().unwrap();
                    fs::write(file(number), format!("{}\n", now + amount)).unwrap();
                };
                let amount = numbers.below(50) as i64;
                add(numbers.below(FILES), -amount);
                add(numbers.below(FILES), amount);
                made.fetch_add(1, Ordering::Relaxed);
            }
        });
        for _ in 0..SNAPSHOTS {
            let snapshot = place.run(["snapshot", "take", "shop", "--json"]);
            let now = made.load(Ordering::Relaxed);
            if snapshot.code != 0 {
                stop.store(true, Ordering::Relaxed);
            }
            ids.push(snapshot.succeeds().object()["id"].as_str().unwrap().to_string());
            while made.load(Ordering::Relaxed) < now + 20 && !stop.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    for id in &ids {
        let target = place.text_path(&format!("restored-{id}"));
        place.run(["restore", id, "--to", &target]).succeeds();
        assert_eq!(sum_of(Path::new(&target)), EACH * FILES as i64, "{id}");
    }
    // Without a safety snapshot: the command before it would wait for a writer that is gone.
    place.run(["restore", &ids[5], "--no-safety", "--confirm", "RESTORE"]).succeeds();
    assert_eq!(sum_of(&folder), EACH * FILES as i64);
    fs::write(file(3), "-1\n").unwrap();
    assert_ne!(sum_of(&folder), EACH * FILES as i64);
}
