//! gc, verify and repair by the real program.

#[path = "cli/program.rs"]
mod program;

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use program::{Done, Place};
use serde_json::Value;

/// Packs, longest first.
fn packs(place: &Place) -> Vec<(u64, PathBuf)> {
    let mut found = Vec::new();
    for folder in fs::read_dir(place.path("repository/packs")).unwrap() {
        for pack in fs::read_dir(folder.unwrap().path()).unwrap() {
            let pack = pack.unwrap();
            found.push((pack.metadata().unwrap().len(), pack.path()));
        }
    }
    found.sort_by(|a, b| b.cmp(a));
    found
}

fn packs_bytes(place: &Place) -> u64 {
    packs(place).iter().map(|(bytes, _)| bytes).sum()
}

/// Two instances that have nothing in common: what `shop` holds, and half a megabyte that does not compress.
fn with_two_instances() -> Place {
    let place = Place::with_snapshots();
    let mut noise = vec![0u8; 500_000];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    fs::write(place.path("noise"), noise).unwrap();
    place.run(["load", "noise", "noise"]).succeeds();
    place
}

#[test]
fn what_was_deleted_stays_for_its_grace_time_and_then_goes() {
    let place = with_two_instances();
    let full = packs_bytes(&place);
    place.run(["snapshot", "delete", "noise@latest", "--confirm", "DELETE"]).succeeds();
    let kept = place.json(["gc", "--json"]);
    assert_eq!((&kept["bytes_freed"], &kept["snapshots_expired"]), (&0.into(), &0.into()), "{kept}");
    assert_eq!(packs_bytes(&place), full);

    let before = place.state();
    let planned = place.json(["gc", "--dry-run", "--grace", "0", "--json"]);
    assert_eq!(planned["dry_run"], true);
    assert!(planned["bytes_freed"].as_u64().unwrap() > 500_000, "{planned}");
    assert!(place.state() == before, "a dry run changed something");

    let done = place.json(["gc", "--grace", "0", "--json"]);
    let freed = done["bytes_freed"].as_u64().unwrap();
    assert!(freed > 500_000 && full - packs_bytes(&place) > 500_000, "{done}");
    assert_eq!(done["snapshots_purged"], 1);
    assert!(place.run(["gc"]).succeeds().stdout.contains("0 B freed"));
    place.run(["verify", "--read-data"]).succeeds();
    place.run(["restore", "shop@latest", "--to", "restored"]).succeeds();
    assert_eq!(place.ids().len(), 2);
}

#[test]
fn what_expired_goes_but_not_the_newest() {
    let place = Place::bare();
    place.run(["init", "--encryption", "none"]).succeeds();
    place.run(["instance", "add", "shop", "--source", &place.source()]).succeeds();
    for _ in 0..3 {
        place.run(["snapshot", "take", "shop", "--retain", "0"]).succeeds();
    }
    let before = place.state();
    assert_eq!(place.json(["gc", "--dry-run", "--json"])["snapshots_expired"], 2);
    assert!(place.state() == before);
    assert_eq!(place.json(["gc", "--json"])["snapshots_expired"], 2);
    let listed = place.json(["snapshot", "list", "--json"]);
    let statuses: Vec<&str> =
        listed["snapshots"].as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["completed", "deleting", "deleting"]);
    assert_eq!(place.json(["gc", "--grace", "0", "--json"])["snapshots_purged"], 2);
    assert_eq!(place.ids().len(), 1);
}

#[test]
fn verify_names_what_is_damaged_and_ends_with_5() {
    let place = with_two_instances();
    let well = place.json(["verify", "--read-data", "--json"]);
    assert_eq!((&well["ok"], &well["errors"]), (&true.into(), &Value::Array(vec![])));
    for part in ["--read-data=1/2", "--read-data=2/2"] {
        assert_eq!(place.json(["verify", part, "--json"])["ok"], true);
    }
    let (len, pack) = packs(&place).remove(0);
    let mut bytes = fs::read(&pack).unwrap();
    bytes[len as usize / 2] ^= 1;
    fs::write(&pack, &bytes).unwrap();
    let name = pack.file_name().unwrap().to_str().unwrap();

    let before = place.state();
    let bad = place.run(["verify", "--read-data", "--json"]);
    assert_eq!(bad.code, 5, "{bad:?}");
    let object = bad.object();
    assert_eq!(object["ok"], false);
    let error = &object["errors"][0];
    assert!(error["object"].as_str().unwrap().contains(name) && error["message"].is_string(), "{object}");
    let text = place.run(["verify", "--read-data"]);
    assert!(text.code == 5 && text.stdout.contains(name) && text.stdout.contains("snaphold repair"), "{text:?}");
    // One of the two parts reads it.
    let codes: Vec<i32> = ["1/2", "2/2"].map(|part| place.run(["verify", &format!("--read-data={part}")]).code).into();
    assert!(codes == [0, 5] || codes == [5, 0], "{codes:?}");
    assert!(place.state() == before, "verify changed something");
}

#[test]
fn repair_makes_the_index_anew_and_says_what_is_lost() {
    let place = with_two_instances();
    fs::remove_dir_all(place.path("repository/index")).unwrap();
    let repaired = place.json(["repair", "--json"]);
    assert_eq!(repaired["snapshots_damaged"], Value::Array(vec![]));
    assert!(repaired["packs_indexed"].as_u64().unwrap() > 0);
    assert!(place.run(["repair"]).succeeds().stdout.contains("snapshots are whole"));
    place.run(["restore", "noise@latest", "--to", "restored"]).succeeds();

    let noise = place.json(["snapshot", "show", "noise@latest", "--json"])["id"].clone();
    fs::remove_file(&packs(&place)[0].1).unwrap();
    let lost = place.run(["repair", "--json"]);
    assert_eq!(lost.code, 5, "{lost:?}");
    assert_eq!(lost.object()["snapshots_damaged"], Value::Array(vec![noise]));
    place.run(["restore", "noise@latest", "--to", "again"]).fails(5, "");
    place.run(["restore", "shop@latest", "--to", "./shop"]).succeeds();
}

#[test]
fn repair_waits_for_who_writes_and_gc_runs_beside() {
    let place = Place::with_snapshots();
    let mut child = place.command(["load", "stream", "-", "--quiet"]).stdin(Stdio::piped()).spawn().unwrap();
    let registered = (0..10_000).any(|_| place.run(["snapshot", "list"]).stdout.contains("in_progress"));
    assert!(registered, "the session was never listed");
    let before = place.state();
    place.run(["repair"]).fails(6, "repair");
    let refused = place.run(["repair", "--json"]);
    assert_eq!((refused.code, &refused.object()["error"]["kind"]), (6, &"busy".into()));
    assert!(place.state() == before);
    place.run(["gc", "--grace", "0"]).succeeds();
    place.run(["snapshot", "take", "shop"]).succeeds();
    drop(child.stdin.take());
    Done::of(child.wait_with_output().unwrap()).succeeds();
    place.run(["repair"]).succeeds();
    place.run(["verify", "--read-data"]).succeeds();
}
