//! A repository in memory, snapshots of all kinds in it, and containers opened whole.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use snaphold::codec::Effort;
use snaphold::container::{Body, MemberKind, MemberReader, Members, RelativePath, open};
use snaphold::crypto::Encryption;
use snaphold::error::Result;
use snaphold::format::manifest::{Component, Manifest, Origin, Outcome, SnapshotType};
use snaphold::format::tree::{Entry, Metadata};
use snaphold::ops::capture::{Capture, SnapshotRequest, take_snapshot};
use snaphold::ops::export::{Dumps, ExportFormat, ExportItem, ExportOptions, ExportReport, Neo4jFormat, export_stream};
use snaphold::ops::{Progress, Silent};
use snaphold::repo::{InitOptions, Reader, Repository};
use snaphold::source::files::FilesOptions;
use snaphold::source::kind::{Export, Kind};
use snaphold::source::sqlite::Sqlite;
use snaphold::source::stored::Stored;
use snaphold::source::{access, files, loaded, sqlite};
use snaphold::storage::{MemoryStorage, ObjectKind, ObjectName, Storage};

use crate::shared::surroundings;
pub use crate::shared::{error_of, noise};

/// When every snapshot is taken by the clock of [`surroundings`], seconds since 1970.
pub const TAKEN_AT: i64 = 4_000_000_000;
/// The instance of every snapshot.
pub const INSTANCE: &str = "movies";

/// Keeps the notices that it is told, and adds up how far it is.
#[derive(Default)]
pub struct Told {
    pub notices: Mutex<Vec<String>>,
    pub bytes: AtomicU64,
}

impl Progress for Told {
    fn stage(&self, _: &'static str, _: Option<u64>) {}

    fn advance(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn notice(&self, line: &str) {
        self.notices.lock().unwrap().push(line.to_string());
    }
}

/// A repository without encryption, and a folder for what tests need beside it.
pub struct Place {
    pub dir: tempfile::TempDir,
    pub storage: MemoryStorage,
    pub repo: Repository,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("snaphold-export").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("staging")).unwrap();
        let storage = MemoryStorage::new();
        let options = InitOptions { encryption: Encryption::None, chunker: Default::default() };
        let index = dir.path().join("index");
        let repo = Repository::create(Arc::new(storage.clone()), &index, surroundings(), options, None).unwrap();
        Self { dir, storage, repo }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn reader(&self) -> Arc<Reader> {
        self.repo.open_index().unwrap().reader
    }

    pub fn take(&self, capture: impl FnOnce(&Capture<'_>) -> Result<Vec<Component>>) -> Result<Manifest> {
        let request = SnapshotRequest {
            id: None,
            instance: INSTANCE.into(),
            kind: SnapshotType::OnDemand,
            description: None,
            expires_at_ns: None,
            before_restore_of: None,
            effort: Effort::Fast,
        };
        take_snapshot(&self.repo, request, &Told::default(), capture).map(|stored| stored.manifest)
    }

    pub fn folder(&self, folder: &Path) -> Manifest {
        self.take(|capture| Ok(vec![files::capture(capture, "data", folder, &FilesOptions::default())?])).unwrap()
    }

    pub fn load(&self, bytes: &[u8], file_name: &str) -> Manifest {
        let input = Box::new(Cursor::new(bytes.to_vec()));
        self.take(|capture| Ok(vec![loaded::capture(capture, "data", input, file_name)?])).unwrap()
    }

    pub fn sqlite(&self, database: &Path) -> Manifest {
        self.take(|capture| Ok(vec![sqlite::capture(capture, "data", database, &self.path("staging"))?])).unwrap()
    }

    /// Exports in two threads, and sees to it that nothing is left in the staging folder.
    pub fn export(&self, manifest: &Manifest, format: ExportFormat) -> Result<(Vec<u8>, ExportReport)> {
        self.export_with(manifest, format, |_| {})
    }

    pub fn export_with(
        &self,
        manifest: &Manifest,
        format: ExportFormat,
        change: impl FnOnce(&mut ExportOptions<'_>),
    ) -> Result<(Vec<u8>, ExportReport)> {
        self.export_told(manifest, format, change, &Told::default())
    }

    pub fn export_told(
        &self,
        manifest: &Manifest,
        format: ExportFormat,
        change: impl FnOnce(&mut ExportOptions<'_>),
        told: &Told,
    ) -> Result<(Vec<u8>, ExportReport)> {
        let staging = self.path("staging");
        let dumps = SqliteDumps { reader: &self.reader(), staging: &staging };
        let mut options = ExportOptions {
            format,
            neo4j_format: Neo4jFormat::Current,
            only: None,
            threads: 2,
            staging: &staging,
            item: None,
            dumps: Some(&dumps),
        };
        change(&mut options);
        let mut out = Vec::new();
        let report = export_stream(&self.reader(), manifest, &options, &mut out, told);
        assert_eq!(std::fs::read_dir(&staging).unwrap().count(), 0, "something is left in the staging folder");
        let report = report?;
        assert_eq!(report.bytes_written, out.len() as u64);
        Ok((out, report))
    }

    /// The packs, with what is stored.
    pub fn packs(&self) -> Vec<(ObjectName, Vec<u8>)> {
        let listed = self.storage.list(ObjectKind::Pack).unwrap();
        listed.into_iter().map(|pack| (pack.name.clone(), self.storage.get(&pack.name).unwrap())).collect()
    }
}

/// SQLite's text dump, as the service brings it.
pub struct SqliteDumps<'a> {
    pub reader: &'a Arc<Reader>,
    pub staging: &'a Path,
}

impl SqliteDumps<'_> {
    fn with_stored<R>(&self, component: &Component, work: impl FnOnce(&Stored<'_>, &access::Place) -> R) -> R {
        let stored = Stored { reader: self.reader, component, instance: "movies", created_at_ns: 0 };
        let (programs, surroundings) = (Default::default(), surroundings());
        work(&stored, &access::Place { programs, staging: self.staging.to_path_buf(), surroundings })
    }
}

impl Dumps for SqliteDumps<'_> {
    fn available(&self, component: &Component, format: ExportFormat) -> Result<Option<Result<(), String>>> {
        match component.origin {
            Origin::Sqlite { .. } => self.with_stored(component, |stored, _| Sqlite.exports(stored, format)).map(Some),
            _ => Ok(None),
        }
    }

    fn in_tar_gz(&self, component: &Component) -> bool {
        matches!(component.origin, Origin::Sqlite { .. })
    }

    fn write(
        &self,
        component: &Component,
        format: ExportFormat,
        _: Option<&ExportItem>,
        out: &mut dyn std::io::Write,
    ) -> Result<(u64, u64)> {
        self.with_stored(component, |stored, place| {
            let job = Export { stored, format, only: None, place, progress: &Silent };
            Sqlite.export(&job, out).map(|done| (done.files, done.bytes))
        })
    }
}

pub fn components(manifest: &Manifest) -> &[Component] {
    match &manifest.outcome {
        Outcome::Completed { components } => components,
        Outcome::Failed { reason } => panic!("{reason}"),
    }
}

/// The root of a snapshot's first component.
pub fn root(manifest: &Manifest) -> &Entry {
    &components(manifest)[0].root
}

pub fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/neo4j");
    std::fs::read(folder.join(name)).unwrap()
}

/// A container's members by their paths. Of a path that comes twice the later counts.
pub type Opened = BTreeMap<String, (MemberKind, Metadata, Vec<u8>)>;

pub fn members(bytes: &[u8], file_name: &str) -> Opened {
    match open(Box::new(Cursor::new(bytes.to_vec())), file_name).unwrap().body {
        Body::Members(mut members) => members_of(&mut *members),
        Body::Single { name, .. } => panic!("a single file, {name}"),
    }
}

pub fn members_of(members: &mut dyn Members) -> Opened {
    let mut found = BTreeMap::new();
    while let Some(member) = members.next_member().unwrap() {
        let mut bytes = Vec::new();
        MemberReader(members).read_to_end(&mut bytes).unwrap();
        found.insert(member.path.to_string(), (member.kind, member.metadata, bytes));
    }
    found
}

/// The members of a tar as another reader sees them: their times in seconds, and their bytes.
pub fn foreign_tar(bytes: &[u8]) -> BTreeMap<String, (u64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in tar::Archive::new(bytes).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        assert!(found.insert(name, (entry.header().mtime().unwrap(), bytes)).is_none());
    }
    found
}

/// What a gzip file holds; it must be one member and nothing else.
pub fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut decoder = flate2::bufread::GzDecoder::new(bytes);
    let mut plain = Vec::new();
    decoder.read_to_end(&mut plain).unwrap();
    assert!(decoder.into_inner().is_empty());
    plain
}

pub fn path(text: &str) -> RelativePath {
    RelativePath::parse(text.as_bytes()).unwrap()
}

/// Bytes that compress to about a half.
pub fn text(seed: u64, len: usize) -> Vec<u8> {
    noise(seed, len).into_iter().map(|byte| b"0123456789abcdef"[usize::from(byte % 16)]).collect()
}
