//! Hostile containers: whatever two programs could take for two things is refused, by name, in one line.

use snaphold::container::{Body, MemberKind, open};

use crate::support::*;

/// A header with the bytes at `at` replaced, and its sum mended.
fn patched(block: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut block = block;
    block[at..at + bytes.len()].copy_from_slice(bytes);
    with_checksum(block)
}

fn empty_file(name: &[u8]) -> Vec<u8> {
    header(name, b'0', 0, b"")
}

#[test]
fn hostile_tars_are_refused() {
    let long =
        |kind: u8, bytes: &[u8]| [header(b"././@LongLink", kind, bytes.len() as u64, b""), blocks(bytes)].concat();
    let deep = "d/".repeat(1100) + "x";
    let wide = "n".repeat(1025);
    let many: Vec<(String, String)> = (0..4097).map(|at| (format!("SCHILY.xattr.user.{at}"), String::new())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let base_256 = |value: u64| [&[0x80, 0, 0, 0][..], &value.to_be_bytes()].concat();
    for (what, parts, detail) in [
        ("parent", vec![empty_file(b"../x")], "component `..`"),
        ("parent within", vec![empty_file(b"a/../../x")], "component `..`"),
        ("parent after ./", vec![empty_file(b"./../x")], "component `..`"),
        ("absolute", vec![empty_file(b"/etc/passwd")], "absolute"),
        ("absolute by PAX", vec![pax(b'x', &[("path", "/etc/passwd")]), empty_file(b"ok")], "absolute"),
        ("parent by PAX", vec![pax(b'x', &[("path", "a/../b")]), empty_file(b"ok")], "component `..`"),
        ("parent by prefix", vec![patched(empty_file(b"x"), 345, b"..")], "component `..`"),
        ("absolute by prefix", vec![patched(empty_file(b"x"), 345, b"/etc")], "absolute"),
        ("parent by long name", vec![long(b'L', b"../x\0"), empty_file(b"ok")], "component `..`"),
        ("NUL by PAX", vec![pax(b'x', &[("path", "a\0b")]), empty_file(b"ok")], "NUL"),
        ("NUL by long name", vec![long(b'L', b"a\0b\0"), empty_file(b"ok")], "NUL"),
        ("no name", vec![empty_file(b"")], "it is empty"),
        ("empty component", vec![empty_file(b"a//b")], "empty component"),
        ("too deep", vec![pax(b'x', &[("path", &deep)]), empty_file(b"ok")], "deeper than 1024"),
        ("too long", vec![pax(b'x', &[("path", &wide)]), empty_file(b"ok")], "longer than 1024"),
        ("root as a file", vec![empty_file(b".")], "is the root and no folder"),
        ("root as a link", vec![header(b"./", b'2', 0, b"/etc")], "is the root and no folder"),
        ("hard link out", vec![header(b"a", b'1', 0, b"../../etc/passwd")], "hard link to a path"),
        ("hard link, absolute", vec![header(b"a", b'1', 0, b"/etc/passwd")], "hard link to a path"),
        (
            "hard link by PAX",
            vec![pax(b'x', &[("linkpath", "../a")]), header(b"a", b'1', 0, b"b")],
            "hard link to a path",
        ),
        ("hard link to the root", vec![header(b"a", b'1', 0, b"./")], "hard link to the root"),
        ("symlink to nowhere", vec![header(b"a", b'2', 0, b"")], "without a proper target"),
        ("symlink with NUL", vec![pax(b'x', &[("linkpath", "a\0b")]), header(b"a", b'2', 0, b"b")], "proper target"),
        ("two sizes", vec![pax(b'x', &[("size", "5")]), file("a", b"12345678")], "two different sizes"),
        (
            "a size hidden from ustar",
            vec![pax(b'x', &[("size", "512")]), empty_file(b"a"), vec![b'x'; 512]],
            "two different sizes",
        ),
        ("a size hidden from PAX", vec![pax(b'x', &[("size", "0")]), file("a", &[0; 512])], "two different sizes"),
        ("two names", vec![pax(b'x', &[("path", "a")]), long(b'L', b"b\0"), empty_file(b"c")], "two different names"),
        (
            "two PAX headers",
            vec![pax(b'x', &[("path", "a")]), pax(b'x', &[("uid", "1")]), empty_file(b"c")],
            "two extended",
        ),
        ("two long names", vec![long(b'L', b"a\0"), long(b'L', b"b\0"), empty_file(b"c")], "two extended"),
        ("a key twice", vec![pax(b'x', &[("path", "a"), ("path", "b")]), empty_file(b"c")], "path twice"),
        ("a global name", vec![pax(b'g', &[("path", "a")]), empty_file(b"c")], "global PAX header"),
        ("a global size", vec![pax(b'g', &[("size", "1")]), empty_file(b"c")], "global PAX header"),
        ("folder with bytes", vec![header(b"d/", b'5', 512, b""), vec![b'x'; 512]], "of a kind that has none"),
        ("symlink with bytes", vec![header(b"s", b'2', 512, b"t"), vec![b'x'; 512]], "of a kind that has none"),
        ("hard link with bytes", vec![header(b"h", b'1', 512, b"t"), vec![b'x'; 512]], "of a kind that has none"),
        ("file named as a folder", vec![file("d/", b"x")], "of a kind that has none"),
        ("sparse, GNU", vec![header(b"s", b'S', 0, b"")], "sparse"),
        ("sparse, PAX", vec![pax(b'x', &[("GNU.sparse.major", "1")]), empty_file(b"s")], "sparse"),
        ("continued on another volume", vec![header(b"m", b'M', 0, b"")], "kind 'M'"),
        ("unknown kind", vec![header(b"q", b'Q', 0, b"")], "kind 'Q'"),
        ("size no number", vec![patched(empty_file(b"a"), 124, b"0000000009x\0")], "no number"),
        ("size negative", vec![patched(empty_file(b"a"), 124, &[0xff; 12])], "size is out of range"),
        ("size above all", vec![patched(empty_file(b"a"), 124, &[0xbf; 12])], "size is out of range"),
        ("size more than there is", vec![patched(empty_file(b"a"), 124, &base_256(u64::MAX))], "cut short"),
        ("owner out of range", vec![pax(b'x', &[("uid", "4294967296")]), empty_file(b"a")], "owner that is out"),
        ("time out of range", vec![patched(empty_file(b"a"), 136, b"77777777777\0")], ""),
        ("time far out of range", vec![patched(empty_file(b"a"), 136, &base_256(1 << 40))], "time that is out"),
        (
            "sum wrong",
            vec![empty_file(b"a"), {
                let mut block = empty_file(b"b");
                block[0] = b'c';
                block
            }],
            "checksum",
        ),
        (
            "PAX without end",
            vec![[header(b"p", b'x', 5, b""), blocks(b"99 a=")].concat(), empty_file(b"a")],
            "malformed",
        ),
        ("PAX too large", vec![header(b"p", b'x', 1 << 30, b""), empty_file(b"a")], "extended header of 1073741824"),
        ("PAX for nothing", vec![pax(b'x', &[("path", "a")])], "before the end"),
        ("long name too long", vec![header(b"p", b'L', 1 << 30, b""), empty_file(b"a")], "extended header of"),
        ("many attributes", vec![pax(b'x', &many), empty_file(b"a")], "more than 4096 extended"),
        (
            "a large attribute",
            vec![pax(b'x', &[("SCHILY.xattr.user.a", &"v".repeat(65_537))]), empty_file(b"a")],
            "longer than 65536",
        ),
        ("a lone zero block", vec![vec![0; 512], empty_file(b"hidden")], "after the end"),
        ("a second tar", vec![vec![0; 1024], empty_file(b"hidden")], "after the end"),
        ("text at the end", vec![vec![0; 1024], blocks(b"hidden")], "after the end"),
    ] {
        let bytes = tar(&[vec![file("before", b"fine")], parts]
            .concat()
            .concat()
            .chunks(512)
            .map(<[u8]>::to_vec)
            .collect::<Vec<_>>());
        let result = read_all(&bytes, "x.tar");
        if detail.is_empty() {
            assert!(result.is_ok(), "{what}");
            continue;
        }
        let text = complaint(result);
        assert!(text.contains(detail) && text.starts_with("x.tar "), "{what}: {text}");
    }
    assert!(read_all(&tar(&[file("before", b"fine")]), "x.tar").is_ok());
}

#[test]
fn links_are_recorded_and_never_followed() {
    let hostile = tar(&[
        header(b"etc", b'2', 0, b"/etc"),
        file("etc/passwd", b"root::0:0"),
        header(b"up", b'2', 0, b"../../.."),
        header(b"zero", b'3', 0, b""),
        header(b"pipe", b'6', 0, b""),
    ]);
    let members = read_all(&hostile, "x.tar").unwrap().1.members();
    let kinds: Vec<_> = members.into_iter().map(|(member, _)| member.kind).collect();
    assert_eq!(
        kinds,
        [
            MemberKind::Symlink { target: b"/etc".to_vec() },
            MemberKind::File { len: 9 },
            MemberKind::Symlink { target: b"../../..".to_vec() },
            MemberKind::CharDevice { major: 0, minor: 0 },
            MemberKind::Fifo,
        ]
    );
}

#[test]
fn hostile_dumps_are_refused() {
    let inner = tar(&[header(b"./", b'5', 0, b""), file("./neostore", b"store")]);
    let good = bare_dump(b"zstd", 1, 1, 5, &inner);
    assert!(read_all(&good, "x.dump").is_ok());
    let link = tar(&[header(b"./l", b'2', 0, b"/etc")]);
    let escape = tar(&[file("./../neostore", b"store")]);
    let with = |part: &[u8]| [&good[..], part].concat();
    for (what, bytes, detail) in [
        ("version 0", bare_dump(b"zstd", 0, 1, 5, &inner), "version 0; only 1"),
        ("version 2", bare_dump(b"zstd", 2, 1, 5, &inner), "version 2; only 1"),
        ("version -1", bare_dump(b"zstd", -1, 1, 5, &inner), "version -1; only 1"),
        ("fewer files", bare_dump(b"zstd", 1, 2, 5, &inner), "declares 2 files of 5 bytes"),
        ("more files", bare_dump(b"zstd", 1, 0, 5, &inner), "declares 0 files of 5 bytes"),
        ("fewer bytes", bare_dump(b"zstd", 1, 1, 6, &inner), "declares 1 files of 6 bytes"),
        ("more bytes", bare_dump(b"zstd", 1, 1, 4, &inner), "declares 1 files of 4 bytes"),
        ("negative files", bare_dump(b"zstd", 1, -1, 5, &inner), "negative count"),
        ("negative bytes", bare_dump(b"zstd", 1, 1, i64::MIN, &inner), "negative count"),
        ("no tar", bare_dump(b"zstd", 1, 0, 0, b""), "cut short"),
        ("half a header", compress_zstd(b"zstd\0\0\0\x01\0\0", true), "cut short"),
        ("no end", bare_dump(b"zstd", 1, 1, 5, &inner[..inner.len() - 1024]), "cut short"),
        ("half an end", bare_dump(b"zstd", 1, 1, 5, &inner[..inner.len() - 512]), "cut short"),
        ("a link", bare_dump(b"zstd", 1, 0, 0, &link), "neither a file nor a folder"),
        ("a path out", bare_dump(b"zstd", 1, 1, 5, &escape), "component `..`"),
        ("another word", [b"DZV1", &bare_dump(b"gzip", 1, 1, 5, &inner)[..]].concat(), "does not begin with the word"),
        ("no frame", b"DZV1 and nothing more".to_vec(), "does not decompress"),
        ("no stream", b"DGV1 and nothing more".to_vec(), "does not decompress"),
        ("unknown kind", [b"DXV1", &good[..]].concat(), "kind that is not known"),
        ("zeros after it", with(&[0; 16]), "after the end of its dump"),
        ("text after it", with(b"x"), "after the end of its dump"),
        ("another frame after it", with(&good), "after the end of its dump"),
        ("an empty frame after it", with(&compress_zstd(b"", false)), "after the end of its dump"),
        ("text after gzip", [b"DGV1", &compress_gzip(&inner)[..], b"x"].concat(), "x.dump is "),
    ] {
        let text = complaint(read_all(&bytes, "x.dump"));
        assert!(text.contains(detail) && text.starts_with("x.dump is "), "{what}: {text}");
    }
}

#[test]
fn declared_sizes_allocate_nothing() {
    // A member of 8 EiB that is not there, and a dump that declares as much: both are seen at the end of what there is.
    let size = [&[0x80, 0, 0, 0][..], &(1u64 << 62).to_be_bytes()].concat();
    let huge = patched(empty_file(b"./huge"), 124, &size);
    let opened = open(Box::new(std::io::Cursor::new(bare_dump(b"zstd", 1, 1, 1 << 62, &huge))), "x.dump").unwrap();
    let Body::Members(mut members) = opened.body else { panic!("one file") };
    assert_eq!(members.next_member().unwrap().unwrap().kind, MemberKind::File { len: 1 << 62 });
    assert!(members.next_member().unwrap_err().to_string().contains("cut short"));
}

#[test]
fn a_window_beyond_what_is_usual_is_refused() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(28).unwrap();
    encoder.long_distance_matching(true).unwrap();
    std::io::Write::write_all(&mut encoder, &[7; 100_000]).unwrap();
    let text = complaint(read_all(&encoder.finish().unwrap(), "x.zst"));
    assert!(text.contains("too much memory"), "{text}");
}
