//! Opening whole containers in memory, and building tars byte by byte without the code under test.

use std::io::{Cursor, Read};
use std::path::PathBuf;

use snaphold::container::{Body, Form, Member, MemberKind, MemberReader, RelativePath, open, read_error};
use snaphold::error::{Error, Result};
use snaphold::format::tree::Metadata;

/// The Neo4j fixtures.
pub const FIXTURES: [&str; 3] = ["movies-35.dump", "northwind-40.dump", "movies-50.dump"];

/// What a container was found to hold.
#[derive(Debug, PartialEq, Eq)]
pub enum Contents {
    /// Members, with the bytes of each.
    Members(Vec<(Member, Vec<u8>)>),
    /// One file.
    Single(String, Vec<u8>),
}

impl Contents {
    pub fn members(self) -> Vec<(Member, Vec<u8>)> {
        match self {
            Contents::Members(members) => members,
            Contents::Single(name, bytes) => panic!("one file, {name} of {} bytes", bytes.len()),
        }
    }
}

pub fn fixture_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/neo4j").join(name)
}

pub fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(fixture_path(name)).unwrap()
}

/// Opens `bytes` and reads all of it, to the end that makes it count.
pub fn read_all(bytes: &[u8], file_name: &str) -> Result<(Form, Contents)> {
    read_stream(Box::new(Cursor::new(bytes.to_vec())), file_name)
}

pub fn read_stream(input: Box<dyn Read + Send>, file_name: &str) -> Result<(Form, Contents)> {
    let opened = open(input, file_name)?;
    let contents = match opened.body {
        Body::Single { name, mut reader } => {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map_err(|error| read_error(file_name, error))?;
            Contents::Single(name, bytes)
        }
        Body::Members(mut members) => {
            let mut found = Vec::new();
            while let Some(member) = members.next_member()? {
                let mut bytes = Vec::new();
                MemberReader(&mut *members).read_to_end(&mut bytes).map_err(|error| read_error(file_name, error))?;
                let declared = if let MemberKind::File { len } = member.kind { len } else { 0 };
                assert_eq!(bytes.len() as u64, declared, "{}", member.path);
                found.push((member, bytes));
            }
            assert!(members.next_member()?.is_none(), "the end must stay the end");
            Contents::Members(found)
        }
    };
    Ok((opened.form, contents))
}

/// The one line of an error that is nobody's fault but the file's.
pub fn complaint(result: Result<(Form, Contents)>) -> String {
    match result {
        Err(Error::Failed(text) | Error::Refused(text)) => {
            assert!(!text.contains('\n'), "more than a line: {text}");
            text
        }
        Err(error) => panic!("another kind of error: {error:?}"),
        Ok((form, _)) => panic!("accepted as {form:?}"),
    }
}

pub fn path(text: &str) -> RelativePath {
    RelativePath::parse(text.as_bytes()).unwrap()
}

pub fn metadata(mode: u32) -> Metadata {
    Metadata { mode, uid: 1000, gid: 100, mtime_ns: 1_700_000_000_000_000_000, xattrs: Vec::new() }
}

/// One tar header by hand; `size` is what its field says.
pub fn header(name: &[u8], kind: u8, size: u64, link: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name);
    put(100, b"0000644\0");
    put(108, b"0001750\0");
    put(116, b"0000144\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"14524770400\0");
    put(156, &[kind]);
    put(157, link);
    put(257, b"ustar\x0000");
    with_checksum(block)
}

/// The block with the checksum that belongs to it.
pub fn with_checksum(mut block: Vec<u8>) -> Vec<u8> {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// `bytes` up to a whole number of blocks.
pub fn blocks(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(512), 0);
    padded
}

/// A regular file with its header.
pub fn file(name: &str, bytes: &[u8]) -> Vec<u8> {
    [header(name.as_bytes(), b'0', bytes.len() as u64, b""), blocks(bytes)].concat()
}

/// A PAX header with `records`.
pub fn pax(kind: u8, records: &[(&str, &str)]) -> Vec<u8> {
    let mut text = String::new();
    for (key, value) in records {
        let without = key.len() + value.len() + 3;
        let len = (1..).map(|digits| without + digits).find(|len| without + len.to_string().len() == *len).unwrap();
        text += &format!("{len} {key}={value}\n");
    }
    [header(b"././@PaxHeader", kind, text.len() as u64, b""), blocks(text.as_bytes())].concat()
}

/// The tar of `parts`, with its end.
pub fn tar(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), vec![0; 1024]].concat()
}

/// A Neo4j dump of these parts, with a checksum, without a magic.
pub fn bare_dump(word: &[u8], version: i32, files: i64, bytes: i64, tar: &[u8]) -> Vec<u8> {
    let plain = [word, &version.to_be_bytes(), &files.to_be_bytes(), &bytes.to_be_bytes(), tar].concat();
    compress_zstd(&plain, true)
}

pub fn compress_zstd(plain: &[u8], checksum: bool) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(checksum).unwrap();
    std::io::Write::write_all(&mut encoder, plain).unwrap();
    encoder.finish().unwrap()
}

pub fn compress_gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, plain).unwrap();
    encoder.finish().unwrap()
}

/// Pseudo-random numbers from a seed that every failure names.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
