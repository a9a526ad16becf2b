//! Snapshots of a server that is written to.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::program::Place;
use crate::server::{Line, Server, is_there, place_of};

pub const ACCOUNTS: u64 = 500;
const BALANCE: u64 = 1000;

/// Moves amounts between accounts until it is told to stop: the sum stays.
pub fn transfer(server: &Server, seed: u64, stop: &AtomicBool, done: &AtomicU64) {
    let mut line = Line::to(server);
    let mut state = seed;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    while !stop.load(Ordering::Relaxed) {
        let (from, to, amount) = (random(ACCOUNTS), random(ACCOUNTS), random(50));
        let commands = [
            "MULTI".to_string(),
            format!("DECRBY account:{from} {amount}"),
            format!("INCRBY account:{to} {amount}"),
            format!("HSET last:{from} to {to} amount {amount}"),
            "EXEC".to_string(),
        ];
        let answers = line.ask(&commands);
        // A server that is being restored takes no writes.
        if answers[4].starts_with('*') {
            done.fetch_add(1, Ordering::Relaxed);
        } else {
            line.ask(&["PING".to_string()]);
        }
    }
}

pub fn fill(server: &Server) {
    let script = format!("for i = 0, {} do redis.call('SET', 'account:' .. i, {BALANCE}) end", ACCOUNTS - 1);
    server.ask(&["EVAL", &script, "0"]);
    server.ask(&["DEBUG", "POPULATE", "20000", "ballast", "200"]);
}

pub fn sum(server: &Server) -> u64 {
    let script =
        format!("local s = 0 for i = 0, {} do s = s + redis.call('GET', 'account:' .. i) end return s", ACCOUNTS - 1);
    server.ask(&["EVAL", &script, "0"]).parse().unwrap()
}

/// Takes so many snapshots under load; each is restored elsewhere and looked at. Returns how many transfers were made.
pub fn snapshots_under_load(count: usize) -> u64 {
    let (server, other) = (Server::start(&[]), Server::start(&[]));
    fill(&server);
    let place = place_of(&server.url());
    place.run(["instance", "add", "other", "--source", &other.url()]).succeeds();
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        scope.spawn(|| transfer(&server, 1, &stop, &done));
        scope.spawn(|| transfer(&server, 2, &stop, &done));
        let mut digests = Vec::new();
        for number in 0..count {
            let before = done.load(Ordering::Relaxed);
            while done.load(Ordering::Relaxed) < before + 50 {
                std::thread::yield_now();
            }
            place.run(["snapshot", "take", "cache"]).succeeds();
            let id = newest(&place);
            place.run(["restore", &id, "--to", "other", "--no-safety", "--confirm", "RESTORE"]).succeeds();
            assert_eq!(sum(&other), ACCOUNTS * BALANCE, "snapshot {number}");
            digests.push(other.digest());
        }
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), count, "nothing was written between snapshots");
    });
    // The check would notice: a transfer that is half made changes the sum.
    other.ask(&["DECRBY", "account:1", "7"]);
    assert_ne!(sum(&other), ACCOUNTS * BALANCE);
    done.load(Ordering::Relaxed)
}

/// Stops the writers also when a check fails.
pub struct Stop<'s>(pub &'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn newest(place: &Place) -> String {
    let listed = place.json(["snapshot", "list", "cache", "--json"]);
    listed["snapshots"][0]["id"].as_str().unwrap().to_string()
}

#[test]
fn under_load_a_snapshot_is_one_moment() {
    if is_there("under_load") {
        assert!(snapshots_under_load(3) > 100);
    }
}

#[test]
fn restored_in_place_under_load_the_sum_stays() {
    if !is_there("restored_in_place_under_load") {
        return;
    }
    let server = Server::start(&[]);
    fill(&server);
    let place = place_of(&server.url());
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        scope.spawn(|| transfer(&server, 3, &stop, &done));
        place.run(["snapshot", "take", "cache"]).succeeds();
        place.run(["restore", "latest", "--confirm", "RESTORE"]).succeeds();
        let after = done.load(Ordering::Relaxed);
        while done.load(Ordering::Relaxed) < after + 50 {
            std::thread::yield_now();
        }
    });
    assert_eq!(sum(&server), ACCOUNTS * BALANCE);
    assert!(server.is_itself());
}
