//! Producers that die half way: there is no snapshot.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use crate::server::{Server, completed, is_there, left_behind, place_of};

/// Passes bytes on to `port`; a connection that has sent so many back is cut. Returns where it listens.
fn cutting_proxy(port: u16, after: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut near = stream.unwrap();
            let mut far = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (mut near_in, mut far_out) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut near_in, &mut far_out);
                let _ = far_out.shutdown(Shutdown::Write);
            });
            std::thread::spawn(move || {
                let (mut buffer, mut passed) = (vec![0; 4096], 0);
                while let Ok(len @ 1..) = far.read(&mut buffer) {
                    let len = len.min(after - passed);
                    passed += len;
                    if near.write_all(&buffer[..len]).is_err() || passed == after {
                        break;
                    }
                }
                let _ = near.shutdown(Shutdown::Both);
            });
        }
    });
    here
}

#[test]
fn a_transfer_that_is_cut_makes_no_snapshot() {
    if !is_there("a_transfer_that_is_cut") {
        return;
    }
    let server = Server::start(&[]);
    server.ask(&["DEBUG", "POPULATE", "3000", "key", "100"]);
    for disk in ["yes", "no"] {
        server.ask(&["CONFIG", "SET", "repl-diskless-sync", disk]);
        // The last is beyond the end: there the connection lasts.
        for (after, whole) in [(20_000, false), (40_000, false), (10_000_000, true)] {
            let port = cutting_proxy(server.port, after);
            let place = place_of(&format!("redis://127.0.0.1:{port}/0"));
            let done = place.run(["snapshot", "take", "cache"]);
            match whole {
                true => _ = done.succeeds(),
                false => _ = done.fails(1, "broke the transfer off"),
            }
            assert_eq!(completed(&place), usize::from(whole), "{after}");
            assert!(left_behind(&place).is_empty());
        }
    }
    assert_eq!(server.ask(&["INFO", "replication"]).matches("slave0").count(), 0);
}

#[test]
fn a_server_whose_child_is_killed_makes_no_snapshot() {
    if !is_there("a_server_whose_child_is_killed") {
        return;
    }
    let server = Server::start(&[]);
    server.ask(&["DEBUG", "POPULATE", "50000", "key", "100"]);
    server.ask(&["CONFIG", "SET", "rdb-key-save-delay", "200"]);
    for (url, words) in [(server.url(), ""), (format!("{}?via=file", server.url()), "could not save; its log says why")]
    {
        let place = place_of(&url);
        let done = std::thread::scope(|scope| {
            let taking = scope.spawn(|| place.run(["snapshot", "take", "cache"]));
            server.kill_child();
            taking.join().unwrap()
        });
        done.fails(1, words);
        assert_eq!(completed(&place), 0);
        assert!(left_behind(&place).is_empty());
    }
    server.ask(&["CONFIG", "SET", "rdb-key-save-delay", "0"]);
    let place = place_of(&server.url());
    place.run(["snapshot", "take", "cache"]).succeeds();
}
