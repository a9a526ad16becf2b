//! What is written is read back the same, whatever it is and however it was compressed.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use snaphold::container::{
    Body, Compression, Form, GzWriter, Member, MemberKind, RelativePath, TarWriter, ZstdWriter, open,
};
use snaphold::format::tree::Metadata;

use crate::support::*;

fn put_members<W: Write>(out: W, members: &[(Member, Vec<u8>)]) -> W {
    let mut tar = TarWriter::new(out, "x.tar");
    for (member, bytes) in members {
        tar.append_from(&member.path, &member.metadata, &member.kind, &mut &bytes[..]).unwrap();
    }
    tar.finish().unwrap()
}

fn written(members: &[(Member, Vec<u8>)], compression: Compression) -> Vec<u8> {
    match compression {
        Compression::None => put_members(Vec::new(), members),
        Compression::Gzip => put_members(GzWriter::new(Vec::new(), 1, 2).unwrap(), members).finish().unwrap(),
        Compression::Zstd => put_members(ZstdWriter::new(Vec::new(), 1, 2).unwrap(), members).finish().unwrap(),
    }
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let any_bytes = vec(any::<u8>().prop_filter("no part of a name", |byte| !matches!(byte, 0 | b'/')), 1..12);
    let long = (1usize..300).prop_map(|len| vec![b'l'; len]);
    prop_oneof![6 => any_bytes, 2 => long, 1 => Just(b"...".to_vec()), 1 => Just("é".as_bytes().to_vec())]
        .prop_filter("no name", |name| !matches!(&name[..], b"." | b".."))
}

fn a_path() -> impl Strategy<Value = RelativePath> {
    vec(name(), 1..6).prop_map(|components| RelativePath::from_components(components).unwrap())
}

fn some_metadata() -> impl Strategy<Value = Metadata> {
    let time = prop_oneof![any::<i64>(), (-5i64..2_000_000_000).prop_map(|seconds| seconds * 1_000_000_000)];
    let xattr = btree_map(vec(1..=255u8, 1..12), vec(any::<u8>(), 0..40), 0..3);
    (0..0o10000u32, any::<u32>(), prop_oneof![any::<u32>(), 0..3000u32], time, xattr).prop_map(
        |(mode, uid, gid, mtime_ns, xattrs): (_, _, _, _, BTreeMap<_, _>)| Metadata {
            mode,
            uid,
            gid,
            mtime_ns,
            xattrs: xattrs.into_iter().collect(),
        },
    )
}

fn content() -> impl Strategy<Value = (MemberKind, Vec<u8>)> {
    let bytes = prop_oneof![vec(any::<u8>(), 0..1600), (0usize..5000).prop_map(|len| vec![0; len])];
    let target = vec(1..=255u8, 1..200);
    let device = (0..1u32 << 21, 0..1u32 << 21);
    prop_oneof![
        4 => bytes.prop_map(|bytes| (MemberKind::File { len: bytes.len() as u64 }, bytes)),
        1 => Just((MemberKind::Directory, Vec::new())),
        1 => target.prop_map(|target| (MemberKind::Symlink { target }, Vec::new())),
        1 => a_path().prop_map(|target| (MemberKind::HardLink { target }, Vec::new())),
        1 => Just((MemberKind::Fifo, Vec::new())),
        1 => device.clone().prop_map(|(major, minor)| (MemberKind::CharDevice { major, minor }, Vec::new())),
        1 => device.prop_map(|(major, minor)| (MemberKind::BlockDevice { major, minor }, Vec::new())),
    ]
}

fn members() -> impl Strategy<Value = Vec<(Member, Vec<u8>)>> {
    let member = (a_path(), some_metadata(), content())
        .prop_map(|(path, metadata, (kind, bytes))| (Member { path, kind, metadata }, bytes));
    vec(member, 1..8)
}

proptest! {
    #[test]
    fn any_members_come_back(members in members()) {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let bytes = written(&members, compression);
            prop_assert_eq!(&bytes, &written(&members, compression));
            let (form, contents) = read_all(&bytes, "x").unwrap();
            prop_assert_eq!(form, Form::Tar { compression });
            prop_assert_eq!(contents, Contents::Members(members.clone()));
        }
    }

    #[test]
    fn any_bytes_that_are_no_container_come_back(bytes in vec(any::<u8>(), 0..3000)) {
        let expected = Contents::Single("file.bin".to_string(), bytes.clone());
        for (packed, name) in [
            (bytes.clone(), "file.bin"), (compress_gzip(&bytes), "file.bin.gz"), (compress_zstd(&bytes, true), "file.bin.zst"),
        ] {
            prop_assert_eq!(&read_all(&packed, name).unwrap().1, &expected);
            prop_assert_eq!(&read_all(&packed, &format!("/some/where/{name}")).unwrap().1, &expected);
        }
    }
}

#[test]
fn a_plain_member_has_a_plain_header() {
    let member = Member { path: path("dir/name"), kind: MemberKind::File { len: 3 }, metadata: metadata(0o640) };
    let bytes = written(&[(member, b"abc".to_vec())], Compression::None);
    let by_hand = {
        let mut block = header(b"dir/name", b'0', 3, b"");
        block[100..108].copy_from_slice(b"0000640\0");
        block[329..345].copy_from_slice(b"0000000\x000000000\0");
        with_checksum(block)
    };
    assert_eq!(bytes.len(), 512 + 512 + 1024);
    assert_eq!(bytes[..512], by_hand);
    assert_eq!(bytes[512..], [blocks(b"abc"), vec![0; 1024]].concat());
}

#[test]
fn a_member_above_eight_gibibytes_states_its_size_in_pax() {
    // Only the header is looked at: the target takes two kilobytes and then fails.
    struct Small(Vec<u8>);
    impl Write for Small {
        fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
            if self.0.len() >= 2048 { Err(std::io::ErrorKind::StorageFull.into()) } else { self.0.write(buf) }
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut target = Small(Vec::new());
    for (len, header_at) in [(9u64 << 30, 1024), ((8 << 30) - 1, 0)] {
        target.0.clear();
        let kind = MemberKind::File { len };
        let result = TarWriter::new(&mut target, "x.tar").append_from(
            &path("huge"),
            &metadata(0o644),
            &kind,
            &mut std::io::repeat(0),
        );
        assert!(result.unwrap_err().to_string().starts_with("cannot write x.tar: "));
        assert_eq!(target.0[header_at..][..5], *b"huge\0", "{len}");
        let opened = open(Box::new(std::io::Cursor::new(target.0.clone())), "x.tar").unwrap();
        let Body::Members(mut members) = opened.body else { panic!("one file") };
        assert_eq!(members.next_member().unwrap().unwrap().kind, kind);
    }
    assert_eq!(target.0[124..136], *b"77777777777\0");
}

#[test]
fn other_files_are_kept_as_they_are() {
    for (bytes, name) in [
        (&b"PGDMP\x01\x0e\x00"[..], "db.dump"),
        (b"REDIS0011\xfa", "dump.rdb"),
        (b"-- PostgreSQL database dump\n", "dump.sql"),
        (b"zstd is a word", "x.dump"),
        (b"DZV", "x.dump"),
        (b"DXV1 in a text", "x.txt"),
        (b"", "nothing"),
        (&[0; 4096], "zeros"),
    ] {
        let (form, contents) = read_all(bytes, name).unwrap();
        assert_eq!(form, Form::Single { compression: Compression::None, name: name.to_string() });
        assert_eq!(contents, Contents::Single(name.to_string(), bytes.to_vec()));
    }
    let text = b"zstd and then a text".to_vec();
    assert_eq!(
        read_all(&compress_zstd(&text, true), "notes.zst").unwrap().1,
        Contents::Single("notes".to_string(), text)
    );
}

#[test]
fn a_file_without_a_name_gets_one() {
    for (name, own, inner) in [("-", "dump", "dump"), ("", "dump", "dump"), ("a/b/.gz", ".gz", "dump"), ("x", "x", "x")]
    {
        let (form, contents) = read_all(&compress_gzip(b"text"), name).unwrap();
        assert_eq!(form, Form::Single { compression: Compression::Gzip, name: own.to_string() });
        assert_eq!(contents, Contents::Single(inner.to_string(), b"text".to_vec()));
    }
}

#[test]
fn several_gzip_members_and_zstd_frames_are_one_file() {
    let gzip = [compress_gzip(b"one, "), compress_gzip(b""), compress_gzip(b"two")].concat();
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let zstd = [skippable, compress_zstd(b"one, ", true), compress_zstd(b"two", false)].concat();
    for (bytes, name) in [(gzip, "x.gz"), (zstd, "x.zst")] {
        assert_eq!(read_all(&bytes, name).unwrap().1, Contents::Single("x".to_string(), b"one, two".to_vec()));
    }
}

#[test]
fn an_empty_tar_needs_a_name_to_be_one() {
    let empty = TarWriter::new(Vec::new(), "x.tar").finish().unwrap();
    assert_eq!(empty, [0; 1024]);
    assert_eq!(read_all(&empty, "x.tar").unwrap().1, Contents::Members(Vec::new()));
    assert_eq!(read_all(&compress_gzip(&empty), "x.tar.gz").unwrap().1, Contents::Members(Vec::new()));
    assert_eq!(read_all(&empty, "x").unwrap().1, Contents::Single("x".to_string(), empty));
}

#[test]
fn bytes_that_nobody_read_are_passed_over() {
    let bytes = tar(&[file("a", &[1; 70_000]), file("b", &[2; 600])]);
    let opened = open(Box::new(std::io::Cursor::new(bytes)), "x.tar").unwrap();
    let Body::Members(mut members) = opened.body else { panic!("one file") };
    let mut buf = [0; 100];
    assert_eq!(members.read(&mut buf).unwrap(), 0, "no member yet");
    assert!(members.next_member().unwrap().is_some());
    assert!(members.read(&mut buf).unwrap() > 0);
    assert_eq!(members.next_member().unwrap().unwrap().path, path("b"));
    let mut all = Vec::new();
    snaphold::container::MemberReader(&mut *members).read_to_end(&mut all).unwrap();
    assert_eq!(all, [2; 600]);
    assert!(members.next_member().unwrap().is_none());
}

#[test]
fn forms_are_said_in_a_few_words() {
    let form = |name: &str, bytes: &[u8]| read_all(bytes, name).unwrap().0.describe();
    assert_eq!(form("x.dump", &fixture("movies-50.dump")), "Neo4j dump (DZV1)");
    assert_eq!(form("x.tgz", &compress_gzip(&tar(&[file("a", b"")]))), "tar archive, gzip");
    assert_eq!(form("x", b"text"), "single file");
}
