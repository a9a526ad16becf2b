//! A snapshot's tree, as whoever made a repository could have written it: walked, listed, compared, exported.

use std::collections::HashSet;
use std::io::{self, Write};

use snaphold::container::{Body, MemberReader, open, read_error};
use snaphold::error::{Error, Result};
use snaphold::format::manifest::{Component, Cost, Manifest, Origin, Outcome, SnapshotType};
use snaphold::format::tree::{Content, Directory, Entry, Metadata, Node, Summary};
use snaphold::format::{decode, encode};
use snaphold::id::SnapshotId;
use snaphold::ops::Silent;
use snaphold::ops::diff::diff;
use snaphold::ops::export::{ExportFormat, ExportOptions, Neo4jFormat, export_stream};
use snaphold::ops::ls::{find, list, parse_path};

use super::fixed::world;

/// Listings and files that are declared to be a run are made in memory, or written: longer ones only cost time.
const RUN_MAX: u64 = 1 << 20;
const EXPORT_MAX: usize = 4 << 20;

/// A folder's listing, in which folders may hold their own.
pub fn directory(data: &[u8]) -> bool {
    let Ok(listing) = decode::<Directory>(data) else { return false };
    assert_eq!(decode::<Directory>(&encode(&listing)).unwrap(), listing);
    if has_long_run(&listing, false, 0) {
        return false;
    }
    let world = world();
    let root = root(data);
    let mut paths = Vec::new();
    let listed = list(&world.reader, &root, b"", true, &mut |listed| {
        assert!(!listed.path.contains(char::is_control), "{:?}", listed.path);
        assert!(listed.path.split('/').all(|part| !matches!(part, "" | "." | "..")), "{:?}", listed.path);
        serde_json::to_string(&listed).unwrap();
        paths.push((listed.path, listed.path_hex));
        Ok(())
    });
    let all: HashSet<_> = paths.iter().collect();
    assert_eq!(all.len(), paths.len(), "a path comes twice");
    for (path, hex) in paths.iter().filter(|_| listed.is_ok()).take(20) {
        // A path with nothing escaped in it is the path.
        if hex.is_none() {
            find(&world.reader, &root, &parse_path(path.as_bytes()).unwrap()).unwrap();
        }
    }
    for other in [self::root(&encode(&Directory::default())), root.clone()] {
        let mut same = true;
        let compared = diff(&world.reader, &other, &root, &mut |_| {
            same = false;
            Ok(())
        });
        if compared.is_ok() && other == root {
            assert!(same, "a tree differs from itself");
        }
    }
    listed.is_ok() && !paths.is_empty()
}

/// A folder's listing, exported as a tar that can be opened again.
pub fn export(data: &[u8]) -> bool {
    let Ok(listing) = decode::<Directory>(data) else { return false };
    if has_long_run(&listing, true, 0) {
        return false;
    }
    let world = world();
    let component = Component { name: "data".into(), origin: Origin::Files, root: root(data), unreadable: 0 };
    let manifest = Manifest {
        version: 1,
        id: SnapshotId([1; 8]),
        instance: "fuzz".into(),
        kind: SnapshotType::OnDemand,
        created_at_ns: 0,
        finished_at_ns: 0,
        expires_at_ns: None,
        description: None,
        parent: None,
        before_restore_of: None,
        outcome: Outcome::Completed { components: vec![component] },
        cost: Cost::default(),
        written_by: String::new(),
    };
    let staging = std::env::temp_dir();
    let options = ExportOptions {
        format: ExportFormat::Tar,
        neo4j_format: Neo4jFormat::Current,
        only: None,
        threads: 1,
        staging: &staging,
        item: None,
        dumps: None,
    };
    let mut tar = Bounded(Vec::new());
    match export_stream(&world.reader, &manifest, &options, &mut tar, &Silent) {
        Ok(report) => {
            assert_eq!(report.bytes_written, tar.0.len() as u64);
            // What is written is one tar, and what reads it takes it: unless a name stands for a form of its own.
            read_through(tar.0).unwrap_or_else(|error| panic!("the export cannot be read: {error}"));
            report.files > 0
        }
        Err(Error::Damaged { .. } | Error::Refused(_) | Error::Target { .. } | Error::Failed(_)) => false,
        Err(error) => panic!("another kind of error: {error:?}"),
    }
}

fn read_through(tar: Vec<u8>) -> Result<()> {
    let opened = open(Box::new(io::Cursor::new(tar)), "a.tar")?;
    let Body::Members(mut members) = opened.body else { panic!("no archive") };
    while members.next_member()?.is_some() {
        io::copy(&mut MemberReader(&mut *members), &mut io::sink()).map_err(|error| read_error("a.tar", error))?;
    }
    Ok(())
}

/// A folder with this listing.
pub fn root(listing: &[u8]) -> Entry {
    let metadata = Metadata { mode: 0o755, uid: 0, gid: 0, mtime_ns: 0, xattrs: Vec::new() };
    let listing = if listing.is_empty() { Content::Empty } else { Content::Inline(listing.to_vec()) };
    Entry { name: Vec::new(), metadata, node: Node::Directory { listing, summary: Summary::default() } }
}

/// Whether a folder below declares that its listing is a long run, or with `files` a file that it is one.
fn has_long_run(directory: &Directory, files: bool, depth: usize) -> bool {
    directory.entries.iter().any(|entry| match &entry.node {
        Node::File { content: Content::Run { len, .. }, .. } => files && *len > RUN_MAX,
        Node::Directory { listing: Content::Run { len, .. }, .. } => *len > RUN_MAX,
        Node::Directory { listing: Content::Inline(bytes), .. } if depth < 100 => {
            decode::<Directory>(bytes).is_ok_and(|inner| has_long_run(&inner, files, depth + 1))
        }
        _ => false,
    })
}

/// Full after so many bytes.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.0.len() + buf.len() > EXPORT_MAX {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
