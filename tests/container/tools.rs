//! Beside GNU tar: it extracts what is written here, and what it writes is read here. Where the machine has another
//! tar, or none, these tests say so on standard error and check nothing.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use snaphold::container::{GzWriter, Member, MemberKind, RelativePath, TarWriter};
use snaphold::format::tree::Metadata;

use crate::skipped::{missing, skipped};
use crate::support::*;

fn has_gnu_tar() -> bool {
    let said = Command::new("tar").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let has = said.starts_with(b"tar (GNU tar)");
    if !has {
        missing("what is compared with GNU tar", "GNU tar");
    }
    has
}

/// Runs GNU tar with `input`, and returns what it printed. It must succeed and complain of nothing.
fn gnu_tar(arguments: &[&str], folder: &Path, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("tar")
        .args(arguments)
        .current_dir(folder)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && complaints.is_empty(), "tar {arguments:?}: {complaints}");
    output.stdout
}

fn on_disk(folder: &Path, path: &RelativePath) -> std::path::PathBuf {
    folder.join(OsStr::from_bytes(&path.to_bytes()))
}

fn sample() -> Vec<(Member, Vec<u8>)> {
    let (long, odd) = ("n".repeat(250), b"caf\xe9 \xff\n".to_vec());
    let own = |mode, mtime_ns| Metadata { mode, uid: own_uid(), gid: own_gid(), mtime_ns, xattrs: Vec::new() };
    let member = |path: RelativePath, kind, mode, time| Member { path, kind, metadata: own(mode, time) };
    let deep = format!("{}/{}/file", "d".repeat(150), "e".repeat(150));
    let mut members = vec![
        (member(path("plain"), MemberKind::File { len: 5 }, 0o644, 1_600_000_000_000_000_000), b"plain".to_vec()),
        (member(path("exact"), MemberKind::File { len: 512 }, 0o600, 1_600_000_000_123_456_789), vec![7; 512]),
        (member(path("empty"), MemberKind::File { len: 0 }, 0o4755, 1_500_000_000), Vec::new()),
        (member(path(&long), MemberKind::File { len: 1 }, 0o640, 1), b"l".to_vec()),
        (member(path(&deep), MemberKind::File { len: 4 }, 0o640, 0), b"deep".to_vec()),
        (member(path("link"), MemberKind::Symlink { target: odd.clone() }, 0o777, 5_000_000_000), Vec::new()),
        (member(path("long link"), MemberKind::Symlink { target: vec![b't'; 400] }, 0o777, 5_000_000_000), Vec::new()),
        (member(path("odd link"), MemberKind::Symlink { target: vec![0xe9; 300] }, 0o777, 5_000_000_001), Vec::new()),
        (member(path("pipe"), MemberKind::Fifo, 0o622, 8_000_000_000), Vec::new()),
    ];
    let odd_path = RelativePath::from_components([b"dir".to_vec(), odd]).unwrap();
    members.push((member(path("dir"), MemberKind::Directory, 0o750, 1_600_000_001_000_000_000), Vec::new()));
    members.push((member(odd_path, MemberKind::File { len: 3 }, 0o644, 9_000_000_000), b"odd".to_vec()));
    let long_odd = RelativePath::from_components([vec![0xe9; 200]]).unwrap();
    members.push((member(long_odd, MemberKind::File { len: 3 }, 0o644, 9_000_000_000), b"odd".to_vec()));
    let target = path("plain");
    members.push((member(path("hard"), MemberKind::HardLink { target }, 0o644, 1_600_000_000_000_000_000), Vec::new()));
    members
}

fn own_uid() -> u32 {
    fs::metadata("/proc/self").map(|metadata| metadata.uid()).unwrap_or(0)
}

fn own_gid() -> u32 {
    fs::metadata("/proc/self").map(|metadata| metadata.gid()).unwrap_or(0)
}

fn written<W: Write>(out: W, members: &[(Member, Vec<u8>)]) -> W {
    let mut tar = TarWriter::new(out, "x.tar");
    for (member, bytes) in members {
        tar.append_from(&member.path, &member.metadata, &member.kind, &mut &bytes[..]).unwrap();
    }
    tar.finish().unwrap()
}

#[test]
fn gnu_tar_extracts_the_same_tree() {
    if !has_gnu_tar() {
        return;
    }
    let members = sample();
    let plain = written(Vec::new(), &members);
    let gzip = written(GzWriter::new(Vec::new(), 6, 2).unwrap(), &members).finish().unwrap();
    for (bytes, how) in [(plain, "-xpf"), (gzip, "-xpzf")] {
        let folder = tempfile::tempdir().unwrap();
        gnu_tar(&[how, "-"], folder.path(), &bytes);
        for (member, bytes) in &members {
            let file = on_disk(folder.path(), &member.path);
            let found = fs::symlink_metadata(&file).unwrap_or_else(|error| panic!("{}: {error}", member.path));
            let time = i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec());
            assert_eq!(time, i128::from(member.metadata.mtime_ns), "{}", member.path);
            assert_eq!(found.uid(), member.metadata.uid, "{}", member.path);
            match &member.kind {
                MemberKind::File { .. } => assert_eq!(fs::read(&file).unwrap(), *bytes, "{}", member.path),
                MemberKind::Symlink { target } => {
                    assert_eq!(fs::read_link(&file).unwrap().as_os_str().as_bytes(), target);
                    continue;
                }
                MemberKind::HardLink { target } => {
                    assert_eq!(found.ino(), fs::metadata(on_disk(folder.path(), target)).unwrap().ino());
                }
                _ => {}
            }
            assert_eq!(found.mode() & 0o7777, member.metadata.mode, "{}", member.path);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 12);
    }
}

#[test]
fn gnu_tar_lists_what_it_cannot_extract_here() {
    if !has_gnu_tar() {
        return;
    }
    let owned = Metadata { uid: 3_000_000_000, gid: 2_097_152, ..metadata(0o660) };
    let member = |name, kind| (Member { path: path(name), kind, metadata: owned.clone() }, Vec::new());
    let device = member("null", MemberKind::CharDevice { major: 1, minor: 1_048_575 });
    let block = member("disk", MemberKind::BlockDevice { major: 4095, minor: 0 });
    let folder = tempfile::tempdir().unwrap();
    let listed = gnu_tar(&["-tvf", "-", "--numeric-owner"], folder.path(), &written(Vec::new(), &[device, block]));
    let listed = String::from_utf8(listed).unwrap();
    let words: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0][..3], ["crw-rw----", "3000000000/2097152", "1,1048575"]);
    assert_eq!(words[1][..3], ["brw-rw----", "3000000000/2097152", "4095,0"]);
}

#[test]
fn gnu_tar_keeps_extended_attributes() {
    if !has_gnu_tar() {
        return;
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let attribute = (b"user.snaphold".to_vec(), b"a=b\n\0\xff".to_vec());
    fs::write(folder.path().join("there"), b"x").unwrap();
    if xattr::set(folder.path().join("there"), OsStr::from_bytes(&attribute.0), &attribute.1).is_err() {
        skipped("gnu_tar_keeps_extended_attributes", "the file system has none here");
        return;
    }
    let mut described = metadata(0o644);
    described.xattrs = vec![attribute.clone()];
    let member = Member { path: path("again"), kind: MemberKind::File { len: 1 }, metadata: described };
    let bytes = written(Vec::new(), &[(member, b"x".to_vec())]);
    gnu_tar(&["--xattrs", "-xf", "-"], folder.path(), &bytes);
    assert_eq!(xattr::get(folder.path().join("again"), "user.snaphold").unwrap(), Some(attribute.1.clone()));
    let back = gnu_tar(&["--xattrs", "--format=posix", "-cf", "-", "there"], folder.path(), b"");
    let members = read_all(&back, "x.tar").unwrap().1.members();
    assert_eq!(members[0].0.metadata.xattrs, [attribute]);
}

#[test]
fn what_gnu_tar_writes_is_read() {
    if !has_gnu_tar() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("tree");
    fs::create_dir_all(root.join("dir/inner")).unwrap();
    fs::write(root.join("dir/file"), vec![9; 5000]).unwrap();
    fs::hard_link(root.join("dir/file"), root.join("dir/hard")).unwrap();
    fs::write(root.join(OsStr::from_bytes(b"odd\xff")), b"odd").unwrap();
    symlink("../elsewhere", root.join("dir/link")).unwrap();
    fs::set_permissions(root.join("dir/file"), Permissions::from_mode(0o4751)).unwrap();
    let mut expected = vec![".", "dir", "dir/file", "dir/hard", "dir/inner", "dir/link", "odd\u{fffd}"];
    let (long, long_link) = ("n".repeat(200), "t".repeat(300));
    for format in ["v7", "ustar", "gnu", "oldgnu", "posix"] {
        if format == "gnu" {
            fs::write(root.join(&long), b"long").unwrap();
            symlink(&long_link, root.join("zlink")).unwrap();
            expected.extend([long.as_str(), "zlink"]);
            expected.sort_unstable();
        }
        let format_option = format!("--format={format}");
        let bytes = gnu_tar(&[&format_option, "-cf", "-", "--sort=name", "-C", "tree", "."], folder.path(), b"");
        let mut members = read_all(&bytes, "x.tar").unwrap().1.members();
        members.sort_by_key(|(member, _)| member.path.to_string());
        let names: Vec<String> = members.iter().map(|(member, _)| member.path.to_string()).collect();
        assert_eq!(names, expected, "{format}");
        for (member, bytes) in &members {
            let found = fs::symlink_metadata(on_disk(&root, &member.path)).unwrap();
            assert_eq!(member.metadata.mode, found.mode() & 0o7777, "{format}, {}", member.path);
            assert_eq!(member.metadata.mtime_ns / 1_000_000_000, found.mtime(), "{format}, {}", member.path);
            if format == "posix" {
                assert_eq!(member.metadata.mtime_ns % 1_000_000_000, found.mtime_nsec(), "{}", member.path);
            }
            match &member.kind {
                MemberKind::File { .. } => assert_eq!(*bytes, fs::read(on_disk(&root, &member.path)).unwrap()),
                MemberKind::Symlink { target } if member.path == path("zlink") => {
                    assert_eq!(target, long_link.as_bytes());
                }
                MemberKind::Symlink { target } => assert_eq!(target, b"../elsewhere"),
                MemberKind::HardLink { target } => assert_eq!(target.to_string(), "dir/file"),
                kind => assert_eq!(*kind, MemberKind::Directory),
            }
        }
    }
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    sparse.set_len(10 << 20).unwrap();
    for format in ["--format=gnu", "--format=posix"] {
        let bytes = gnu_tar(&[format, "--sparse", "-cf", "-", "-C", "tree", "sparse"], folder.path(), b"");
        assert!(complaint(read_all(&bytes, "x.tar")).contains("without --sparse"), "{format}");
    }
}
