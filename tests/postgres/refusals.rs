//! What stands in the way: a clear line, the right exit code, no snapshot, and the target as it was.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use crate::program::Place;
use crate::server::{Commands, PASSWORD, Postgres, place, refused, server};

/// A folder with all tools of the server's version, but those of `own`, which are these texts (empty: not there).
fn tools(server: &Postgres, place: &Place, name: &str, own: &[(&str, String)]) -> PathBuf {
    let folder = place.path(name);
    fs::create_dir(&folder).unwrap();
    for entry in fs::read_dir(server.bin("").parent().unwrap().join("bin")).unwrap().flatten() {
        let tool = entry.file_name().into_string().unwrap();
        if !own.iter().any(|(other, _)| *other == tool) {
            symlink(entry.path(), folder.join(tool)).unwrap();
        }
    }
    for (tool, text) in own.iter().filter(|(_, text)| !text.is_empty()) {
        fs::write(folder.join(tool), text).unwrap();
        fs::set_permissions(folder.join(tool), fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

/// A tool that dies by a signal after some bytes of what the real one writes.
fn dies_after(server: &Postgres, tool: &str, bytes: u32) -> String {
    let real = server.bin(tool).display().to_string();
    format!(
        "#!/bin/sh\ncase \"$1\" in --version) exec {real} --version ;; esac\n{real} \"$@\" | head -c {bytes}\nkill -KILL $$\n"
    )
}

/// A tool that writes all, and then says that it failed.
fn fails_at_last(server: &Postgres, tool: &str) -> String {
    let real = server.bin(tool).display().to_string();
    format!(
        "#!/bin/sh\ncase \"$1\" in --version) exec {real} --version ;; esac\n{real} \"$@\"\necho 'it went wrong at last' >&2\nexit 1\n"
    )
}

#[test]
fn a_source_that_cannot_be_captured_says_why() {
    let Some(server) = server("refusals") else { return };
    let place = place();
    server.make_bank("bank", 1);
    server.sql("bank", "CREATE ROLE weak LOGIN PASSWORD 'weak'; CREATE TABLE hidden (a int)");
    let port = server.port;
    let cases = [
        ("gone", server.url_at(server.other_port(), "bank", ""), 1, "start the server, or correct the host and port"),
        ("wrong", format!("postgres://postgres:wrong{PASSWORD}@127.0.0.1:{port}/bank"), 4, "password"),
        ("none", format!("postgres://postgres@127.0.0.1:{port}/bank"), 4, "--password-file"),
        ("nodb", server.url("missing", ""), 3, "there is no database \"missing\""),
        ("norole", format!("postgres://nobody:x@127.0.0.1:{port}/bank"), 4, "password"),
        ("nohost", "postgres://a@no-such-host.invalid/bank".to_string(), 1, "correct the host"),
        ("noright", format!("postgres://weak:weak@127.0.0.1:{port}/bank"), 4, "permission denied"),
        ("noreplica", format!("postgres://weak:weak@127.0.0.1:{port}/bank?mode=physical"), 4, "REPLICATION"),
        ("nodb2", server.url("missing", "?mode=physical"), 3, "there is no database \"missing\""),
    ];
    for (name, url, code, says) in &cases {
        // What does not show when the instance is made shows when it is captured.
        let mut done = place.run(["instance", "add", name, "--source", url]);
        if done.code == 0 {
            done = place.run(["snapshot", "take", name]);
            assert_eq!(place.completed(name), 0, "{name}");
        }
        refused(name, &done, *code, &[says]);
    }
    for (url, says) in [
        (server.url("bank", "?mode=other"), "mode=other"),
        (server.url("bank", "?colour=red"), "colour"),
        (server.url("", ""), "names no database"),
        ("postgres:/path".to_string(), "a server is needed"),
    ] {
        let done = place.run(["instance", "add", "bad", "--source", &url]);
        refused(&url, &done, 2, &[says]);
    }
}

#[test]
fn tools_that_are_missing_old_or_die_yield_no_snapshot() {
    let Some(server) = server("tools") else { return };
    let place = place();
    server.make_bank("bank", 1);
    place.run(["instance", "add", "bank", "--source", &server.url("bank", "")]).succeeds();
    place.run(["instance", "add", "whole", "--source", &server.url("bank", "?mode=physical")]).succeeds();
    let old = |tool: &str| format!("#!/bin/sh\necho '{tool} (PostgreSQL) 9.6.24'\n");
    let cases = vec![
        ("missing", "bank", "pg_dump", String::new(), 1, vec!["pg_dump is not", "install postgresql-client"]),
        ("old", "bank", "pg_dump", old("pg_dump"), 1, vec!["pg_dump is of version 9", "install postgresql-client-"]),
        ("dies", "bank", "pg_dump", dies_after(&server, "pg_dump", 3_000_000), 1, vec!["pg_dump failed: signal: 9"]),
        ("dies-soon", "bank", "pg_dump", dies_after(&server, "pg_dump", 100), 1, vec!["pg_dump"]),
        ("fails", "bank", "pg_dump", fails_at_last(&server, "pg_dump"), 1, vec!["it went wrong at last"]),
        ("missing2", "whole", "pg_basebackup", String::new(), 1, vec!["pg_basebackup is not", "install"]),
        ("old2", "whole", "pg_basebackup", old("pg_basebackup"), 1, vec!["pg_basebackup is of version 9"]),
        ("dies2", "whole", "pg_basebackup", dies_after(&server, "pg_basebackup", 5_000_000), 1, vec!["signal: 9"]),
        ("fails2", "whole", "pg_basebackup", fails_at_last(&server, "pg_basebackup"), 1, vec!["it went wrong at last"]),
    ];
    let before = ["bank", "whole"].map(|name| place.completed(name));
    for (name, instance, tool, text, code, says) in cases {
        let folder = tools(&server, &place, name, &[(tool, text)]);
        let done = place.with_tools(&folder, &format!("snapshot take {instance}"));
        refused(name, &done, code, &says);
        assert_eq!(["bank", "whole"].map(|name| place.completed(name)), before, "{name}");
    }
    // With the same means and the real tools, there is one.
    let folder = tools(&server, &place, "all", &[]);
    place.with_tools(&folder, "snapshot take bank").succeeds();
    place.with_tools(&folder, "snapshot take whole").succeeds();
    assert_eq!(["bank", "whole"].map(|name| place.completed(name)), before.map(|count| count + 1));
}

#[test]
fn a_restore_that_cannot_be_leaves_the_target() {
    let Some(server) = server("restores refused") else { return };
    let place = place();
    server.make_bank("bank", 1);
    place.run(["instance", "add", "bank", "--source", &server.url("bank", "")]).succeeds();
    place.run(["instance", "add", "whole", "--source", &server.url("bank", "?mode=physical")]).succeeds();
    place.do_("snapshot take bank");
    place.do_("snapshot take whole");
    let oid = || server.sql("postgres", "SELECT oid FROM pg_database WHERE datname = 'bank'");
    let before = oid();
    place.fails("restore bank@latest --confirm yes", 4, &["RESTORE"]);
    place.fails("restore whole@latest --confirm RESTORE", 4, &["--data-directory", "--stop", "--start"]);
    // A target that is not empty, and another mode.
    let clone = |url: &str, of: &str| place.run(["clone", of, "--name", "copy", "--source", url]);
    refused("clone", &clone(&server.url("bank", ""), "bank@latest"), 4, &["not empty"]);
    server.sql("postgres", "CREATE DATABASE other");
    refused("mode", &clone(&server.url("other", ""), "whole@latest"), 4, &["mode=physical"]);
    let full = place.text_path("full");
    fs::create_dir(&full).unwrap();
    fs::write(place.path("full/file"), "mine").unwrap();
    let url = server.url_at(server.other_port(), "bank", "?mode=physical");
    let done = place.run(["clone", "whole@latest", "--name", "copy", "--source", &url, "--data-directory", &full]);
    refused("full folder", &done, 4, &[]);
    assert_eq!(fs::read_to_string(place.path("full/file")).unwrap(), "mine");
    // A pg_restore that breaks off, as on a full disk of the server.
    let full_disk = "#!/bin/sh\ncase \"$1\" in --version) echo 'pg_restore (PostgreSQL) 99.1'; exit ;; esac\nhead -c 100000 > /dev/null\necho 'pg_restore: error: could not extend file \"base/1\": No space left on device' >&2\nexit 1\n";
    let folder = tools(&server, &place, "full-disk", &[("pg_restore", full_disk.to_string())]);
    let done = place.with_tools(&folder, "restore bank@latest --confirm RESTORE");
    refused("full disk", &done, 1, &["No space left on device", "make room"]);
    // A user who may read and not restore.
    server.sql("bank", "CREATE ROLE reader LOGIN PASSWORD 'reader' IN ROLE pg_read_all_data");
    let url = format!("postgres://reader:reader@127.0.0.1:{}/bank", server.port);
    place.run(["instance", "add", "read", "--source", &url]).succeeds();
    place.do_("snapshot take read");
    place.fails("restore read@latest --confirm RESTORE", 4, &["CREATEDB"]);
    assert_eq!(oid(), before);
    assert_eq!(server.left_over(), "");
}
