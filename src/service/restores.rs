//! Restores: into a new folder, over an instance, undone.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::format::manifest::{Component, Origin, SnapshotType};
use crate::format::tree::{Entry, Node};
use crate::ops::Progress;
use crate::ops::restore::{self, Mark, RestorePlan, RestoreReport, plan_in_place, restore_new};
use crate::repo::Reader;
use crate::source::{SourceUrl, sqlite};
use crate::storage::ObjectKind;

use super::Service;
use super::catalog::{Catalog, Snapshot};
use super::snapshots::{TakeOptions, fits};

/// What is to be restored, and where to.
#[derive(Debug, Clone, Default)]
pub struct RestoreRequest {
    /// The snapshot, as it is named.
    pub snapshot: String,
    /// A folder or an instance's name; `None`: the source that the snapshot was taken of.
    pub to: Option<String>,
    /// One path of it, with `/` between its parts.
    pub path: Option<Vec<u8>>,
    /// Whether the present state is not kept first.
    pub no_safety: bool,
}

/// What a restore would do or has done.
#[derive(Debug, Clone, Serialize)]
pub struct RestoreOutcome {
    /// The snapshot's id.
    pub snapshot: String,
    /// Where to.
    pub target: String,
    /// Whether what is there is overwritten.
    pub in_place: bool,
    /// The instance that is overwritten.
    pub instance: Option<String>,
    /// The snapshot of the state before.
    pub safety_snapshot: Option<String>,
    /// What is written.
    #[serde(flatten)]
    pub report: RestoreReport,
}

/// Where a restore goes.
struct Target {
    path: PathBuf,
    /// Whether something is there that is overwritten: then the user must confirm.
    in_place: bool,
    /// The instance whose source that is.
    instance: Option<String>,
    /// For a SQLite source the file is replaced as a whole.
    is_sqlite: bool,
}

impl Service {
    /// What a restore would write; touches nothing.
    pub fn plan_restore(&self, request: &RestoreRequest, progress: &dyn Progress) -> Result<RestoreOutcome> {
        let catalog = self.catalog()?;
        let snapshot = self.restorable(&catalog, &request.snapshot)?;
        let reader = self.reader(progress)?;
        let entry = self.entry(&reader, snapshot, request)?;
        let target = self.target(&catalog, snapshot, request, &entry)?;
        let entry = target.entry(&reader, entry)?;
        let report = if target.in_place {
            let report = plan_in_place(&reader, &entry, &target.path, progress)?.report;
            if target.is_sqlite { whole(report) } else { report }
        } else {
            new_report(&entry)
        };
        Ok(target.outcome(snapshot, report, None))
    }

    /// Restores. Overwriting anything needs `confirmed`; without it nothing is touched.
    pub fn restore(
        &self,
        request: &RestoreRequest,
        confirmed: bool,
        progress: &dyn Progress,
    ) -> Result<RestoreOutcome> {
        let catalog = self.catalog()?;
        let snapshot = self.restorable(&catalog, &request.snapshot)?;
        let reader = self.reader(progress)?;
        let entry = self.entry(&reader, snapshot, request)?;
        let target = self.target(&catalog, snapshot, request, &entry)?;
        let entry = target.entry(&reader, entry)?;
        if !target.in_place {
            let above = target.path.parent().unwrap_or(Path::new("/"));
            std::fs::create_dir_all(above).map_err(|error| Error::target(above, error))?;
            let report = restore_new(&reader, &entry, &target.path, progress)?;
            return Ok(target.outcome(snapshot, report, None));
        }
        if !confirmed {
            return Err(Error::Refused(format!(
                "this would overwrite {}; type RESTORE to confirm (in a script: --confirm RESTORE)",
                target.path.display()
            )));
        }
        // The plan reads, decodes and checks all that will be written, before anything is touched.
        let plan = plan_in_place(&reader, &entry, &target.path, progress)?;
        let safety = self.safety(&catalog, snapshot, &target, request, progress)?;
        self.repo.take_in_new_packs(reader.index())?;
        let report = if target.is_sqlite {
            drop(plan);
            self.replace_database(&reader, &entry, &target.path, progress)?
        } else {
            self.apply(&reader, plan, snapshot, progress)?
        };
        Ok(target.outcome(snapshot, report, safety))
    }

    /// Restores the state before the latest restore of an instance.
    pub fn undo_restore(
        &self,
        instance: &str,
        confirmed: bool,
        no_safety: bool,
        progress: &dyn Progress,
    ) -> Result<RestoreOutcome> {
        let request = self.undo_request(instance, no_safety)?;
        self.restore(&request, confirmed, progress)
    }

    /// The restore that undoes an instance's latest one.
    pub fn undo_request(&self, instance: &str, no_safety: bool) -> Result<RestoreRequest> {
        let catalog = self.catalog()?;
        catalog.instance(instance)?;
        let safety = catalog
            .usable(Some(instance))
            .into_iter()
            .rev()
            .find(|snapshot| snapshot.manifest.kind == SnapshotType::Safety)
            .ok_or_else(|| {
                Error::NotFound(format!("instance {instance:?} has no safety snapshot, so there is nothing to undo"))
            })?;
        let snapshot = safety.manifest.id.to_string();
        Ok(RestoreRequest { snapshot, to: Some(instance.to_string()), path: None, no_safety })
    }

    fn apply(
        &self,
        reader: &Reader,
        plan: RestorePlan,
        snapshot: &Snapshot,
        progress: &dyn Progress,
    ) -> Result<RestoreReport> {
        let started_at = self.repo.surroundings().clock.now();
        plan.apply(reader, &Mark { snapshot: snapshot.manifest.id.to_string(), started_at }, progress)
    }

    /// Writes the image beside the database, and lets SQLite's rules put it in its place.
    fn replace_database(
        &self,
        reader: &Reader,
        entry: &Entry,
        database: &Path,
        progress: &dyn Progress,
    ) -> Result<RestoreReport> {
        let folder = database.parent().unwrap_or(Path::new("/"));
        let stage = tempfile::Builder::new()
            .prefix(".snaphold-restore-")
            .tempdir_in(folder)
            .map_err(|error| Error::target(folder, error))?;
        let name = stage.path().file_name().unwrap_or_default().to_os_string();
        let staged = stage.path().join("image");
        let report = restore_new(reader, entry, &staged, progress)?;
        // The image must lie in the database's own folder to be renamed over it.
        let mut beside = name;
        beside.push(".image");
        let image = folder.join(beside);
        std::fs::rename(&staged, &image).map_err(|error| Error::target(&image, error))?;
        let replaced = sqlite::restore_file(&image, database);
        if replaced.is_err() {
            let _ = std::fs::remove_file(&image);
        }
        replaced.map(|()| report)
    }

    /// Keeps the state that is overwritten, unless the user does not want that or there is none.
    fn safety(
        &self,
        catalog: &Catalog,
        snapshot: &Snapshot,
        target: &Target,
        request: &RestoreRequest,
        progress: &dyn Progress,
    ) -> Result<Option<String>> {
        let Some(instance) = target.instance.as_deref().filter(|_| !request.no_safety) else { return Ok(None) };
        let id = snapshot.manifest.id;
        if let Some(of) = restore::incomplete_restore(&target.path)? {
            progress.notice(&format!(
                "{} holds a restore of {of} that was not finished, so its state is not kept",
                target.path.display()
            ));
            return Ok(None);
        }
        if !catalog.source_of(instance)?.path().exists() {
            return Ok(None);
        }
        let options =
            TakeOptions { description: Some(format!("before the restore of {id}")), ..TakeOptions::default() };
        let view = self.take_as(catalog, instance, SnapshotType::Safety, Some(id), options, progress)?;
        Ok(Some(view.id))
    }

    /// A reader over an index that is up to date.
    pub(super) fn reader(&self, progress: &dyn Progress) -> Result<std::sync::Arc<Reader>> {
        let opened = self.repo.open_index()?;
        for notice in &opened.notices {
            progress.notice(notice);
        }
        Ok(opened.reader)
    }

    /// A snapshot that may be restored and exported: completed, not deleted, and within what its plan makes available.
    pub(super) fn restorable<'c>(&self, catalog: &'c Catalog, spec: &str) -> Result<&'c Snapshot> {
        let snapshot = catalog.resolve(spec).map_err(|error| self.perhaps_lost(error))?;
        snapshot.components()?;
        let id = snapshot.manifest.id;
        if snapshot.is_deleted() {
            return Err(Error::Refused(format!(
                "snapshot {id} is deleted; `snaphold snapshot undelete {id}` brings it back"
            )));
        }
        let instance = &snapshot.manifest.instance;
        if let Ok(record) = catalog.instance(instance) {
            let plan = self.plans.get(&record.plan)?;
            let usable = catalog.usable(Some(instance));
            let newer = usable
                .iter()
                .rev()
                .filter(|other| other.manifest.kind != SnapshotType::Safety)
                .position(|other| other.manifest.id == id);
            if let (Some(available), Some(newer)) = (plan.available, newer)
                && newer >= available as usize
            {
                return Err(Error::Refused(format!(
                    "plan {:?} makes only the latest {available} of an instance's snapshots available",
                    plan.name
                )));
            }
        }
        Ok(snapshot)
    }

    /// A snapshot that is not found may be one whose manifest was lost: the index remembers those.
    fn perhaps_lost(&self, error: Error) -> Error {
        let Error::NotFound(line) = &error else { return error };
        let lost = self.repo.open_index().ok().and_then(|opened| {
            opened.missing_objects.into_iter().find(|path| path.starts_with(ObjectKind::Snapshot.folder()))
        });
        match lost {
            Some(path) => Error::damaged(path, format!("it is missing; {line}")),
            None => error,
        }
    }

    /// The one component of a snapshot.
    pub(super) fn component<'c>(&self, snapshot: &'c Snapshot) -> Result<&'c Component> {
        snapshot.components()?.first().ok_or_else(|| Error::damaged(&snapshot.name, "it has no component"))
    }

    fn entry(&self, reader: &Reader, snapshot: &Snapshot, request: &RestoreRequest) -> Result<Entry> {
        let root = &self.component(snapshot)?.root;
        match &request.path {
            Some(path) => restore::find(reader, root, path),
            None => Ok(root.clone()),
        }
    }

    fn target(
        &self,
        catalog: &Catalog,
        snapshot: &Snapshot,
        request: &RestoreRequest,
        entry: &Entry,
    ) -> Result<Target> {
        let instance = match request.to.as_deref() {
            None => Some(snapshot.manifest.instance.as_str()),
            Some(to) => catalog.instances.contains_key(to).then_some(to),
        };
        match (instance, request.to.as_deref()) {
            (Some(instance), _) => self.instance_target(catalog, snapshot, instance, request),
            (None, Some(folder)) => {
                let mut path = PathBuf::from(folder);
                if !matches!(entry.node, Node::Directory { .. }) {
                    path.push(os_name(&entry.name));
                }
                let in_place = is_occupied(&path)?;
                Ok(Target { path, in_place, instance: None, is_sqlite: false })
            }
            (None, None) => Err(Error::Usage("name a folder or an instance to restore to by --to".into())),
        }
    }

    fn instance_target(
        &self,
        catalog: &Catalog,
        snapshot: &Snapshot,
        instance: &str,
        request: &RestoreRequest,
    ) -> Result<Target> {
        let url = catalog.source_of(instance)?;
        let origin = &self.component(snapshot)?.origin;
        if !fits(origin, &url) {
            return Err(Error::Refused(format!(
                "snapshot {} cannot be restored into {url}: it is of another kind; restore it to a folder by --to DIR",
                snapshot.manifest.id
            )));
        }
        let is_sqlite = matches!(origin, Origin::Sqlite { .. });
        let mut path = url.path().to_path_buf();
        if let Some(part) = request.path.as_deref().filter(|_| !is_sqlite) {
            path.extend(part.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).map(os_name));
        }
        Ok(Target { path, in_place: true, instance: Some(instance.to_string()), is_sqlite })
    }
}

impl Target {
    /// What is written there: for a SQLite source the one file of the snapshot.
    fn entry(&self, reader: &Reader, entry: Entry) -> Result<Entry> {
        if self.is_sqlite { database_file(reader, &entry) } else { Ok(entry) }
    }

    fn outcome(self, snapshot: &Snapshot, report: RestoreReport, safety_snapshot: Option<String>) -> RestoreOutcome {
        RestoreOutcome {
            snapshot: snapshot.manifest.id.to_string(),
            target: self.path.display().to_string(),
            in_place: self.in_place,
            instance: self.instance,
            safety_snapshot,
            report,
        }
    }
}

impl Catalog {
    /// An instance's source.
    pub(super) fn source_of(&self, instance: &str) -> Result<SourceUrl> {
        let source = self.instance(instance)?.source.as_deref();
        let source = source.ok_or_else(|| {
            Error::Usage(format!(
                "instance {instance:?} has no source and lives in the repository alone; name a folder by --to DIR"
            ))
        })?;
        source.parse()
    }
}

/// The one file of a SQLite snapshot, whose root `entry` is (or the file itself).
pub(super) fn database_file(reader: &Reader, entry: &Entry) -> Result<Entry> {
    let Node::Directory { listing, .. } = &entry.node else { return Ok(entry.clone()) };
    let directory = crate::repo::read_directory(reader, listing)?;
    directory.entries.into_iter().next().ok_or_else(|| Error::damaged("the snapshot", "it holds no database"))
}

fn os_name(name: &[u8]) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(name)
}

/// Whether something is at `path` that a restore would overwrite.
fn is_occupied(path: &Path) -> Result<bool> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::target(path, error)),
    };
    if !metadata.is_dir() {
        return Ok(true);
    }
    let mut entries = std::fs::read_dir(path).map_err(|error| Error::target(path, error))?;
    Ok(entries.next().is_some())
}

/// What restoring into nothing writes.
fn new_report(entry: &Entry) -> RestoreReport {
    match &entry.node {
        Node::Directory { summary, .. } => RestoreReport {
            files: summary.files,
            directories: summary.directories,
            others: summary.others,
            bytes_total: summary.bytes,
            bytes_written: summary.bytes,
            files_changed: summary.files,
            ..RestoreReport::default()
        },
        Node::File { content, .. } => RestoreReport {
            files: 1,
            bytes_total: content.len(),
            bytes_written: content.len(),
            files_changed: 1,
            ..RestoreReport::default()
        },
        _ => RestoreReport { others: 1, ..RestoreReport::default() },
    }
}

/// A SQLite database is replaced as a whole, whatever is equal in it.
fn whole(report: RestoreReport) -> RestoreReport {
    RestoreReport { bytes_written: report.bytes_total, bytes_unchanged: 0, bytes_zeroed: 0, ..report }
}
