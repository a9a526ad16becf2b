//! Passphrases and key files: where they come from, what they open, and that they are never seen.

#[path = "cli/program.rs"]
mod program;

use std::fs;

use program::{PASSPHRASE, Place};

const OTHER: &str = "another passphrase, just as secret";

fn write(place: &Place, name: &str, content: impl AsRef<[u8]>) -> String {
    fs::write(place.path(name), content).unwrap();
    place.text_path(name)
}

#[test]
fn a_passphrase_comes_from_the_environment_a_file_or_a_command() {
    let place = Place::with_repository().without_passphrase();
    let file = write(&place, "passphrase", format!("{PASSPHRASE}\n"));
    let wrong = write(&place, "wrong", OTHER);
    let command = format!("cat '{file}'");
    let list = ["snapshot", "list"];
    place.run(list).fails(2, "SNAPHOLD_PASSPHRASE");
    place.run(list.iter().chain(&["--passphrase-file", &file])).succeeds();
    place.run(list.iter().chain(&["--passphrase-command", &command])).succeeds();
    let run = |name: &str, value: &str, more: &[&str]| {
        program::Done::of(place.command(list.iter().chain(more)).env(name, value).output().unwrap())
    };
    run("SNAPHOLD_PASSPHRASE", PASSPHRASE, &[]).succeeds();
    run("SNAPHOLD_PASSPHRASE_FILE", &file, &[]).succeeds();
    // What is given on the command line comes first.
    run("SNAPHOLD_PASSPHRASE", OTHER, &["--passphrase-file", &file]).succeeds();
    run("SNAPHOLD_PASSPHRASE", PASSPHRASE, &["--passphrase-file", &wrong]).fails(4, "wrong passphrase");
}

#[test]
fn a_passphrase_that_cannot_be_had_is_said_in_a_line() {
    let place = Place::with_repository().without_passphrase();
    let empty = write(&place, "empty", "\n");
    let list = |more: &[&str]| place.run(["snapshot", "list"].iter().chain(more));
    list(&["--passphrase-file", &empty]).fails(2, "is empty");
    list(&["--passphrase-file", "nowhere"]).fails(3, "nowhere");
    list(&["--passphrase-file", "data"]).fails(1, "data");
    list(&["--passphrase-command", "true"]).fails(2, "is empty");
    list(&["--passphrase-command", &format!("echo '{PASSPHRASE}'; exit 3")]).fails(1, "passphrase command failed");
    list(&["--passphrase-command", "cat /dev/zero"]).fails(2, "longer than");
    let endless =
        program::Done::of(place.command(["snapshot", "list"]).env("SNAPHOLD_PASSPHRASE", "").output().unwrap());
    endless.fails(2, "is empty");
}

#[test]
fn a_wrong_passphrase_is_refused_and_changes_nothing() {
    let place = Place::with_repository();
    let wrong = write(&place, "wrong", OTHER);
    let key = write(&place, "key", [7; 32]);
    let before = place.state();
    for command in [&["snapshot", "list"][..], &["instance", "add", "x"], &["key", "list"], &["key", "remove", "a"]] {
        place.run(command.iter().chain(&["--passphrase-file", &wrong])).fails(4, "wrong passphrase");
        place.run(command.iter().chain(&["--key-file", &key])).fails(4, "wrong passphrase or key file");
    }
    assert!(place.state() == before);
}

#[test]
fn init_without_a_passphrase_makes_nothing() {
    let place = Place::bare().without_passphrase();
    let empty = write(&place, "empty", "");
    let short = write(&place, "short", [7; 31]);
    let before = place.state();
    place.run(["init"]).fails(2, "SNAPHOLD_PASSPHRASE");
    place.run(["init", "--passphrase-file", &empty]).fails(2, "is empty");
    place.run(["init", "--key-file", &short]).fails(2, "32 bytes");
    assert!(place.state() == before);
}

#[test]
fn without_encryption_nothing_is_asked() {
    let place = Place::bare().without_passphrase();
    place.run(["init", "--encryption", "none"]).succeeds();
    place.run(["snapshot", "list"]).succeeds();
    let keys = place.json(["key", "list", "--json"]);
    assert_eq!(keys["keys"][0]["kind"], "none");
}

#[test]
fn keys_are_added_and_removed() {
    let place = Place::with_repository();
    let other = write(&place, "other", OTHER);
    let key_file = write(&place, "key", [9; 64]);
    let added = place.json(["key", "add", "--label", "anna", "--new-passphrase-file", &other, "--json"]);
    place.json(["key", "add", "--label", "the night job", "--new-key-file", &key_file, "--json"]);
    let keys = place.json(["key", "list", "--json"]);
    let seen: Vec<(&str, &str)> = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| (key["label"].as_str().unwrap(), key["kind"].as_str().unwrap()))
        .collect();
    assert_eq!(seen, [("first", "passphrase"), ("anna", "passphrase"), ("the night job", "key file")]);

    place.run(["snapshot", "list", "--passphrase-file", &other]).succeeds();
    place.run(["snapshot", "list", "--key-file", &key_file]).succeeds();
    let anna = added["added"].as_str().unwrap();
    place.run(["key", "remove", &anna[..12]]).succeeds();
    place.run(["snapshot", "list", "--passphrase-file", &other]).fails(4, "wrong passphrase");
    place.run(["snapshot", "list"]).succeeds();

    let first = keys["keys"][0]["id"].as_str().unwrap();
    place.run(["key", "remove", first]).succeeds();
    place.run(["snapshot", "list"]).fails(4, "wrong passphrase");
    let last = keys["keys"][2]["id"].as_str().unwrap();
    place.run(["key", "remove", last, "--key-file", &key_file]).fails(4, "only key");
}

#[test]
fn a_passphrase_is_changed() {
    let place = Place::with_repository();
    let other = write(&place, "other", format!("{OTHER}\n"));
    let packs = place.state();
    place.run(["key", "passwd"]).fails(2, "SNAPHOLD_NEW_PASSPHRASE");
    assert!(place.state() == packs);
    let changed = place.json(["key", "passwd", "--new-passphrase-file", &other, "--json"]);
    assert_ne!(changed["added"], changed["removed"]);
    place.run(["snapshot", "list"]).fails(4, "wrong passphrase");
    place.run(["snapshot", "list", "--passphrase-file", &other]).succeeds();
    // And back, by the environment; the label stays.
    let back = place
        .command(["key", "passwd", "--passphrase-file", &other, "--json"])
        .env("SNAPHOLD_NEW_PASSPHRASE", PASSPHRASE)
        .output()
        .unwrap();
    program::Done::of(back).succeeds();
    let keys = place.json(["key", "list", "--json"]);
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
    assert_eq!(keys["keys"][0]["label"], "first");
}

#[test]
fn no_secret_is_ever_printed_or_stored() {
    let place = Place::with_repository();
    let other = write(&place, "other", OTHER);
    let runs = [
        place.run(["key", "list"]),
        place.run(["key", "add", "--label", "x", "--new-passphrase-file", &other]),
        place.run(["key", "passwd", "--new-passphrase-file", &other, "--json"]),
        place.run(["snapshot", "list"]),
        place.run(["snapshot", "list", "--passphrase-command", &format!("echo '{OTHER}'")]),
        place.run(["--help"]),
        place.run(["init", "--help"]),
        place.run(["snapshot", "list", "--passphrase-command", "false"]),
    ];
    fs::remove_file(place.path("other")).unwrap();
    for done in &runs {
        for secret in [PASSPHRASE, OTHER] {
            assert!(!done.stdout.contains(secret) && !done.stderr.contains(secret), "{done:?}");
        }
    }
    assert!(
        runs[0].stdout.contains("passphrase") && runs[5].stdout.contains("--passphrase-file"),
        "the runs say something"
    );
    for (path, (_, _, content)) in place.state() {
        for secret in [PASSPHRASE, OTHER] {
            assert!(!content.windows(secret.len()).any(|part| part == secret.as_bytes()), "{}", path.display());
        }
    }
}
