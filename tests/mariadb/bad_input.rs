//! What gets in the way: each is one line that says what to do, with its exit code; no snapshot, and nothing touched.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::program::{Done, Place};
use crate::server::{SHOP, Server, is_here, place};

/// A tool of the name `name` that is a script of our own, first on the path.
fn with_tool(place: &Place, name: &str, script: &str, arguments: &[&str]) -> Done {
    let folder = place.path("tools");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.display());
    Done::of(place.command(arguments).env("PATH", path).output().unwrap())
}

#[test]
fn whatever_stands_in_the_way_is_said_and_nothing_is_touched() {
    if !is_here("whatever_stands_in_the_way_is_said_and_nothing_is_touched") {
        return;
    }
    let place = place();
    // An encrypted repository keeps the passwords of URLs.
    fs::remove_dir_all(place.path("repository")).unwrap();
    place.run(["init"]).succeeds();
    let server = Server::new(&place.path("server"));
    server.ask(SHOP);
    server.ask(
        "CREATE USER some@localhost IDENTIFIED BY 'right'; GRANT SELECT ON shop.* TO some@localhost;
         CREATE USER none@localhost IDENTIFIED BY 'right';",
    );
    let before = server.dump("shop");
    let at = |login: &str, rest: &str| {
        let mark = if rest.contains('?') { '&' } else { '?' };
        format!("mariadb://{login}@localhost/{rest}{mark}socket={}", server.socket.display())
    };
    place.run(["instance", "add", "good", "--source", &at("root", "shop")]).succeeds();
    place.run(["snapshot", "take", "good"]).succeeds();
    let good = place.ids()[0].clone();

    let down = format!("mariadb://root@localhost/shop?socket={}", place.text_path("no-socket"));
    let rows: [(&str, String, i32, &str); 8] = [
        ("down", down, 1, "is it running"),
        ("refused", "mariadb://root@127.0.0.1:1/shop".into(), 1, "is it running"),
        ("password", at("some:wrong", "shop"), 4, "check the user, and the password"),
        ("absent", at("root", "nowhere"), 3, "no database"),
        ("rights", at("some:right", "shop"), 4, "SHOW VIEW, TRIGGER, EVENT"),
        ("replicate", at("some:right", "?mode=physical"), 4, "GRANT RELOAD, PROCESS"),
        ("unnamed", at("root", ""), 2, "which database"),
        ("system", at("root", "mysql"), 2, "the server's own"),
    ];
    for (name, url, code, words) in &rows {
        let added = place.run(["instance", "add", name, "--source", url]);
        if added.code != 0 {
            added.fails(*code, words);
            continue;
        }
        place.run(["snapshot", "take", name]).fails(*code, words);
    }
    let take = ["snapshot", "take", "good"];
    let cases = [
        ("mariadb-dump", "echo 'mariadb-dump  Ver 10.19 Distrib 10.3.1-MariaDB, for Linux'", 4, "an older tool"),
        ("mariadb-dump", "echo 'mysqldump  Ver 8.0.36 for Linux on x86_64'", 4, "not MariaDB's"),
        (
            "mariadb-dump",
            "case \"$*\" in *--version*) exec /usr/bin/mariadb-dump \"$@\";; esac
            /usr/bin/mariadb-dump \"$@\" 2>/dev/null | head -c 9000",
            1,
            "Dump completed",
        ),
        (
            "mariadb-dump",
            "case \"$*\" in *--version*) exec /usr/bin/mariadb-dump \"$@\";; esac
            /usr/bin/mariadb-dump \"$@\" 2>/dev/null | head -c 9000; kill -9 $$",
            1,
            "signal: 9",
        ),
    ];
    for (tool, script, code, words) in cases {
        with_tool(&place, tool, script, &take).fails(code, words);
    }
    place.run(["instance", "add", "whole", "--source", &at("root", "?mode=physical")]).succeeds();
    let cut = "case \"$*\" in *--version*) exec /usr/bin/mariadb-backup \"$@\";; esac
        /usr/bin/mariadb-backup \"$@\" 2>/dev/null | head -c 3000000";
    with_tool(&place, "mariadb-backup", cut, &["snapshot", "take", "whole"]).fails(1, "");
    let older = "echo 'mariadb-backup based on MariaDB server 10.6.1-MariaDB debian' >&2";
    with_tool(&place, "mariadb-backup", older, &["snapshot", "take", "whole"]).fails(4, "same series");
    let no_tools = Done::of(place.command(take).env("PATH", "/nowhere").output().unwrap());
    no_tools.fails(1, "install mariadb-client");
    let listed = place.json(["snapshot", "list", "--json"]);
    let states: Vec<&str> =
        listed["snapshots"].as_array().unwrap().iter().map(|snapshot| snapshot["status"].as_str().unwrap()).collect();
    assert_eq!(states.iter().filter(|status| **status == "completed").count(), 1, "{listed}");

    // Files that are loaded.
    place.run(["export", &good, "--format", "sql", "-o", "all.sql"]).succeeds();
    let text = fs::read(place.path("all.sql")).unwrap();
    let files: [(&str, Vec<u8>, i32, &str); 7] = [
        ("cut.sql", text[..text.len() / 2].to_vec(), 5, "cut short"),
        ("late.sql", text[..text.len() - 19].to_vec(), 5, "cut short"),
        ("pg.dump", b"PGDMP\x01\x0e\x00".to_vec(), 4, "a dump of PostgreSQL"),
        ("pg.sql", b"--\n-- PostgreSQL database dump\n--\n".to_vec(), 4, "a dump of PostgreSQL"),
        ("wrong.sql", b"CREATE TABLE t (a INT);\nCREATE TABEL u;\n".to_vec(), 4, "nothing was touched"),
        ("two.sql", b"CREATE TABLE t (a INT); CREATE DATABASE b; CREATE TABLE b.t (a INT);\n".to_vec(), 4, "several"),
        ("empty.sql", b"SELECT 1;\n".to_vec(), 4, "makes no table"),
    ];
    for (name, bytes, code, words) in &files {
        fs::write(place.path(name), bytes).unwrap();
        place.run(["load", "good", name, "--confirm", "RESTORE", "--no-safety"]).fails(*code, words);
        assert_eq!(server.left_over(), "", "{name}");
    }
    assert_eq!(server.dump("shop"), before);

    // Restores.
    place.run(["restore", &good, "--to", "good", "--confirm", "yes"]).fails(4, "RESTORE");
    server
        .ask("CREATE DATABASE tied; CREATE TABLE tied.child (id INT, FOREIGN KEY (id) REFERENCES shop.customers (id))");
    place.run(["restore", &good, "--to", "good", "--confirm", "RESTORE", "--no-safety"]).fails(4, "tied.child");
    server.ask("DROP DATABASE tied");
    // No right to make the database beside.
    server.ask("GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, INSERT, DROP, ALTER, CREATE ON shop.* TO some@localhost");
    place.run(["instance", "edit", "rights", "--source", &at("some:right", "shop")]);
    place.run(["clone", &good, "--name", "elsewhere", "--source", &at("root", "shop")]).fails(4, "");
    assert_eq!(server.dump("shop"), before);
    assert_eq!(server.left_over(), "");
}
