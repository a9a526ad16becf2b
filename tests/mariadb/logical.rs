//! One database as the text of a dump.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::server::{BANK, HOLDS, INVARIANT, Load, SHOP, Server, comparable, is_here, place};

#[test]
fn everything_in_a_database_comes_back_and_what_was_there_too() {
    if !is_here("everything_in_a_database_comes_back_and_what_was_there_too") {
        return;
    }
    let place = place();
    let server = Server::new(&place.path("server"));
    server.ask(SHOP);
    let first = server.dump("shop");
    place.run(["instance", "add", "shop", "--source", &server.url("shop")]).succeeds();
    place.run(["snapshot", "take", "shop"]).succeeds();

    // The export is the tool's own text, and loads by the tool.
    place.run(["export", "latest", "--format", "sql", "-o", "all.sql"]).succeeds();
    let exported = fs::read_to_string(place.path("all.sql")).unwrap();
    let without_comments = |text: &str| -> String {
        text.lines().filter(|line| !line.starts_with("--") && !line.is_empty()).collect::<Vec<_>>().join("\n")
    };
    let plain = |text: &str| without_comments(text).lines().map(|line| format!("{line}\n")).collect::<String>();
    assert_eq!(plain(&exported), plain(&first));
    assert!(exported.ends_with("-- Dump completed\n"));

    server.ask(
        "USE shop; UPDATE customers SET name = 'changed' WHERE id < 100; DROP VIEW richest; CREATE TABLE extra (a INT);
         INSERT INTO extra VALUES (1); DROP TRIGGER first_one; DROP EVENT nightly; DROP FUNCTION plus_one;
         ALTER DATABASE shop CHARACTER SET latin1; CREATE PROCEDURE added() SELECT 1; DROP TABLE parts;
         CREATE TRIGGER added BEFORE INSERT ON log FOR EACH ROW SET NEW.what = 'by trigger'",
    );
    let second = server.dump("shop");
    assert_ne!(comparable(&first), comparable(&second));
    place.run(["snapshot", "take", "shop"]).succeeds();
    let differ = place.run(["snapshot", "diff", "latest~1", "latest"]).succeeds().stdout;
    for line in ["M table shop.customers", "+ table shop.extra", "- table shop.parts", "- view shop.richest"] {
        assert!(differ.contains(line), "{line}: {differ}");
    }
    assert!(!differ.contains("shop.we`ird"), "{differ}");
    let listed = place.run(["snapshot", "ls", "latest~1"]).succeeds().stdout;
    for line in ["shop.customers", "shop.we`ird na.me/ü", "shop.numbers", "shop.rich", "shop (events)"] {
        assert!(listed.contains(line), "{line}: {listed}");
    }

    place.run(["restore", "latest~1", "--to", "shop", "--confirm", "RESTORE"]).succeeds();
    assert_eq!(comparable(&server.dump("shop")), comparable(&first));
    assert_eq!(server.left_over(), "");
    let charset = "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'shop'";
    assert_eq!(server.ask(charset), "utf8mb4_unicode_ci\n");
    // It is in use: triggers act in their order, keys hold.
    server.ask("INSERT INTO shop.customers VALUES (1000, 'new')");
    assert_eq!(server.ask("SELECT name FROM shop.customers WHERE id = 1000"), "new!😀?2\n");
    server.ask("DELETE FROM shop.customers WHERE id = 1000; DELETE FROM shop.orders WHERE customer = 300");
    assert_eq!(server.ask("SELECT COUNT(*) FROM shop.log WHERE what = 'gone'"), "1\n");

    place.run(["restore", "undo", "shop", "--confirm", "RESTORE"]).succeeds();
    assert_eq!(comparable(&server.dump("shop")), comparable(&second));
    assert_eq!(server.left_over(), "");
}

#[test]
fn snapshots_under_transfers_hold_the_sum() {
    if !is_here("snapshots_under_transfers_hold_the_sum") {
        return;
    }
    let place = place();
    let server = Server::new(&place.path("server"));
    server.ask(BANK);
    place.run(["instance", "add", "bank", "--source", &server.url("bank")]).succeeds();
    {
        let _load = Load::new(&server.socket, 2);
        for _ in 0..3 {
            place.run(["snapshot", "take", "bank"]).succeeds();
        }
        // Over a database that is being worked in.
        place.run(["restore", "latest~1", "--to", "bank", "--confirm", "RESTORE", "--no-safety"]).succeeds();
    }
    assert_eq!(server.ask(INVARIANT), HOLDS);
    let transfers = |server: &Server| server.ask("SELECT COUNT(*) FROM bank.transfers").trim().parse::<u64>().unwrap();
    assert!(transfers(&server) > 0, "nobody worked");
    // The negative control: the invariant fails where it should.
    server.ask("UPDATE bank.accounts SET balance = balance + 1 WHERE id = 7");
    assert_ne!(server.ask(INVARIANT), HOLDS);

    let source = server.url("bank2");
    let bank = place.ids()[0].clone();
    place.run(["clone", &bank, "--name", "second", "--source", &source]).succeeds();
    assert_eq!(server.ask(&INVARIANT.replace("bank.", "bank2.")), HOLDS);
    assert_ne!(server.ask(INVARIANT), HOLDS, "both are there side by side");
    server.ask("CREATE DATABASE shop; USE shop; CREATE SEQUENCE s; CREATE TABLE t (id INT DEFAULT NEXTVAL(s), x INT)");
    place.run(["instance", "add", "shop", "--source", &server.url("shop")]).succeeds();
    place.run(["snapshot", "take", "shop"]).succeeds();
    place.run(["clone", "latest", "--name", "shop2", "--source", &server.url("shop2")]).succeeds();
    server.ask("DROP DATABASE shop; INSERT INTO shop2.t (x) VALUES (1)");
    assert_eq!(server.ask("SELECT x FROM shop2.t WHERE id IS NOT NULL"), "1\n", "its sequence is its own");
    // A target that holds something is refused.
    place.run(["clone", &bank, "--name", "third", "--source", &source]).fails(4, "");
    assert_eq!(server.left_over(), "");
}

#[test]
fn tables_are_exported_alone_and_loads_are_tried_first() {
    if !is_here("tables_are_exported_alone_and_loads_are_tried_first") {
        return;
    }
    let place = place();
    let server = Server::new(&place.path("server"));
    server.ask(SHOP);
    server.ask("CREATE DATABASE other; CREATE TABLE other.precious (a INT); INSERT INTO other.precious VALUES (42)");
    place.run(["instance", "add", "shop", "--source", &server.url("shop")]).succeeds();
    place.run(["snapshot", "take", "shop"]).succeeds();
    place.run(["export", "latest", "--format", "sql", "-o", "one.sql", "--only", "table=shop.customers"]).succeeds();
    place.run(["export", "latest", "--format", "sql", "-o", "all.sql"]).succeeds();
    place.run(["export", "latest", "--format", "sql", "-o", "x", "--only", "table=shop.nothing"]).fails(3, "no table");
    server.ask("CREATE DATABASE alone");
    let file = fs::File::open(place.path("one.sql")).unwrap();
    let loaded = Command::new("mariadb")
        .args(["--no-defaults", "-uroot", "alone"])
        .arg(format!("--socket={}", server.socket.display()))
        .stdin(Stdio::from(file))
        .status()
        .unwrap();
    assert!(loaded.success());
    assert_eq!(server.ask("SHOW TABLES FROM alone; SELECT COUNT(*) FROM alone.customers"), "customers\n500\n");

    // A dump that names other databases runs where it can do no harm, and what it made is taken under our name.
    let before = server.dump("shop");
    let evil = "CREATE DATABASE elsewhere; USE elsewhere; CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2);\n\
                DROP DATABASE IF EXISTS other;\n";
    fs::write(place.path("evil.sql"), evil).unwrap();
    place.run(["load", "shop", "evil.sql", "--confirm", "RESTORE"]).succeeds();
    assert_eq!(
        server.ask("SHOW TABLES FROM shop; SELECT SUM(a) FROM shop.t; SELECT a FROM other.precious"),
        "t\n3\n42\n"
    );
    assert_eq!(server.ask("SHOW DATABASES LIKE 'elsewhere'"), "");
    let types = place.json(["snapshot", "list", "--json"]);
    assert_eq!(types["snapshots"][0]["type"], "load", "{types}");

    let gzip = Command::new("gzip").arg("-kf").arg(place.path("all.sql")).status().unwrap();
    assert!(gzip.success());
    place.run(["load", "shop", "all.sql.gz", "--confirm", "RESTORE"]).succeeds();
    assert_eq!(comparable(&server.dump("shop")), comparable(&before));
    assert_eq!(server.left_over(), "");
}

#[test]
fn a_drill_says_what_it_saw_and_leaves_nothing() {
    if !is_here("a_drill_says_what_it_saw_and_leaves_nothing") {
        return;
    }
    let place = place();
    let server = Server::new(&place.path("server"));
    server.ask(SHOP);
    place.run(["instance", "add", "shop", "--source", &server.url("shop")]).succeeds();
    place.run(["snapshot", "take", "shop"]).succeeds();
    let drill = |query: &str| place.run(["drill", "latest", "--json", "--query", query]);
    let good = drill("SELECT COUNT(*) FROM customers").succeeds().object();
    assert_eq!(good["proven"], true, "{good}");
    let checks = good["checks"].as_array().unwrap();
    let detail = |name: &str| checks.iter().find(|check| check["name"] == name).unwrap()["detail"].to_string();
    assert!(detail("mariadb-check").contains("extended") && detail("counts").contains("as many as were dumped"));
    assert_eq!(detail("query"), "\"500\"");
    let bad = drill("SELECT * FROM no_such_table");
    assert!(bad.stdout.contains("\"proven\":false"), "{bad:?}");
    assert_eq!(fs::read_dir(place.path("tmp")).unwrap().count(), 0);
    assert_eq!(processes_with(&place.text_path("tmp")), 0);
    // Where its server's user, who is not root, cannot come, the server is elsewhere.
    fs::set_permissions(place.path(""), fs::Permissions::from_mode(0o700)).unwrap();
    let elsewhere = place.run(["drill", "latest", "--json"]).succeeds().object();
    assert_eq!(elsewhere["proven"], true, "{elsewhere}");
}

/// Processes that have a text in their words.
fn processes_with(text: &str) -> usize {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter(|entry| entry.path().join("cmdline").exists());
    pids.filter(|entry| {
        fs::read(entry.path().join("cmdline")).is_ok_and(|words| String::from_utf8_lossy(&words).contains(text))
    })
    .count()
}
