//! A password is seen nowhere: not in a child's words, not in what is printed, not in what is stored.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::program::{Done, Place};
use crate::server::{BANK, Server, is_here, place};

const SECRET: &str = "xyzzy-frobozz-5";

/// Wraps each tool in one that writes down its own words first.
fn watched(place: &Place, arguments: &[&str]) -> Done {
    let folder = place.path("tools");
    let _ = fs::create_dir(&folder);
    for tool in ["mariadb", "mariadb-dump", "mariadb-backup", "mariadb-check"] {
        let script = format!(
            "#!/bin/sh\necho \"{tool} $*\" >> {}\ntr '\\0' ' ' < /proc/$$/cmdline >> {0}\nexec /usr/bin/{tool} \"$@\"\n",
            place.path("words").display()
        );
        fs::write(folder.join(tool), script).unwrap();
        fs::set_permissions(folder.join(tool), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:/usr/bin:/bin", folder.display());
    Done::of(place.command(arguments).env("PATH", path).output().unwrap())
}

fn holds(place: &Place, folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![place.path(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if fs::read(entry.path()).unwrap().windows(SECRET.len()).any(|window| window == SECRET.as_bytes()) {
                found.push(entry.path().display().to_string());
            }
        }
    }
    found
}

#[test]
fn a_password_is_seen_nowhere() {
    if !is_here("a_password_is_seen_nowhere") {
        return;
    }
    let place = place();
    // An encrypted repository keeps the password of a URL.
    fs::remove_dir_all(place.path("repository")).unwrap();
    place.run(["init"]).succeeds();
    let server = Server::new(&place.path("server"));
    server.ask(BANK);
    server.ask(&format!("CREATE USER keeper@'%' IDENTIFIED BY '{SECRET}'; GRANT ALL ON *.* TO keeper@'%'"));
    let url = |rest: &str| format!("mariadb://keeper:{SECRET}@127.0.0.1:{}/{rest}", server.port);
    let mut done = vec![
        watched(&place, &["instance", "add", "bank", "--source", &url("bank")]).succeeds(),
        watched(&place, &["instance", "add", "whole", "--source", &url("?mode=physical")]).succeeds(),
        watched(&place, &["snapshot", "take", "bank", "--json"]).succeeds(),
        watched(&place, &["snapshot", "take", "whole"]).succeeds(),
        watched(&place, &["restore", "latest~1", "--to", "bank", "--confirm", "RESTORE"]).succeeds(),
        watched(&place, &["instance", "show", "bank", "--json"]).succeeds(),
    ];
    server.ask("REVOKE ALL ON *.* FROM keeper@'%'");
    done.push(watched(&place, &["snapshot", "take", "bank"]));
    server.ask("DROP USER keeper@'%'");
    done.push(watched(&place, &["snapshot", "take", "bank"]).fails(4, "check the user"));
    for one in &done {
        assert!(!one.stdout.contains(SECRET) && !one.stderr.contains(SECRET), "{one:?}");
    }
    let words = fs::read_to_string(place.path("words")).unwrap();
    assert!(words.contains("mariadb-dump") && words.contains("mariadb-backup"), "the words are written down");
    assert!(!words.contains(SECRET), "{words}");
    assert_eq!(holds(&place, "repository"), Vec::<String>::new());
    assert_eq!(holds(&place, "tmp"), Vec::<String>::new());
    // The negative control: it would be found.
    fs::write(place.path("repository/x"), format!("x{SECRET}x")).unwrap();
    assert_eq!(holds(&place, "repository").len(), 1);
}
