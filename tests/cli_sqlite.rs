//! A SQLite database as an instance, by the real program.

#[path = "cli/program.rs"]
mod program;

use program::Place;
use rusqlite::Connection;

fn balance(place: &Place, file: &str) -> i64 {
    let database = Connection::open(place.path(file)).unwrap();
    database.query_row("SELECT sum(balance) FROM accounts", [], |row| row.get(0)).unwrap()
}

fn set(place: &Place, balance: i64) {
    let database = Connection::open(place.path("shop.db")).unwrap();
    database.execute("UPDATE accounts SET balance = ?1 WHERE id = 1", [balance]).unwrap();
}

/// Account 1 has 1, then 2; a snapshot of each. Accounts 2 to 1000 have nothing.
fn with_database() -> Place {
    let place = Place::bare();
    let database = Connection::open(place.path("shop.db")).unwrap();
    database.execute_batch("CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER, name TEXT)").unwrap();
    for id in 1..=1000 {
        database.execute("INSERT INTO accounts VALUES (?1, 0, 'customer ' || ?1)", [id]).unwrap();
    }
    drop(database);
    place.run(["init", "--encryption", "none"]).succeeds();
    place.run(["instance", "add", "shop", "--source", &format!("sqlite:{}", place.text_path("shop.db"))]).succeeds();
    for value in [1, 2] {
        set(&place, value);
        place.run(["snapshot", "take", "shop"]).succeeds();
    }
    place
}

#[test]
fn a_database_is_restored_in_place_beside_and_undone() {
    let place = with_database();
    set(&place, 3);
    place.run(["restore", "latest~1"]).fails(4, "--confirm RESTORE");
    assert_eq!(balance(&place, "shop.db"), 3);
    let done = place.json(["restore", "latest~1", "--confirm", "RESTORE", "--json"]);
    assert!(done["safety_snapshot"].is_string(), "{done}");
    assert_eq!(balance(&place, "shop.db"), 1);
    place.run(["restore", "undo", "shop", "--confirm", "RESTORE"]).succeeds();
    assert_eq!(balance(&place, "shop.db"), 3);
    let copy = format!("sqlite:{}", place.text_path("copy.db"));
    place.run(["clone", "shop@latest~1", "--name", "copy", "--source", &copy]).succeeds();
    assert_eq!(balance(&place, "copy.db"), 1);
    assert_eq!(balance(&place, "shop.db"), 3);
}

#[test]
fn a_text_dump_is_exported_and_loaded() {
    let place = with_database();
    let dump = place.run(["export", "latest~1", "--format", "dump", "--output", "-"]).succeeds().stdout;
    assert!(dump.contains("CREATE TABLE accounts") && dump.contains("INSERT INTO accounts VALUES(1,1,'customer 1')"));
    std::fs::write(place.path("one.sql"), &dump).unwrap();
    place.run(["load", "shop", "one.sql"]).fails(4, "--confirm RESTORE");
    let loaded = place.json(["load", "shop", "one.sql", "--confirm", "RESTORE", "--json"]);
    assert_eq!((&loaded["type"], loaded["safety_snapshot"].is_string()), (&"load".into(), true), "{loaded}");
    assert_eq!(balance(&place, "shop.db"), 1);

    std::fs::write(place.path("bad.sql"), "CREATE TABLE accounts (id").unwrap();
    // That it was tried and taken back stands in the ledger; nothing else changes.
    let state = || {
        let mut state = place.state();
        state.retain(|path, _| !path.starts_with(place.path("repository/ledger")));
        state
    };
    let before = state();
    place.run(["load", "shop", "bad.sql", "--confirm", "RESTORE"]).fails(4, "bad.sql");
    assert!(state() == before, "a dump that is no SQL changed something");
}

#[test]
fn what_is_no_database_is_said() {
    let place = Place::bare();
    place.run(["init", "--encryption", "none"]).succeeds();
    let source = |file| format!("sqlite:{}", place.text_path(file));
    place.run(["instance", "add", "text", "--source", &source("data/a.txt")]).succeeds();
    place.run(["snapshot", "take", "text"]).fails(4, "a.txt");
    place.run(["instance", "add", "gone", "--source", &source("nowhere.db")]).fails(3, "nowhere.db");
    assert!(!place.path("nowhere.db").exists());
}
