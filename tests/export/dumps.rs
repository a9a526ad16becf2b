//! Dumps: what was loaded comes back, whatever was captured is exported as what it is, and always as the same bytes.

use std::fs;
use std::path::Path;

use snaphold::container::{Form, MemberKind, Neo4jFrame, open};
use snaphold::error::{Error, Result};
use snaphold::format::manifest::{Component, Manifest, Outcome};
use snaphold::ops::diff::diff;
use snaphold::ops::export::{Dumps, ExportFormat, ExportItem, Neo4jFormat, exportable};

use crate::support::*;

const FIXTURES: [&str; 3] = ["movies-35.dump", "northwind-40.dump", "movies-50.dump"];

#[test]
fn fixtures_come_back_in_both_formats() {
    for name in FIXTURES {
        let place = Place::new();
        let original = members(&fixture(name), name);
        let loaded = place.load(&fixture(name), name);
        for (format, frame) in [(Neo4jFormat::Current, Neo4jFrame::Dzv1), (Neo4jFormat::Neo4j4, Neo4jFrame::ZstdBare)] {
            let (dump, report) =
                place.export_with(&loaded, ExportFormat::Dump, |options| options.neo4j_format = format).unwrap();
            assert_eq!(
                open(Box::new(std::io::Cursor::new(dump.clone())), name).unwrap().form,
                Form::Neo4jDump { frame }
            );
            assert_eq!(members(&dump, name), original, "{name}");
            let files = || original.values().filter(|(kind, ..)| matches!(kind, MemberKind::File { .. }));
            assert_eq!(report.files, files().count() as u64);
            assert_eq!(report.bytes_plain, files().map(|(.., bytes)| bytes.len() as u64).sum::<u64>());

            let again = place.load(&dump, name);
            let summary = diff(&place.reader(), root(&loaded), root(&again), &mut |change| panic!("{change:?}"));
            assert_eq!(summary.unwrap(), Default::default());
            assert_eq!((again.cost.bytes_new, again.cost.chunks_new), (0, 0), "{name}");
        }
    }
}

/// A folder as a Neo4j server has it; large enough for several blocks of every compressor.
fn store(folder: &Path) {
    fs::create_dir_all(folder.join("schema/index")).unwrap();
    fs::write(folder.join("neostore"), noise(1, 8192)).unwrap();
    fs::write(folder.join("neostore.nodestore.db"), text(2, 9 << 20)).unwrap();
    fs::write(folder.join("neostore.labelscanstore.db"), vec![0; 3 << 20]).unwrap();
    fs::write(folder.join("schema/index/failure-message"), b"none").unwrap();
    fs::write(folder.join("database_lock"), b"").unwrap();
}

#[test]
fn the_same_snapshot_gives_the_same_bytes() {
    let place = Place::new();
    store(&place.path("store"));
    let snapshot = place.folder(&place.path("store"));
    for format in [ExportFormat::Dump, ExportFormat::Tar, ExportFormat::TarGz] {
        let export =
            |threads: usize| place.export_with(&snapshot, format, |options| options.threads = threads).unwrap().0;
        let reference = export(1);
        assert!(reference.len() > 4 << 20, "{format}: too little for several threads");
        for threads in [0, 1, 2, 4] {
            assert!(export(threads) == reference, "{format}, {threads} threads");
        }
    }
    // The control: a snapshot of the same data at another time is another tar.gz, of the same dump.
    let mut later = snapshot.clone();
    later.created_at_ns += 1_000_000_000;
    let export = |manifest, format| place.export(manifest, format).unwrap().0;
    assert!(export(&later, ExportFormat::TarGz) != export(&snapshot, ExportFormat::TarGz));
    assert!(export(&later, ExportFormat::Dump) == export(&snapshot, ExportFormat::Dump));
}

#[test]
fn a_store_folder_and_a_home_give_the_dump_of_their_database() {
    let place = Place::new();
    let names = |dump: &[u8]| members(dump, "x.dump").into_keys().collect::<Vec<_>>();
    store(&place.path("store"));
    let (dump, _) = place.export(&place.folder(&place.path("store")), ExportFormat::Dump).unwrap();
    let expected = [
        ".",
        "neostore",
        "neostore.labelscanstore.db",
        "neostore.nodestore.db",
        "schema",
        "schema/index",
        "schema/index/failure-message",
    ];
    assert_eq!(names(&dump), expected);
    assert!(members(&dump, "x.dump")["neostore.nodestore.db"].2 == text(2, 9 << 20));

    for data in ["home", "other/data"] {
        let (data, home) = (place.path(data), place.path(data.split('/').next().unwrap()));
        store(&data.join("databases/movies"));
        store(&data.join("databases/system"));
        fs::create_dir_all(data.join("databases/not a store")).unwrap();
        fs::create_dir_all(data.join("transactions/movies")).unwrap();
        fs::write(data.join("transactions/movies/neostore.transaction.db.0"), noise(3, 5000)).unwrap();
        fs::write(data.join("transactions/movies/checkpoint.0"), noise(4, 100)).unwrap();
        let (dump, _) = place.export(&place.folder(&home), ExportFormat::Dump).unwrap();
        let mut with_logs = names(&dump);
        assert!(members(&dump, "x.dump")["neostore.transaction.db.0"].2 == noise(3, 5000));
        with_logs.retain(|name| !name.starts_with("checkpoint.") && !name.starts_with("neostore.transaction"));
        assert_eq!(with_logs, expected);

        store(&data.join("databases/second"));
        let error = error_of(place.export(&place.folder(&home), ExportFormat::Dump));
        assert!(matches!(&error, Error::Refused(text) if text.contains("(movies, second)")), "{error}");
    }
}

#[test]
fn a_tar_gz_holds_the_dump_as_hosted_services_export_it() {
    let place = Place::new();
    let loaded = place.load(&fixture("northwind-40.dump"), "northwind-40.dump");
    let (dump, _) = place.export(&loaded, ExportFormat::Dump).unwrap();
    let (archive, report) = place.export(&loaded, ExportFormat::TarGz).unwrap();
    assert!(report.files > 10, "the files in the dump are counted, not the dump");

    assert!(archive.len() < dump.len() + dump.len() / 100 + 2048, "{} bytes for {}", archive.len(), dump.len());
    let entries = foreign_tar(&gunzip(&archive));
    assert_eq!(entries.len(), 1);
    assert!(entries["movies.dump"] == (TAKEN_AT as u64, dump));

    let again = place.load(&archive, "movies.tar.gz");
    assert_eq!(again.cost.chunks_new, 0);
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, plain).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_single_file_comes_back_as_it_was_inside() {
    let place = Place::new();
    let sql = text(7, 3_000_000);
    for (bytes, name) in [(gzip(&sql), "shop.sql.gz"), (sql.clone(), "shop.sql")] {
        let loaded = place.load(&bytes, name);
        let (dump, report) = place.export(&loaded, ExportFormat::Dump).unwrap();
        assert!(dump == sql);
        assert_eq!((report.files, report.bytes_plain), (1, sql.len() as u64));
        for format in [ExportFormat::Tar, ExportFormat::TarGz] {
            let found = members(&place.export(&loaded, format).unwrap().0, "x.tar");
            assert_eq!(found.keys().collect::<Vec<_>>(), ["shop.sql"]);
            assert!(found["shop.sql"].2 == sql);
        }
    }
}

#[test]
fn a_sqlite_database_gives_its_text_dump() {
    let place = Place::new();
    let database = place.path("shop.db");
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection.execute_batch("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT); CREATE INDEX i ON t(b);").unwrap();
    connection.execute_batch("BEGIN").unwrap();
    for row in 0..5000 {
        connection.execute("INSERT INTO t(b) VALUES (?1)", [format!("row {row} of it's table")]).unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
    drop(connection);
    let mut expected = Vec::new();
    snaphold::source::sqlite::dump_sql(&database, &mut expected).unwrap();
    let snapshot = place.sqlite(&database);
    fs::remove_file(&database).unwrap();
    assert!(place.export(&snapshot, ExportFormat::Dump).unwrap().0 == expected);
    let found = members(&place.export(&snapshot, ExportFormat::TarGz).unwrap().0, "x.tar.gz");
    assert_eq!(found.keys().collect::<Vec<_>>(), ["movies.dump"]);
    assert!(found["movies.dump"].2 == expected);
    assert_eq!(found["movies.dump"].1.mtime_ns, TAKEN_AT * 1_000_000_000);
    let found = members(&place.export(&snapshot, ExportFormat::Tar).unwrap().0, "x.tar");
    assert_eq!(found.keys().collect::<Vec<_>>(), ["shop.db"]);
    assert!(found["shop.db"].2.starts_with(b"SQLite format 3\0"));

    // Whoever has no dumper gets the files, and a clear word for the dump.
    let error = error_of(place.export_with(&snapshot, ExportFormat::Dump, |options| options.dumps = None));
    assert!(matches!(error, Error::Refused(_)), "{error}");
    let (archive, _) = place.export_with(&snapshot, ExportFormat::TarGz, |options| options.dumps = None).unwrap();
    assert_eq!(members(&archive, "x.tar.gz").keys().collect::<Vec<_>>(), ["shop.db"]);

    struct Failing;
    impl Dumps for Failing {
        fn available(&self, _: &Component, _: ExportFormat) -> Result<Option<Result<(), String>>> {
            Ok(Some(Ok(())))
        }
        fn in_tar_gz(&self, _: &Component) -> bool {
            true
        }
        fn write(
            &self,
            _: &Component,
            _: ExportFormat,
            _: Option<&ExportItem>,
            out: &mut dyn std::io::Write,
        ) -> Result<(u64, u64)> {
            out.write_all(b"half").unwrap();
            Err(Error::Failed("the dumper broke".into()))
        }
    }
    for format in [ExportFormat::Dump, ExportFormat::TarGz] {
        let error = error_of(place.export_with(&snapshot, format, |options| options.dumps = Some(&Failing)));
        assert_eq!(error.to_string(), "the dumper broke");
    }
}

#[test]
fn it_can_be_said_beforehand_what_can_be_exported() {
    let place = Place::new();
    fs::create_dir(place.path("plain")).unwrap();
    fs::write(place.path("plain/file"), b"text").unwrap();
    store(&place.path("store"));
    let tar = place.export(&place.folder(&place.path("plain")), ExportFormat::Tar).unwrap().0;
    let two = |manifest: &Manifest| {
        let mut two = manifest.clone();
        let mut more = components(manifest)[0].clone();
        more.name = "other".into();
        two.outcome = Outcome::Completed { components: vec![components(manifest)[0].clone(), more] };
        two
    };
    let failed = |manifest: &Manifest| Manifest {
        outcome: Outcome::Failed { reason: "the disk was full".into() },
        ..manifest.clone()
    };
    let folder = place.folder(&place.path("plain"));
    let cases = [
        (folder.clone(), Some("not known to be a database")),
        (place.folder(&place.path("store")), None),
        (place.load(&fixture("movies-50.dump"), "movies-50.dump"), None),
        (place.load(&tar, "plain.tar"), Some("not known to be a database")),
        (place.load(b"PGDMP and so on", "pg.dump"), None),
        (two(&folder), Some("2 components")),
        (failed(&folder), Some("the disk was full")),
    ];
    for (manifest, why) in cases {
        let said = exportable(&place.reader(), &manifest, None).unwrap();
        assert_eq!(said.iter().map(|(format, _)| *format).collect::<Vec<_>>(), ExportFormat::ALL);
        for (format, can) in said {
            if format == ExportFormat::Dump {
                assert_eq!(can.is_err(), why.is_some(), "{can:?}");
            }
            if format == ExportFormat::Dir {
                continue;
            }
            let why = if format == ExportFormat::Sql { why.or(Some("no SQL database")) } else { why };
            match (can, place.export(&manifest, format)) {
                (Ok(()), Ok(_)) => {}
                (Err(said), Err(Error::Refused(text))) => {
                    assert!(
                        text.contains(&said) && (said.contains(why.unwrap()) || said.contains("no SQL database")),
                        "{text:?} is not {said:?}"
                    );
                    assert!(!text.contains('\n'));
                }
                (can, done) => panic!("{format}: {can:?}, and then {:?}", done.map(|(_, report)| report)),
            }
        }
    }
    assert!(matches!(error_of(place.export(&folder, ExportFormat::Dir)), Error::Usage(_)));
}

#[test]
fn formats_are_known_by_their_words() {
    for format in ExportFormat::ALL {
        assert_eq!(format.to_string().parse::<ExportFormat>().unwrap(), format);
        assert_eq!(serde_json::to_string(&format).unwrap(), format!("\"{format}\""));
    }
    assert!(matches!("zip".parse::<ExportFormat>(), Err(Error::Usage(_))));
    assert_eq!("4".parse::<Neo4jFormat>().unwrap(), Neo4jFormat::Neo4j4);
    assert!(matches!("3".parse::<Neo4jFormat>(), Err(Error::Usage(_))));
}
