//! Restores that are killed, by strace, at one of the calls that reach the server or change files: `--resume` and `--abort`
//! bring the new state or the old one, whole; and between the two the server has one of them.

use std::process::Command;

use crate::server::{Server, is_there, left_behind, place_of};
use crate::skipped;

const CALLS: &str = "connect,sendto,write,fsync,rename,renameat,renameat2,unlink,unlinkat";

/// Waits until the server has noticed that its master is gone.
fn settle(server: &Server) {
    while server.ask(&["INFO", "persistence"]).contains("loading:1") {
        std::thread::yield_now();
    }
}

/// Kills a restore at every `stride`th call; returns how often, and how often something was left to do.
pub fn kill_everywhere(option: &str, stride: usize) -> (usize, usize) {
    let server = Server::with_all_types();
    server.ask(&["DEBUG", "POPULATE", "2000", "key", "100"]);
    let place = place_of(&format!("{}{option}", server.url()));
    place.run(["snapshot", "take", "cache"]).succeeds();
    let first = place.ids().remove(0);
    let new = server.digest();
    server.ask(&["SET", "text", "present"]);
    server.ask(&["DEL", "hash"]);
    server.ask(&["FUNCTION", "FLUSH"]);
    let old = server.digest();
    let dump = server.folder.path().join("present.rdb");
    server.save();
    std::fs::rename(server.folder.path().join("dump.rdb"), &dump).unwrap();
    assert_ne!(old, new);
    let run = server.run_id();
    let (mut kills, mut left) = (0, 0);
    for at in (1..).step_by(stride) {
        assert_eq!(server.digest(), old);
        if !place.is_killed(["restore", &first, "--confirm", "RESTORE"], CALLS, at, true) {
            break;
        }
        kills += 1;
        settle(&server);
        let in_use = (server.ask(&["GET", "text"]), server.ask(&["HLEN", "hash"]));
        let is_whole = [("present", "0"), ("hello", "40")].contains(&(in_use.0.as_str(), in_use.1.as_str()));
        assert!(is_whole, "killed at call {at}: a mixture: {in_use:?}");
        if option.is_empty() {
            // Loaded beside, the new data would be in other databases, which the digest has in it too.
            let between = server.digest();
            assert!(between == old || between == new, "killed at call {at}: a mixture");
        }
        let word = if kills % 2 == 0 { "--resume" } else { "--abort" };
        let done = place.run(["restore", word, "cache"]);
        match done.code {
            3 => assert!(done.stderr.contains("no restore over \"cache\" was cut short"), "{at}: {done:?}"),
            0 => {
                left += 1;
                let expected = if word == "--resume" { &new } else { &old };
                assert_eq!(&server.digest(), expected, "killed at call {at}, then {word}");
            }
            // Too late to go back: it is completed instead.
            4 if word == "--abort" => {
                assert!(done.stderr.contains("complete"), "{at}: {done:?}");
                place.run(["restore", "--resume", "cache"]).succeeds();
            }
            _ => panic!("killed at call {at}, then {word}: {done:?}"),
        }
        let now = server.digest();
        assert!(now == old || now == new, "killed at call {at}, then {word}: {done:?}");
        assert!(server.is_itself(), "killed at call {at}, then {word}");
        assert_eq!(server.run_id(), run);
        assert_eq!(left_behind(&place), Vec::<String>::new(), "killed at call {at}, then {word}");
        std::fs::copy(&dump, server.folder.path().join("dump.rdb")).unwrap();
        server.ask(&["DEBUG", "RELOAD", "NOSAVE"]);
    }
    (kills, left)
}

fn has_strace(test: &str) -> bool {
    let found = Command::new("strace").arg("-V").output().is_ok();
    if !found {
        skipped::missing(test, "strace");
    }
    found && is_there(test)
}

#[test]
fn killed_at_calls_all_over_it_the_server_has_the_old_data_or_the_new() {
    if has_strace("killed_at_calls") {
        let (kills, left) = kill_everywhere("", 3);
        assert!(kills > 5 && left > 2, "{kills} kills, {left} with something left to do");
    }
}

#[test]
fn killed_while_keys_are_restored_beside_it_is_the_same() {
    if has_strace("killed_while_keys") {
        let (kills, left) = kill_everywhere("?restore=keys", 5);
        assert!(kills > 5 && left > 2, "{kills} kills, {left} with something left to do");
    }
}

#[test]
#[ignore = "long: some hundred restores, each killed at another call"]
fn killed_at_every_call() {
    if has_strace("killed_at_every_call") {
        for option in ["", "?restore=keys"] {
            let (kills, left) = kill_everywhere(option, 1);
            println!("{option:?}: {kills} kills, {left} of them left something to resume or to abort");
        }
    }
}
