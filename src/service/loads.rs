//! Loads and clones: a file becomes a snapshot, a snapshot becomes an instance.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::format::ledger::InstanceSettings;
use crate::format::manifest::{Manifest, SnapshotType};
use crate::id::SnapshotId;
use crate::ops::capture::{commit_copy, take_snapshot};
use crate::ops::restore::RestoreReport;
use crate::ops::{Progress, ToTheEnd};
use crate::source::kind::Attempt;
use crate::source::loaded;
use crate::source::stored::Stored;
use crate::source::url::SourceUrl;

use super::catalog::{Catalog, Snapshot, check_instance_name};
use super::instances::InstanceSpec;
use super::restore_run::{Means, Run, RunOf, RunPart, Wanted, pair, restore_at_once};
use super::restores::component_of;
use super::settings::SettingsSpec;
use super::snapshots::{TakeOptions, refuse_taken};
use super::sources::{COMPONENT, Part};
use super::unfinished::unfinished;
use super::view::SnapshotView;
use super::{RestoreOutcome, Service, settings};

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
    /// The id of the restore over a source, chosen by a caller who will ask for it after a crash; `None`: a random one.
    pub run: Option<String>,
    /// About the snapshot that is made.
    pub options: TakeOptions,
}

/// What a load did.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
        Ok(self.catalog()?.instances.get(instance).and_then(|definition| definition.record.source.clone()))
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
        self.load_into_source(&catalog, request, progress)
    }

    fn load_snapshot(&self, catalog: &Catalog, request: LoadRequest, progress: &dyn Progress) -> Result<SnapshotView> {
        let LoadRequest { instance, input, file_name, options, .. } = request;
        refuse_taken(catalog, options.id)?;
        let record = catalog.instance(&instance)?;
        let wanted = self.request(&instance, record, SnapshotType::Load, None, &options)?;
        let stored = take_snapshot(&self.repo, wanted, progress, |capture| {
            Ok(vec![loaded::capture(capture, COMPONENT, input, &file_name)?])
        })?;
        Ok(SnapshotView::of(&stored.manifest, None))
    }

    fn load_into_source(
        &self,
        catalog: &Catalog,
        request: LoadRequest,
        progress: &dyn Progress,
    ) -> Result<LoadOutcome> {
        let name = request.instance.clone();
        let mut parts = self.parts_of(catalog, &name)?;
        let (Some(part), true) = (parts.parts.pop(), parts.parts.is_empty()) else {
            return Err(Error::Refused(format!("{name:?} is an environment; load into a component's own instance")));
        };
        if part.source.loads_by_snapshot() {
            return self.load_by_snapshot(catalog, request, part, progress);
        }
        let LoadRequest { mut input, file_name, no_safety, run, options, .. } = request;
        let folder = self.place.folder("load")?;
        let path = folder.path().join("dump");
        let failed = |error| Error::target(&path, error);
        let mut file = File::create_new(&path).map_err(failed)?;
        copy(&mut input, &mut file, progress).map_err(|error| error.downcast::<Error>().unwrap_or_else(failed))?;
        let parts = vec![RunPart { part, component: None }];
        let of = RunOf::Dump(&path, &file_name);
        let means = Means { service: self, reader: self.reader(progress)?, progress };
        let wanted = Wanted { path: None, no_safety, run };
        let ran = Run::begin(means, catalog, &name, of, wanted, parts)?.complete()?;
        let snapshot = self.take_loaded(&name, options, progress)?;
        Ok(LoadOutcome { snapshot, safety_snapshot: ran.safety.map(|id| id.to_string()) })
    }

    /// The snapshot of type `load` of a source that a dump was loaded into. What was loaded is there, so nothing stops it.
    pub fn take_loaded(&self, name: &str, options: TakeOptions, progress: &dyn Progress) -> Result<SnapshotView> {
        self.take_as(&self.catalog()?, name, SnapshotType::Load, options, &ToTheEnd(progress))
    }

    /// The file is stored first, which checks it to its end; then the source becomes what is stored.
    fn load_by_snapshot(
        &self,
        catalog: &Catalog,
        request: LoadRequest,
        part: Part,
        progress: &dyn Progress,
    ) -> Result<LoadOutcome> {
        let name = request.instance.clone();
        let wanted = Wanted { path: None, no_safety: request.no_safety, run: request.run.clone() };
        if let Some((_, state)) = catalog.restores.get(&name).filter(|(_, state)| !state.stage.is_over()) {
            return Err(unfinished(self, state));
        }
        let snapshot = self.load_snapshot(catalog, request, progress)?;
        let catalog = self.catalog()?;
        let stored = catalog.resolve(&snapshot.id)?;
        let component = component_of(stored, None)?.clone();
        let parts = vec![RunPart { part, component: Some(component) }];
        let of = RunOf::Snapshot(stored);
        let means = Means { service: self, reader: self.reader(progress)?, progress };
        let ran = Run::begin(means, &catalog, &name, of, wanted, parts)?.complete()?;
        Ok(LoadOutcome { snapshot, safety_snapshot: ran.safety.map(|id| id.to_string()) })
    }

    /// Makes a new instance from a snapshot: with a source, the snapshot is restored there; without one, it becomes the
    /// first snapshot of an instance that lives in the repository alone.
    pub fn clone_snapshot(&self, request: CloneRequest, progress: &dyn Progress) -> Result<CloneOutcome> {
        let CloneRequest { snapshot, name, source, settings, copy } = request;
        check_instance_name(&name)?;
        let catalog = self.catalog()?;
        let snapshot = self.restorable(&catalog, &snapshot)?;
        refuse_taken(&catalog, copy)?;
        if catalog.knows_instance(&name) {
            return Err(Error::Refused(format!(
                "there is an instance {name:?} already; give the new one another name"
            )));
        }
        let mut spec = InstanceSpec { settings, ..InstanceSpec::default() };
        let restored = match &source {
            Some(source) => {
                let (outcome, shown) = self.clone_data(snapshot, source, &mut spec.settings, progress)?;
                spec.source = Some(Some(shown));
                Some(outcome)
            }
            None => None,
        };
        self.add_instance(&name, spec)?;
        let snapshot = self.first_of_clone(snapshot, &name, copy)?;
        Ok(CloneOutcome { instance: name, snapshot, restored })
    }

    /// Gives the new instance of a clone its first snapshot, where the clone was cut short before that.
    pub fn complete_clone(&self, spec: &str, name: &str, copy: SnapshotId) -> Result<CloneOutcome> {
        let catalog = self.catalog()?;
        catalog.instance(name)?;
        refuse_taken(&catalog, Some(copy))?;
        let snapshot = self.first_of_clone(self.restorable(&catalog, spec)?, name, Some(copy))?;
        Ok(CloneOutcome { instance: name.to_string(), snapshot, restored: None })
    }

    fn first_of_clone(&self, snapshot: &Snapshot, name: &str, copy: Option<SnapshotId>) -> Result<SnapshotView> {
        let description = format!("cloned from {} of {}", snapshot.manifest.id, snapshot.manifest.instance);
        let manifest = Manifest {
            id: copy.unwrap_or_else(|| SnapshotId(self.repo.random())),
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
        Ok(SnapshotView::of(&copy.manifest, None))
    }

    /// Restores a snapshot to a place where nothing is yet. Returns the source's URL too, without its password, which
    /// goes into the settings.
    fn clone_data(
        &self,
        snapshot: &Snapshot,
        source: &str,
        settings: &mut SettingsSpec,
        progress: &dyn Progress,
    ) -> Result<(RestoreOutcome, String)> {
        let (url, password) = source.parse::<SourceUrl>()?.without_password();
        settings.password = settings.password.take().or(password);
        let relative = url.path().unwrap_or(Path::new("")).to_path_buf();
        let url = url.absolute().map_err(|error| Error::source(relative, error))?;
        // Only for the clone: whether the repository may keep the password shows when the instance is added.
        let mut own = InstanceSettings::default();
        settings::apply(&mut own, settings.clone(), true)?;
        let parts = self.parts(&url, &settings::of_source(&own)?)?;
        let pairs = pair(snapshot, parts, None)?;
        for RunPart { part, .. } in &pairs {
            if !part.source.is_vacant()? {
                return Err(Error::Refused(format!(
                    "{} is not empty; a clone goes where nothing is yet",
                    part.source.shown()
                )));
            }
        }
        let reader = self.reader(progress)?;
        let attempt = Attempt {
            id: self.place.random_digits(8),
            of: snapshot.manifest.id.to_string(),
            started_at: self.repo.surroundings().clock.now(),
        };
        let mut report = RestoreReport::default();
        let mut checks = Vec::new();
        let mut targets = Vec::new();
        let to_the_end = ToTheEnd(progress);
        for RunPart { part, component } in &pairs {
            let Some(component) = component else { continue };
            let stored = Stored::of(&reader, &snapshot.manifest, component);
            // Of several it may be cancelled while the first is made ready: then nothing of any is there.
            let progress: &dyn Progress = if targets.is_empty() { progress } else { &to_the_end };
            let (written, checked) = restore_at_once(&*part.source, &stored, &attempt, progress)?;
            report.add(&written);
            checks.extend(checked);
            targets.push(part.source.target());
        }
        let outcome = RestoreOutcome {
            snapshot: snapshot.manifest.id.to_string(),
            target: targets.join(", "),
            in_place: false,
            instance: None,
            safety_snapshot: None,
            checks,
            report,
        };
        Ok((outcome, url.to_string()))
    }
}

/// A new instance, made from a snapshot.
#[derive(Debug, Clone, Default)]
pub struct CloneRequest {
    /// The snapshot, as it is named.
    pub snapshot: String,
    /// The new instance's name.
    pub name: String,
    /// Where its data goes; `None`: it lives in the repository alone.
    pub source: Option<String>,
    /// How the source is reached and handled.
    pub settings: SettingsSpec,
    /// The id of its first snapshot, chosen by a caller who will ask for it after a crash; `None`: a random one.
    pub copy: Option<SnapshotId>,
}

/// What a clone made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CloneOutcome {
    /// The new instance.
    pub instance: String,
    /// Its first snapshot.
    pub snapshot: SnapshotView,
    /// What was written, where it has a source.
    pub restored: Option<RestoreOutcome>,
}

/// What is copied at once, bytes.
const COPY_LEN: u64 = 8 << 20;

fn copy(input: &mut dyn Read, file: &mut File, progress: &dyn Progress) -> io::Result<()> {
    loop {
        progress.go_on().map_err(io::Error::other)?;
        if io::copy(&mut (&mut *input).take(COPY_LEN), file)? == 0 {
            return Ok(());
        }
    }
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
