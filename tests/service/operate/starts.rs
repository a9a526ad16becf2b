//! A start that cannot be says why, at once, and leaves what is there.

use std::fs;
use std::net::TcpListener;

use crate::program::{Done, Place};
use crate::served::{ADMINISTRATOR, Served};

fn serve(place: &Place, arguments: &[&str]) -> Done {
    let data = place.text_path("data");
    let mut command = place.command([&["serve", "--data", &data, "--listen", "127.0.0.1:0"][..], arguments].concat());
    Done::of(command.env("SNAPHOLD_ADMIN_TOKEN", ADMINISTRATOR).output().unwrap())
}

#[test]
fn another_master_key_is_refused() {
    let place = Place::bare();
    drop(Served::start(&place, ""));
    let path = place.path("data/master.key");
    let own = fs::read(&path).unwrap();
    fs::write(&path, format!("{}\n", "5a".repeat(32))).unwrap();
    serve(&place, &[]).fails(4, "not the master key");
    fs::write(&path, own).unwrap();
    drop(Served::start(&place, ""));
}

#[test]
fn what_is_not_to_be_reached_is_named() {
    let place = Place::bare();
    // Nobody listens on a port that was just given back.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let catalog = format!("postgres://snaphold:hunter2@{free}/catalog");
    let done = serve(&place, &["--catalog", &catalog]);
    assert!(!done.stderr.contains("hunter2"), "{done:?}");
    done.fails(1, "Connection refused");
    serve(&place, &["--catalog", "mysql://there/catalog"]).fails(2, "catalog is a URL postgres://");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = place.text_path("data");
    place.run(["serve", "--data", &data, "--listen", &address]).fails(1, "cannot listen on");
    fs::write(place.path("file"), "").unwrap();
    place.run(["serve", "--data", &place.text_path("file")]).fails(1, "file");
}
