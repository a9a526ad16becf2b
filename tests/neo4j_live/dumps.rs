//! Dumps of real servers in, dumps for real servers out: the counts stay the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{Done, Place};
use crate::server::{CURRENT, Home, OLD};

const MOVIES: (u64, u64) = (171, 253);
const NORTHWIND: (u64, u64) = (1035, 3139);

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/neo4j").join(name)
}

/// A repository with one instance without a source, into which a dump was loaded.
fn loaded(name: &str) -> Place {
    let place = Place::bare();
    place.run(["init", "--encryption", "none"]).succeeds();
    place.run(["load", "graph", fixture(name).to_str().unwrap()]).succeeds();
    place
}

fn export(place: &Place, format: &str, to: &str, more: &[&str]) -> PathBuf {
    let out = place.text_path(to);
    let mut arguments = vec!["export", "latest", "--format", format, "--output", &out];
    arguments.extend(more);
    place.run(arguments).succeeds();
    place.path(to)
}

/// 5.0 → Snaphold → 5.26, as `.dump` and as `.tar.gz`; then the dump into a home, and from there again.
#[test]
fn a_dump_of_neo4j_5_is_counted_the_same_by_a_real_server() {
    let place = loaded("movies-50.dump");
    let Some(home) = Home::make(&place.path("home5"), CURRENT, "movies") else { return };
    let exported = export(&place, "dump", "movies.dump", &[]);
    home.load("movies", &exported);
    assert_eq!(home.counts(), MOVIES);

    let archive = export(&place, "tar.gz", "movies.tar.gz", &[]);
    let status = Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(place.path("tmp")).status().unwrap();
    assert!(status.success());
    let dump = place.path("tmp/graph.dump");
    assert!(fs::read(&dump).unwrap().starts_with(b"DZV1"));
    assert!(fs::read(&dump).unwrap() == fs::read(&exported).unwrap());

    // What Snaphold captures of the store that is there now, the real tool loads too.
    place.run(["instance", "add", "movies", "--source", &home.source("movies")]).succeeds();
    place.run(["snapshot", "take", "movies"]).succeeds();
    let other = Home::make(&place.path("other"), CURRENT, "again").unwrap();
    let dump = export(&place, "dump", "captured.dump", &[]);
    other.load("again", &dump);
    assert_eq!(other.counts(), MOVIES);
    let check = other.admin(&["database", "check", "again"]);
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    // The tool's own count of the files is that of the store without its lock.
    let list = format!("tail -c +5 {} | zstd -dc | tail -c +25 | tar -t", dump.display());
    let listed = Command::new("sh").args(["-c", &list]).output().unwrap();
    let names = String::from_utf8(listed.stdout).unwrap();
    assert!(names.contains("./neostore\n") && !names.contains("lock"), "{names}");
}

/// 3.5 and 4.0 → Snaphold → 4.4, which upgrades them; then 4.4 → Snaphold → 5.26, which migrates them. 5.26 itself cannot
/// open stores of 3.5 and 4.0.
#[test]
fn dumps_of_older_versions_go_through_4_4_to_5() {
    for (name, counts) in [("movies-35.dump", MOVIES), ("northwind-40.dump", NORTHWIND)] {
        let place = loaded(name);
        let Some(old) = Home::make(&place.path("home4"), OLD, "neo4j") else { return };
        old.load("neo4j", &export(&place, "dump", "old.dump", &["--neo4j-format", "4"]));
        assert_eq!(old.counts(), counts, "{name}");
        // Captured from the 4.4 home, restored into a 5.26 home.
        place.run(["instance", "add", "old", "--source", &old.source("neo4j")]).succeeds();
        place.run(["snapshot", "take", "old"]).succeeds();
        let new = Home::make(&place.path("home5"), CURRENT, "neo4j").unwrap();
        let cloned = place.run(["clone", "latest", "--name", "new", "--source", &new.source("neo4j")]).succeeds();
        assert!(cloned.stderr.contains("database migrate"), "{}", cloned.stderr);
        // The drill migrates by itself, with the 5.26 that NEO4J_HOME names.
        let id = &place.ids()[1];
        let output = place.command(["drill", id, "--json"]).env("NEO4J_HOME", &new.path).output().unwrap();
        let drilled = Done::of(output).object();
        assert_eq!(drilled["proven"], true, "{drilled}");
        let said = drilled.to_string();
        assert!(said.contains("database migrate") && said.contains(&format!("{} nodes", counts.0)), "{said}");
        // And straight into 5.26: refused, with what to do.
        fs::remove_dir_all(new.path.join("data")).unwrap();
        fs::create_dir(new.path.join("data")).unwrap();
        let text = fixture(name);
        place.run(["load", "new", text.to_str().unwrap(), "--confirm", "RESTORE"]).fails(4, "Neo4j 4.4");
        assert!(!new.path.join("data/databases/neo4j").exists());
    }
}
