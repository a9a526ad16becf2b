//! A restore that is killed at its calls: `--resume` brings the new store, `--abort` the old one, each whole: two folders,
//! which must never be of two stores.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::dumps::fixture;
use crate::life::nothing_left;
use crate::program::Place;
use crate::server::{CURRENT, Home};

const CALLS: &str = "fsync,syncfs,rename,renameat,renameat2,linkat,unlink,unlinkat,mkdir,mkdirat";

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// The bytes of both folders, without the locks.
fn files(home: &Home) -> Files {
    fn walk(folder: &Path, all: &mut Files) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => walk(&path, all),
                false if path.ends_with("database_lock") => {}
                false => _ = all.insert(path.clone(), fs::read(&path).unwrap()),
            }
        }
    }
    let mut all = Files::new();
    walk(&home.path.join("data/databases/shop"), &mut all);
    walk(&home.path.join("data/transactions/shop"), &mut all);
    all
}

/// Whether the restore was killed at its `at`th call, and did not end before.
fn is_killed(place: &Place, snapshot: &str, at: usize) -> bool {
    place.is_killed(["restore", snapshot, "--no-safety", "--confirm", "RESTORE"], CALLS, at, true)
}

/// Kills a restore at every `stride`th call. Returns how often it was killed, and how often something was left to do.
fn kill_everywhere(stride: usize) -> Option<(usize, usize)> {
    let place = Place::bare();
    place.run(["init", "--encryption", "none"]).succeeds();
    let home = Home::make(&place.path("home5"), CURRENT, "shop")?;
    // No server is started: the two stores are of dumps, and short.
    place.run(["load", "movies", fixture("movies-50.dump").to_str().unwrap()]).succeeds();
    place.run(["clone", "latest", "--name", "shop", "--source", &home.source("shop")]).succeeds();
    place.run(["snapshot", "take", "shop"]).succeeds();
    let new = files(&home);
    // Another store in its place: the same, migrated by the real tool.
    let migrated = home.admin(&["database", "migrate", "shop", "--force-btree-indexes-to-range"]);
    assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
    let old = files(&home);
    // They differ in both folders, so that the store of one with the logs of the other would be noticed.
    let of = |all: &Files, folder: &str| -> Files {
        let in_folder = |path: &Path| path.starts_with(home.path.join(folder));
        all.iter().filter(|(path, _)| in_folder(path)).map(|(path, bytes)| (path.clone(), bytes.clone())).collect()
    };
    for folder in ["data/databases", "data/transactions"] {
        assert!(of(&old, folder) != of(&new, folder), "{folder}");
    }
    let other = place.json(["snapshot", "take", "shop", "--json"]);
    let other = other["id"].as_str().unwrap().to_string();
    let (first, mut killed, mut left) = (place.ids()[1].clone(), 0, 0);
    for at in (1..).step_by(stride) {
        if !is_killed(&place, &first, at) {
            break;
        }
        killed += 1;
        let listed = place.json(["snapshot", "list", "--json"]);
        assert!(listed["snapshots"].is_array());
        let resumes = killed % 2 == 0;
        let done = place.run(["restore", if resumes { "--resume" } else { "--abort" }, "shop"]);
        let cleans_up = done.code == 4 && done.stderr.contains("complete but for cleaning up");
        if cleans_up {
            place.run(["restore", "--resume", "shop"]).succeeds();
        }
        // 3: there was nothing to take up, before the first note or behind the last.
        assert!(cleans_up || matches!(done.code, 0 | 3 | 4), "{at}: {done:?}");
        left += usize::from(done.code == 0);
        let now = files(&home);
        let is = if now == old {
            "old"
        } else if now == new {
            "new"
        } else {
            "a mixture"
        };
        let wanted: &[&str] = match (done.code, resumes) {
            (0, true) => &["new"],
            (0, false) => &["old"],
            _ if cleans_up => &["new"],
            _ => &["old", "new"],
        };
        assert!(
            wanted.contains(&is),
            "killed at {at}, {}: {is}: {done:?}",
            if resumes { "resumed" } else { "aborted" }
        );
        nothing_left(&home);
        if is == "new" {
            place.run(["restore", &other, "--no-safety", "--confirm", "RESTORE"]).succeeds();
            assert!(files(&home) == old);
        }
    }
    Some((killed, left))
}

#[test]
fn a_restore_that_is_killed_is_completed_or_undone() {
    let Some((killed, left)) = kill_everywhere(7) else { return };
    println!("killed {killed} times; {left} times something was left to do");
    assert!(killed > 5 && left > 2);
}

#[test]
#[ignore = "long: a restore is killed at every call"]
fn a_restore_that_is_killed_at_any_call_is_completed_or_undone() {
    let Some((killed, left)) = kill_everywhere(1) else { return };
    println!("killed {killed} times; {left} times something was left to do");
    assert!(left > 20);
}
