//! Files that are loaded: whatever they are, and tars and Neo4j dumps with the sums and counts that belong to them.

use std::io::{self, Read};

use snaphold::container::{
    Body, Compression, Form, Member, MemberKind, MemberReader, TarWriter, open, read_error, write_error,
};
use snaphold::error::{Error, Result};

use super::fixed::Input;

/// Plain bytes that are read of a container: a fuzzer finds bombs soon, and spends its time in them.
const BUDGET: usize = 4 << 20;
const BLOCK: usize = 512;
const NAMES: [&str; 8] = ["a.dump", "a.tar", "a.tar.gz", "a.tar.zst", "a.gz", "a.zst", "folder/a", "-"];

/// A name, then a file as it is.
pub fn container(data: &[u8]) -> bool {
    let mut input = Input(data);
    let name = NAMES[usize::from(input.u8()) % NAMES.len()];
    opens_one_way(input.0, name).is_some()
}

/// A tar, with the checksums that its headers should have.
pub fn tar(data: &[u8]) -> bool {
    let bytes = with_checksums(data.to_vec());
    let Some(Contents { form: Form::Tar { .. }, files, whole: true }) = opens_one_way(&bytes, "a.tar") else {
        return false;
    };
    let Some(again) = written(&files) else { return false };
    let read = read_all(&again, "a.tar", 64 * 1024).unwrap();
    assert_eq!(read.form, Form::Tar { compression: Compression::None });
    assert_eq!(read.files, files);
    true
}

/// A choice, counts and a tar, as a Neo4j dump.
pub fn neo4j_dump(data: &[u8]) -> bool {
    let mut input = Input(data);
    let choice = input.u8();
    let (mut files, mut bytes) = (input.u16().into(), input.u16().into());
    let tar = with_checksums(input.0.to_vec());
    let inside = read_all(&tar, "a.tar", 64 * 1024).ok().filter(|contents| contents.whole);
    if let Some(contents) = inside.as_ref().filter(|_| choice & 0x80 == 0) {
        let lens = contents.files.iter().filter(|file| matches!(file.member.kind, MemberKind::File { .. }));
        (files, bytes) = lens.fold((0u64, 0u64), |(files, bytes), file| (files + 1, bytes + file.data.len() as u64));
    }
    let counted = [b"zstd".as_slice(), &1u32.to_be_bytes(), &files.to_be_bytes(), &bytes.to_be_bytes(), &tar].concat();
    let dump = match choice % 4 {
        0 => [b"DZV1".to_vec(), zstd::bulk::compress(&counted, 1).unwrap()].concat(),
        1 => zstd::bulk::compress(&counted, 1).unwrap(),
        2 => [b"DGV1".to_vec(), gzip(&tar)].concat(),
        _ => gzip(&tar),
    };
    let Some(contents) = opens_one_way(&dump, "a.dump") else { return false };
    let Form::Neo4jDump { .. } = contents.form else { return false };
    let regular = |file: &&File| matches!(file.member.kind, MemberKind::File { .. });
    if let Some(inside) = inside.filter(|inside| matches!(inside.form, Form::Tar { .. }) && contents.whole) {
        let members: Vec<&File> = contents.files.iter().filter(regular).collect();
        assert_eq!(members, inside.files.iter().filter(regular).collect::<Vec<_>>());
    }
    true
}

/// What was found in a container.
#[derive(Debug, PartialEq, Eq)]
struct Contents {
    form: Form,
    files: Vec<File>,
    /// Whether it was read to its end.
    whole: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct File {
    member: Member,
    data: Vec<u8>,
}

/// Reads a file in large pieces and in small ones: it is accepted with the same contents, or refused.
fn opens_one_way(bytes: &[u8], name: &str) -> Option<Contents> {
    let large = read_all(bytes, name, 64 * 1024);
    let small = read_all(bytes, name, 700);
    match (large, small) {
        (Ok(large), Ok(small)) => {
            assert_eq!(large, small);
            Some(large)
        }
        (Err(large), Err(small)) => {
            for error in [large, small] {
                assert!(matches!(error, Error::Failed(_) | Error::Refused(_)), "another kind of error: {error:?}");
                let text = error.to_string();
                assert!(!text.contains(char::is_control), "not a line for a terminal: {text:?}");
            }
            None
        }
        (Ok(_), Err(error)) => panic!("refused in small pieces alone: {error}"),
        (Err(error), Ok(_)) => panic!("refused in large pieces alone: {error}"),
    }
}

fn read_all(bytes: &[u8], name: &str, step: usize) -> Result<Contents> {
    let opened = open(Box::new(Steps { rest: bytes.to_vec(), at: 0, step }), name)?;
    let mut left = BUDGET;
    match opened.body {
        Body::Single { name: inner, mut reader } => {
            let (data, whole) = read_up_to(&mut *reader, step, &mut left).map_err(|error| read_error(name, error))?;
            assert!(!inner.contains('/') && !matches!(inner.as_str(), "" | "." | ".."), "{inner:?}");
            Ok(Contents { form: opened.form, files: vec![single(data)], whole })
        }
        Body::Members(mut members) => {
            let mut files = Vec::new();
            while let Some(member) = members.next_member()? {
                let mut reader = MemberReader(&mut *members);
                let (data, whole) =
                    read_up_to(&mut reader, step, &mut left).map_err(|error| read_error(name, error))?;
                let len = if let MemberKind::File { len } = member.kind { len } else { 0 };
                assert!(!whole || data.len() as u64 == len, "{} bytes of {len}", data.len());
                files.push(File { member, data });
                if !whole {
                    return Ok(Contents { form: opened.form, files, whole });
                }
            }
            assert!(members.next_member()?.is_none(), "the end must stay the end");
            assert!(members.not_kept().len() <= 64);
            Ok(Contents { form: opened.form, files, whole: true })
        }
    }
}

/// The one file of what is no archive.
fn single(data: Vec<u8>) -> File {
    let metadata = snaphold::format::tree::Metadata { mode: 0, uid: 0, gid: 0, mtime_ns: 0, xattrs: Vec::new() };
    let kind = MemberKind::File { len: data.len() as u64 };
    File { member: Member { path: Default::default(), kind, metadata }, data }
}

/// All bytes of a reader, and whether the budget sufficed for them.
fn read_up_to(reader: &mut dyn Read, step: usize, left: &mut usize) -> io::Result<(Vec<u8>, bool)> {
    let mut data = Vec::new();
    loop {
        let before = data.len();
        // Whatever the step, the budget ends at the same byte.
        let want = step.min(*left + 1);
        data.resize(before + want, 0);
        let len = reader.read(&mut data[before..])?;
        data.truncate(before + len);
        if len == 0 {
            return Ok((data, true));
        }
        if len > *left {
            data.truncate(before + *left);
            *left = 0;
            return Ok((data, false));
        }
        *left -= len;
    }
}

/// Gives no more than a step at a time.
struct Steps {
    rest: Vec<u8>,
    at: usize,
    step: usize,
}

impl Read for Steps {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let rest = &self.rest[self.at..];
        let len = rest.len().min(buf.len()).min(self.step);
        buf[..len].copy_from_slice(&rest[..len]);
        self.at += len;
        Ok(len)
    }
}

/// The tar of these members, where one can hold them.
fn written(files: &[File]) -> Option<Vec<u8>> {
    let mut tar = TarWriter::new(Vec::new(), "a.tar");
    for File { member, data } in files {
        let fill = |out: &mut dyn io::Write| out.write_all(data).map_err(|error| write_error("a.tar", error));
        match tar.append(&member.path, &member.metadata, &member.kind, fill) {
            Ok(()) => {}
            Err(Error::Refused(_)) => return None,
            Err(error) => panic!("what was read cannot be written: {error}"),
        }
    }
    Some(tar.finish().unwrap())
}

/// Sets the checksum of every block that a reader would take for a header.
fn with_checksums(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut at = 0;
    while let Some(block) = bytes.get_mut(at..at + BLOCK) {
        at += BLOCK;
        if block.iter().all(|byte| *byte == 0) {
            continue;
        }
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let digits = block[124..136].iter().skip_while(|byte| **byte == b' ');
        let size = digits
            .take_while(|byte| matches!(byte, b'0'..=b'7'))
            .fold(0usize, |size, digit| size.saturating_mul(8).saturating_add(usize::from(digit - b'0')));
        if size <= bytes.len() - at {
            at += size.next_multiple_of(BLOCK);
        }
    }
    bytes
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    io::Write::write_all(&mut encoder, plain).unwrap();
    encoder.finish().unwrap()
}
