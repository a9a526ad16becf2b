//! Bad input gets one line that says what was wrong, its exit code, and nothing is changed.

#[path = "cli/program.rs"]
mod program;

use std::fs;

use program::{Done, Place};

/// Arguments, exit code, words of the line.
type Row<'a> = (&'a [&'a str], i32, &'a str);

/// Each row fails as it says, as text and as JSON, and leaves everything as it was.
#[track_caller]
fn check(place: &Place, rows: &[Row<'_>]) {
    let before = place.state();
    for (arguments, code, words) in rows {
        let done = place.run(*arguments);
        assert_eq!(done.failure(*code, words), None, "{arguments:?}: {done:?}");

        let done = place.run(["--json"].iter().chain(*arguments));
        assert_eq!(done.code, *code, "{arguments:?}: {done:?}");
        let object = done.object();
        let kind = ["", "failed", "usage", "not_found", "refused", "damaged", "busy"][*code as usize];
        assert_eq!(object["error"]["kind"], kind, "{arguments:?}: {done:?}");
        assert!(object["error"]["message"].as_str().unwrap().contains(words), "{arguments:?}: {done:?}");
        assert_eq!(object.as_object().unwrap().len(), 1, "{arguments:?}: {done:?}");
        assert!(place.state() == before, "{arguments:?} changed something");
    }
}

#[test]
fn wrong_usage() {
    let place = Place::with_snapshots();
    check(
        &place,
        &[
            (&[], 2, "requires a subcommand"),
            (
                &["snapshto", "list"],
                2,
                "unrecognized subcommand 'snapshto'; tip: a similar subcommand exists: 'snapshot'",
            ),
            (&["snapshot"], 2, "requires a subcommand"),
            (&["snapshot", "take"], 2, "<NAME>"),
            (&["snapshot", "take", "shop", "more"], 2, "unexpected argument 'more'"),
            (&["snapshot", "take", "shop", "--retian", "3d"], 2, "'--retain'"),
            (&["snapshot", "take", "shop", "--retain", "3y"], 2, "write it as 30d"),
            (&["snapshot", "take", "shop", "--retain", "-1d"], 2, "unexpected argument '-1'"),
            (&["snapshot", "take", "shop", "--compression", "most"], 2, "fast, default, best"),
            (&["snapshot", "hold", "latest"], 2, "--until"),
            (&["snapshot", "hold", "latest", "--until", "tomorrow"], 2, "2027-01-31T00:00:00Z"),
            (&["snapshot", "hold", "latest", "--until", "2001-01-01T00:00:00Z"], 2, "in the future"),
            (&["snapshot", "delete"], 2, "<SNAPSHOT>"),
            (&["snapshot", "show", "latest~x"], 2, "latest~1"),
            (&["snapshot", "show", "latest~-1"], 2, "latest~1"),
            (&["instance", "add", "../shop"], 2, "cannot name an instance"),
            (&["instance", "add", ""], 2, "cannot name an instance"),
            (&["instance", "add", "a b"], 2, "cannot name an instance"),
            (&["instance", "add", "new", "--source", "ftp://host"], 2, "files:"),
            (&["instance", "add", "new", "--source", "/srv"], 2, "files:"),
            (&["instance", "add", "new", "--source", "files:"], 2, "has no path"),
            (&["instance", "edit", "shop", "--source", "files:/a", "--no-source"], 2, "cannot be used with"),
            (&["verify", "--read-data=4/3"], 2, "3/30"),
            (&["verify", "--read-data", "1/3"], 2, "unexpected argument"),
            (&["gc", "--grace", "soon"], 2, "write it as 30d"),
            (&["init", "--encryption", "rot13"], 2, "aes, none"),
            (&["completions", "tcsh"], 2, "bash"),
            (&["--repo", "", "snapshot", "list"], 2, "--repo <PATH>"),
            (&["snapshot", "list", "--key-file", "a", "--passphrase-file", "b"], 2, "cannot be used with"),
        ],
    );
}

#[test]
fn what_is_not_there() {
    let place = Place::with_snapshots();
    fs::write(place.path("a-file"), "").unwrap();
    let (nowhere, a_file) = (place.text_path("nowhere"), place.text_path("a-file"));
    let (folder, plans) = (place.text_path("data"), place.text_path("no-plans.toml"));
    check(
        &place,
        &[
            (&["--repo", &nowhere, "snapshot", "list"], 3, "there is no repository at"),
            (&["--repo", &nowhere, "snapshot", "list"], 3, "`snaphold init` makes one"),
            (&["--repo", &folder, "snapshot", "list"], 3, "there is no repository at"),
            (&["--repo", &a_file, "snapshot", "list"], 3, "there is no repository at"),
            (&["--repo", &nowhere, "check-storage"], 3, "there is no repository at"),
            (&["snapshot", "take", "nobody"], 3, "\"nobody\""),
            (&["snapshot", "list", "nobody"], 3, "\"nobody\""),
            (&["snapshot", "show", "ffffffffffffffff0"], 3, "16 hexadecimal digits"),
            (&["snapshot", "show", "nothing"], 3, "no snapshot's id"),
            (&["snapshot", "show", "latest~2"], 3, "there is no snapshot latest~2"),
            (&["snapshot", "show", "nobody@latest"], 3, "\"nobody\""),
            (&["snapshot", "delete", "latest", "latest~7", "--confirm", "DELETE"], 3, "latest~7"),
            (&["snapshot", "undelete", "latest~7"], 3, "latest~7"),
            (&["instance", "show", "nobody"], 3, "\"nobody\""),
            (&["instance", "edit", "nobody", "--retain", "3d"], 3, "\"nobody\""),
            (&["instance", "remove", "nobody"], 3, "\"nobody\""),
            (&["instance", "add", "new", "--plan", "golden"], 3, "`snaphold plan list`"),
            (&["plan", "show", "golden"], 3, "`snaphold plan list`"),
            (&["plan", "list", "--plans", &plans], 1, "no-plans.toml"),
        ],
    );
}

#[test]
fn what_is_refused() {
    let place = Place::with_snapshots();
    place.run(["instance", "add", "free", "--source", &place.source(), "--plan", "xano-free"]).succeeds();
    place.run(["instance", "add", "empty"]).succeeds();
    place.run(["snapshot", "hold", "latest~1", "--until", "30d"]).succeeds();
    check(
        &place,
        &[
            (&["init"], 4, "already"),
            (&["init", "--encryption", "none"], 4, "already"),
            (&["init", "--repo", &place.text_path("data")], 4, "not empty"),
            (&["instance", "add", "shop"], 4, "`snaphold instance edit`"),
            (&["snapshot", "take", "free"], 4, "xano-free"),
            (&["snapshot", "take", "empty"], 4, "snaphold load empty FILE"),
            (&["snapshot", "delete", "latest"], 4, "--confirm DELETE"),
            (&["snapshot", "delete", "latest", "--confirm", "delete"], 4, "nothing was changed"),
            (&["snapshot", "delete", "latest", "--confirm", "RESTORE"], 4, "nothing was changed"),
            (&["snapshot", "delete", "latest~1", "--confirm", "DELETE"], 4, "is held until"),
            (&["snapshot", "hold", "latest~1", "--until", "29d"], 4, "nobody can shorten"),
            (&["snapshot", "undelete", "latest"], 4, "is not deleted"),
            (&["key", "add", "--new-passphrase-file", "data/a.txt"], 4, "not encrypted"),
            (&["key", "passwd", "--new-passphrase-file", "data/a.txt"], 4, "not encrypted"),
            (&["key", "remove", "no-such-key"], 3, "\"no-such-key\""),
            (&["key", "remove", ""], 2, "snaphold key list"),
        ],
    );
}

#[test]
fn an_ambiguous_prefix() {
    let place = Place::with_snapshots();
    // Of 17 ids two begin alike.
    while place.ids().len() < 17 {
        place.run(["snapshot", "take", "shop"]).succeeds();
    }
    let mut ids = place.ids();
    ids.sort();
    let alike = ids.windows(2).find(|pair| pair[0][..1] == pair[1][..1]).unwrap();
    check(
        &place,
        &[(&["snapshot", "show", &alike[0][..1]], 2, "ambiguous"), (&["snapshot", "show", ""], 3, "no snapshot's")],
    );
}

#[test]
fn a_source_that_is_gone() {
    let place = Place::with_snapshots();
    fs::rename(place.path("data"), place.path("elsewhere")).unwrap();
    let done = place.run(["snapshot", "take", "shop"]).fails(3, "data");
    assert!(!done.stderr.contains("panicked"));
    assert_eq!(
        place.ids().iter().filter(|id| place.json(["snapshot", "show", id, "--json"])["status"] == "completed").count(),
        2
    );
}

#[test]
fn a_name_with_control_characters_stays_one_line() {
    let place = Place::with_snapshots();
    place.run(["instance", "show", "a\nb\x1b[2J"]).fails(3, "\\n");
    let file = place.path("data/two\nlines\x1b[31m");
    fs::write(&file, "x").unwrap();
    place.run(["snapshot", "take", "shop", "--description", "one\nline\x1b[2J"]).succeeds();
    let listed = place.run(["snapshot", "list"]).succeeds().stdout;
    assert!(!listed.contains('\x1b') && listed.contains("one\\nline\\u{1b}[2J"), "{listed}");
    assert_eq!(place.json(["snapshot", "show", "latest", "--json"])["description"], "one\nline\x1b[2J");
}

/// The harness itself: what `failure` and `state` must notice.
#[test]
fn the_harness_can_fail() {
    let done = |code, stdout: &str, stderr: &str| Done { code, stdout: stdout.into(), stderr: stderr.into() };
    assert_eq!(done(2, "", "snaphold: no\n").failure(2, "no"), None);
    for bad in [
        done(1, "", "snaphold: no\n"),
        done(2, "x", "snaphold: no\n"),
        done(2, "", "snaphold: no\nmore\n"),
        done(2, "", "no\n"),
        done(2, "", "snaphold: yes\n"),
        done(2, "", ""),
    ] {
        assert!(bad.failure(2, "no").is_some(), "{bad:?}");
    }
    let place = Place::bare();
    let before = place.state();
    assert!(place.state() == before);
    fs::write(place.path("data/a.txt"), "a texT\n").unwrap();
    assert!(place.state() != before);
    fs::write(place.path("data/a.txt"), "a text\n").unwrap();
    fs::create_dir(place.path("home/new")).unwrap();
    assert!(place.state() != before);
}
