//! Two processes on one repository at once: both do what they were asked to, or one is told that it must wait.

#[path = "cli/program.rs"]
mod program;

use program::{Done, Place};

/// Starts all, then waits for all.
fn at_once(place: &Place, commands: &[&[&str]]) -> Vec<Done> {
    let started: Vec<_> = commands.iter().map(|arguments| place.command(*arguments).spawn().unwrap()).collect();
    started.into_iter().map(|child| Done::of(child.wait_with_output().unwrap())).collect()
}

#[test]
fn snapshots_at_once_all_complete() {
    let place = Place::with_snapshots();
    place.run(["instance", "add", "other", "--source", &place.source()]).succeeds();
    let take: &[&str] = &["snapshot", "take", "shop"];
    let other: &[&str] = &["snapshot", "take", "other"];
    for done in at_once(&place, &[take, other, take, other, &["snapshot", "list"]]) {
        done.succeeds();
    }
    let listed = place.json(["snapshot", "list", "--json"]);
    let snapshots = listed["snapshots"].as_array().unwrap();
    assert_eq!(snapshots.len(), 6);
    assert!(snapshots.iter().all(|snapshot| snapshot["status"] == "completed"), "{listed}");
}

#[test]
fn of_two_that_make_a_repository_one_does() {
    let place = Place::bare();
    let init: &[&str] = &["init"];
    let mut codes: Vec<i32> = at_once(&place, &[init, init]).iter().map(|done| done.code).collect();
    codes.sort();
    assert!(codes == [0, 4] || codes == [0, 6], "{codes:?}");
    place.run(["snapshot", "list"]).succeeds();
}

#[test]
fn of_two_that_define_an_instance_one_does() {
    let place = Place::with_repository();
    let add: &[&str] = &["instance", "add", "shop"];
    let mut codes: Vec<i32> = at_once(&place, &[add, add]).iter().map(|done| done.code).collect();
    codes.sort();
    assert!(codes == [0, 4] || codes == [0, 6], "{codes:?}");
    assert_eq!(place.json(["instance", "list", "--json"])["instances"].as_array().unwrap().len(), 1);
}
