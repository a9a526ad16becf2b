//! Snapshots that come back: in place, elsewhere, as a file.

use crate::program::Place;
use crate::server::{Server, completed, is_there, left_behind, place_of};

const RESTORE: [&str; 4] = ["restore", "latest", "--confirm", "RESTORE"];

#[test]
fn restored_in_place_and_undone_the_data_set_is_equal() {
    if !is_there("restored_in_place") {
        return;
    }
    let server = Server::with_all_types();
    let place = place_of(&server.url());
    let (old, run) = (server.digest(), server.run_id());
    place.run(["snapshot", "take", "cache"]).succeeds();
    server.ask(&["SET", "text", "another"]);
    server.ask(&["DEL", "hash", "stream"]);
    server.ask(&["-n", "7", "SET", "new", "1"]);
    server.ask(&["FUNCTION", "FLUSH"]);
    let new = server.digest();
    assert_ne!(old, new);
    place.run(["restore", "latest", "--confirm", "restore"]).fails(4, "RESTORE");
    assert_eq!(server.digest(), new);
    place.run(RESTORE).succeeds();
    assert_eq!(server.digest(), old);
    assert!(server.ask(&["FUNCTION", "LIST"]).contains("mylib"));
    assert!(server.is_itself());
    place.run(["restore", "undo", "cache", "--confirm", "RESTORE"]).succeeds();
    assert_eq!(server.digest(), new);
    assert!(!server.ask(&["FUNCTION", "LIST"]).contains("mylib"));
    assert_eq!(server.run_id(), run);
    assert_eq!(server.ask(&["SET", "writable", "1"]), "OK");
    assert!(left_behind(&place).is_empty());
}

#[test]
fn a_clone_runs_beside_its_original() {
    if !is_there("a_clone") {
        return;
    }
    let (server, other) = (Server::with_all_types(), Server::start(&[]));
    let place = place_of(&server.url());
    place.run(["snapshot", "take", "cache"]).succeeds();
    place.run(["clone", "latest", "--name", "copy", "--source", &other.url()]).succeeds();
    assert_eq!(server.digest(), other.digest());
    other.ask(&["SET", "text", "other"]);
    assert_ne!(server.digest(), other.digest());
    let digest = other.digest();
    place.run(["clone", "latest", "--name", "again", "--source", &other.url()]).fails(4, "");
    assert_eq!(other.digest(), digest);
    assert_eq!(server.ask(&["GET", "text"]), "hello");
}

#[test]
fn an_export_loads_in_a_real_server_and_loads_back() {
    if !is_there("an_export") {
        return;
    }
    let server = Server::with_all_types();
    let place = place_of(&server.url());
    let digest = server.digest();
    place.run(["snapshot", "take", "cache"]).succeeds();
    let folder = tempfile::tempdir().unwrap();
    let dump = folder.path().join("dump.rdb").to_str().unwrap().to_string();
    place.run(["export", "latest", "--format", "dump", "--output", &dump]).succeeds();
    assert!(std::process::Command::new("redis-check-rdb").arg(&dump).output().unwrap().status.success());
    let compressed = [("gzip", "gz"), ("zstd", "zst")].map(|(tool, ending)| {
        let made = std::process::Command::new(tool).args(["-kq", &dump]).status();
        made.is_ok_and(|status| status.success()).then(|| format!("{dump}.{ending}"))
    });
    let bytes = std::fs::read(&dump).unwrap();
    let loaded = Server::start_in(folder, &[]);
    assert_eq!(loaded.digest(), digest);
    // A server's own file comes in by `load`, compressed or not, and gives the same stored bytes.
    for file in [Some(dump)].into_iter().chain(compressed).flatten() {
        server.ask(&["FLUSHALL"]);
        place.run(["load", "cache", &file, "--confirm", "RESTORE"]).succeeds();
        assert_eq!(server.digest(), digest, "{file}");
        let shown = place.json(["snapshot", "list", "--json"]);
        assert_eq!(shown["snapshots"][0]["type"], "load");
        let again = place.text_path("again.rdb");
        place.run(["export", "latest", "--format", "dump", "--output", &again, "--overwrite"]).succeeds();
        assert!(std::fs::read(&again).unwrap() == bytes);
    }
    assert!(left_behind(&place).is_empty());
}

#[test]
fn by_a_socket_and_by_the_saved_file_it_is_the_same() {
    if !is_there("by_a_socket") {
        return;
    }
    let server = Server::with_all_types();
    let socket = server.folder.path().join("socket").to_str().unwrap().replace('/', "%2F");
    let place = place_of(&server.url());
    place.run(["snapshot", "take", "cache"]).succeeds();
    let export = |place: &Place| {
        let path = place.text_path("out.rdb");
        place.run(["export", "latest", "--format", "dump", "--output", &path, "--overwrite"]).succeeds();
        std::fs::read(path).unwrap()
    };
    let bytes = export(&place);
    for url in [format!("redis://{socket}/0"), format!("{}?via=file", server.url()), format!("dragonfly://{socket}")] {
        let place = place_of(&url);
        place.run(["snapshot", "take", "cache"]).succeeds();
        assert!(export(&place) == bytes, "{url}");
        let digest = server.digest();
        server.ask(&["SET", "text", "another"]);
        place.run(RESTORE).succeeds();
        assert_eq!(server.digest(), digest, "{url}");
        assert!(server.is_itself());
    }
    // A server that writes its dump to disk first sends it in the other form.
    server.ask(&["CONFIG", "SET", "repl-diskless-sync", "no"]);
    place.run(["snapshot", "take", "cache"]).succeeds();
    assert!(export(&place) == bytes);
}

#[test]
fn an_unchanged_data_set_costs_nothing_though_the_server_was_started_anew() {
    if !is_there("an_unchanged_data_set") {
        return;
    }
    let server = Server::start(&[]);
    server.ask(&["DEBUG", "POPULATE", "20000", "key", "100"]);
    server.ask(&[
        "EVAL",
        "for i = 1, 5000 do redis.call('SADD', 'set', 'member' .. i) redis.call('HSET', 'hash', 'f' .. i, i) end",
        "0",
    ]);
    server.save();
    let raw = std::fs::read(server.folder.path().join("dump.rdb")).unwrap();
    let place = place_of(&server.url());
    let first = place.json(["snapshot", "take", "cache", "--json"]);
    let server = server.restart();
    server.save();
    assert!(std::fs::read(server.folder.path().join("dump.rdb")).unwrap() != raw, "the server's own order is the same");
    place.run(["instance", "edit", "cache", "--source", &server.url()]).succeeds();
    let second = place.json(["snapshot", "take", "cache", "--json"]);
    let stored = |snapshot: &serde_json::Value| snapshot["bytes_stored"].as_u64().unwrap();
    assert!(stored(&second) < 2000, "{second}");
    assert!(stored(&first) > 50_000, "{first}");
    server.ask(&["SET", "key:77", "another"]);
    let third = place.json(["snapshot", "take", "cache", "--json"]);
    assert!((500..20_000).contains(&stored(&third)), "{third}");
}

#[test]
fn an_empty_server_is_restored_empty() {
    if !is_there("an_empty_server") {
        return;
    }
    let server = Server::start(&[]);
    let place = place_of(&server.url());
    place.run(["snapshot", "take", "cache"]).succeeds();
    server.ask(&["SET", "a", "1"]);
    place.run(RESTORE).succeeds();
    assert_eq!(server.ask(&["DBSIZE"]), "0");
    place.run(["drill", "latest"]).succeeds();
    assert_eq!(completed(&place), 2);
}

#[test]
fn a_server_with_passwords_for_its_masters_keeps_them() {
    if !is_there("a_server_with_passwords") {
        return;
    }
    let server = Server::start(&["--masterauth", "for masters", "--masteruser", "someone"]);
    server.ask(&["SET", "a", "1"]);
    let place = place_of(&server.url());
    place.run(["snapshot", "take", "cache"]).succeeds();
    server.ask(&["SET", "a", "2"]);
    place.run(RESTORE).succeeds();
    assert_eq!(server.ask(&["GET", "a"]), "1");
    assert_eq!(server.setting("masterauth"), "for masters");
    assert_eq!(server.setting("masteruser"), "someone");
}
