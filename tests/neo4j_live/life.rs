//! A database's life: made by Cypher, captured while stopped, changed, restored, cloned, drilled.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::{Value, json};

use crate::program::Place;
use crate::server::{CURRENT, Home};

/// A repository and a home whose database `shop` has 2,000 accounts and 1,000 transfers.
pub fn shop() -> Option<(Place, Home)> {
    let place = Place::bare();
    place.run(["init", "--encryption", "none"]).succeeds();
    let home = Home::make(&place.path("home with space"), CURRENT, "shop")?;
    home.preallocates();
    let server = home.start();
    home.run("CREATE INDEX account FOR (a:Account) ON (a.number)");
    home.run("UNWIND range(1, 2000) AS n CREATE (:Account {number: n, balance: 100, note: 'account ' + toString(n)})");
    home.run(
        "UNWIND range(1, 1000) AS n MATCH (a:Account {number: n}), (b:Account {number: n + 1000}) \
         CREATE (a)-[:PAID {amount: n}]->(b)",
    );
    drop(server);
    place.run(["instance", "add", "shop", "--source", &home.source("shop")]).succeeds();
    Some((place, home))
}

/// Moves money about, and adds a node.
fn change(home: &Home) {
    let _server = home.start();
    home.run("UNWIND range(1, 100) AS n MATCH (a:Account {number: n}) SET a.balance = a.balance - 1");
    home.run("CREATE (:Note {text: 'something new'})");
}

fn sum(home: &Home) -> Value {
    home.run("MATCH (a:Account) RETURN sum(a.balance)")[0][0].clone()
}

pub fn nothing_left(home: &Home) {
    for folder in ["data/databases", "data/transactions"] {
        for entry in fs::read_dir(home.path.join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(!name.contains("snaphold"), "{folder}/{name}");
        }
    }
    assert!(!home.path.join("data/databases/shop/.snaphold-restore").exists());
}

fn whole(home: &Home, database: &str) {
    let check = home.admin(&["database", "check", database]);
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}

#[test]
fn a_database_is_captured_restored_cloned_and_drilled() {
    let Some((place, home)) = shop() else { return };
    let first = place.json(["snapshot", "take", "shop", "--json"]);
    change(&home);
    let second = place.json(["snapshot", "take", "shop", "--json"]);
    let cost = |snapshot: &Value, what: &str| snapshot[what].as_u64().unwrap();
    println!(
        "snapshots: first {} new, {} stored; second (100 of 2,000 nodes changed, one added) {} new, {} stored",
        cost(&first, "bytes_new"),
        cost(&first, "bytes_stored"),
        cost(&second, "bytes_new"),
        cost(&second, "bytes_stored")
    );
    assert!(cost(&second, "bytes_stored") * 2 < cost(&first, "bytes_stored"));
    let unchanged = place.json(["snapshot", "take", "shop", "--json"]);
    println!("unchanged: {} stored", cost(&unchanged, "bytes_stored"));
    assert_eq!(cost(&unchanged, "bytes_new"), 0);

    // In place, and back again.
    let owner = |home: &Home| fs::metadata(home.path.join("data/databases/shop/neostore")).unwrap().uid();
    let owned = owner(&home);
    place.run(["restore", first["id"].as_str().unwrap(), "--confirm", "RESTORE"]).succeeds();
    nothing_left(&home);
    assert_eq!(owner(&home), owned);
    {
        let _server = home.start();
        assert_eq!(home.counts_now(), (2000, 1000));
        assert_eq!(sum(&home), json!(200_000));
    }
    whole(&home, "shop");
    place.run(["restore", "undo", "shop", "--confirm", "RESTORE"]).succeeds();
    {
        let _server = home.start();
        assert_eq!(home.counts_now(), (2001, 1000));
        assert_eq!(sum(&home), json!(199_900));
    }
    whole(&home, "shop");

    // Another home, under another name, beside the first.
    let other = Home::make(&place.path("other"), CURRENT, "second").unwrap();
    let id = first["id"].as_str().unwrap();
    place.run(["clone", id, "--name", "second", "--source", &other.source("second")]).succeeds();
    {
        let (_one, _two) = (home.start(), other.start());
        assert_eq!(home.counts_now(), (2001, 1000));
        assert_eq!(other.counts_now(), (2000, 1000));
        assert_eq!(sum(&other), json!(200_000));
    }
    whole(&other, "second");
    place.run(["clone", id, "--name", "third", "--source", &other.source("second")]).fails(4, "not empty");
    drill(&place, id, &home);
}

fn drill(place: &Place, id: &str, home: &Home) {
    let servers = || {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let lines = processes.map(|entry| fs::read(entry.path().join("cmdline")).unwrap_or_default());
        lines.filter(|line| String::from_utf8_lossy(line).contains(&place.text_path("tmp"))).count()
    };
    let query = "MATCH (a:Account) RETURN sum(a.balance), 'kept'";
    let proven = place.json(["drill", id, "--query", query, "--json"]);
    assert_eq!(proven["proven"], json!(true), "{proven}");
    let checks = proven["checks"].as_array().unwrap();
    let detail = |name: &str| {
        let check = checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name}: {proven}"));
        check["detail"].as_str().unwrap().to_string()
    };
    assert_eq!(detail("counts"), "2000 nodes, 1000 relationships");
    assert_eq!(detail("query"), "200000|kept");
    detail("database check");
    let failed = place.run(["drill", id, "--query", "MATCH (n) RETRN n", "--json"]);
    assert_eq!(failed.object()["proven"], json!(false), "{failed:?}");
    assert_eq!(servers(), 0);
    assert_eq!(fs::read_dir(place.path("tmp")).unwrap().count(), 0);
    // Without jars there is no drill, and it says so.
    let lib = home.path.join("lib");
    let jars = fs::read_link(&lib).unwrap();
    fs::remove_file(&lib).unwrap();
    place.run(["drill", id]).fails(4, "NEO4J_HOME");
    std::os::unix::fs::symlink(jars, &lib).unwrap();
}

#[test]
fn a_running_database_is_refused_or_stopped_by_the_instances_commands() {
    let Some((place, home)) = shop() else { return };
    let (stop, start, stopper) = home.commands();
    {
        let _server = home.start();
        place.run(["snapshot", "take", "shop"]).fails(4, "in use (process");
        assert_eq!(place.json(["snapshot", "list", "--json"])["snapshots"].as_array().unwrap().len(), 1);
        // A failed snapshot is kept as that, with its reason.
        assert_eq!(place.json(["snapshot", "list", "--json"])["snapshots"][0]["status"], "failed");
    }
    place.run(["snapshot", "take", "shop"]).succeeds();
    change(&home);
    {
        let _server = home.start();
        place.run(["restore", "latest", "--confirm", "RESTORE"]).fails(4, "in use (process");
        place.run(["restore", "latest", "--no-safety", "--confirm", "RESTORE"]).fails(4, "in use (process");
        assert_eq!(home.counts_now(), (2001, 1000));
    }
    nothing_left(&home);

    place.run(["instance", "edit", "shop", "--stop", &stop, "--start", &start]).succeeds();
    // Not started, so it stays stopped.
    place.run(["snapshot", "take", "shop"]).succeeds();
    assert_eq!(stopper.pid(), None);
    assert!(std::process::Command::new("sh").args(["-c", &start]).status().unwrap().success());
    home.wait();
    let before = stopper.pid().unwrap();
    place.run(["snapshot", "take", "shop"]).succeeds();
    home.wait();
    assert_ne!(stopper.pid().unwrap(), before);
    assert_eq!(home.counts_now(), (2001, 1000));
    let ids = place.ids();
    let first = ids.iter().rev().find(|id| place.json(["snapshot", "show", id, "--json"])["status"] == "completed");
    let restored = place.json(["restore", first.unwrap(), "--confirm", "RESTORE", "--json"]);
    home.wait();
    assert_eq!(home.counts_now(), (2000, 1000), "{restored}");
    let checks = restored["checks"].as_array().unwrap();
    assert!(checks.iter().any(|check| check["name"] == "server" && check["ok"] == true), "{restored}");
    nothing_left(&home);

    // A start that fails: what was there is there again.
    place.run(["instance", "edit", "shop", "--start", "echo no such Neo4j >&2; exit 5"]).succeeds();
    let failed = place.run(["restore", &ids[0], "--no-safety", "--confirm", "RESTORE"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.stderr.contains("no such Neo4j"), "{failed:?}");
    place.run(["instance", "edit", "shop", "--start", &start]).succeeds();
    place.run(["restore", "--abort", "shop"]).succeeds();
    nothing_left(&home);
    home.wait();
    assert_eq!(home.counts_now(), (2000, 1000));
}

/// A server that was killed leaves logs to recover from: they are captured, and what was acknowledged is there.
#[test]
fn a_store_that_was_not_closed_is_captured_with_its_logs() {
    let Some((place, home)) = shop() else { return };
    let server = home.start();
    home.run("CREATE (:Note {text: 'acknowledged'})");
    server.kill();
    let taken = place.run(["snapshot", "take", "shop"]).succeeds();
    assert!(taken.stderr.contains("did not close"), "{taken:?}");
    let other = Home::make(&place.path("other"), CURRENT, "shop").unwrap();
    place.run(["clone", "latest", "--name", "second", "--source", &other.source("shop")]).succeeds();
    assert_eq!(other.counts(), (2001, 1000));
    whole(&other, "shop");
    let proven = place.json(["drill", "latest", "--json"]);
    assert_eq!(proven["proven"], json!(true), "{proven}");
}
