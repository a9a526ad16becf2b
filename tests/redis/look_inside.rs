//! What is in a snapshot: listed, compared, exported in part, drilled.

use std::fs;

use crate::server::{Server, is_there, left_behind, place_of};

#[test]
fn keys_are_listed_and_compared() {
    if !is_there("keys_are_listed") {
        return;
    }
    let server = Server::with_all_types();
    let place = place_of(&server.url());
    place.run(["snapshot", "take", "cache"]).succeeds();
    let listed = place.run(["snapshot", "ls", "latest"]).succeeds().stdout;
    for line in ["hash        40", "0:text", "10:in ten", "function:mylib", "zset        42", "stream      13"] {
        assert!(listed.contains(line), "{line}: {listed}");
    }
    server.ask(&["SET", "text", "another"]);
    server.ask(&["DEL", "list"]);
    server.ask(&["SADD", "new", "a"]);
    // Changed and changed back is not changed.
    server.ask(&["HSET", "hash", "more", "1"]);
    server.ask(&["HDEL", "hash", "more"]);
    place.run(["snapshot", "take", "cache"]).succeeds();
    let diff = place.run(["snapshot", "diff", "latest~1", "latest"]).succeeds().stdout;
    let lines: Vec<&str> = diff.lines().filter(|line| line.contains("0:")).collect();
    assert_eq!(lines.len(), 3, "{diff}");
    for words in ["- list 0:list", "M string 0:text", "+ set 0:new"] {
        assert!(diff.contains(words), "{words}: {diff}");
    }
}

#[test]
fn a_part_is_exported_as_an_rdb_of_its_own() {
    if !is_there("a_part") {
        return;
    }
    let server = Server::with_all_types();
    let place = place_of(&server.url());
    place.run(["snapshot", "take", "cache"]).succeeds();
    let keys_of = |only: &str| {
        let folder = tempfile::tempdir().unwrap();
        let dump = folder.path().join("dump.rdb");
        place
            .run(["export", "latest", "--format", "dump", "--only", only, "--output", dump.to_str().unwrap()])
            .succeeds();
        let part = Server::start_in(folder, &[]);
        let mut keys: Vec<String> = part.ask(&["KEYS", "*"]).lines().map(str::to_string).collect();
        keys.sort();
        for key in keys.iter().filter(|key| !key.contains(['\\', '\u{fffd}'])) {
            assert_eq!(part.ask(&["DUMP", key]), server.ask(&["DUMP", key]), "{key}");
        }
        (keys, part.ask(&["FUNCTION", "LIST"]).contains("mylib"), part.ask(&["-n", "10", "DBSIZE"]))
    };
    let no = |keys: &[&str]| (keys.iter().map(|key| key.to_string()).collect::<Vec<_>>(), false, "0".to_string());
    assert_eq!(keys_of("key=0:stream"), no(&["stream"]));
    assert_eq!(keys_of("hash=0:hash"), no(&["hash"]));
    assert_eq!(keys_of("keys=0:small*"), no(&["smallhash", "smalllist", "smallset", "smallzset"]));
    assert_eq!(keys_of("key=10:in ten"), (Vec::new(), false, "1".into()));
    assert_eq!(keys_of("function=mylib"), (Vec::new(), true, "0".into()));
    for (only, code) in [("key=0:none", 3), ("string=0:hash", 3), ("table=a", 2)] {
        let output = place.text_path("no");
        place.run(["export", "latest", "--format", "dump", "--only", only, "--output", &output]).fails(code, "");
        assert!(!place.path("no").exists(), "{only}");
    }
}

#[test]
fn a_drill_proves_what_it_sees() {
    if !is_there("a_drill") {
        return;
    }
    let server = Server::with_all_types();
    server.ask(&["SET", "soon gone", "1", "PX", "1"]);
    let place = place_of(&server.url());
    place.run(["snapshot", "take", "cache"]).succeeds();
    drop(server);
    let drill = |query: &str| {
        let done = place.run(["drill", "latest", &format!("--query={query}"), "--json"]);
        serde_json::from_str::<serde_json::Value>(done.stdout.lines().last().unwrap()).unwrap()
    };
    let proven = drill("-n 10 GET 'in ten'");
    assert_eq!(proven["proven"], true, "{proven}");
    let checks = proven["checks"].as_array().unwrap();
    let names: Vec<&str> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["load", "counts", "recorded", "query"]);
    assert_eq!(checks[3]["detail"], "10");
    for query in ["GET nothing", "NO SUCH COMMAND", "HGET text a"] {
        assert_eq!(drill(query)["proven"], false, "{query}");
    }
    assert!(left_behind(&place).is_empty());
    // Without the program, the package is named.
    let mut command = place.command(["drill", "latest"]);
    let bin = place.path("bin");
    fs::create_dir(&bin).unwrap();
    command.env("PATH", &bin);
    let done = crate::program::Done::of(command.output().unwrap());
    // It looks where servers usually are, too: there it may be.
    if !fs::exists("/usr/sbin/redis-server").unwrap() && !fs::exists("/usr/local/sbin/redis-server").unwrap() {
        done.fails(1, "redis-server is not installed; install the package redis-server");
    }
}
