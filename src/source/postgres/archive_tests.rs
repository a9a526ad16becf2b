//! Archives made here, of each version: read, written again, cut and flipped at every byte.

use std::io::{BufReader, Read};

use super::super::blocks::{Block, BlockWriter, Blocks, large_objects_block_len, table_block_len};
use super::*;

const INTS: Ints = Ints { size: 4, offset_size: 8 };

fn string(out: &mut Vec<u8>, text: Option<&str>) {
    INTS.put(out, text.map_or(-1, |text| text.len() as i64));
    out.extend(text.unwrap_or_default().as_bytes());
}

fn entry(out: &mut Vec<u8>, minor: u8, id: i64, tag: &str, kind: &str, state: u8) {
    INTS.put(out, id);
    INTS.put(out, i64::from(state == OFFSET_NOT_SET));
    for text in [Some("0"), Some("16384"), Some(tag), Some(kind)] {
        string(out, text);
    }
    INTS.put(out, 3);
    let copy = (kind == "TABLE DATA").then_some("COPY public.t (a) FROM stdin;\n");
    for text in [Some("CREATE …"), Some("DROP …"), copy, Some("public"), None] {
        string(out, text);
    }
    if minor >= 14 {
        string(out, Some("heap"));
    }
    if minor >= 16 {
        INTS.put(out, i64::from(b'r'));
    }
    for text in [Some("owner"), Some("false"), Some("1"), None] {
        string(out, text);
    }
    out.push(state);
    out.extend([0; 8]);
}

/// An archive of a view, a table and two large objects.
fn archive(minor: u8) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend([1, minor, 0, 4, 8, 1]);
    match minor {
        ..15 => INTS.put(&mut out, 0),
        _ => out.push(0),
    }
    (1..=7).for_each(|value| INTS.put(&mut out, value));
    for text in ["shop", "15.1 (X)", "15.2"] {
        string(&mut out, Some(text));
    }
    INTS.put(&mut out, 3);
    entry(&mut out, minor, 7, "v", "VIEW", OFFSET_NO_DATA);
    entry(&mut out, minor, 8, "t", "TABLE DATA", OFFSET_NOT_SET);
    entry(&mut out, minor, 9, "BLOBS", "BLOBS", OFFSET_NOT_SET);
    let mut blocks = BlockWriter::new(&mut out, INTS);
    blocks.begin_table(8).unwrap();
    blocks.data(b"1\n2\n\\.\n\n\n").unwrap();
    blocks.end_data().unwrap();
    blocks.begin_large_objects(9).unwrap();
    for (oid, bytes) in [(16_500, &b"an object"[..]), (4_000_000_000, b"")] {
        blocks.begin_large_object(oid).unwrap();
        blocks.data(bytes).unwrap();
        blocks.end_data().unwrap();
    }
    blocks.end_large_objects().unwrap();
    out
}

type Found = (Contents, Vec<(Block, Vec<(u32, Vec<u8>)>)>);

fn walk(bytes: &[u8]) -> Result<Found, String> {
    let mut input = BufReader::new(bytes);
    let contents = Contents::read(&mut input).map_err(|problem| problem.text())?;
    let mut blocks = Blocks::new(input, contents.ints, "x");
    let mut found = Vec::new();
    while let Some(block) = blocks.next_block().map_err(|problem| problem.text())? {
        let mut parts = Vec::new();
        let mut part = |blocks: &mut Blocks<_>, oid| {
            let mut bytes = Vec::new();
            blocks.data().read_to_end(&mut bytes).map_err(|error| error.to_string())?;
            parts.push((oid, bytes));
            Ok::<_, String>(())
        };
        match block {
            Block::Table(_) => part(&mut blocks, 0)?,
            Block::LargeObjects(_) => {
                while let Some(oid) = blocks.next_large_object().map_err(|problem| problem.text())? {
                    part(&mut blocks, oid)?;
                }
            }
        }
        found.push((block, parts));
    }
    Ok((contents, found))
}

#[test]
fn every_version_is_read_and_written_again() {
    for minor in [14, 15, 16] {
        let bytes = archive(minor);
        let (contents, found) = walk(&bytes).unwrap();
        assert_eq!((contents.version, contents.compression), ((1, minor), 0));
        assert_eq!((text(&contents.database), contents.server_version.as_str()), ("shop".into(), "15.1 (X)"));
        assert_eq!(contents.created, [1, 2, 3, 4, 5, 6, 7]);
        let kinds: Vec<&str> = contents.entries.iter().map(|entry| entry.kind.as_str()).collect();
        assert_eq!(kinds, ["VIEW", "TABLE DATA", "BLOBS"]);
        assert_eq!(contents.entries[1].depends_on, [1]);
        assert_eq!(text(&contents.entries[1].owner), "owner");
        let objects = vec![(16_500, b"an object".to_vec()), (4_000_000_000, Vec::new())];
        let expected =
            [(Block::Table(8), vec![(0, b"1\n2\n\\.\n\n\n".to_vec())]), (Block::LargeObjects(9), objects.clone())];
        assert_eq!(found, expected);

        // Written with its time and without offsets, it is what it was; with them, each names the place of its block.
        let data = bytes.len() - contents.bytes.len();
        assert_eq!(contents.to_archive(&contents.created, |_| None), bytes[..bytes.len() - data]);
        let lens = objects.iter().map(|(_, bytes)| bytes.len() as u64);
        let table = table_block_len(INTS, 9);
        assert_eq!(table + large_objects_block_len(INTS, lens), data as u64);
        let mut at = contents.bytes.len() as u64;
        let head = contents.to_archive(&contents.created, |_| {
            at += table;
            Some(at - table)
        });
        let again = Contents::read(&mut head.as_slice()).unwrap();
        assert_eq!(again, contents, "time and offsets are no part of what is compared");

        let only = contents.only(|entry| entry.kind == "VIEW").unwrap();
        assert_eq!(only.entries.len(), 1);
    }
}

#[test]
fn no_version_that_is_not_known_is_guessed_at() {
    for (at, byte, says) in [(5, 2, "archive version 2.15"), (6, 11, "1.11"), (6, 17, "1.17"), (10, 3, "custom format")]
    {
        let mut bytes = archive(15);
        bytes[at] = byte;
        let problem = walk(&bytes).unwrap_err();
        assert!(problem.contains(says), "{problem}");
    }
    assert!(walk(b"-- PostgreSQL database dump").unwrap_err().contains("not a dump in pg_dump's custom format"));
}

#[test]
fn what_is_cut_or_changed_is_an_error_or_another_archive() {
    for minor in [14, 16] {
        let bytes = archive(minor);
        let whole = walk(&bytes).unwrap();
        for len in 0..bytes.len() {
            // Between two blocks nothing tells: that is for who knows which entries have data.
            if let Ok((_, found)) = walk(&bytes[..len]) {
                assert!(found.len() < whole.1.len(), "cut at {len}");
            }
        }
        let mut differ = 0;
        for at in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] ^= flip;
                differ += usize::from(walk(&bytes).map_or(true, |found| found != whole));
            }
        }
        assert!(differ > bytes.len());
    }
}
