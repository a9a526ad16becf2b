//! Restores that are killed before and after each statement: `--resume` and `--abort` bring the new state or the old one,
//! whole.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use crate::program::Place;
use crate::server::{SHOP, Server, comparable, is_here, place};

/// Runs a restore with a client that kills it: at its `at`th call, before or after what it was called for.
fn killed(place: &Place, id: &str, at: usize, after: bool) -> Output {
    let folder = place.path("tools");
    let _ = fs::create_dir(&folder);
    let count = place.path("count");
    let _ = fs::remove_file(&count);
    let body = match after {
        true => "/usr/bin/mariadb \"$@\"; kill -9 $PPID; exit 1",
        false => "kill -9 $PPID; exit 1",
    };
    let script = format!(
        "#!/bin/sh\necho x >> {0}\nif [ $(wc -l < {0}) -eq {at} ]; then {body}; fi\nexec /usr/bin/mariadb \"$@\"\n",
        count.display()
    );
    fs::write(folder.join("mariadb"), script).unwrap();
    fs::set_permissions(folder.join("mariadb"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let words = ["restore", id, "--to", "shop", "--confirm", "RESTORE", "--no-safety"];
    place.command(words).env("PATH", path).output().unwrap()
}

/// Kills a restore at every `stride`th statement. Returns how often, and how often something was left to do.
pub fn kill_everywhere(stride: usize, also_after: bool) -> (usize, usize) {
    let place = place();
    let server = Server::new(&place.path("server"));
    server.ask(SHOP);
    place.run(["instance", "add", "shop", "--source", &server.url("shop")]).succeeds();
    place.run(["snapshot", "take", "shop"]).succeeds();
    let id = place.ids()[0].clone();
    let restore = || place.run(["restore", &id, "--to", "shop", "--confirm", "RESTORE", "--no-safety"]).succeeds();
    restore();
    let dump = || comparable(&server.dump("shop"));
    let new = dump();
    let change = || {
        server.ask(
            "USE shop; UPDATE customers SET name = 'present' WHERE id < 9; DROP TRIGGER first_one; DROP VIEW richest;
             CREATE TABLE extra (a INT); CREATE TRIGGER more BEFORE INSERT ON extra FOR EACH ROW SET NEW.a = 7;
             DROP FUNCTION plus_one; DROP EVENT busy",
        );
    };
    change();
    let old = dump();
    let (mut kills, mut left) = (0, 0);
    for at in (1..).step_by(stride) {
        let mut ended = false;
        for after in [false, true].into_iter().take(1 + usize::from(also_after)) {
            let output = killed(&place, &id, at, after);
            if output.status.success() {
                ended = true;
                break;
            }
            kills += 1;
            let resume = kills % 2 == 0;
            let done = place.run(["restore", if resume { "--resume" } else { "--abort" }, "shop"]);
            // Where only cleaning up is left, there is no way back but another restore.
            let is_done = done.stderr.contains("complete but for cleaning up");
            let resume = resume || is_done;
            let done = if is_done { place.run(["restore", "--resume", "shop"]) } else { done };
            let there = dump();
            match done.code {
                0 => {
                    left += 1;
                    assert_eq!(there, if resume { new.clone() } else { old.clone() }, "at {at}, after: {after}");
                }
                // Nothing to take up: it was killed before it began, or after its end.
                _ => assert!(there == old || there == new, "at {at}, after: {after}: {done:?}"),
            }
            assert_eq!(server.left_over(), "", "at {at}, after: {after}: {done:?}");
            if there != old {
                change();
                assert_eq!(dump(), old);
            }
        }
        if ended {
            break;
        }
    }
    assert_eq!(dump(), new, "the last one came to its end");
    (kills, left)
}

#[test]
fn a_restore_that_is_killed_between_statements_is_completed_or_undone() {
    if !is_here("a_restore_that_is_killed_between_statements_is_completed_or_undone") {
        return;
    }
    let (kills, left) = kill_everywhere(5, false);
    assert!(kills >= 5 && left >= 4, "{kills} kills, {left} left something");
}
