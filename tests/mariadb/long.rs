//! Longer runs, with numbers.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::killed::kill_everywhere;
use crate::program::Place;
use crate::server::{BANK, HOLDS, INVARIANT, Load, Server, is_here, place};

#[test]
#[ignore = "long: a restore killed before and after every statement"]
fn a_restore_killed_at_every_statement() {
    if is_here("a_restore_killed_at_every_statement") {
        let (kills, left) = kill_everywhere(1, true);
        println!("killed {kills} times, {left} of them with something left to do: all whole");
    }
}

#[test]
#[ignore = "long: twenty snapshots under load in each mode, each restored and checked"]
fn twenty_snapshots_under_load_hold_the_sum() {
    if !is_here("twenty_snapshots_under_load_hold_the_sum") {
        return;
    }
    let place = place();
    let server = Server::new(&place.path("server"));
    server.ask(BANK);
    place.run(["instance", "add", "logical", "--source", &server.url("bank")]).succeeds();
    let physical = format!("mariadb://root@localhost/bank?mode=physical&socket={}", server.socket.display());
    place.run(["instance", "add", "physical", "--source", &physical]).succeeds();
    {
        let _load = Load::new(&server.socket, 2);
        for _ in 0..20 {
            place.run(["snapshot", "take", "logical"]).succeeds();
            place.run(["snapshot", "take", "physical"]).succeeds();
        }
    }
    let transfers = server.ask("SELECT COUNT(*) FROM bank.transfers");
    let ids = place.ids();
    assert_eq!(ids.len(), 40);
    let query = INVARIANT.replace('\n', " ");
    for id in &ids {
        let drill = place.run(["drill", id, "--json", "--query", &query]).succeeds().object();
        assert_eq!(drill["proven"], true, "{drill}");
        let answer = drill["checks"].as_array().unwrap().iter().find(|check| check["name"] == "query").unwrap();
        assert_eq!(answer["detail"].as_str().unwrap(), HOLDS.trim_end().replace('\t', "|"), "{drill}");
    }
    println!("40 snapshots held the sum; {} transfers by then", transfers.trim());
}

const ROWS: u64 = 2_000_000;
const UPDATES: u64 = 10_000;

fn bytes_stored(place: &Place, instance: &str) -> u64 {
    let taken = place.json(["snapshot", "take", instance, "--json"]);
    taken["bytes_stored"].as_u64().unwrap_or_else(|| panic!("{taken}"))
}

/// Puts a file or folder into a plain deduplicating store. Returns how much larger that became.
fn restic(place: &Place, repository: &str, what: &Path) -> u64 {
    let folder = place.path(repository);
    let run = |words: &[&str], input: Stdio| {
        let output = Command::new("restic")
            .args(words)
            .arg("--quiet")
            .env("RESTIC_PASSWORD", "x")
            .env("RESTIC_REPOSITORY", &folder)
            .env("RESTIC_CACHE_DIR", place.path("restic-cache"))
            .env("RESTIC_COMPRESSION", "auto")
            .stdin(input)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    if !folder.exists() {
        run(&["init", "--repository-version", "2"], Stdio::null());
    }
    let before = size_of(&folder);
    match what.is_dir() {
        true => run(&["backup", what.to_str().unwrap()], Stdio::null()),
        false => run(&["backup", "--stdin", "--stdin-filename", "dump"], fs::File::open(what).unwrap().into()),
    }
    size_of(&folder) - before
}

fn size_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().flatten();
    entries
        .map(|entry| if entry.path().is_dir() { size_of(&entry.path()) } else { entry.metadata().unwrap().len() })
        .sum()
}

#[test]
#[ignore = "long: two million rows, ten rounds of scattered updates, beside a plain deduplicating store"]
fn what_scattered_updates_cost() {
    if !is_here("what_scattered_updates_cost") {
        return;
    }
    let place = place();
    let server = Server::new(&place.path("server"));
    server.ask(&format!(
        "CREATE DATABASE bench; USE bench;
         CREATE TABLE event (id BIGINT NOT NULL PRIMARY KEY, owner INT NOT NULL, body VARCHAR(250) CHARACTER SET ascii NOT NULL);
         INSERT INTO event SELECT seq, CRC32(seq) MOD 1000000, IF(seq MOD 2 = 1,
           CONCAT(MD5(CONCAT('a', seq)), MD5(CONCAT('b', seq)), MD5(CONCAT('c', seq))),
           RPAD('status=ok; region=eu-west; ', 96, 'the same words on every row; ')) FROM seq_1_to_{ROWS};
         CREATE INDEX event_owner ON event (owner);"
    ));
    place.run(["instance", "add", "logical", "--source", &server.url("bench")]).succeeds();
    let physical = format!("mariadb://root@localhost/bench?mode=physical&socket={}", server.socket.display());
    place.run(["instance", "add", "physical", "--source", &physical]).succeeds();
    println!("round logical restic(dump) physical restic(files)");
    for round in 0..=10_u64 {
        if round > 0 {
            server.ask(&format!(
                "UPDATE bench.event JOIN (SELECT DISTINCT 1 + CRC32(CONCAT({round}, '-', seq)) MOD {ROWS} AS id \
                 FROM bench_seq.seq_1_to_{UPDATES}) picked USING (id) \
                 SET body = CONCAT(MD5(CONCAT({round}, id)), MD5(CONCAT('y', {round}, id)), MD5(CONCAT('z', {round}, id)))"
            ).replace("bench_seq.", "bench."));
        }
        let logical = bytes_stored(&place, "logical");
        place.run(["export", "latest", "--format", "sql", "-o", "dump.sql", "--overwrite"]).succeeds();
        let dump = restic(&place, "restic-dump", &place.path("dump.sql"));
        let physical = bytes_stored(&place, "physical");
        let copy = place.path("copy");
        let _ = fs::remove_dir_all(&copy);
        place.run(["restore", "latest", "--to", &format!("{}/", copy.display())]).succeeds();
        let files = restic(&place, "restic-files", &copy);
        println!("{round} {logical} {dump} {physical} {files}");
        fs::remove_dir_all(&copy).unwrap();
    }
}
