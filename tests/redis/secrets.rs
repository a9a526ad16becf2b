//! Passwords stand nowhere that others can look.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::program::Place;
use crate::server::{Server, is_there};

const PASSWORD: &str = "pa55-that-is-looked-for";

/// Whether any process has shown `word` in its arguments until `stop`.
fn seen_in_arguments(word: &str, stop: &AtomicBool) -> bool {
    let mut seen = false;
    while !stop.load(Ordering::Relaxed) {
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let text = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            // The server of the test has it in its own.
            seen |= text.contains(word) && !text.starts_with("redis-server");
        }
    }
    seen
}

fn files_with(folder: &Path, word: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_with(&path, word, found);
        } else if fs::read(&path).unwrap().windows(word.len()).any(|bytes| bytes == word.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
}

#[test]
fn a_password_is_in_no_argument_file_or_output() {
    if !is_there("a_password") {
        return;
    }
    let server = Server::start(&["--requirepass", PASSWORD]);
    server.ask(&["SET", "a key that is looked for", "1"]);
    let place = Place::bare();
    place.run(["init"]).succeeds();
    let url = format!("redis://:{PASSWORD}@127.0.0.1:{}/0", server.port);
    let stop = AtomicBool::new(false);
    let mut said = String::new();
    let control = std::thread::scope(|scope| {
        let _stop = crate::load::Stop(&stop);
        let watching = scope.spawn(|| seen_in_arguments(PASSWORD, &stop));
        let control = scope.spawn(|| seen_in_arguments("--no-safety", &stop));
        // The URL comes by a file: what a user types is the user's own.
        fs::write(place.path("password"), PASSWORD).unwrap();
        let plain = format!("redis://127.0.0.1:{}/0", server.port);
        let add = ["instance", "add", "cache", "--source", &plain, "--password-file", "password"];
        let mut run = |arguments: &[&str]| {
            let done = place.run(arguments);
            assert_eq!(done.code, 0, "{done:?}");
            said += &format!("{}{}", done.stdout, done.stderr);
        };
        run(&add);
        run(&["snapshot", "take", "cache"]);
        run(&["restore", "latest", "--no-safety", "--confirm", "RESTORE"]);
        run(&["drill", "latest"]);
        run(&["instance", "show", "cache", "--json"]);
        run(&["instance", "list", "--json"]);
        run(&["snapshot", "show", "latest", "--json"]);
        stop.store(true, Ordering::Relaxed);
        assert!(!watching.join().unwrap(), "a process has the password in its arguments");
        control.join().unwrap()
    });
    assert!(control, "the watch saw no process at all");
    assert!(!said.contains(PASSWORD) && said.contains("cache"), "{said}");
    let mut found = Vec::new();
    files_with(&place.path("repository"), PASSWORD, &mut found);
    files_with(&place.path("tmp"), PASSWORD, &mut found);
    assert!(found.is_empty(), "{found:?}");
    // In the URL itself it is refused or sealed, and never shown.
    let done = place.run(["instance", "edit", "cache", "--source", &url]);
    assert!(!format!("{}{}", done.stdout, done.stderr).contains(PASSWORD), "{done:?}");
    let wrong = place.run(["instance", "add", "wrong", "--source", &url.replace("/0", "/7")]);
    assert!(wrong.code == 2 && !wrong.stderr.contains(PASSWORD), "{wrong:?}");
    files_with(&place.path("repository"), PASSWORD, &mut found);
    assert!(found.is_empty(), "{found:?}");
    assert!(!server.log().contains(PASSWORD));
}
