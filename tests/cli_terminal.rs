//! The program on a terminal: what it asks, and what answers do. The terminal is `script`'s, of util-linux.

#[path = "cli/program.rs"]
mod program;

use std::io::Write;
use std::process::Stdio;

use program::Place;

/// Runs the program on a terminal on which `typed` is typed. Returns the exit code and what the terminal showed.
fn on_terminal(place: &Place, arguments: &[&str], typed: &str) -> (i32, String) {
    let quoted: Vec<String> = arguments.iter().map(|argument| format!("'{argument}'")).collect();
    let line = format!("'{}' {}", env!("CARGO_BIN_EXE_snaphold"), quoted.join(" "));
    let environment = place.command(arguments);
    let mut script = std::process::Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env_clear();
    script.current_dir(environment.get_current_dir().unwrap());
    script.envs(environment.get_envs().filter_map(|(name, value)| Some((name, value?))));
    script.env("TERM", "dumb").env("SHELL", "/bin/sh");
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("util-linux has script");
    let mut input = child.stdin.take().unwrap();
    input.write_all(typed.as_bytes()).unwrap();
    // The terminal stays open until the program has ended: closing it would send an end of file.
    let mut shown = Vec::new();
    std::io::Read::read_to_end(child.stdout.as_mut().unwrap(), &mut shown).unwrap();
    drop(input);
    (child.wait().unwrap().code().unwrap(), String::from_utf8_lossy(&shown).into_owned())
}

#[test]
fn init_asks_twice() {
    let place = Place::bare().without_passphrase();
    let before = place.state();
    let (code, shown) = on_terminal(&place, &["init"], "one\rtwo\r");
    assert_eq!(code, 4, "{shown}");
    assert!(shown.contains("the two passphrases differ"), "{shown}");
    let (code, shown) = on_terminal(&place, &["init"], "\r");
    assert_eq!(code, 2, "{shown}");
    assert!(shown.contains("is empty"), "{shown}");
    assert!(place.state() == before);

    let (code, shown) = on_terminal(&place, &["init"], "one\rone\r");
    assert_eq!(code, 0, "{shown}");
    let (code, shown) = on_terminal(&place, &["snapshot", "list"], "one\r");
    assert_eq!((code, shown.contains("Passphrase:")), (0, true), "{shown}");
    let (code, shown) = on_terminal(&place, &["snapshot", "list"], "two\r");
    assert_eq!(code, 4, "{shown}");
    let (code, shown) = on_terminal(&place, &["key", "passwd"], "one\rthree\rthree\r");
    assert_eq!(code, 0, "{shown}");
    let (code, _) = on_terminal(&place, &["snapshot", "list"], "three\r");
    assert_eq!(code, 0);
}

#[test]
fn delete_asks_for_the_word_and_shows_what_would_go() {
    let place = Place::with_snapshots();
    let before = place.state();
    let ids = place.ids();
    for typed in ["delete\r", "yes\r", "\r"] {
        let (code, shown) = on_terminal(&place, &["snapshot", "delete", "latest"], typed);
        assert_eq!(code, 4, "{shown}");
        assert!(shown.contains(&ids[0]) && shown.contains("Type DELETE"), "{shown}");
    }
    assert!(place.state() == before);
    let (code, shown) = on_terminal(&place, &["snapshot", "delete", "latest"], "DELETE\r");
    assert_eq!(code, 0, "{shown}");
    assert_eq!(place.json(["snapshot", "show", &ids[0], "--json"])["status"], "deleting");
}

#[test]
fn restore_shows_the_plan_before_it_asks() {
    let place = Place::with_snapshots();
    let data = place.path("data/a.txt");
    let (code, shown) = on_terminal(&place, &["restore", "latest~1"], "no\r");
    assert_eq!(code, 4, "{shown}");
    assert!(shown.contains("would write") && shown.contains("Type RESTORE"), "{shown}");
    assert_eq!(std::fs::read_to_string(&data).unwrap(), "another text\n");
    let (code, shown) = on_terminal(&place, &["restore", "latest~1"], "RESTORE\r");
    assert_eq!(code, 0, "{shown}");
    assert_eq!(std::fs::read_to_string(&data).unwrap(), "a text\n");
    // Nothing is overwritten, so nothing is asked.
    let (code, shown) = on_terminal(&place, &["restore", "latest", "--to", "./elsewhere"], "");
    assert!(code == 0 && !shown.contains("Type RESTORE"), "{shown}");
}
