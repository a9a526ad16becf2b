//! Data that comes in and goes out: the same bytes, also where connections are cut.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

use crate::both::Both;
use crate::cutter::Cutter;
use crate::program::{Done, Place};

/// Bytes that nothing makes smaller.
fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(b"noise").finalize_xof().fill(&mut bytes);
    bytes
}

/// Names and contents of an archive; times differ between two loads.
fn members(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(archive);
    let read = |entry: std::io::Result<tar::Entry<&[u8]>>| {
        let (mut entry, mut content) = (entry.unwrap(), Vec::new());
        entry.read_to_end(&mut content).unwrap();
        (entry.path().unwrap().display().to_string(), content)
    };
    archive.entries().unwrap().map(read).collect()
}

#[test]
fn loads_and_exports() {
    let both = Both::new();
    both.change(|folder| fs::write(folder.join("dump.bin"), noise(300_000)).unwrap());
    both.say(&["load", "graph", "dump.bin", "--description", "by hand", "--retain", "3d"], 0);
    both.json(&["load", "graph", "dump.bin", "--name-as", "other.bin"]);
    let file = || File::open(both.local.path("dump.bin")).unwrap();
    let said = both.run_with(&["load", "graph", "-"], file);
    both.alike(&said, &["load"]);
    both.say(&["load", "graph", "absent"], 3);
    both.say(&["load", "no name", "dump.bin"], 2);
    both.say(&["load", "graph", "dump.bin", "--name-as", "a/b"], 2);
    both.say(&["export", "latest", "--format", "tar", "--output", "out.tar"], 0);
    both.json(&["export", "latest", "--format", "tar", "--output", "again.tar"]);
    // How long a compressed one is depends on the times in it.
    let said = both.run(&["export", "latest", "--format", "tar.gz", "--output", "out.tar.gz"]);
    assert_eq!((said.local.code, said.remote.code), (0, 0), "{said:#?}");
    assert!(both.service.place.path("out.tar.gz").exists());
    let read = |place: &Place| fs::read(place.path("out.tar")).unwrap();
    let (own, its) = (members(&read(&both.local)), members(&read(&both.service.place)));
    assert!(own == its && own.iter().any(|(_, content)| *content == noise(300_000)));
    both.say(&["export", "latest", "--format", "tar", "--output", "out.tar"], 4);
    both.say(&["export", "latest", "--format", "tar", "--output", "out.tar", "--overwrite"], 0);
    both.say(&["export", "latest", "--format", "zip", "--output", "out.zip"], 2);
    both.say(&["export", "absent@latest", "--format", "tar", "--output", "x.tar"], 3);
    let streamed = both.service.command(&["export", "latest", "--format", "tar", "--output", "-"]).output().unwrap();
    assert!(streamed.status.success() && streamed.stdout == read(&both.service.place));
    let refused = both.service.run(&["export", "latest", "--format", "dir", "--output", "folder"]);
    refused.fails(2, "tar -xf -");
}

#[test]
fn a_load_into_a_source_asks_first() {
    let both = Both::new();
    let rows = |folder: &Path| {
        let db = rusqlite::Connection::open(folder.join("shop.db")).unwrap();
        db.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    both.change(|folder| {
        let open = |name: &str| rusqlite::Connection::open(folder.join(name)).unwrap();
        open("shop.db").execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1), (2);").unwrap();
        open("other.db").execute_batch("CREATE TABLE t (x);").unwrap();
    });
    both.say(&["instance", "add", "shop", "--source", "sqlite:PLACE/shop.db"], 0);
    both.say(&["load", "shop", "other.db"], 4);
    both.say(&["load", "shop", "other.db", "--confirm", "yes"], 4);
    both.change(|folder| assert_eq!(rows(&folder), 2));
    both.say(&["load", "shop", "other.db", "--confirm", "RESTORE"], 0);
    both.change(|folder| assert_eq!(rows(&folder), 0));
    both.say(&["restore", "undo", "shop", "--confirm", "RESTORE"], 0);
    both.change(|folder| assert_eq!(rows(&folder), 2));
}

#[test]
fn what_is_cut_goes_on() {
    let both = Both::new();
    let (service, bytes) = (&both.service, noise(9 << 20));
    fs::write(service.place.path("dump.bin"), &bytes).unwrap();
    let cutter = Cutter::before(&service.url, 2 << 20);
    let by = |arguments: &[&str]| Done::of(service.command_by(&cutter.url, arguments).output().unwrap());
    by(&["load", "graph", "dump.bin"]).succeeds();
    assert!(cutter.count() >= 3, "the upload was cut {} times", cutter.count());
    let before = cutter.count();
    by(&["export", "graph@latest", "--format", "tar", "--output", "out.tar"]).succeeds();
    assert!(cutter.count() >= before + 3, "the download was cut {} times", cutter.count() - before);
    let tar = fs::read(service.place.path("out.tar")).unwrap();
    assert!(tar.windows(4096).any(|window| window == &bytes[..4096]) && tar.len() > bytes.len());
    service.run(&["export", "graph@latest", "--format", "tar", "--output", "whole.tar"]).succeeds();
    assert!(tar == fs::read(service.place.path("whole.tar")).unwrap());
    // By standard input nothing can be read a second time.
    let input = Stdio::from(File::open(service.place.path("dump.bin")).unwrap());
    let piped = service.command_by(&cutter.url, &["load", "again", "-", "--name-as", "dump.bin"]).stdin(input).output();
    Done::of(piped.unwrap()).succeeds();
    service.run(&["export", "again@latest", "--format", "tar", "--output", "again.tar"]).succeeds();
    let again = fs::read(service.place.path("again.tar")).unwrap();
    assert!(again.windows(4096).any(|window| window == &bytes[bytes.len() - 4096..]));
}
