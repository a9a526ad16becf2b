//! Small snapshots made straight from memory, for tests of what becomes of them: gc, verify, repair, crashes.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use snaphold::chunk::StreamChunker;
use snaphold::clock::{Clock, Entropy, ProcessIdentity, Processes, Surroundings};
use snaphold::codec::Effort;
use snaphold::crypto::{Encryption, Secret};
use snaphold::error::{Error, Result};
use snaphold::format::ledger::{Deletion, DeletionCause, LedgerRecord, SnapshotState};
use snaphold::format::manifest::{Component, Cost, Manifest, Origin, Outcome, SnapshotType};
use snaphold::format::pack::Form;
use snaphold::format::tree::{Class, Content, Directory, Entry, Metadata, Node, Summary};
use snaphold::id::SnapshotId;
use snaphold::ops::Silent;
use snaphold::ops::capture::ContentWriter;
use snaphold::ops::gc::{GcOptions, GcReport};
use snaphold::ops::verify::{ReadData, VerifyOptions, VerifyReport};
use snaphold::repo::{
    ChunkWriter, ContentReader, InitOptions, Lease, OpenedIndex, Reader, Repository, Work, directory_bytes,
    read_directory, snapshot_topic,
};
use snaphold::storage::{ObjectKind, Storage};

pub const SECOND: i64 = 1_000_000_000;

/// Path to content. A slash puts a file into a folder; `.db` at the end makes it a page file.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A machine's clock and processes.
#[derive(Clone, Default)]
pub struct Machine {
    now_ns: Arc<AtomicI64>,
    next_pid: Arc<AtomicU32>,
    alive: Arc<Mutex<BTreeSet<u32>>>,
    seed: u64,
}

struct Process {
    machine: Machine,
    pid: u32,
    drawn: AtomicU64,
}

impl Clock for Process {
    fn now(&self) -> jiff::Timestamp {
        let now = self.machine.now_ns.fetch_add(1000, Ordering::SeqCst);
        jiff::Timestamp::from_nanosecond(1_700_000_000 * i128::from(SECOND) + i128::from(now)).unwrap()
    }
}

impl Entropy for Process {
    fn fill(&self, bytes: &mut [u8]) {
        let mut hasher = blake3::Hasher::new();
        for number in [self.machine.seed, u64::from(self.pid), self.drawn.fetch_add(1, Ordering::SeqCst)] {
            hasher.update(&number.to_le_bytes());
        }
        hasher.finalize_xof().fill(bytes);
    }
}

impl Processes for Process {
    fn identity(&self) -> ProcessIdentity {
        ProcessIdentity { host: "test".into(), boot: "1".into(), pid: self.pid, started: 1 }
    }

    fn is_alive(&self, other: &ProcessIdentity) -> Option<bool> {
        Some(self.machine.alive.lock().unwrap().contains(&other.pid))
    }
}

impl Machine {
    pub fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// A new process.
    pub fn process(&self) -> Surroundings {
        let pid = self.next_pid.fetch_add(1, Ordering::SeqCst) + 1;
        self.alive.lock().unwrap().insert(pid);
        let process = Arc::new(Process { machine: self.clone(), pid, drawn: AtomicU64::new(0) });
        Surroundings { clock: process.clone(), entropy: process.clone(), processes: process }
    }

    /// Every process dies.
    pub fn kill_all(&self) {
        self.alive.lock().unwrap().clear();
    }

    pub fn kill(&self, surroundings: &Surroundings) {
        self.alive.lock().unwrap().remove(&surroundings.processes.identity().pid);
    }

    pub fn pass(&self, ns: i64) {
        self.now_ns.fetch_add(ns, Ordering::SeqCst);
    }
}

/// A folder for indexes: in memory where there is such a place, since the index is derived and its many fsyncs would be
/// most of what the tests wait for.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A storage with a repository, and a machine that uses it.
pub struct Place {
    pub storage: Arc<dyn Storage>,
    pub machine: Machine,
    pub folder: tempfile::TempDir,
}

impl Place {
    pub fn new(storage: impl Storage + 'static, seed: u64) -> Self {
        let place = Self::around(storage, Machine::new(seed));
        let index = place.index("main");
        let options = InitOptions { encryption: Encryption::None, chunker: StreamChunker::default() };
        Repository::create(place.storage.clone(), &index, place.machine.process(), options, None).unwrap();
        place
    }

    /// Without making a repository.
    pub fn around(storage: impl Storage + 'static, machine: Machine) -> Self {
        Self { storage: Arc::new(storage), machine, folder: scratch() }
    }

    pub fn index(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Opens the repository in a new process, with the usual index.
    pub fn open(&self) -> Repository {
        self.open_with("main")
    }

    /// Opens the repository in a new process, with an index of its own: of its own machine, as it were.
    pub fn open_with(&self, index: &str) -> Repository {
        open(self.storage.clone(), &self.index(index), &self.machine).unwrap()
    }

    pub fn stored_bytes(&self) -> u64 {
        ObjectKind::ALL.iter().flat_map(|kind| self.storage.list(*kind).unwrap()).map(|listed| listed.size).sum()
    }

    pub fn count(&self, kind: ObjectKind) -> usize {
        self.storage.list(kind).unwrap().len()
    }
}

pub fn open(storage: Arc<dyn Storage>, index: &Path, machine: &Machine) -> Result<Repository> {
    Repository::open(storage, index, machine.process(), || Ok(Secret::Nothing))
}

/// A snapshot in the making.
pub struct Session<'r> {
    pub repo: &'r Repository,
    pub lease: Option<Lease<'r>>,
    pub opened: OpenedIndex,
    pub parent: Option<Manifest>,
    pub writer: Option<ChunkWriter>,
    id: SnapshotId,
}

impl<'r> Session<'r> {
    pub fn begin(repo: &'r Repository, parent: Option<SnapshotId>) -> Result<Self> {
        let id = SnapshotId(repo.random());
        let work = Work::Snapshot { id, instance: "i".into(), kind: SnapshotType::OnDemand };
        let lease = repo.register(work)?;
        let condemned = repo.condemned()?;
        let opened = repo.open_index()?;
        let manifests = repo.manifests()?.manifests;
        let parent = manifests.into_iter().map(|stored| stored.manifest).find(|manifest| Some(manifest.id) == parent);
        let writer = repo.chunk_writer(&opened.reader, &condemned, Effort::Fast);
        Ok(Self { repo, lease: Some(lease), opened, parent, writer: Some(writer), id })
    }

    fn parent_entries(&self) -> HashMap<String, Content> {
        let mut entries = HashMap::new();
        if let Some(parent) = &self.parent {
            let _ = contents(&self.opened.reader, parent, &mut |path, content| {
                entries.insert(path, content);
                Ok(())
            });
        }
        entries
    }

    /// Stores files and what lists them, durably. Returns the manifest, not committed.
    pub fn store(&mut self, files: &Files) -> Result<Manifest> {
        let (manifest, writer) = self.store_unfinished(files)?;
        writer.finish()?;
        Ok(manifest)
    }

    /// The same, with packs still under way.
    pub fn store_unfinished(&mut self, files: &Files) -> Result<(Manifest, ChunkWriter)> {
        let writer = self.writer.take().unwrap();
        let trust = self.opened.is_whole() && !writer.has_condemned();
        let config = self.repo.config();
        let before = self.parent_entries();
        let store = ContentWriter::new(&writer, &self.opened.reader, config.chunker, config.page_target, trust);
        let mut folders: BTreeMap<&str, Vec<Entry>> = BTreeMap::new();
        for (path, bytes) in files {
            let (folder, name) = path.split_once('/').unwrap_or(("", path));
            let class = if name.ends_with(".db") { Class::Page { page_size: 8192 } } else { Class::Stream };
            let content = store.small(bytes, class, before.get(path))?;
            let node = Node::File { content, class, link_group: None, stamp: None };
            folders.entry(folder).or_default().push(entry(name, node));
        }
        let mut root = folders.remove("").unwrap_or_default();
        for (folder, entries) in folders {
            let listing = store.listing(&directory_bytes(&Directory { entries }), before.get(&format!("{folder}/")))?;
            root.push(entry(folder, Node::Directory { listing, summary: Summary::default() }));
        }
        root.sort_by(|a, b| a.name.cmp(&b.name));
        let listing = store.listing(&directory_bytes(&Directory { entries: root }), before.get("/"))?;
        let root = entry("", Node::Directory { listing, summary: Summary::default() });
        let component = Component { name: "data".into(), origin: Origin::Files, root, unreadable: 0 };
        Ok((self.manifest(vec![component]), writer))
    }

    fn manifest(&self, components: Vec<Component>) -> Manifest {
        Manifest {
            version: 1,
            id: self.id,
            instance: "i".into(),
            kind: SnapshotType::OnDemand,
            created_at_ns: self.repo.now_ns(),
            finished_at_ns: self.repo.now_ns(),
            expires_at_ns: None,
            description: None,
            parent: self.parent.as_ref().map(|parent| parent.id),
            before_restore_of: None,
            outcome: Outcome::Completed { components },
            cost: Cost::default(),
            written_by: "test".into(),
        }
    }

    pub fn commit(self, manifest: &Manifest) -> Result<SnapshotId> {
        let name = self.repo.commit(manifest)?;
        self.opened.reader.index().remember(&name.path())?;
        Ok(manifest.id)
    }
}

fn entry(name: &str, node: Node) -> Entry {
    let metadata = Metadata { mode: 0o644, uid: 0, gid: 0, mtime_ns: 0, xattrs: Vec::new() };
    Entry { name: name.as_bytes().to_vec(), metadata, node }
}

/// Takes a snapshot.
pub fn take(repo: &Repository, parent: Option<SnapshotId>, files: &Files) -> Result<SnapshotId> {
    let mut session = Session::begin(repo, parent)?;
    let manifest = session.store(files)?;
    session.commit(&manifest)
}

/// Every content of a snapshot: files by their path, listings by their folder's with a slash behind.
fn contents(reader: &Reader, manifest: &Manifest, each: &mut dyn FnMut(String, Content) -> Result<()>) -> Result<()> {
    let Outcome::Completed { components } = &manifest.outcome else { return Ok(()) };
    for component in components {
        let mut folders = vec![(String::new(), component.root.clone())];
        while let Some((path, folder)) = folders.pop() {
            let Node::Directory { listing, .. } = folder.node else { continue };
            each(format!("{path}/"), listing.clone())?;
            for entry in read_directory(reader, &listing)?.entries {
                let name = String::from_utf8(entry.name.clone()).unwrap();
                let path = if path.is_empty() { name } else { format!("{path}/{name}") };
                match &entry.node {
                    Node::File { content, .. } => each(path, content.clone())?,
                    Node::Directory { .. } => folders.push((path, entry)),
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

/// Reads all files of a snapshot.
pub fn read_back(repo: &Repository, id: SnapshotId) -> Result<Files> {
    let opened = repo.open_index()?;
    read_with(repo, &opened.reader, id)
}

pub fn read_with(repo: &Repository, reader: &Reader, id: SnapshotId) -> Result<Files> {
    let manifests = repo.manifests()?.manifests;
    let stored = manifests.into_iter().find(|stored| stored.manifest.id == id);
    let stored = stored.ok_or_else(|| Error::NotFound(format!("there is no snapshot {id}")))?;
    let mut files = Files::new();
    contents(reader, &stored.manifest, &mut |path, content| {
        if !path.ends_with('/') {
            files.insert(path, ContentReader::new(reader, &content).read_all()?);
        }
        Ok(())
    })?;
    Ok(files)
}

pub fn snapshots(repo: &Repository) -> BTreeSet<SnapshotId> {
    repo.manifests().unwrap().manifests.into_iter().map(|stored| stored.manifest.id).collect()
}

/// Deletes a snapshot with a grace time.
pub fn delete_after(repo: &Repository, id: SnapshotId, grace_ns: i64, hold_until_ns: Option<i64>) -> Result<()> {
    let topic = snapshot_topic(&id);
    let after = repo.ledger()?.newest.get(&topic).map(|revision| revision.number);
    let at_ns = repo.now_ns();
    let deletion = Deletion { at_ns, cause: DeletionCause::User, purge_after_ns: at_ns + grace_ns };
    let state = SnapshotState { snapshot: id, deleted: Some(deletion), hold_until_ns };
    repo.append_ledger(&topic, after, &LedgerRecord::Snapshot(state))
}

pub fn delete(repo: &Repository, id: SnapshotId) -> Result<()> {
    delete_after(repo, id, 0, None)
}

pub fn gc(repo: &Repository) -> Result<GcReport> {
    snaphold::ops::gc::collect(repo, &GcOptions::default(), &Silent)
}

/// Looks for garbage of any origin.
pub fn gc_full(repo: &Repository) -> Result<GcReport> {
    snaphold::ops::gc::collect(repo, &GcOptions { full: true, ..GcOptions::default() }, &Silent)
}

pub fn verify(repo: &Repository) -> VerifyReport {
    snaphold::ops::verify::verify(repo, VerifyOptions { read_data: ReadData::All }, &Silent).unwrap()
}

pub fn verify_structure(repo: &Repository) -> VerifyReport {
    snaphold::ops::verify::verify(repo, VerifyOptions::default(), &Silent).unwrap()
}

#[track_caller]
pub fn assert_sound(repo: &Repository) {
    let report = verify(repo);
    assert!(report.ok, "{:#?}", report.errors);
    assert_no_delta_without_base(repo);
}

/// In whatever pack a delta is, its base is stored in full: somebody may count on the delta.
#[track_caller]
pub fn assert_no_delta_without_base(repo: &Repository) {
    let opened = repo.open_index().unwrap();
    let condemned = repo.condemned().unwrap().pack_set();
    for info in opened.reader.index().packs() {
        if condemned.contains(&info.id) {
            continue;
        }
        for chunk in &opened.reader.contents(info.number).unwrap().footer.chunks {
            if let Form::Delta { base, .. } = chunk.form {
                let place = opened.reader.index().get(&[base]).unwrap()[0];
                assert!(place.is_some_and(|place| place.base.is_none()), "delta {} without its base", chunk.id);
            }
        }
    }
}

/// Bytes that do not compress and are the same for one seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Lines of text that compress and that no other seed has.
pub fn text(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 100);
    let mut line = 0u64;
    while bytes.len() < len {
        let word = blake3::hash(&[seed.to_le_bytes(), line.to_le_bytes()].concat()).to_hex();
        bytes.extend_from_slice(format!("INSERT INTO t VALUES ({line}, '{}');\n", &word[..16]).as_bytes());
        line += 1;
    }
    bytes.truncate(len);
    bytes
}

pub fn files<const N: usize>(files: [(&str, Vec<u8>); N]) -> Files {
    files.into_iter().map(|(path, bytes)| (path.to_string(), bytes)).collect()
}

/// Changes a few bytes in every `step`-th page.
pub fn touch_pages(bytes: &mut [u8], step: usize, with: u8) {
    for page in bytes.chunks_mut(8192).step_by(step) {
        let at = page.len() / 3;
        for byte in page.iter_mut().skip(at).take(20) {
            *byte = byte.wrapping_add(with);
        }
    }
}

/// The next number of a seeded sequence.
pub fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

pub fn below(state: &mut u64, bound: usize) -> usize {
    (next(state) % bound.max(1) as u64) as usize
}
