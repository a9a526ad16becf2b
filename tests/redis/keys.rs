//! Restores key by key: for servers that may not become replicas.

use crate::server::{Server, is_there, left_behind, place_of};

const RESTORE: [&str; 4] = ["restore", "latest", "--confirm", "RESTORE"];

/// Takes a snapshot, changes everything, restores, undoes; by a user who may not replicate.
fn there_and_back(options: &[&str], is_mixed: bool) {
    let server = Server::start(options);
    server.ask(&["ACL", "SETUSER", "limited", "on", ">pw", "~*", "+@all", "-replicaof", "-psync"]);
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/redis/redis-7.0-all-types.rdb");
    std::fs::copy(fixture, server.folder.path().join("dump.rdb")).unwrap();
    server.ask(&["DEBUG", "RELOAD", "NOSAVE"]);
    let place = place_of(&format!("redis://limited:pw@127.0.0.1:{}/0?restore=keys", server.port));
    let old = server.digest();
    place.run(["snapshot", "take", "cache"]).succeeds();
    server.ask(&["SET", "text", "another"]);
    server.ask(&["DEL", "hash", "stream"]);
    server.ask(&["-n", "3", "SET", "new", "1"]);
    server.ask(&["FUNCTION", "FLUSH"]);
    let new = server.digest();
    let done = place.run(RESTORE).succeeds();
    assert_eq!(done.stderr.contains("a mixture"), is_mixed, "{done:?}");
    assert_eq!(server.digest(), old);
    assert!(server.ask(&["FUNCTION", "LIST"]).contains("mylib"));
    place.run(["restore", "undo", "cache", "--confirm", "RESTORE"]).succeeds();
    assert_eq!(server.digest(), new);
    assert!(!server.ask(&["FUNCTION", "LIST"]).contains("mylib"));
    assert!(left_behind(&place).is_empty());
    // Without the option it is said that this user cannot, and what could be done.
    let url = format!("redis://limited:pw@127.0.0.1:{}/0", server.port);
    place.run(["instance", "edit", "cache", "--source", &url]).succeeds();
    place.run(RESTORE).fails(4, "does not let this user run REPLICAOF");
    assert_eq!(server.digest(), new);
    assert!(server.is_itself());
}

#[test]
fn with_empty_databases_it_is_one_step() {
    if is_there("with_empty_databases") {
        there_and_back(&[], false);
    }
}

#[test]
fn without_them_keys_are_replaced_in_place() {
    if is_there("without_them") {
        there_and_back(&["--databases", "11"], false);
        there_and_back(&["--databases", "11", "--maxmemory-policy", "noeviction"], false);
    }
}

#[test]
fn in_a_cluster_keys_are_replaced_in_place() {
    if !is_there("in_a_cluster") {
        return;
    }
    let server = Server::start(&["--cluster-enabled", "yes"]);
    server.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    while !server.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok") {
        std::thread::yield_now();
    }
    server.ask(&["DEBUG", "POPULATE", "3000", "key", "100"]);
    let place = place_of(&server.url());
    place.run(["snapshot", "take", "cache"]).succeeds();
    let old = server.digest();
    server.ask(&["SET", "key:5", "another"]);
    server.ask(&["SET", "new", "1"]);
    server.ask(&["DEL", "key:6"]);
    let new = server.digest();
    place.run(RESTORE).fails(4, "?restore=keys");
    assert_eq!(server.digest(), new);
    place.run(["instance", "edit", "cache", "--source", &format!("{}?restore=keys", server.url())]).succeeds();
    let done = place.run(RESTORE).succeeds();
    assert!(done.stderr.contains("a mixture"), "{done:?}");
    assert_eq!(server.digest(), old);
    place.run(["restore", "undo", "cache", "--confirm", "RESTORE"]).succeeds();
    assert_eq!(server.digest(), new);
}
