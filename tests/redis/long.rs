//! Longer runs, whose numbers stand in docs/sources/redis.md.

use std::fs;
use std::path::Path;

use snaphold::source::redis::rdb::{Collector, parse};

use crate::load::snapshots_under_load;
use crate::server::{Server, is_there, place_of};

#[test]
#[ignore = "long: twenty snapshots under load, each restored and looked at"]
fn twenty_snapshots_under_load() {
    if is_there("twenty_snapshots") {
        println!("{} transfers while twenty snapshots were taken and restored", snapshots_under_load(20));
    }
}

/// Redis' CRC, bit by bit.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u64::from(*byte), |sum, _| (sum >> 1) ^ if sum & 1 == 1 { 0x95ac_9329_ac4b_c9b5 } else { 0 })
    })
}

#[test]
#[ignore = "long: some hundred changed RDBs, loaded into a server"]
fn whatever_passes_the_check_a_server_survives() {
    if !is_there("whatever_passes") {
        return;
    }
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/redis/redis-7.0-all-types.rdb");
    let good = fs::read(fixture).unwrap();
    let server = Server::start(&[]);
    let run = server.run_id();
    let place = place_of(&server.url());
    let mut state = 20_261_122_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let (mut tried, mut accepted, mut loaded) = (0, 0, 0);
    while accepted < 300 {
        tried += 1;
        let mut bytes = good[..good.len() - 8].to_vec();
        for _ in 0..=random(3) {
            let at = 9 + random(bytes.len() - 9);
            bytes[at] = random(256) as u8;
        }
        let right = sum(&bytes);
        bytes.extend(right.to_le_bytes());
        let mut collector = Collector::new(Path::new("/tmp"));
        let passes = parse(&mut bytes.as_slice(), &mut collector).is_ok_and(|parsed| collector.finish(&parsed).is_ok());
        if !passes {
            continue;
        }
        accepted += 1;
        fs::write(place.path("changed.rdb"), &bytes).unwrap();
        let done = place.run(["load", "cache", "changed.rdb", "--no-safety", "--confirm", "RESTORE"]);
        loaded += usize::from(done.code == 0);
        if server.ask(&["PING"]) != "PONG" || server.run_id() != run {
            fs::write("/tmp/changed.rdb", &bytes).unwrap();
            panic!("the server did not survive /tmp/changed.rdb ({done:?}): {}", server.log());
        }
        // Everything is gone through once more by the server.
        server.ask(&["DEBUG", "DIGEST"]);
        assert_eq!(server.ask(&["PING"]), "PONG", "{}", server.log());
        assert!(server.is_itself(), "{done:?}");
    }
    println!("{tried} changed RDBs, {accepted} passed, {loaded} were loaded; the server lived through all");
}
