//! Neo4j dumps: real ones are read as another program reads them, and written again as the database writes them.

use std::io::Write;

use snaphold::container::{
    Compression, DumpEntry, DumpFormat, DumpPlan, Form, Member, MemberKind, Neo4jFrame, write_dump,
};
use snaphold::error::Error;

use crate::support::*;

/// As in the `.list` files, which another tar reader wrote: kind, mode, owner, group, seconds, bytes, CRC-32, path.
fn listed(members: &[(Member, Vec<u8>)]) -> String {
    let line = |(member, bytes): &(Member, Vec<u8>)| {
        let kind = if member.kind == MemberKind::Directory { 'd' } else { 'f' };
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        let metadata = &member.metadata;
        assert_eq!(metadata.mtime_ns % 1_000_000_000, 0);
        format!(
            "{kind} {:04o} {} {} {} {} {:08x} {}\n",
            metadata.mode,
            metadata.uid,
            metadata.gid,
            metadata.mtime_ns / 1_000_000_000,
            bytes.len(),
            crc.sum(),
            member.path
        )
    };
    members.iter().map(line).collect()
}

fn plan(members: &[(Member, Vec<u8>)]) -> DumpPlan<usize> {
    let entry = |(at, (member, _)): (usize, &(Member, Vec<u8>))| DumpEntry {
        path: member.path.clone(),
        metadata: member.metadata.clone(),
        kind: member.kind.clone(),
        source: at,
    };
    DumpPlan::new(members.iter().enumerate().map(entry).collect()).unwrap()
}

fn written(members: &[(Member, Vec<u8>)], format: DumpFormat, threads: u32) -> Vec<u8> {
    let fill = |entry: &DumpEntry<usize>, out: &mut dyn Write| {
        out.write_all(&members[entry.source].1).map_err(|error| snaphold::container::write_error("x.dump", error))
    };
    write_dump(Vec::new(), "x.dump", &plan(members), format, 3, threads, fill).unwrap()
}

fn sorted(mut members: Vec<(Member, Vec<u8>)>) -> Vec<(Member, Vec<u8>)> {
    members.sort_by(|a, b| a.0.path.cmp(&b.0.path));
    members
}

#[test]
fn real_dumps_hold_what_another_reader_finds_in_them() {
    for (name, frame, files, bytes) in [
        ("movies-35.dump", Neo4jFrame::ZstdBare, 55, 482_299),
        ("northwind-40.dump", Neo4jFrame::ZstdBare, 80, 3_505_388),
        ("movies-50.dump", Neo4jFrame::Dzv1, 83, 1_189_511),
    ] {
        let (form, contents) = read_all(&fixture(name), name).unwrap();
        assert_eq!(form, Form::Neo4jDump { frame }, "{name}");
        let members = contents.members();
        let expected = std::fs::read_to_string(fixture_path(&name.replace(".dump", ".list"))).unwrap();
        assert_eq!(listed(&members), expected, "{name}");
        let found = members.iter().filter(|(member, _)| member.kind != MemberKind::Directory);
        assert_eq!(found.clone().count(), files, "{name}");
        assert_eq!(found.map(|(_, bytes)| bytes.len()).sum::<usize>(), bytes, "{name}");
    }
}

#[test]
fn a_dump_written_again_holds_the_same_in_both_formats() {
    for name in FIXTURES {
        let members = read_all(&fixture(name), name).unwrap().1.members();
        let files = members.iter().filter(|(member, _)| member.kind != MemberKind::Directory).count();
        let bytes: usize = members.iter().map(|(_, bytes)| bytes.len()).sum();
        let formats = [(DumpFormat::Current, Neo4jFrame::Dzv1), (DumpFormat::Neo4j4, Neo4jFrame::ZstdBare)];
        let [current, older] = formats.map(|(format, frame)| {
            let dump = written(&members, format, 2);
            assert!(dump == written(&members, format, 5), "{name}: the number of threads shows");
            let (form, again) = read_all(&dump, "again.dump").unwrap();
            assert_eq!(form, Form::Neo4jDump { frame });
            let again = again.members();
            assert_eq!(sorted(again.clone()), sorted(members.clone()), "{name}");
            let reversed: Vec<_> = again.into_iter().rev().collect();
            assert!(written(&reversed, format, 2) == dump, "{name}: the order of the entries shows");
            dump
        });
        assert_eq!(current[..4], *b"DZV1");
        assert!(current[4..] == older, "{name}: the older form is the newer without its magic");
        let plain = zstd::decode_all(&older[..]).unwrap();
        assert_eq!(plain[..8], *b"zstd\0\0\0\x01");
        assert_eq!(plain[8..16], (files as i64).to_be_bytes());
        assert_eq!(plain[16..24], (bytes as i64).to_be_bytes());
        let tar = &plain[24..];
        assert!(tar.len() % 512 == 0 && tar.ends_with(&[0; 1024]) && tar[tar.len() - 1536..][..512] != [0; 512]);
        assert_eq!(tar[..3], *b"./\0");
    }
}

#[test]
fn the_tar_is_laid_out_as_the_database_lays_it_out() {
    let members: Vec<(Member, Vec<u8>)> = [
        ("neostore.transaction.db.1", &b"log"[..]),
        ("schema/index/1", b"index"),
        ("neostore", b"store"),
        ("checkpoint.0", b"check"),
        ("checkpoints", b"no log"),
        ("schema/checkpoint.9", b"no log either"),
    ]
    .into_iter()
    .map(|(name, bytes)| (name, MemberKind::File { len: bytes.len() as u64 }, bytes))
    .chain([("schema", MemberKind::Directory, &b""[..]), ("schema/index", MemberKind::Directory, b"")])
    .map(|(name, kind, bytes)| (Member { path: path(name), kind, metadata: metadata(0o644) }, bytes.to_vec()))
    .collect();
    let dump = written(&members, DumpFormat::Neo4j4, 1);
    let plain = zstd::decode_all(&dump[..]).unwrap();
    let mut names = Vec::new();
    for entry in tar::Archive::new(&plain[24..]).entries().unwrap() {
        names.push(String::from_utf8(entry.unwrap().path_bytes().to_vec()).unwrap());
    }
    let expected = "./ ./checkpoints ./neostore ./schema/ ./schema/checkpoint.9 ./schema/index/ ./schema/index/1 ./ \
                    ./checkpoint.0 ./neostore.transaction.db.1";
    assert_eq!(names.join(" "), expected);
    let without_logs: Vec<_> = members.into_iter().filter(|(member, _)| member.path == path("neostore")).collect();
    let plain = zstd::decode_all(&written(&without_logs, DumpFormat::Neo4j4, 1)[..]).unwrap();
    assert_eq!(tar::Archive::new(&plain[24..]).entries().unwrap().count(), 2, "no second root without logs");
}

#[test]
fn what_a_dump_cannot_hold_is_refused_before_a_byte_is_written() {
    let entry = |name: &str, kind| DumpEntry { path: path(name), metadata: metadata(0o644), kind, source: () };
    for (entries, detail) in [
        (vec![entry("l", MemberKind::Symlink { target: b"x".to_vec() })], "l is neither"),
        (vec![entry("a", MemberKind::File { len: 1 }), entry("a", MemberKind::Directory)], "a would be"),
        (vec![entry(".", MemberKind::File { len: 1 })], ". is neither"),
        (vec![entry("a", MemberKind::File { len: u64::MAX }), entry("b", MemberKind::File { len: 1 })], "too large"),
    ] {
        let error = DumpPlan::new(entries).unwrap_err();
        assert!(matches!(&error, Error::Refused(text) if text.contains(detail)), "{error:?}");
    }
}

#[test]
fn a_file_that_is_not_as_long_as_planned_gives_no_dump() {
    let entry = DumpEntry { path: path("a"), metadata: metadata(0o644), kind: MemberKind::File { len: 3 }, source: () };
    let plan = DumpPlan::new(vec![entry]).unwrap();
    for (bytes, detail) in [(&b"ab"[..], "1 bytes before"), (b"abcd", "more bytes")] {
        let result = write_dump(Vec::new(), "x.dump", &plan, DumpFormat::Current, 1, 1, |_, out| {
            out.write_all(bytes).map_err(|error| snaphold::container::write_error("x.dump", error))
        });
        assert!(matches!(&result, Err(Error::Failed(text)) if text.contains(detail)), "{result:?}");
    }
}

#[test]
fn all_forms_open_by_their_bytes() {
    let tar = tar(&[file("./neostore", b"store")]);
    let zstd_bare = bare_dump(b"zstd", 1, 1, 5, &tar);
    let gzip = compress_gzip(&tar);
    for (bytes, name, form) in [
        ([&b"DZV1"[..], &zstd_bare].concat(), "x", Form::Neo4jDump { frame: Neo4jFrame::Dzv1 }),
        ([&b"DGV1"[..], &gzip].concat(), "x", Form::Neo4jDump { frame: Neo4jFrame::Dgv1 }),
        (zstd_bare.clone(), "-", Form::Neo4jDump { frame: Neo4jFrame::ZstdBare }),
        (gzip.clone(), "neo4j.dump", Form::Neo4jDump { frame: Neo4jFrame::GzipBare }),
        (gzip.clone(), "neo4j.tgz", Form::Tar { compression: Compression::Gzip }),
        (compress_zstd(&tar, false), "x.dump", Form::Tar { compression: Compression::Zstd }),
        (tar.clone(), "x.dump", Form::Tar { compression: Compression::None }),
    ] {
        let (found, contents) = read_all(&bytes, name).unwrap();
        assert_eq!(found, form, "{name}");
        let members = contents.members();
        assert_eq!(members.len(), 1);
        assert_eq!((members[0].0.path.to_string(), &members[0].1[..]), ("neostore".to_string(), &b"store"[..]));
    }
}

#[test]
fn a_dump_inside_a_tar_is_opened_as_the_dump() {
    let plain = read_all(&fixture("movies-50.dump"), "movies.dump").unwrap().1;
    let dump = file("export/neo4j.dump", &fixture("movies-50.dump"));
    let folder = header(b"export/", b'5', 0, b"");
    let nested = tar(&[folder.clone(), dump.clone(), header(b"graphs/", b'5', 0, b"")]);
    for bytes in [nested.clone(), compress_gzip(&nested), compress_zstd(&nested, true)] {
        let (form, contents) = read_all(&bytes, "export.tar.gz").unwrap();
        assert_eq!(form, Form::Neo4jDump { frame: Neo4jFrame::Dzv1 });
        assert_eq!(contents, plain);
    }
    for name in ["movies-35.dump", "northwind-40.dump"] {
        let (form, contents) = read_all(&compress_gzip(&tar(&[file(name, &fixture(name))])), "x.tar.gz").unwrap();
        assert_eq!(form, Form::Neo4jDump { frame: Neo4jFrame::ZstdBare });
        assert_eq!(contents, read_all(&fixture(name), name).unwrap().1);
    }

    let beside = tar(&[folder, dump.clone(), file("export/other", b"more")]);
    assert!(complaint(read_all(&beside, "x.tar")).contains("beside a Neo4j dump it holds export/other"));
    let cut = compress_gzip(&tar(&[dump]));
    assert!(complaint(read_all(&cut[..cut.len() - 5], "x.tar.gz")).contains("is cut short"));
    // Where the first file is something else, all of them are just files, whole as they were.
    let later = [file("a", b"first"), file("neo4j.dump", &fixture("movies-50.dump"))];
    let members = read_all(&tar(&later), "x.tar").unwrap().1.members();
    assert_eq!(members.len(), 2);
    assert!(members[1].1 == fixture("movies-50.dump"));
    let postgres = [b"PGDMP".to_vec(), vec![7; 300_000]].concat();
    let folders = vec![header(b"d/", b'5', 0, b""); 20];
    let tars = [vec![file("pg.dump", &postgres)], [folders, vec![file("pg.dump", &postgres)]].concat()];
    for parts in tars {
        let members = read_all(&tar(&parts), "x.tar").unwrap().1.members();
        assert_eq!(members.len(), parts.len());
        assert!(members.last().unwrap().1 == postgres);
    }
}
