//! `--json`: one object on standard output and nothing else there, with the keys that scripts count on.

#[path = "cli/program.rs"]
mod program;

use std::fs;
use std::process::Stdio;

use program::{Done, Place};
use serde_json::Value;

const SNAPSHOT_KEYS: &[&str] = &[
    "id",
    "instance",
    "type",
    "status",
    "created_at",
    "expires_at",
    "files",
    "bytes_total",
    "bytes_read",
    "bytes_new",
    "bytes_stored",
    "chunks_new",
    "chunks_delta",
];
const INSTANCE_KEYS: &[&str] =
    &["name", "source", "plan", "retain", "description", "created_at", "snapshots", "latest"];

#[track_caller]
fn has(object: &Value, keys: &[&str]) {
    for key in keys {
        assert!(object.get(key).is_some(), "no {key} in {object}");
    }
}

#[test]
fn init_and_keys() {
    let place = Place::bare();
    let made = place.json(["init", "--json"]);
    has(&made, &["repository", "id", "encryption"]);
    assert_eq!(made["repository"], place.text_path("repository"));
    assert_eq!(made["encryption"], "aes");
    fs::write(place.path("key"), [3; 32]).unwrap();
    let added = place.json(["key", "add", "--label", "k", "--new-key-file", "key", "--json"]);
    let keys = place.json(["key", "list", "--json"]);
    has(&keys["keys"][0], &["id", "label", "kind", "created_at"]);
    assert_eq!(keys["keys"][1]["id"], added["added"]);
    let removed = place.json(["key", "remove", added["added"].as_str().unwrap(), "--json"]);
    assert_eq!(removed["removed"], added["added"]);
}

#[test]
fn instances_and_plans() {
    let place = Place::bare();
    place.json(["init", "--encryption", "none", "--json"]);
    let retain = ["--retain", "14d", "--plan", "auradb-free", "--description", "the shop"];
    let source = place.source();
    let added = place.json(["instance", "add", "shop", "--source", &source, "--json"].iter().chain(&retain));
    has(&added, INSTANCE_KEYS);
    assert_eq!(
        (&added["source"], &added["retain"], &added["plan"]),
        (&source.into(), &"14d".into(), &"auradb-free".into())
    );
    let edited = place.json(["instance", "edit", "shop", "--no-source", "--no-retain", "--description", "", "--json"]);
    assert_eq!([&edited["source"], &edited["retain"], &edited["description"]], [&Value::Null; 3]);
    assert_eq!(place.json(["instance", "show", "shop", "--json"]), edited);
    assert_eq!(place.json(["instance", "list", "--json"])["instances"], Value::Array(vec![edited]));
    assert_eq!(place.json(["instance", "remove", "shop", "--json"])["removed"], "shop");
    assert_eq!(place.json(["instance", "list", "--json"])["instances"], Value::Array(vec![]));

    let plans = place.json(["plan", "list", "--json"]);
    assert_eq!(plans["plans"].as_array().unwrap().len(), 9);
    let plan = place.json(["plan", "show", "aurads", "--json"]);
    has(&plan, &["name", "description", "snapshots", "cadence", "retain", "available", "keep"]);
    assert_eq!(plan["retain"], "180d");
    fs::write(place.path("plans.toml"), "[plans.golden]\nretain = '5d'\nkeep = { daily = 3 }\n").unwrap();
    let plan = place.json(["plan", "show", "golden", "--plans", "plans.toml", "--json"]);
    assert_eq!((&plan["retain"], &plan["keep"]["daily"]), (&"5d".into(), &3.into()));
}

#[test]
fn snapshots() {
    let place = Place::bare();
    place.json(["init", "--encryption", "none", "--json"]);
    place.json(["instance", "add", "shop", "--source", &place.source(), "--json"]);
    let taken = place.json(["snapshot", "take", "shop", "--description", "one", "--retain", "30d", "--json"]);
    has(&taken, SNAPSHOT_KEYS);
    assert_eq!([&taken["instance"], &taken["type"], &taken["status"]], ["shop", "on_demand", "completed"]);
    assert_eq!((&taken["files"], &taken["description"]), (&2.into(), &"one".into()));
    let bytes = fs::metadata(place.path("data/numbers")).unwrap().len() + 7;
    assert_eq!((&taken["bytes_total"], &taken["bytes_read"]), (&bytes.into(), &bytes.into()));
    assert!(taken["bytes_stored"].as_u64().unwrap() > 0 && taken["chunks_new"].as_u64().unwrap() > 0);
    let at = |key: &str| taken[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let kept_s = at("expires_at").duration_since(at("created_at")).as_secs();
    assert!((kept_s - 30 * 86_400).abs() < 600, "kept {kept_s} seconds");

    let id = taken["id"].as_str().unwrap();
    assert_eq!(place.json(["snapshot", "show", &id[..6], "--json"]), taken);
    assert_eq!(place.json(["snapshot", "list", "--json"])["snapshots"], Value::Array(vec![taken.clone()]));
    assert_eq!(place.json(["snapshot", "list", "shop", "--json"])["snapshots"][0], taken);
    assert_eq!(place.json(["snapshot", "show", "shop@latest", "--json"]), taken);

    let deleted = place.json(["snapshot", "delete", id, id, "--confirm", "DELETE", "--grace", "2d", "--json"]);
    let deleted = deleted["snapshots"].as_array().unwrap();
    assert_eq!((deleted.len(), &deleted[0]["status"]), (1, &"deleting".into()));
    has(&deleted[0], &["deleted_at", "purge_after"]);
    let back = place.json(["snapshot", "undelete", id, "--json"]);
    assert_eq!(back["status"], "completed");
    let held = place.json(["snapshot", "hold", id, "--until", "2200-01-01T00:00:00Z", "--json"]);
    assert!(held["hold_until"].as_str().unwrap().starts_with("2200-01-01T00:00:00"), "{held}");
}

#[test]
fn storage_and_help() {
    let place = Place::with_snapshots();
    for arguments in [&["check-storage", "--json"][..], &["check-storage", "tmp", "--json"]] {
        let checked = place.json(arguments);
        assert_eq!(checked["ok"], true);
        has(&checked["checks"][0], &["name", "ok", "detail"]);
    }
    assert_eq!(fs::read_dir(place.path("tmp")).unwrap().count(), 0, "the probe left something");
    assert!(place.json(["completions", "bash", "--json"])["script"].as_str().unwrap().contains("snapshot"));
    assert!(place.json(["man", "--json"])["man"].as_str().unwrap().starts_with(".ie"));
    let pages = place.json(["man", "--dir", "pages", "--json"]);
    assert!(pages["files"].as_array().unwrap().contains(&"pages/snaphold-restore-undo.1".into()));
    assert_eq!(fs::read_dir(place.path("pages")).unwrap().count(), pages["files"].as_array().unwrap().len());
}

#[test]
fn every_shell_gets_its_completions() {
    let place = Place::bare();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(place.run(["completions", shell]).succeeds().stdout.contains("check-storage"), "{shell}");
    }
}

#[test]
fn progress_and_notes_are_on_standard_error_and_can_be_silenced() {
    let place = Place::with_snapshots();
    // A new index is worth a note.
    fs::remove_dir_all(place.path("repository/index")).unwrap();
    let noted = place.run(["snapshot", "take", "shop", "--json"]).succeeds();
    assert!(noted.stderr.starts_with("note: ") && noted.object()["status"] == "completed", "{noted:?}");
    fs::remove_dir_all(place.path("repository/index")).unwrap();
    let quiet = place.run(["snapshot", "take", "shop", "--quiet"]).succeeds();
    assert_eq!(quiet.stderr, "");
    assert!(quiet.stdout.starts_with("snapshot "), "the result is printed: {quiet:?}");
}

#[test]
fn who_stops_reading_gets_no_complaint() {
    let place = Place::with_snapshots();
    for arguments in [&["man"][..], &["snapshot", "list", "--json"]] {
        let mut child = place.command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let done = Done::of(child.wait_with_output().unwrap());
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{arguments:?}");
    }
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let done = Done::of(place.command(["snapshot", "list"]).stdout(full).output().unwrap());
    done.fails(1, "cannot write standard output");
}
