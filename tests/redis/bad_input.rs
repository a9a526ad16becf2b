//! What cannot be done is said in a line; there is no snapshot, and the server is as it was.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;

use crate::program::{Done, Place};
use crate::server::{Server, completed, is_there, left_behind, place_of};
use crate::skipped;

const TAKE: [&str; 3] = ["snapshot", "take", "cache"];

fn bare() -> Place {
    Place::with_repository()
}

/// A server that cannot be reached at once may be reached later: adding it is one thing, taking a snapshot another.
fn take_of(place: &Place, url: &str) -> Done {
    let added = place.run(["instance", "add", "cache", "--source", url]);
    if added.code != 0 { added } else { place.run(TAKE) }
}

#[test]
fn servers_that_cannot_be_snapshotted() {
    if !is_there("servers_that_cannot") {
        return;
    }
    let down = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Server::start(&["--requirepass", "right"]);
    server.ask(&["SET", "a", "1"]);
    server.ask(&["ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@all", "-psync", "-sync", "-bgsave", "-save"]);
    let at = format!("127.0.0.1:{}", server.port);
    for (url, code, words) in [
        (format!("redis://127.0.0.1:{down}/0"), 1, "the connection was refused; does the server run"),
        ("redis://%2Fno%2Fsuch%2Fsocket/0".to_string(), 1, "no such place"),
        (format!("redis://{at}/0"), 4, "wants a password"),
        (format!("redis://:wrong@{at}/0"), 4, "does not accept this user and password"),
        (format!("redis://nobody:right@{at}/0"), 4, "does not accept this user and password"),
        (format!("redis://nobody@{at}/0"), 2, "a user needs a password"),
        (format!("redis://:right@{at}/3"), 2, "all databases"),
        (format!("rediss://{at}/0"), 2, "TLS is not spoken"),
        (format!("redis://{at}/0?via=magic"), 2, "via is replication or file"),
        (format!("redis://{at}/0?color=red"), 2, "options are"),
        (format!("redis://reader:pw@{at}/0"), 4, "does not let this user run BGSAVE"),
        (format!("redis://reader:pw@{at}/0?via=replication"), 4, "does not let this user run PSYNC; grant it"),
        (format!("redis://:right@{at}/0?via=file&file=/no/such/file"), 4, "cannot be read here"),
    ] {
        let place = bare();
        take_of(&place, &url).fails(code, words);
        assert_eq!(completed(&place), 0, "{url}");
        assert!(left_behind(&place).is_empty(), "{url}");
    }
    let place = bare();
    take_of(&place, &format!("redis://:right@{at}/0")).succeeds();
    assert_eq!(completed(&place), 1);
}

#[test]
fn something_else_that_answers_is_no_redis() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}/0", listener.local_addr().unwrap());
    let place = bare();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 100]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    take_of(&place, &url).fails(1, "does not answer as a Redis server does");
    assert_eq!(completed(&place), 0);
}

#[test]
fn a_user_who_may_not_replicate_is_served_by_the_saved_file() {
    if !is_there("a_user_who_may_not_replicate") {
        return;
    }
    let server = Server::start(&[]);
    server.ask(&["SET", "a", "1"]);
    server.ask(&["ACL", "SETUSER", "saver", "on", ">pw", "~*", "+@all", "-psync"]);
    let place = bare();
    let url = format!("redis://saver:pw@127.0.0.1:{}/0", server.port);
    let done = take_of(&place, &url).succeeds();
    assert!(done.stderr.contains("the file that the server saves is read instead"), "{done:?}");
    assert!(place.run(["snapshot", "ls", "latest"]).succeeds().stdout.contains("0:a"));
}

/// Each bad file: its name, its bytes, the exit code and words of the line.
fn bad_files(good: &[u8]) -> Vec<(&'static str, Vec<u8>, i32, &'static str)> {
    let mut wrong_sum = good.to_vec();
    *wrong_sum.last_mut().unwrap() ^= 1;
    let mut flipped = good.to_vec();
    flipped[good.len() / 2] ^= 4;
    let noise: Vec<u8> = (0..5000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    vec![
        ("bad sum.rdb", wrong_sum, 5, "CRC64"),
        ("flipped.rdb", flipped, 5, "is damaged"),
        ("cut.rdb", good[..good.len() - 100].to_vec(), 5, "is damaged"),
        ("longer.rdb", [good, b"more"].concat(), 5, "behind its end"),
        ("noise.rdb", noise.clone(), 4, "is no Redis RDB"),
        ("noise behind a head.rdb", [b"REDIS0010", &noise[..]].concat(), 1, ""),
        ("newer.rdb", [b"REDIS0042", &good[9..]].concat(), 1, "version 42"),
        ("empty.rdb", Vec::new(), 4, "is no Redis RDB"),
        ("other.dump", b"PGDMP\x01\x0e\x00\x04\x08\x01\x01\x01\x00".to_vec(), 4, "is no Redis RDB"),
        ("other.sql", b"-- MariaDB dump 10.19\n".to_vec(), 4, "is no Redis RDB"),
    ]
}

#[test]
fn files_that_are_no_sound_rdb_are_not_sent() {
    if !is_there("files_that_are_no_sound_rdb") {
        return;
    }
    let server = Server::with_all_types();
    server.save();
    let good = fs::read(server.folder.path().join("dump.rdb")).unwrap();
    let (digest, run) = (server.digest(), server.run_id());
    let place = place_of(&server.url());
    for (name, bytes, code, words) in bad_files(&good) {
        fs::write(place.path(name), bytes).unwrap();
        let done = place.run(["load", "cache", name, "--no-safety", "--confirm", "RESTORE"]);
        // Noise may break any rule.
        let code = if name.starts_with("noise behind") { done.code } else { code };
        assert!(done.code != 0);
        done.fails(code, words);
        assert_eq!((server.digest(), server.run_id()), (digest.clone(), run.clone()), "{name}");
        assert!(server.is_itself(), "{name}");
        assert_eq!(completed(&place), 0, "{name}");
        assert!(left_behind(&place).is_empty(), "{name}");
    }
    fs::write(place.path("good.rdb"), &good).unwrap();
    place.run(["load", "cache", "good.rdb", "--no-safety", "--confirm", "RESTORE"]).succeeds();
    assert_eq!(server.digest(), digest);
}

#[test]
fn targets_that_cannot_be_restored_over_are_left_alone() {
    if !is_there("targets_that_cannot") {
        return;
    }
    let (server, other) = (Server::with_all_types(), Server::start(&["--databases", "4"]));
    other.ask(&["SET", "mine", "1"]);
    let place = place_of(&server.url());
    place.run(TAKE).succeeds();
    place.run(["instance", "add", "other", "--source", &other.url()]).succeeds();
    let to_other = ["restore", "cache@latest", "--to", "other", "--no-safety", "--confirm", "RESTORE"];
    let digest = other.digest();
    // It has fewer databases than the snapshot.
    place.run(to_other).fails(4, "the snapshot has a database 10, and the server has 4");
    assert_eq!(other.digest(), digest);
    assert!(other.is_itself());
    // It is a replica.
    other.ask(&["CONFIG", "SET", "repl-diskless-load", "disabled"]);
    other.ask(&["REPLICAOF", "127.0.0.1", "1"]);
    place.run(to_other).fails(4, "is a replica of 127.0.0.1:1");
    other.ask(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(other.digest(), digest);
    // A snapshot of another kind.
    place.run(["instance", "add", "files", "--source", &place.source()]).succeeds();
    place.run(["snapshot", "take", "files"]).succeeds();
    place.run(["restore", "files@latest", "--to", "other", "--confirm", "RESTORE"]).fails(4, "");
    assert_eq!(other.digest(), digest);
    assert!(left_behind(&place).is_empty());
}

#[test]
fn a_full_disk_is_said_and_the_server_is_left_alone() {
    if !is_there("a_full_disk") {
        return;
    }
    let server = Server::start(&[]);
    server.ask(&["DEBUG", "POPULATE", "20000", "key", "100"]);
    let place = place_of(&server.url());
    place.run(TAKE).succeeds();
    server.ask(&["SET", "new", "1"]);
    let digest = server.digest();
    let program = place.command(["restore", "latest", "--no-safety", "--confirm", "RESTORE"]);
    let mut command = std::process::Command::new("unshare");
    command.args([
        "--mount",
        "sh",
        "-c",
        "mount -t tmpfs -o size=512k tmpfs \"$TMPDIR\" || exit 77; exec \"$0\" \"$@\"",
    ]);
    command.arg(program.get_program()).args(program.get_args()).current_dir(place.path(""));
    command.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.output();
    match output {
        Ok(output)
            if output.status.code() == Some(1) && String::from_utf8_lossy(&output.stderr).contains("No space") => {}
        Ok(output) if output.status.code() == Some(0) => panic!("a full disk went unnoticed: {output:?}"),
        Ok(other) => {
            let said = String::from_utf8_lossy(&other.stderr);
            skipped::skipped("a_full_disk", &format!("a small disk cannot be mounted here: {}", said.trim()));
        }
        Err(error) => skipped::skipped("a_full_disk", &format!("a small disk cannot be mounted here: {error}")),
    }
    assert_eq!(server.digest(), digest);
    assert!(server.is_itself());
}
