//! An environment of PostgreSQL, Redis and a folder of media, with real servers: one snapshot of all, with and without the
//! media, restored whole and by component; and all or nothing where one of them is gone.

#[path = "../postgres/server.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod postgres;
#[path = "../cli/program.rs"]
mod program;
#[path = "../redis/server.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod redis;
#[path = "../support/skipped.rs"]
mod skipped;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use postgres::Postgres;
use program::Place;
use redis::Server;
use serde_json::Value;

/// The servers, with ten accounts of 100 in each.
fn servers(test: &str) -> Option<(Postgres, Server)> {
    let postgres = postgres::server(test)?;
    if !redis::is_there(test) {
        return None;
    }
    let cache = Server::start(&[]);
    postgres.sql("postgres", "CREATE DATABASE shop");
    postgres.sql("shop", "CREATE TABLE accounts(id int PRIMARY KEY, balance int); INSERT INTO accounts SELECT n, 100 FROM generate_series(1, 10) n");
    for account in 1..=10 {
        cache.ask(&["SET", &format!("account:{account}"), "100"]);
    }
    Some((postgres, cache))
}

fn environment(postgres: &Postgres, cache: &Server) -> Place {
    let place = Place::with_repository();
    fs::create_dir(place.path("media")).unwrap();
    fs::write(place.path("media/film"), vec![9; 1_000_000]).unwrap();
    fs::write(place.path("password"), postgres::PASSWORD).unwrap();
    let source = postgres.url("shop", "").replace(&format!(":{}@", postgres::PASSWORD), "@");
    let text = format!(
        r#"
[[component]]
name = "db"
source = "{source}"
password_file = "{}"

[[component]]
name = "cache"
source = "{}"

[[component]]
name = "media"
source = "files:{}"
optional = true
"#,
        place.text_path("password"),
        cache.url(),
        place.text_path("media"),
    );
    fs::write(place.path("shop.toml"), text).unwrap();
    place.run(["instance", "add", "shop", "--source", "env:shop.toml"]).succeeds();
    place
}

/// Sums of the accounts of both, the first account of each, and whether the film is there.
fn state(place: &Place, postgres: &Postgres, cache: &Server) -> (String, i64, String, String, bool) {
    let sum = |account: i64| cache.ask(&["GET", &format!("account:{account}")]).parse::<i64>().unwrap();
    (
        postgres.sql("shop", "SELECT sum(balance) FROM accounts").trim().to_string(),
        (1..=10).map(sum).sum(),
        postgres.sql("shop", "SELECT balance FROM accounts WHERE id = 1").trim().to_string(),
        cache.ask(&["GET", "account:1"]),
        place.path("media/film").exists(),
    )
}

fn names(snapshot: &Value) -> Vec<&str> {
    snapshot["components"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[test]
fn one_snapshot_of_all_is_restored_whole_and_by_component() {
    let Some((postgres, cache)) = servers("one_snapshot_of_all_is_restored_whole_and_by_component") else { return };
    let place = environment(&postgres, &cache);
    let over = AtomicBool::new(false);
    // Money moves while the snapshots are taken; there is always as much of it.
    let (without, with) = std::thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let (from, to) = (turn % 10 + 1, (turn + 3) % 10 + 1);
                postgres.sql(
                    "shop",
                    &format!("UPDATE accounts SET balance = balance + CASE id WHEN {from} THEN -1 ELSE 1 END WHERE id IN ({from}, {to})"),
                );
                let script = "redis.call('DECR', KEYS[1]); redis.call('INCR', KEYS[2])";
                cache.ask(&["EVAL", script, "2", &format!("account:{from}"), &format!("account:{to}")]);
            }
        });
        let without = place.json(["snapshot", "take", "shop", "--json"]);
        let with = place.json(["snapshot", "take", "shop", "--include", "media", "--json"]);
        over.store(true, Ordering::Relaxed);
        (without, with)
    });
    assert_eq!(names(&without), ["db", "cache"]);
    assert_eq!(names(&with), ["db", "cache", "media"]);
    let with = with["id"].as_str().unwrap();

    let spoil = || {
        postgres.sql("shop", "UPDATE accounts SET balance = 7");
        cache.ask(&["FLUSHALL"]);
        for account in 1..=10 {
            cache.ask(&["SET", &format!("account:{account}"), "9"]);
        }
        let _ = fs::remove_file(place.path("media/film"));
    };
    spoil();
    let spoilt = state(&place, &postgres, &cache);
    assert_eq!(spoilt, ("70".into(), 90, "7".into(), "9".into(), false));
    place.run(["restore", with, "--confirm", "restore"]).fails(4, "nothing was changed");
    assert_eq!(state(&place, &postgres, &cache), spoilt);

    place.run(["restore", with, "--confirm", "RESTORE"]).succeeds();
    let whole = state(&place, &postgres, &cache);
    assert_eq!((whole.0.as_str(), whole.1, whole.4), ("1000", 1000, true), "{whole:?}");
    place.run(["restore", "undo", "shop", "--confirm", "RESTORE"]).succeeds();
    let undone = state(&place, &postgres, &cache);
    assert_eq!((undone.0.as_str(), undone.1), ("70", 90));

    place.run(["restore", with, "--component", "cache", "--confirm", "RESTORE"]).succeeds();
    let one = state(&place, &postgres, &cache);
    assert_eq!((one.0.as_str(), one.1), ("70", 1000));

    // What was taken without media leaves the media alone.
    spoil();
    place.run(["restore", without["id"].as_str().unwrap(), "--confirm", "RESTORE"]).succeeds();
    let partial = state(&place, &postgres, &cache);
    assert_eq!((partial.0.as_str(), partial.1, partial.4), ("1000", 1000, false));

    place.run(["restore", with, "--to", "out"]).succeeds();
    assert!(place.path("out/media/film").exists() && place.path("out/cache").is_dir() && place.path("out/db").is_dir());
    let items = place.json(["snapshot", "ls", with, "--json"]);
    let has = |component: &str, kind: &str| {
        let all = items["items"].as_array().unwrap();
        all.iter().any(|item| item["component"] == component && item["kind"] == kind)
    };
    assert!(has("db", "table") && has("cache", "string"), "{items}");
    let drill = place.json(["drill", with, "--json"]);
    assert_eq!(drill["proven"], true, "{drill}");
    let check = place.json(["instance", "check", "shop", "--json"]);
    assert_eq!((&check["changed"], check["components"].as_array().unwrap().len()), (&Value::Bool(false), 3), "{check}");
}

#[test]
fn where_one_of_them_is_gone_nothing_is_taken_and_nothing_is_overwritten() {
    let name = "where_one_of_them_is_gone_nothing_is_taken_and_nothing_is_overwritten";
    let Some((postgres, cache)) = servers(name) else { return };
    let place = environment(&postgres, &cache);
    place.run(["snapshot", "take", "shop"]).succeeds();
    postgres.sql("shop", "UPDATE accounts SET balance = 7");
    drop(cache);
    let completed = || {
        let listed = place.json(["snapshot", "list", "--json"]);
        listed["snapshots"].as_array().unwrap().iter().filter(|one| one["status"] == "completed").count()
    };
    place.run(["snapshot", "take", "shop"]).fails(1, "component \"cache\"");
    assert_eq!(completed(), 1);
    for more in [vec![], vec!["--no-safety"]] {
        let restore = [vec!["restore", "latest", "--confirm", "RESTORE"], more].concat();
        let done = place.run(restore);
        assert_eq!(done.code, 1, "{done:?}");
        assert_eq!(postgres.sql("shop", "SELECT sum(balance) FROM accounts").trim(), "70");
        assert_eq!(postgres.sql("shop", "SELECT count(*) FROM pg_database WHERE datname LIKE 'shop_%'").trim(), "0");
    }
    place.run(["restore", "latest", "--component", "db", "--confirm", "RESTORE"]).succeeds();
    assert_eq!(postgres.sql("shop", "SELECT sum(balance) FROM accounts").trim(), "1000");
}
