//! Data out and in again by the real program: load, export, restore, undo, clone, ls, diff, stats.

#[path = "cli/program.rs"]
mod program;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;

use program::{Done, Place};
use serde_json::Value;

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

#[track_caller]
fn has(object: &Value, keys: &[&str]) {
    for key in keys {
        assert!(object.get(key).is_some(), "no {key} in {object}");
    }
}

const RESTORE_KEYS: &[&str] =
    &["snapshot", "target", "in_place", "safety_snapshot", "files", "bytes_total", "bytes_written", "bytes_unchanged"];

#[test]
fn a_restore_in_place_is_planned_confirmed_and_undone() {
    let place = Place::with_snapshots();
    fs::write(place.path("data/a.txt"), "the present state\n").unwrap();
    fs::write(place.path("data/new"), "new").unwrap();
    let before = place.state();
    place.run(["restore", "latest~1"]).fails(4, "--confirm RESTORE");
    for word in ["restore", "DELETE", ""] {
        place.run(["restore", "latest~1", "--confirm", word]).fails(4, "nothing was changed");
    }
    let plan = place.json(["restore", "latest~1", "--plan", "--json"]);
    has(&plan, RESTORE_KEYS);
    assert_eq!(plan["safety_snapshot"], Value::Null);
    let text = place.run(["restore", "latest~1", "--plan"]).succeeds().stdout;
    assert!(text.contains("would write") && text.contains(&place.text_path("data")), "{text}");
    assert!(place.state() == before, "a plan changed something");

    let done = place.json(["restore", "latest~1", "--confirm", "RESTORE", "--json"]);
    has(&done, RESTORE_KEYS);
    for key in ["bytes_written", "bytes_unchanged", "removed"] {
        assert_eq!(done[key], plan[key], "{key} is not as planned");
    }
    assert!(done["bytes_written"].as_u64().unwrap() < 100 && done["bytes_unchanged"].as_u64().unwrap() > 100_000);
    assert_eq!(read(place.path("data/a.txt")), "a text\n");
    assert!(!place.path("data/new").exists());
    let safety = place.json(["snapshot", "show", done["safety_snapshot"].as_str().unwrap(), "--json"]);
    assert_eq!(safety["type"], "safety");

    place.run(["restore", "undo", "shop"]).fails(4, "--confirm RESTORE");
    place.json(["restore", "undo", "shop", "--plan", "--json"]);
    assert_eq!(read(place.path("data/a.txt")), "a text\n");
    let undone = place.run(["restore", "undo", "shop", "--confirm", "RESTORE"]).succeeds();
    assert!(undone.stdout.contains("snaphold restore undo shop"), "{undone:?}");
    assert_eq!(read(place.path("data/a.txt")), "the present state\n");
    assert_eq!(read(place.path("data/new")), "new");

    let ids = place.ids().len();
    let unsafe_one = place.json(["restore", "latest~1", "--confirm", "RESTORE", "--no-safety", "--json"]);
    assert_eq!((&unsafe_one["safety_snapshot"], place.ids().len()), (&Value::Null, ids));
}

#[test]
fn a_restore_elsewhere_needs_no_word() {
    let place = Place::with_snapshots();
    let done = place.json(["restore", "latest~1", "--to", "restored", "--json"]);
    assert_eq!((&done["in_place"], &done["safety_snapshot"]), (&false.into(), &Value::Null));
    assert_eq!(read(place.path("restored/a.txt")), "a text\n");
    assert_eq!(read(place.path("restored/numbers")), read(place.path("data/numbers")));
    let before = place.state();
    place.run(["restore", "latest", "--to", "restored"]).fails(4, "--confirm RESTORE");
    place.run(["restore", "latest", "--to", "data/a.txt"]).fails(4, "--confirm RESTORE");
    place.run(["restore", "latest", "--path", "nowhere", "--to", "x"]).fails(3, "nowhere");
    place.run(["restore", "latest", "--path", "../home", "--to", "x"]).fails(2, "..");
    place.run(["restore", "latest", "undo"]).fails(2, "cannot be used with");
    place.run(["restore"]).fails(2, "<SNAPSHOT>");
    place.run(["restore", "undo", "nobody", "--confirm", "RESTORE"]).fails(3, "nobody");
    place.run(["restore", "undo", "shop", "--confirm", "RESTORE"]).fails(3, "nothing to undo");
    assert!(place.state() == before);
    place.run(["restore", "latest", "--path", "a.txt", "--to", "one"]).succeeds();
    assert_eq!(read(place.path("one/a.txt")), "another text\n");
    assert_eq!(fs::read_dir(place.path("one")).unwrap().count(), 1);
}

#[test]
fn exports_are_the_same_each_time_and_to_a_file_as_to_a_pipe() {
    let place = Place::with_snapshots();
    let done = place.json(["export", "latest", "--format", "tar.gz", "--output", "a.tar.gz", "--json"]);
    has(&done, &["snapshot", "output", "format", "files", "bytes_plain", "bytes_written"]);
    let file = fs::read(place.path("a.tar.gz")).unwrap();
    assert_eq!(done["bytes_written"], file.len());
    // Standard output carries the data, so the object goes to standard error.
    let piped = place.command(["export", "latest", "--format", "tar.gz", "-o", "-", "--json"]).output().unwrap();
    assert!(piped.stdout == file, "a pipe gets other bytes");
    let object: Value = serde_json::from_slice(&piped.stderr).unwrap();
    assert_eq!((&object["output"], &object["bytes_written"]), (&"-".into(), &done["bytes_written"]));
    place.run(["export", "latest", "--format", "dir", "--output", "folder"]).succeeds();
    assert_eq!(read(place.path("folder/a.txt")), "another text\n");
    let one = place.json(["export", "latest", "--format", "tar", "--path", "a.txt", "--output", "one.tar", "--json"]);
    assert_eq!(one["files"], 1);

    let before = place.state();
    place.run(["export", "latest", "--format", "tar.gz", "--output", "a.tar.gz"]).fails(4, "a.tar.gz");
    place.run(["export", "latest", "--format", "dump", "--output", "x"]).fails(4, "tar, tar.gz or dir");
    place.run(["export", "latest", "--format", "zip", "--output", "x"]).fails(2, "dump, sql, tar.gz, tar or dir");
    place.run(["export", "latest", "--format", "dir", "--output", "-"]).fails(2, "standard output");
    place.run(["export", "latest", "--format", "tar", "--path", "nowhere", "--output", "x"]).fails(3, "nowhere");
    place.run(["export", "latest~9", "--format", "tar", "--output", "x"]).fails(3, "latest~9");
    place.run(["export", "latest", "--format", "tar"]).fails(2, "--output");
    assert!(place.state() == before);
    place.run(["export", "latest", "--format", "tar.gz", "--output", "a.tar.gz", "--overwrite"]).succeeds();
}

#[test]
fn an_error_of_an_export_to_a_pipe_keeps_standard_output_clean() {
    let place = Place::with_snapshots();
    let failed = place.run(["export", "latest", "--format", "dump", "--output", "-", "--json"]);
    assert_eq!((failed.code, failed.stdout.as_str()), (4, ""));
    let object: Value = serde_json::from_str(&failed.stderr).unwrap();
    assert_eq!(object["error"]["kind"], "refused");

    let mut child =
        place.command(["export", "latest", "--format", "tar", "--output", "-"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let gone = Done::of(child.wait_with_output().unwrap());
    assert_eq!((gone.code, gone.stderr.as_str()), (1, ""), "whoever stops reading knows");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let full = place.command(["export", "latest", "--format", "tar", "--output", "-"]).stdout(full).output().unwrap();
    Done::of(full).fails(1, "No space left");
}

#[test]
fn a_dump_is_loaded_from_a_file_or_a_pipe() {
    let place = Place::bare();
    place.run(["init", "--encryption", "none"]).succeeds();
    let numbers = fs::read(place.path("data/numbers")).unwrap();
    let loaded = place.json(["load", "sql", "data/numbers", "--description", "first", "--json"]);
    assert_eq!(
        (&loaded["type"], &loaded["description"], &loaded["files"]),
        (&"load".into(), &"first".into(), &1.into())
    );
    assert_eq!(loaded["safety_snapshot"], Value::Null);
    let piped = place.run_with_input(["load", "sql", "-", "--name-as", "numbers", "--json"], &numbers).succeeds();
    assert_eq!((&piped.object()["bytes_new"], &piped.object()["files"]), (&0.into(), &1.into()));
    let listed = place.json(["snapshot", "ls", "latest", "--json"]);
    assert_eq!(listed["entries"][0]["path"], "numbers");
    place.run(["restore", "sql@latest", "--to", "out"]).succeeds();
    assert_eq!(fs::read(place.path("out/numbers")).unwrap(), numbers);

    let before = place.state();
    place.run(["load", "sql", "nowhere.dump"]).fails(3, "nowhere.dump");
    place.run(["load", "sql", "data"]).fails(2, "is a folder");
    place.run(["load", "a/b", "data/numbers"]).fails(2, "cannot name an instance");
    place.run(["load", "sql", "data/numbers", "--name-as", "../x"]).fails(2, "--name-as");
    place.run(["load", "sql"]).fails(2, "<FILE|->");
    assert!(place.state() == before);
}

#[test]
fn a_load_into_a_source_asks_keeps_what_was_there_and_is_undone() {
    let place = Place::with_snapshots();
    fs::write(place.path("new.txt"), "what is loaded").unwrap();
    let before = place.state();
    place.run(["load", "shop", "new.txt"]).fails(4, "--confirm RESTORE");
    place.run(["load", "shop", "new.txt", "--confirm", "yes"]).fails(4, "nothing was changed");
    assert!(place.state() == before);
    let loaded = place.json(["load", "shop", "new.txt", "--confirm", "RESTORE", "--json"]);
    assert!(loaded["safety_snapshot"].is_string(), "{loaded}");
    assert_eq!(read(place.path("data/new.txt")), "what is loaded");
    assert!(!place.path("data/a.txt").exists());
    place.run(["restore", "undo", "shop", "--confirm", "RESTORE"]).succeeds();
    assert_eq!(read(place.path("data/a.txt")), "another text\n");
}

#[test]
fn a_clone_is_an_instance_of_its_own() {
    let place = Place::with_snapshots();
    let source = format!("files:{}", place.text_path("copy"));
    let made = place.json(["clone", "latest~1", "--name", "copy", "--source", &source, "--json"]);
    has(&made, &["instance", "snapshot", "restored"]);
    assert_eq!(read(place.path("copy/a.txt")), "a text\n");
    place.json(["clone", "shop@latest", "--name", "inside", "--json"]);
    assert_eq!(place.json(["instance", "show", "inside", "--json"])["snapshots"], 1);
    place.run(["snapshot", "take", "copy"]).succeeds();

    let before = place.state();
    place.run(["clone", "shop@latest", "--name", "copy"]).fails(4, "already");
    place.run(["clone", "shop@latest", "--name", "b d"]).fails(2, "cannot name an instance");
    place.run(["clone", "shop@latest"]).fails(2, "--name");
    place.run(["clone", "shop@latest~7", "--name", "x"]).fails(3, "latest~7");
    place.run(["clone", "shop@latest", "--name", "x", "--source", "sqlite:/x.db"]).fails(4, "another kind");
    place.run(["clone", "shop@latest", "--name", "x", "--source", &place.source()]).fails(4, "not empty");
    assert!(place.state() == before);
}

#[test]
fn what_is_in_a_snapshot_and_what_changed() {
    let place = Place::with_snapshots();
    fs::create_dir(place.path("data/folder")).unwrap();
    fs::write(place.path("data/folder/inner"), "x").unwrap();
    symlink("a.txt", place.path("data/link")).unwrap();
    fs::write(place.path("data/two\nlines\x1b[31m"), "y").unwrap();
    fs::remove_file(place.path("data/a.txt")).unwrap();
    place.run(["snapshot", "take", "shop"]).succeeds();

    let paths = |value: &Value, key: &str| -> Vec<String> {
        value[key].as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap().to_string()).collect()
    };
    let all = place.json(["snapshot", "ls", "latest", "--recursive", "--json"]);
    assert_eq!(paths(&all, "entries").len(), 5);
    has(&all["entries"][0], &["path", "kind", "mode", "uid", "gid", "size", "mtime"]);
    let below = place.json(["snapshot", "ls", "latest", "folder", "--json"]);
    assert_eq!(paths(&below, "entries"), ["folder/inner"]);
    let text = place.run(["snapshot", "ls", "latest"]).succeeds().stdout;
    assert!(text.contains("link -> a.txt") && text.lines().count() == 5 && !text.contains('\x1b'), "{text}");
    place.run(["snapshot", "ls", "latest", "nowhere"]).fails(3, "nowhere");
    place.run(["snapshot", "ls", "latest", "../data"]).fails(2, "../data");

    let diff = place.json(["snapshot", "diff", "latest~1", "latest", "--json"]);
    has(&diff, &["added", "removed", "changed", "metadata_changed", "bytes_new", "bytes_gone", "changes"]);
    assert_eq!((&diff["added"], &diff["removed"], &diff["changed"]), (&4.into(), &1.into(), &0.into()));
    let text = place.run(["snapshot", "diff", "latest~1", "latest"]).succeeds().stdout;
    assert!(text.contains("- a.txt") && text.contains("+ folder/inner") && !text.contains('\x1b'), "{text}");
    assert_eq!(place.json(["snapshot", "diff", "latest", "latest", "--json"])["changes"], Value::Array(vec![]));
    place.run(["snapshot", "diff", "latest", "latest~9"]).fails(3, "latest~9");
    place.run(["snapshot", "diff", "latest"]).fails(2, "<B>");
}

#[test]
fn stats_say_what_is_kept() {
    let place = Place::with_snapshots();
    let stats = place.json(["stats", "--json"]);
    has(&stats, &["snapshots", "bytes_logical", "bytes_stored", "ratio", "packs", "chunks", "instances"]);
    assert_eq!((&stats["snapshots"], &stats["instances"][0]["name"]), (&2.into(), &"shop".into()));
    assert_eq!(place.json(["stats", "shop", "--json"])["instances"].as_array().unwrap().len(), 1);
    assert!(place.run(["stats"]).succeeds().stdout.contains("shop"));
    place.run(["stats", "nobody"]).fails(3, "nobody");
}
