//! Restores that are killed at every step: what is there afterwards is brought to the old state or to the new one, whole,
//! by `--resume` and `--abort`. The program is killed by strace when it makes one of the calls that change files.

#[path = "cli/program.rs"]
mod program;

use std::fs;

use program::{Done, Place};
use rusqlite::Connection;

/// Calls that make, move or remove files, or make them durable.
const CALLS: &str = "fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat";

fn value(place: &Place) -> String {
    let database = Connection::open(place.path("shop.db")).unwrap();
    let whole: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    database.query_row("SELECT group_concat(what) FROM orders", [], |row| row.get(0)).unwrap()
}

fn state(place: &Place) -> (String, String, usize) {
    let page = fs::read_to_string(place.path("data/a.txt")).unwrap();
    (value(place), page, fs::read_dir(place.path("data")).unwrap().count())
}

fn instance() -> Place {
    let place = Place::bare();
    place.run(["init", "--encryption", "none"]).succeeds();
    Connection::open(place.path("shop.db"))
        .unwrap()
        .execute_batch("CREATE TABLE orders(what TEXT); INSERT INTO orders VALUES('restored');")
        .unwrap();
    let component = |name: &str, source: String| format!("[[component]]\nname = \"{name}\"\nsource = \"{source}\"\n");
    let text = component("db", format!("sqlite:{}", place.text_path("shop.db")))
        + &component("pages", format!("files:{}", place.text_path("data")));
    fs::write(place.path("shop.toml"), text).unwrap();
    place.run(["instance", "add", "shop", "--source", "env:shop.toml"]).succeeds();
    place.run(["snapshot", "take", "shop"]).succeeds();
    change(&place);
    place
}

fn change(place: &Place) {
    Connection::open(place.path("shop.db")).unwrap().execute_batch("UPDATE orders SET what = 'present'").unwrap();
    fs::write(place.path("data/a.txt"), "present\n").unwrap();
    fs::write(place.path("data/more"), "more\n").unwrap();
}

/// Whether the restore was killed at its `at`th call, and did not end before.
fn is_killed(place: &Place, at: usize) -> bool {
    place.is_killed(["restore", "latest", "--confirm", "RESTORE"], CALLS, at, false)
}

/// Kills a restore at every `stride`th call; returns how often it was killed, and how often something was left to do.
fn kill_everywhere(stride: usize) -> (usize, usize) {
    let place = instance();
    let (old, new) = {
        let old = state(&place);
        place.run(["restore", "latest", "--confirm", "RESTORE"]).succeeds();
        let new = state(&place);
        assert_ne!(old, new);
        change(&place);
        (old, new)
    };
    let (mut kills, mut left) = (0, 0);
    for at in (1..).step_by(stride) {
        assert_eq!(state(&place), old);
        if !is_killed(&place, at) {
            break;
        }
        kills += 1;
        let word = if kills % 2 == 0 { "--resume" } else { "--abort" };
        let done: Done = place.run(["restore", word, "shop"]);
        match done.code {
            // It was killed before it began, or after its end.
            3 => assert!(done.stderr.contains("no restore over \"shop\" was cut short"), "{at}: {done:?}"),
            // Too late to go back: it is completed instead.
            4 if word == "--abort" => {
                assert!(done.stderr.contains("complete"), "{at}: {done:?}");
                place.run(["restore", "--resume", "shop"]).succeeds();
            }
            0 => {
                left += 1;
                let expected = if word == "--resume" { &new } else { &old };
                assert_eq!(&state(&place), expected, "killed at call {at}, then {word}");
            }
            _ => panic!("{at}: {done:?}"),
        }
        let now = state(&place);
        assert!(now == old || now == new, "killed at call {at}: {now:?}");
        for folder in ["", "data"] {
            let names = fs::read_dir(place.path(folder)).unwrap().map(|entry| entry.unwrap().file_name());
            let strange: Vec<_> = names.filter(|name| name.to_string_lossy().contains("snaphold-")).collect();
            assert!(strange.is_empty(), "killed at call {at}, then {word}: {strange:?}");
        }
        change(&place);
    }
    place.run(["verify", "--read-data"]).succeeds();
    (kills, left)
}

#[test]
fn killed_at_calls_all_over_it_a_restore_is_completed_or_taken_back() {
    let (kills, left) = kill_everywhere(2);
    assert!(kills >= 10 && left >= 5, "{kills} kills, {left} of them left something");
}

#[test]
#[ignore = "long: kills a restore at each of its calls"]
fn killed_at_each_of_its_calls_a_restore_is_completed_or_taken_back() {
    let (kills, left) = kill_everywhere(1);
    println!("killed at {kills} calls; {left} times something was left to do");
    assert!(kills >= 25 && left >= 12, "{kills} kills, {left} of them left something");
}

#[test]
fn without_a_safety_snapshot_what_cannot_go_back_can_still_go_on() {
    let place = instance();
    let arguments = ["restore", "latest", "--no-safety", "--confirm", "RESTORE"];
    let (mut back, mut on) = (0, 0);
    for at in 1.. {
        let old = state(&place);
        if !place.is_killed(arguments, CALLS, at, false) {
            break;
        }
        let done = place.run(["restore", "--abort", "shop"]);
        match done.code {
            0 => {
                assert_eq!(state(&place), old, "killed at call {at}");
                back += 1;
            }
            3 => {}
            4 => {
                assert!(done.stderr.contains("--resume"), "{done:?}");
                place.run(["restore", "--resume", "shop"]).succeeds();
                assert_eq!(value(&place), "restored", "killed at call {at}");
                on += 1;
            }
            _ => panic!("{at}: {done:?}"),
        }
        change(&place);
    }
    assert!(back >= 1 && on >= 5, "{back} went back, {on} went on");
}

#[test]
fn an_instance_whose_restore_was_cut_short_is_not_used_until_that_is_over() {
    let place = instance();
    let mut at = 1;
    // The first kill that leaves something.
    while {
        assert!(is_killed(&place, at));
        place.json(["instance", "show", "shop", "--json"]).get("unfinished_restore").is_none()
    } {
        at += 1;
    }
    for arguments in [vec!["snapshot", "take", "shop"], vec!["restore", "latest", "--confirm", "RESTORE"]] {
        place.run(arguments).fails(4, "snaphold restore --resume shop");
    }
    place.run(["restore", "--abort", "shop"]).succeeds();
    place.run(["snapshot", "take", "shop"]).succeeds();
    place.run(["restore", "--abort", "shop"]).fails(3, "no restore");
    place.run(["restore", "--resume", "shop"]).fails(3, "no restore");
    place.run(["restore", "--resume", "absent"]).fails(3, "absent");
}
