//! A repository that is damaged, of a newer format, or in use: each is said in a line with its exit code.

#[path = "cli/program.rs"]
mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use program::{Done, Place};
use serde_json::Value;

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files_below(&path)),
            false => found.push(path),
        }
    }
    found
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_newer_format_is_refused() {
    let place = Place::with_snapshots();
    for copy in ["main", "spare"] {
        let path = place.path("repository/config").join(copy);
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(bytes.len() - 32);
        bytes[8] = 9;
        let checksum = blake3::hash(&bytes);
        bytes.extend(checksum.as_bytes());
        fs::write(&path, bytes).unwrap();
    }
    let before = place.state();
    place.run(["snapshot", "list"]).fails(1, "needs a newer snaphold");
    place.run(["snapshot", "take", "shop"]).fails(1, "format version 9");
    assert!(place.state() == before);
}

#[test]
fn of_a_config_one_copy_is_enough() {
    let place = Place::with_snapshots();
    flip(&place.path("repository/config/main"), 30);
    place.run(["snapshot", "list"]).succeeds();
    flip(&place.path("repository/config/spare"), 30);
    place.run(["snapshot", "list"]).fails(5, "config/");
    // It is a repository still: nobody may make another in its place.
    place.run(["init"]).fails(4, "not empty");
    fs::remove_dir_all(place.path("repository/keys")).unwrap();
    place.run(["snapshot", "list"]).fails(5, "config/");
}

#[test]
fn without_a_key_slot_nothing_opens() {
    let place = Place::with_snapshots();
    for slot in files_below(&place.path("repository/keys")) {
        fs::remove_file(slot).unwrap();
    }
    place.run(["snapshot", "list"]).fails(5, "no key slot");
}

#[test]
fn a_restore_of_damaged_data_ends_with_5_and_leaves_nothing_that_looks_whole() {
    let place = Place::with_snapshots();
    let packs = files_below(&place.path("repository/packs"));
    let data = packs.iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    flip(data, 200);
    let name = data.file_name().unwrap().to_str().unwrap();
    place.run(["restore", "latest", "--to", "restored"]).fails(5, name);
    assert!(!place.path("restored/numbers").exists());
    let before = fs::read(place.path("data/numbers")).unwrap();
    fs::write(place.path("data/numbers"), "gone").unwrap();
    place.run(["restore", "latest", "--confirm", "RESTORE"]).fails(5, name);
    assert_eq!(fs::read(place.path("data/numbers")).unwrap(), b"gone");
    drop(before);
    let export = place.run(["export", "latest", "--format", "tar", "--output", "out.tar"]);
    export.fails(5, name);
    assert!(!place.path("out.tar").exists());
}

/// A session that stores until its standard input ends.
fn loading(place: &Place) -> Child {
    let child = place.command(["load", "stream", "-", "--quiet"]).stdin(Stdio::piped()).spawn().unwrap();
    let registered = (0..10_000).any(|_| statuses(place).contains(&("stream".to_string(), "in_progress".to_string())));
    assert!(registered, "the session was never listed");
    child
}

fn statuses(place: &Place) -> Vec<(String, String)> {
    let listed = place.json(["snapshot", "list", "--json"]);
    let text = |snapshot: &Value, key: &str| snapshot[key].as_str().unwrap().to_string();
    let all = listed["snapshots"].as_array().unwrap().iter();
    all.map(|snapshot| (text(snapshot, "instance"), text(snapshot, "status"))).collect()
}

#[test]
fn a_snapshot_is_in_progress_until_it_is_completed() {
    let place = Place::with_snapshots();
    let mut child = loading(&place);
    drop(child.stdin.take());
    Done::of(child.wait_with_output().unwrap()).succeeds();
    assert_eq!(statuses(&place)[0], ("stream".to_string(), "completed".to_string()));
}

#[test]
fn a_snapshot_whose_process_was_killed_has_failed() {
    let place = Place::with_snapshots();
    let mut child = loading(&place);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(statuses(&place)[0], ("stream".to_string(), "failed".to_string()));
    place.run(["snapshot", "take", "shop"]).succeeds();
    place.run(["restore", "shop@latest", "--to", "restored"]).succeeds();
}
