//! What tests of whole flows share: a world around the library, a repository in a folder, trees and their comparison.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use snaphold::clock::{Clock, Entropy, ProcessIdentity, Processes, Surroundings};
use snaphold::codec::Effort;
use snaphold::crypto::Encryption;
use snaphold::error::Result;
use snaphold::format::manifest::{Component, Origin, Outcome, SnapshotType};
use snaphold::format::tree::{Directory, Entry, Metadata};
use snaphold::ops::Progress;
use snaphold::ops::capture::{Capture, SnapshotRequest, store_directory, take_snapshot};
use snaphold::repo::{InitOptions, Reader, Repository};
use snaphold::source::files::{self, FilesOptions};
use snaphold::storage::LocalFolder;

/// A clock that stands still far in the future, so that every file is old; randomness that is a count; one process.
pub fn surroundings() -> Surroundings {
    struct World(AtomicU64);
    impl Clock for World {
        fn now(&self) -> Timestamp {
            Timestamp::from_second(4_000_000_000).unwrap()
        }
    }
    impl Entropy for World {
        fn fill(&self, bytes: &mut [u8]) {
            let count = self.0.fetch_add(1, Ordering::Relaxed);
            blake3::Hasher::new().update(&count.to_le_bytes()).finalize_xof().fill(bytes);
        }
    }
    impl Processes for World {
        fn identity(&self) -> ProcessIdentity {
            ProcessIdentity { host: "test".into(), boot: "test".into(), pid: 1, started: 1 }
        }
        fn is_alive(&self, _: &ProcessIdentity) -> Option<bool> {
            Some(true)
        }
    }
    let world = Arc::new(World(AtomicU64::new(0)));
    Surroundings { clock: world.clone(), entropy: world.clone(), processes: world }
}

/// Keeps what it is told.
#[derive(Default)]
pub struct Told(pub Mutex<Vec<String>>);

impl Progress for Told {
    fn stage(&self, _: &'static str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn notice(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_string());
    }
}

impl Told {
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// A repository without encryption, and room for trees beside it.
pub struct Place {
    pub dir: tempfile::TempDir,
    pub repo: Repository,
    /// Chunks that the latest snapshot stored as deltas.
    pub deltas: AtomicU64,
    crafted: AtomicU64,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("snaphold-test").tempdir().unwrap();
        let storage = Arc::new(LocalFolder::create(dir.path().join("repository")).unwrap());
        let options = InitOptions { encryption: Encryption::None, chunker: Default::default() };
        let repo = Repository::create(storage, &dir.path().join("index"), surroundings(), options, None).unwrap();
        Self { dir, repo, deltas: AtomicU64::new(0), crafted: AtomicU64::new(0) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Takes a snapshot of a folder. Returns the root of its tree.
    pub fn take(&self, folder: &Path) -> Entry {
        self.take_with(folder, &FilesOptions::default())
    }

    pub fn take_with(&self, folder: &Path, options: &FilesOptions) -> Entry {
        self.take_by("test", |capture| Ok(vec![files::capture(capture, "data", folder, options)?]))
    }

    /// Stores a folder that no file system has; no later snapshot is compared with it.
    pub fn craft(&self, entries: Vec<Entry>) -> Entry {
        let metadata = Metadata { mode: 0o755, uid: 0, gid: 0, mtime_ns: 0, xattrs: Vec::new() };
        let number = self.crafted.fetch_add(1, Ordering::Relaxed);
        self.take_by(&format!("crafted-{number}"), |capture| {
            let node = store_directory(&capture.contents, &Directory { entries }, None)?;
            let root = Entry { name: Vec::new(), metadata, node };
            Ok(vec![Component { name: "data".into(), origin: Origin::Files, root, unreadable: 0 }])
        })
    }

    fn take_by(&self, instance: &str, capture: impl FnOnce(&Capture<'_>) -> Result<Vec<Component>>) -> Entry {
        let request = SnapshotRequest {
            id: None,
            instance: instance.into(),
            kind: SnapshotType::OnDemand,
            description: None,
            expires_at_ns: None,
            before_restore_of: None,
            effort: Effort::Fast,
        };
        let told = Told::default();
        let taken = take_snapshot(&self.repo, request, &told, capture).unwrap().manifest;
        self.deltas.store(taken.cost.chunks_delta, Ordering::Relaxed);
        match taken.outcome {
            Outcome::Completed { mut components } => components.remove(0).root,
            Outcome::Failed { reason } => panic!("{reason}"),
        }
    }

    pub fn reader(&self) -> Arc<Reader> {
        self.repo.open_index().unwrap().reader
    }

    /// The stored packs.
    pub fn packs(&self) -> Vec<PathBuf> {
        let mut packs = Vec::new();
        for folder in fs::read_dir(self.path("repository/packs")).unwrap() {
            packs.extend(fs::read_dir(folder.unwrap().path()).unwrap().map(|file| file.unwrap().path()));
        }
        packs.sort();
        packs
    }
}

/// Bytes without repetition, the same for the same seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Everything that a restore brings back, of everything below `root` and of itself: one line an entry.
pub fn describe(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut lines = BTreeMap::new();
    let mut inodes = BTreeMap::new();
    describe_into(root, Path::new(""), &mut inodes, &mut lines).unwrap();
    lines
}

fn describe_into(
    root: &Path,
    relative: &Path,
    inodes: &mut BTreeMap<(u64, u64), PathBuf>,
    lines: &mut BTreeMap<PathBuf, String>,
) -> std::io::Result<()> {
    let path = if relative.as_os_str().is_empty() { root.to_path_buf() } else { root.join(relative) };
    let stat = fs::symlink_metadata(&path)?;
    let kind = stat.file_type();
    let what = if kind.is_dir() {
        "folder".to_string()
    } else if kind.is_symlink() {
        format!("link to {:?}", fs::read_link(&path)?.as_os_str().as_bytes())
    } else if kind.is_file() {
        let bytes = fs::read(&path)?;
        let first = inodes.entry((stat.dev(), stat.ino())).or_insert_with(|| relative.to_path_buf());
        format!("file of {} bytes, {}, first name {first:?}", bytes.len(), &blake3::hash(&bytes).to_hex()[..16])
    } else if kind.is_fifo() {
        "fifo".to_string()
    } else {
        format!("device {:?} {}", kind.is_block_device(), stat.rdev())
    };
    let mut attributes: Vec<_> = xattr::list(&path)
        .map(|names| names.map(|name| (name.clone(), xattr::get(&path, &name).ok().flatten())).collect())
        .unwrap_or_default();
    attributes.sort();
    let (mode, owner) = (stat.mode() & 0o7777, (stat.uid(), stat.gid()));
    let mtime = (stat.mtime(), stat.mtime_nsec());
    lines.insert(relative.to_path_buf(), format!("{what}; {mode:o} {owner:?} {mtime:?} {attributes:?}"));
    if kind.is_dir() {
        // In order, so that the first of several names is the same one in two trees.
        let mut names: Vec<_> =
            fs::read_dir(&path)?.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<_>>()?;
        names.sort();
        for name in names {
            describe_into(root, &relative.join(name), inodes, lines)?;
        }
    }
    Ok(())
}

/// Fails with the lines that differ.
#[track_caller]
pub fn assert_same(expected: &BTreeMap<PathBuf, String>, found: &BTreeMap<PathBuf, String>) {
    let missing: Vec<_> = expected.iter().filter(|(path, line)| found.get(*path) != Some(line)).collect();
    let extra: Vec<_> = found.iter().filter(|(path, line)| expected.get(*path) != Some(line)).collect();
    assert!(missing.is_empty() && extra.is_empty(), "\nexpected {missing:#?}\nfound {extra:#?}");
}

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The error of something that must fail.
#[track_caller]
pub fn error_of<T>(result: Result<T>) -> snaphold::error::Error {
    match result {
        Ok(_) => panic!("it succeeded"),
        Err(error) => error,
    }
}
