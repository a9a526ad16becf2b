//! Loads and clones: a file becomes a snapshot, a snapshot becomes an instance.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::format::manifest::{Manifest, Outcome, SnapshotType};
use crate::id::SnapshotId;
use crate::ops::Progress;
use crate::ops::capture::{commit_copy, take_snapshot};
use crate::ops::restore::{Mark, plan_in_place, restore_new};
use crate::source::{SourceUrl, loaded, sqlite};

use super::catalog::{Catalog, check_instance_name};
use super::instances::InstanceSpec;
use super::snapshots::{COMPONENT, TakeOptions};
use super::view::SnapshotView;
use super::{RestoreOutcome, Service};

/// A file that is loaded.
pub struct LoadRequest {
    /// The instance. It is defined, without a source, where it is not there yet.
    pub instance: String,
    /// The file's bytes.
    pub input: Box<dyn Read + Send>,
    /// Its own name.
    pub file_name: String,
    /// Whether the state that is overwritten is not kept first.
    pub no_safety: bool,
    /// About the snapshot that is made.
    pub options: TakeOptions,
}

/// What a load did.
#[derive(Debug, Clone, Serialize)]
pub struct LoadOutcome {
    /// The snapshot of type `load`.
    #[serde(flatten)]
    pub snapshot: SnapshotView,
    /// The snapshot of the state before, where a source was overwritten.
    pub safety_snapshot: Option<String>,
}

impl Service {
    /// Whether loading into an instance overwrites a source, which the user must confirm.
    pub fn load_overwrites(&self, instance: &str) -> Result<Option<String>> {
        Ok(self.catalog()?.instances.get(instance).and_then(|(_, record)| record.source.clone()))
    }

    /// Brings a file into an instance. An instance without a source lives in the repository alone: the file becomes its
    /// newest snapshot. A source is overwritten, which needs `confirmed`.
    pub fn load(&self, request: LoadRequest, confirmed: bool, progress: &dyn Progress) -> Result<LoadOutcome> {
        let name = request.instance.clone();
        check_instance_name(&name)?;
        if !self.catalog()?.instances.contains_key(&name) {
            self.add_instance(&name, InstanceSpec::default())?;
        }
        let catalog = self.catalog()?;
        let Some(source) = catalog.instance(&name)?.source.clone() else {
            let snapshot = self.load_snapshot(&catalog, request, progress)?;
            return Ok(LoadOutcome { snapshot, safety_snapshot: None });
        };
        if !confirmed {
            return Err(Error::Refused(format!(
                "loading into {name:?} would overwrite {source}; type RESTORE to confirm (in a script: --confirm RESTORE)"
            )));
        }
        match source.parse()? {
            SourceUrl::Files(folder) => self.load_into_folder(&catalog, request, &folder, progress),
            SourceUrl::Sqlite(database) => self.load_into_database(&catalog, request, &database, progress),
        }
    }

    fn load_snapshot(&self, catalog: &Catalog, request: LoadRequest, progress: &dyn Progress) -> Result<SnapshotView> {
        let LoadRequest { instance, input, file_name, options, .. } = request;
        let record = catalog.instance(&instance)?;
        let wanted = self.request(&instance, record, SnapshotType::Load, None, &options)?;
        let stored = take_snapshot(&self.repo, wanted, progress, |capture| {
            Ok(vec![loaded::capture(capture, COMPONENT, input, &file_name)?])
        })?;
        Ok(SnapshotView::of(&stored.manifest, None))
    }

    /// The file is stored first, which checks it to its end; then the folder becomes what is stored.
    fn load_into_folder(
        &self,
        catalog: &Catalog,
        request: LoadRequest,
        folder: &Path,
        progress: &dyn Progress,
    ) -> Result<LoadOutcome> {
        let (name, no_safety) = (request.instance.clone(), request.no_safety);
        let safety_snapshot = self.safety_of(catalog, &name, folder, no_safety, progress)?;
        let snapshot = self.load_snapshot(catalog, request, progress)?;
        let catalog = self.catalog()?;
        let stored = catalog.resolve(&snapshot.id)?;
        let reader = self.reader(progress)?;
        let root = &self.component(stored)?.root;
        let plan = plan_in_place(&reader, root, folder, progress)?;
        let started_at = self.repo.surroundings().clock.now();
        plan.apply(&reader, &Mark { snapshot: snapshot.id.clone(), started_at }, progress)?;
        Ok(LoadOutcome { snapshot, safety_snapshot })
    }

    /// A SQLite source takes a database file or SQL text. It is made whole beside the source before that is touched.
    fn load_into_database(
        &self,
        catalog: &Catalog,
        mut request: LoadRequest,
        database: &Path,
        progress: &dyn Progress,
    ) -> Result<LoadOutcome> {
        let folder = database.parent().unwrap_or(Path::new("/"));
        let mut image = tempfile::Builder::new()
            .prefix(".snaphold-load-")
            .tempfile_in(folder)
            .map_err(|error| Error::target(folder, error))?;
        io::copy(&mut request.input, &mut image)
            .and_then(|_| image.flush())
            .map_err(|error| Error::target(image.path(), error))?;
        sqlite::make_database(image.path(), &request.file_name)?;
        let safety_snapshot = self.safety_of(catalog, &request.instance, database, request.no_safety, progress)?;
        let path = image.into_temp_path();
        sqlite::restore_file(&path, database)?;
        let snapshot = self.take_as(catalog, &request.instance, SnapshotType::Load, None, request.options, progress)?;
        Ok(LoadOutcome { snapshot, safety_snapshot })
    }

    /// Keeps an instance's state before it is overwritten by something that is no snapshot.
    fn safety_of(
        &self,
        catalog: &Catalog,
        instance: &str,
        source: &Path,
        no_safety: bool,
        progress: &dyn Progress,
    ) -> Result<Option<String>> {
        if no_safety || !source.exists() {
            return Ok(None);
        }
        let options = TakeOptions { description: Some("before a load".into()), ..TakeOptions::default() };
        let view = self.take_as(catalog, instance, SnapshotType::Safety, None, options, progress)?;
        Ok(Some(view.id))
    }

    /// Makes a new instance from a snapshot: with a source, the snapshot is restored there; without one, it becomes the
    /// first snapshot of an instance that lives in the repository alone.
    pub fn clone_snapshot(
        &self,
        spec: &str,
        name: &str,
        source: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<CloneOutcome> {
        check_instance_name(name)?;
        let catalog = self.catalog()?;
        let snapshot = self.restorable(&catalog, spec)?;
        if catalog.knows_instance(name) {
            return Err(Error::Refused(format!(
                "there is an instance {name:?} already; give the new one another name"
            )));
        }
        let restored = match source {
            Some(source) => Some(self.clone_data(&snapshot.manifest, source, progress)?),
            None => None,
        };
        let source = source.map(str::to_string);
        self.add_instance(name, InstanceSpec { source: Some(source), ..InstanceSpec::default() })?;
        let description = format!("cloned from {} of {}", snapshot.manifest.id, snapshot.manifest.instance);
        let manifest = Manifest {
            id: SnapshotId(self.repo.random()),
            instance: name.to_string(),
            kind: SnapshotType::OnDemand,
            created_at_ns: self.repo.now_ns(),
            finished_at_ns: self.repo.now_ns(),
            expires_at_ns: None,
            description: Some(description),
            parent: Some(snapshot.manifest.id),
            before_restore_of: None,
            cost: Default::default(),
            ..snapshot.manifest.clone()
        };
        let copy = commit_copy(&self.repo, manifest)?;
        let snapshot = SnapshotView::of(&copy.manifest, None);
        Ok(CloneOutcome { instance: name.to_string(), snapshot, restored })
    }

    fn clone_data(&self, manifest: &Manifest, source: &str, progress: &dyn Progress) -> Result<RestoreOutcome> {
        let url: SourceUrl = source.parse()?;
        let absolute = url.clone().absolute().map_err(|error| Error::source(url.path(), error))?;
        let Outcome::Completed { components } = &manifest.outcome else {
            return Err(Error::Refused(format!("snapshot {} failed", manifest.id)));
        };
        let component = components.first().ok_or_else(|| Error::damaged(manifest.id, "it has no component"))?;
        if !super::snapshots::fits(&component.origin, &absolute) {
            return Err(Error::Refused(format!(
                "snapshot {} cannot become {absolute}: it is of another kind",
                manifest.id
            )));
        }
        let path = absolute.path().to_path_buf();
        let reader = self.reader(progress)?;
        let report = match &absolute {
            SourceUrl::Files(_) => restore_new(&reader, &component.root, &path, progress)?,
            SourceUrl::Sqlite(_) => {
                let file = super::restores::database_file(&reader, &component.root)?;
                restore_new(&reader, &file, &path, progress)?
            }
        };
        Ok(RestoreOutcome {
            snapshot: manifest.id.to_string(),
            target: path.display().to_string(),
            in_place: false,
            instance: None,
            safety_snapshot: None,
            report,
        })
    }
}

/// What a clone made.
#[derive(Debug, Clone, Serialize)]
pub struct CloneOutcome {
    /// The new instance.
    pub instance: String,
    /// Its first snapshot.
    pub snapshot: SnapshotView,
    /// What was written, where it has a source.
    pub restored: Option<RestoreOutcome>,
}

/// The bytes of a file that is loaded.
pub fn open_file(path: &Path) -> Result<Box<dyn Read + Send>> {
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::NotFound(format!("there is no file {}", path.display())),
        _ => Error::source(path, error),
    })?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(Error::Usage(format!("{} is a folder; what is loaded is one file", path.display())));
    }
    Ok(Box::new(file))
}
