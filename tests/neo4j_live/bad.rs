//! What cannot be done: said in one line, with the right exit code, and nothing is touched.

use std::fs;
use std::path::Path;

use crate::dumps::fixture;
use crate::life::nothing_left;
use crate::program::Place;
use crate::server::{CURRENT, Home};

#[test]
fn homes_that_are_none_are_named() {
    let place = Place::bare();
    place.run(["init", "--encryption", "none"]).succeeds();
    let add = |source: &str| place.run(["instance", "add", "graph", "--source", source]);
    add("neo4j://localhost:7687/shop").fails(2, "home folder");
    add(&format!("neo4j:{}#../shop", place.text_path("home"))).fails(2, "name of a database");
    let take = |source: &str, code: i32, words: &str| {
        let _ = place.run(["instance", "remove", "graph"]);
        let added = add(source);
        let refused = if added.code == 0 { place.run(["snapshot", "take", "graph"]) } else { added };
        refused.fails(code, words);
    };
    take(&format!("neo4j:{}", place.text_path("nowhere")), 3, "is not there");
    take(&format!("neo4j:{}", place.text_path("data")), 2, "is no Neo4j home");
    fs::create_dir_all(place.path("home/neo/data/databases/system")).unwrap();
    take(&format!("neo4j:{}", place.text_path("home/neo")), 3, "has no database \"neo4j\"; there is system");
    fs::create_dir_all(place.path("home/neo/data/databases/neo4j")).unwrap();
    fs::write(place.path("home/neo/data/databases/neo4j/something"), "else").unwrap();
    take(&format!("neo4j:{}", place.text_path("home/neo")), 4, "is no Neo4j store");
}

#[test]
fn dumps_that_are_none_leave_the_database_as_it_is() {
    let place = Place::bare();
    place.run(["init", "--encryption", "none"]).succeeds();
    let Some(home) = Home::make(&place.path("home5"), CURRENT, "shop") else { return };
    place.run(["load", "movies", fixture("movies-50.dump").to_str().unwrap()]).succeeds();
    place.run(["clone", "latest", "--name", "shop", "--source", &home.source("shop")]).succeeds();
    let store = || fs::read(home.path.join("data/databases/shop/neostore.nodestore.db")).unwrap();
    let before = store();

    let dump = fs::read(fixture("movies-50.dump")).unwrap();
    let make = |name: &str, bytes: &[u8]| {
        fs::write(place.path(name), bytes).unwrap();
        place.text_path(name)
    };
    let mut flipped = dump.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x40;
    let plain = place.path("plain.tar");
    assert!(
        std::process::Command::new("tar")
            .arg("-cf")
            .arg(&plain)
            .arg("-C")
            .arg(place.path("data"))
            .arg(".")
            .status()
            .unwrap()
            .success()
    );
    let rows = [
        (make("cut.dump", &dump[..dump.len() / 2]), 1),
        (make("short.dump", &dump[..100]), 1),
        (make("flipped.dump", &flipped), 1),
        (make("empty.dump", b""), 4),
        (make("pg.dump", b"PGDMP\x01\x0e\x00 and more"), 4),
        (make("sql.dump", b"CREATE TABLE a(b);\n"), 4),
        (plain.to_str().unwrap().to_string(), 4),
        (fixture("movies-35.dump").to_str().unwrap().to_string(), 4),
        (fixture("northwind-40.dump").to_str().unwrap().to_string(), 4),
    ];
    let taken = place.ids().len();
    for (file, code) in rows {
        let refused = place.run(["load", "shop", &file, "--no-safety", "--confirm", "RESTORE"]);
        assert_eq!(refused.code, code, "{file}: {refused:?}");
        assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
        println!("{}: {}", Path::new(&file).file_name().unwrap().display(), refused.stderr.trim());
        nothing_left(&home);
    }
    assert_eq!(place.ids().len(), taken);
    place.run(["restore", "latest", "--to", "shop", "--confirm", "yes"]).fails(4, "RESTORE");
    place.run(["load", "shop", fixture("movies-50.dump").to_str().unwrap()]).fails(4, "--confirm RESTORE");
    assert!(store() == before);

    // The whole one is taken, and leaves a snapshot of type `load`.
    place.run(["load", "shop", fixture("movies-50.dump").to_str().unwrap(), "--confirm", "RESTORE"]).succeeds();
    let newest = place.json(["snapshot", "show", "latest", "--json"]);
    assert_eq!(newest["type"], "load", "{newest}");
    assert_eq!(home.counts(), (171, 253));

    // A snapshot of something else.
    place.run(["instance", "add", "pages", "--source", &place.source()]).succeeds();
    let pages = place.json(["snapshot", "take", "pages", "--json"]);
    let id = pages["id"].as_str().unwrap();
    place.run(["restore", id, "--to", "shop", "--confirm", "RESTORE"]).fails(4, "another kind than Neo4j");
    place.run(["clone", id, "--name", "x", "--source", &home.source("x")]).fails(4, "another kind than Neo4j");
    nothing_left(&home);
}
