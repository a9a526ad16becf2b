//! Dumps that are loaded, and those that are refused.

use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::program::Place;
use crate::server::{Commands, Postgres, place, refused, run, server};

const SUM: &str = "SELECT count(*), sum(bid) FROM pgbench_accounts";

fn bank(server: &Postgres) -> Place {
    let place = place();
    server.make_bank("bank", 1);
    place.run(["instance", "add", "bank", "--source", &server.url("bank", "")]).succeeds();
    place
}

fn dump(server: &Postgres, arguments: &[&str]) -> Vec<u8> {
    run(server.client("pg_dump", server.port).args(arguments).arg("bank")).stdout
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[test]
fn every_form_of_a_dump_is_loaded_and_leaves_a_snapshot() {
    let Some(server) = server("loads") else { return };
    let place = bank(&server);
    let sum = server.sql("bank", SUM);
    let (custom, sql) = (dump(&server, &["-Fc"]), dump(&server, &[]));
    let forms = [
        ("bank.dump", custom.clone()),
        ("plain.dump", dump(&server, &["-Fc", "-Z0"])),
        ("bank.dump.gz", gzip(&custom)),
        ("bank.sql", sql.clone()),
        ("bank.sql.gz", gzip(&sql)),
        ("bank.sql.zst", zstd::encode_all(&sql[..], 1).unwrap()),
    ];
    server.sql("postgres", "ALTER DATABASE bank SET work_mem = '9MB'");
    for (name, bytes) in forms {
        server.sql("bank", "DROP TABLE IF EXISTS pgbench_accounts CASCADE");
        fs::write(place.path(name), bytes).unwrap();
        let line = format!("load bank {} --confirm RESTORE --json", place.text_path(name));
        let loaded = place.do_(&line).object();
        assert_eq!(loaded["type"], "load", "{name}");
        assert_eq!(server.sql("bank", SUM), sum, "{name}");
        assert_eq!(server.sql("bank", "SHOW work_mem"), "9MB", "the instance keeps its settings");
    }
    // What the program exports as an archive of a dump, too.
    server.sql("bank", "DROP TABLE pgbench_branches CASCADE");
    let packed = place.text_path("bank.tar.gz");
    place.run(["export", "bank@latest", "--format", "tar.gz", "--output", &packed]).succeeds();
    place.run(["load", "bank", &packed, "--confirm", "RESTORE"]).succeeds();
    assert_eq!(server.sql("bank", "SELECT count(*) FROM pgbench_branches"), "1");
    assert_eq!(server.left_over(), "");
}

#[test]
fn a_dump_that_is_cut_corrupt_or_foreign_changes_nothing() {
    let Some(server) = server("refused loads") else { return };
    let place = bank(&server);
    let (custom, sql) = (dump(&server, &["-Fc", "-Z0"]), dump(&server, &[]));
    let compressed = dump(&server, &["-Fc"]);
    let flipped = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 0x55;
        bytes
    };
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let newer = {
        let mut bytes = custom.clone();
        bytes[6] = 99;
        bytes
    };
    let text = |text: &str| text.as_bytes().to_vec();
    let tar = dump(&server, &["-Ft"]);
    let bad: Vec<(&str, Vec<u8>, i32, &str)> = vec![
        ("cut.dump", half(&custom), 1, "cut short"),
        ("toc.dump", custom[..1000].to_vec(), 1, "cut short"),
        ("last.dump", custom[..custom.len() - 1].to_vec(), 1, "cut short"),
        ("cut.dump.gz", half(&gzip(&custom)), 1, "cut short"),
        ("cut.sql", half(&sql), 1, "cut short"),
        ("flipped.dump", flipped(&compressed, compressed.len() / 2), 1, "flipped.dump"),
        ("newer.dump", newer, 4, "archive version 1.99"),
        ("mysql.sql", text("-- MySQL dump 10.13\nCREATE TABLE `a` (b int);\n"), 4, "MySQL"),
        ("maria.sql", text("/*M!999999\\- enable the sandbox mode */\n-- MariaDB dump 10.19\n"), 4, "MariaDB"),
        ("lite.sql", text("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n"), 4, "SQLite"),
        ("dump.rdb", text("REDIS0011\u{fa}"), 4, "Redis"),
        ("noise.dump", vec![0, 1, 2, 3, 0, 255], 4, "neither"),
        ("empty.sql", Vec::new(), 4, "is empty"),
        ("tar.dump", tar, 4, "tar or directory format"),
        ("create.sql", dump(&server, &["--create"]), 4, "without --create"),
        ("shell.sql", text("SELECT 1;\n\\! touch /tmp/never\n"), 4, "commands psql"),
        ("late.sql", text("SELECT 1; SELECT 2 \\! touch /tmp/never\n"), 1, "late.sql"),
        ("wrong.sql", text("CREATE TABLE a (b int);\nINSERT INTO nothing VALUES (1);\n"), 1, "nothing"),
    ];
    let sum = server.sql("bank", SUM);
    let oid = server.sql("postgres", "SELECT oid FROM pg_database WHERE datname = 'bank'");
    for (name, bytes, code, says) in bad {
        fs::write(place.path(name), bytes).unwrap();
        let done = place.run(["load", "bank", &place.text_path(name), "--confirm", "RESTORE"]);
        refused(name, &done, code, &[says]);
        assert_eq!(server.sql("bank", SUM), sum, "{name}");
        assert_eq!(server.sql("postgres", "SELECT oid FROM pg_database WHERE datname = 'bank'"), oid, "{name}");
        assert_eq!(server.left_over(), "", "{name}");
    }
    let listed = place.json(["snapshot", "list", "bank", "--json"]);
    assert!(listed["snapshots"].as_array().unwrap().iter().all(|snapshot| snapshot["type"] != "load"));
    assert!(!std::path::Path::new("/tmp/never").exists());
}
