//! Archives of files, extracted by GNU tar. Where the machine has another tar, or none, that test says so and checks
//! nothing.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;

use snaphold::container::MemberKind;
use snaphold::error::Error;
use snaphold::format::manifest::{Component, Origin, Outcome};
use snaphold::format::tree::{Metadata, Node};
use snaphold::ops::capture::{ParentTree, TreeBuilder};
use snaphold::ops::export::ExportFormat;

use crate::skipped::missing;
use crate::support::*;

fn has_gnu_tar() -> bool {
    let said = Command::new("tar").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let has = said.starts_with(b"tar (GNU tar)");
    if !has {
        missing("what is compared with GNU tar", "GNU tar");
    }
    has
}

fn extract(arguments: &[&str], folder: &Path, input: Vec<u8>) {
    let mut child = Command::new("tar")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && complaints.is_empty(), "tar {arguments:?}: {complaints}");
}

/// Everything below `root` and itself: one line an entry.
fn describe(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut lines = BTreeMap::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(relative) = waiting.pop() {
        let path = root.join(&relative);
        let stat = fs::symlink_metadata(&path).unwrap();
        let kind = stat.file_type();
        let what = if kind.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| relative.join(entry.unwrap().file_name())));
            "folder".to_string()
        } else if kind.is_symlink() {
            format!("link to {:?}", fs::read_link(&path).unwrap())
        } else if kind.is_fifo() {
            "fifo".to_string()
        } else {
            format!("file {} under {} names", blake3::hash(&fs::read(&path).unwrap()), stat.nlink())
        };
        let xattr = xattr::get(&path, "user.snaphold").ok().flatten();
        let time = (stat.mtime(), stat.mtime_nsec());
        lines.insert(relative, format!("{what}; {:o} {} {} {time:?} {xattr:?}", stat.mode(), stat.uid(), stat.gid()));
    }
    lines
}

/// A folder with one of everything that anybody may make.
fn sample(folder: &Path) {
    fs::create_dir_all(folder.join("dir/empty")).unwrap();
    fs::write(folder.join("dir/large"), text(1, 5_000_000)).unwrap();
    fs::write(folder.join("dir/tiny"), b"tiny").unwrap();
    fs::write(folder.join("none"), b"").unwrap();
    fs::hard_link(folder.join("dir/large"), folder.join("another name")).unwrap();
    fs::hard_link(folder.join("dir/large"), folder.join("z last name")).unwrap();
    fs::hard_link(folder.join("dir/tiny"), folder.join("dir/tiny too")).unwrap();
    fs::write(folder.join(OsStr::from_bytes(b"odd \xff\n")), b"odd").unwrap();
    fs::write(folder.join("n".repeat(250)), b"long").unwrap();
    fs::create_dir_all(folder.join("d".repeat(200)).join("e".repeat(200))).unwrap();
    fs::write(folder.join("d".repeat(200)).join("e".repeat(200)).join("deep"), b"deep").unwrap();
    symlink("dir/large", folder.join("link")).unwrap();
    symlink("t".repeat(300), folder.join("dangling")).unwrap();
    let sparse = fs::File::create(folder.join("sparse")).unwrap();
    sparse.set_len(30 << 20).unwrap();
    assert!(Command::new("mkfifo").arg(folder.join("pipe")).status().unwrap().success());
    let _ = xattr::set(folder.join("dir/tiny"), "user.snaphold", b"a=b\n\0");
    for (at, name) in ["dir/large", "dir", "none"].iter().enumerate() {
        let file = fs::File::open(folder.join(name)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000 + at as u64, 987_654_321))
            .unwrap();
    }
    for (name, mode) in [("dir/tiny", 0o4751), ("dir/empty", 0o1777), ("none", 0o400), (".", 0o750)] {
        fs::set_permissions(folder.join(name), Permissions::from_mode(mode)).unwrap();
    }
}

#[test]
fn gnu_tar_extracts_the_folder_that_was_captured() {
    if !has_gnu_tar() {
        return;
    }
    let place = Place::new();
    sample(&place.path("sample"));
    let expected = describe(&place.path("sample"));
    let snapshot = place.folder(&place.path("sample"));
    for (format, options) in [(ExportFormat::Tar, "-xpf"), (ExportFormat::TarGz, "-xpzf")] {
        let (bytes, report) = place.export(&snapshot, format).unwrap();
        assert_eq!((report.files, report.bytes_plain), (7, 5_000_000 + 4 + 3 + 4 + 4 + (30 << 20)));
        let target = place.path(format.as_str());
        fs::create_dir(&target).unwrap();
        extract(&["--xattrs", options, "-"], &target, bytes);
        let found = describe(&target);
        for (path, line) in &expected {
            assert_eq!(found.get(path), Some(line), "{}", path.display());
        }
        assert_eq!(found.len(), expected.len());
    }
}

#[test]
fn progress_reaches_the_total() {
    let place = Place::new();
    sample(&place.path("sample"));
    let snapshot = place.folder(&place.path("sample"));
    let told = Told::default();
    let (_, report) = place.export_told(&snapshot, ExportFormat::Tar, |_| {}, &told).unwrap();
    assert_eq!(told.bytes.load(Ordering::Relaxed), report.bytes_plain);
    assert!(told.notices.lock().unwrap().is_empty());
}

#[test]
fn a_part_is_exported_by_its_path() {
    let place = Place::new();
    sample(&place.path("sample"));
    let snapshot = place.folder(&place.path("sample"));
    let names = |only: &str, format| {
        let path = only.as_bytes().to_vec();
        let (bytes, _) = place.export_with(&snapshot, format, |options| options.only = Some(path)).unwrap();
        members(&bytes, "x.tar").into_keys().collect::<Vec<_>>()
    };
    assert_eq!(names("dir", ExportFormat::Tar), ["dir", "dir/empty", "dir/large", "dir/tiny", "dir/tiny too"]);
    assert_eq!(names("/dir/tiny/", ExportFormat::TarGz), ["dir/tiny"]);
    assert_eq!(names("pipe", ExportFormat::Tar), ["pipe"]);
    let whole = place.export(&snapshot, ExportFormat::Tar).unwrap().0;
    let root = place.export_with(&snapshot, ExportFormat::Tar, |options| options.only = Some(b"/".to_vec()));
    assert!(root.unwrap().0 == whole);
    let error = |only: &str, format| {
        let path = only.as_bytes().to_vec();
        error_of(place.export_with(&snapshot, format, |options| options.only = Some(path)))
    };
    assert!(matches!(error("dir/absent", ExportFormat::Tar), Error::NotFound(_)));
    assert!(matches!(error("link/x", ExportFormat::Tar), Error::NotFound(_)));
    assert!(matches!(error("dir/../none", ExportFormat::Tar), Error::Usage(_)));
    assert!(matches!(error("dir", ExportFormat::Dump), Error::Refused(_)));
}

#[test]
fn what_could_not_be_read_is_left_out_and_said() {
    let place = Place::new();
    let own = |mode| Metadata { mode, uid: 1, gid: 2, mtime_ns: 5, xattrs: Vec::new() };
    let snapshot = place
        .take(|capture| {
            let mut tree = TreeBuilder::new(own(0o700));
            tree.leaf(&path("secret"), own(0o600), Node::Unreadable { reason: "permission denied".into() })?;
            tree.leaf(&path("neostore"), own(0o600), file_node(capture.contents.small(b"x", STREAM, None)?))?;
            tree.leaf(
                &path("neostore.nodestore.db"),
                own(0o600),
                file_node(capture.contents.small(b"y", STREAM, None)?),
            )?;
            let root = tree.finish(&capture.contents, &mut ParentTree::new(capture.contents.reader(), None))?;
            Ok(vec![Component { name: "data".into(), origin: Origin::Files, root, unreadable: 1 }])
        })
        .unwrap();
    let told = Told::default();
    let (bytes, _) = place.export_told(&snapshot, ExportFormat::Tar, |_| {}, &told).unwrap();
    assert_eq!(members(&bytes, "x.tar").into_keys().collect::<Vec<_>>(), [".", "neostore", "neostore.nodestore.db"]);
    let notices = told.notices.lock().unwrap().clone();
    assert!(matches!(&notices[..], [line] if line.starts_with("secret could not be read")), "{notices:?}");
    // A database's dump without one of its files would be loaded as if it were whole.
    let error = error_of(place.export(&snapshot, ExportFormat::Dump));
    assert!(matches!(&error, Error::Refused(text) if text.contains("secret")), "{error}");
}

#[test]
fn several_components_have_a_folder_each() {
    let place = Place::new();
    sample(&place.path("sample"));
    let folder = place.folder(&place.path("sample"));
    let graph = place.load(&fixture("movies-50.dump"), "movies-50.dump");
    let named = |name: &str, component: &Component| Component { name: name.into(), ..component.clone() };
    let mut both = folder.clone();
    both.outcome = Outcome::Completed {
        components: vec![named("graph", &components(&graph)[0]), named("media", &components(&folder)[0])],
    };
    let files = members(&place.export(&both, ExportFormat::Tar).unwrap().0, "x.tar");
    assert!(files.contains_key("graph/neostore") && files.contains_key("media/dir/tiny"));
    let link = MemberKind::HardLink { target: path("media/another name") };
    assert_eq!(files["media/dir/large"].0, link);
    let archive = foreign_tar(&gunzip(&place.export(&both, ExportFormat::TarGz).unwrap().0));
    assert!(archive.contains_key("graph.dump") && archive.contains_key("media/link"));
    assert!(!archive.keys().any(|name| name.starts_with("graph/")));
    assert!(archive["graph.dump"].1 == place.export(&graph, ExportFormat::Dump).unwrap().0);
    let (part, _) =
        place.export_with(&both, ExportFormat::Tar, |options| options.only = Some(b"media/dir".to_vec())).unwrap();
    assert!(members(&part, "x.tar").keys().all(|name| name.starts_with("media/dir")));
}

const STREAM: snaphold::format::tree::Class = snaphold::format::tree::Class::Stream;

fn file_node(content: snaphold::format::tree::Content) -> Node {
    Node::File { content, class: STREAM, link_group: None, stamp: None }
}
