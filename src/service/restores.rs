//! Restores: into a new folder, over an instance, undone, taken up again after a crash.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::format::ledger::{RestoreOf, RestoreStage, RestoreState};
use crate::format::manifest::{Component, SnapshotType};
use crate::format::tree::{Entry, Node};
use crate::id::SnapshotId;
use crate::ops::Progress;
use crate::ops::restore::{self, Mark, RestoreReport, plan_in_place, restore_new};
use crate::repo::Reader;
use crate::source::kind::Check;
use crate::source::open_file::is_vacant;
use crate::source::stored::Stored;
use crate::storage::ObjectKind;

use super::Service;
use super::catalog::{Catalog, Snapshot};
use super::restore_run::{Means, Ran, Run, RunOf, RunPart, Wanted, pair};
use super::unfinished::{is_at_it, unfinished};

/// What is to be restored, and where to.
#[derive(Debug, Clone, Default)]
pub struct RestoreRequest {
    /// The snapshot, as it is named.
    pub snapshot: String,
    /// A folder or an instance's name; `None`: the source that the snapshot was taken of.
    pub to: Option<String>,
    /// One path of it, with `/` between its parts.
    pub path: Option<Vec<u8>>,
    /// One component of it.
    pub component: Option<String>,
    /// Whether the present state is not kept first.
    pub no_safety: bool,
    /// Over an instance: the restore's id, chosen by a caller who will ask for it after a crash
    /// ([`Service::last_restore`]); eight hexadecimal digits. `None`: a random one.
    pub run: Option<String>,
}

/// The last restore over an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRestore {
    /// Its id.
    pub run: String,
    /// The snapshot that it is of; `None` where a dump is loaded.
    pub snapshot: Option<String>,
    /// How far it is, in a word.
    pub stage: &'static str,
    /// Whether it came to its end, in one way or the other.
    pub is_over: bool,
    /// Whether it came to its end by going back.
    pub is_reverted: bool,
    /// Whether what was loaded or is restored is ready, beside what is there or in its place.
    pub is_staged: bool,
    /// The snapshot of the state before.
    pub safety_snapshot: Option<String>,
}

/// What a restore would do or has done.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    /// What was looked at afterwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// What is written.
    #[serde(flatten)]
    pub report: RestoreReport,
}

/// How a restore that was cut short ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResumeOutcome {
    /// The instance.
    pub instance: String,
    /// `done` where the restore was completed, `reverted` where what was there before is there again.
    pub outcome: Cow<'static, str>,
    /// What was being restored: a snapshot's id, or a dump's name.
    pub of: String,
    /// The snapshot of the state before.
    pub safety_snapshot: Option<String>,
    /// What was looked at afterwards.
    pub checks: Vec<Check>,
}

/// Where a restore goes.
enum Target {
    /// Over an instance: its sources, each with what goes there.
    Instance { name: String, parts: Vec<RunPart> },
    /// Folders or files, each with what goes there.
    Folders(Vec<(PathBuf, Entry)>),
}

impl Service {
    /// What a restore would write; touches nothing.
    pub fn plan_restore(&self, request: &RestoreRequest, progress: &dyn Progress) -> Result<RestoreOutcome> {
        let catalog = self.catalog()?;
        let snapshot = self.restorable(&catalog, &request.snapshot)?;
        let reader = self.reader(progress)?;
        let target = self.target(&catalog, snapshot, request, &reader)?;
        let mut report = RestoreReport::default();
        match &target {
            Target::Instance { parts, .. } => {
                for RunPart { part, component } in parts {
                    let Some(component) = component else { continue };
                    let stored = Stored::of(&reader, &snapshot.manifest, component);
                    report.add(&part.source.plan(&stored, progress)?);
                }
            }
            Target::Folders(folders) => {
                for (path, entry) in folders {
                    report.add(&match is_vacant(path)? {
                        true => RestoreReport::of_new(entry),
                        false => plan_in_place(&reader, entry, path, progress)?.report,
                    });
                }
            }
        }
        target.outcome(snapshot, Ran { report, checks: Vec::new(), safety: None })
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
        let target = self.target(&catalog, snapshot, request, &reader)?;
        let in_place = target.is_in_place()?;
        if in_place && !confirmed {
            return Err(Error::Refused(format!(
                "this would overwrite {}; type RESTORE to confirm (in a script: --confirm RESTORE)",
                target.shown()
            )));
        }
        match target {
            Target::Instance { name, parts } => {
                let shown = shown(&parts);
                let RestoreRequest { path, no_safety, run, .. } = request.clone();
                let wanted = Wanted { path, no_safety, run };
                let means = Means { service: self, reader, progress };
                let ran = Run::begin(means, &catalog, &name, RunOf::Snapshot(snapshot), wanted, parts)?.complete()?;
                Ok(outcome(snapshot, shown, Some(name), in_place, ran))
            }
            Target::Folders(folders) => {
                let mut report = RestoreReport::default();
                for (path, entry) in &folders {
                    report.add(&self.restore_folder(&reader, snapshot, path, entry, progress)?);
                }
                let ran = Ran { report, checks: Vec::new(), safety: None };
                Ok(outcome(snapshot, shown_folders(&folders), None, in_place, ran))
            }
        }
    }

    fn restore_folder(
        &self,
        reader: &Reader,
        snapshot: &Snapshot,
        path: &Path,
        entry: &Entry,
        progress: &dyn Progress,
    ) -> Result<RestoreReport> {
        if is_vacant(path)? {
            let above = path.parent().unwrap_or(Path::new("/"));
            std::fs::create_dir_all(above).map_err(|error| Error::target(above, error))?;
            return restore_new(reader, entry, path, progress);
        }
        // The plan reads, decodes and checks all that will be written, before anything is touched.
        let plan = plan_in_place(reader, entry, path, progress)?;
        let started_at = self.repo.surroundings().clock.now();
        plan.apply(reader, &Mark { snapshot: snapshot.manifest.id.to_string(), started_at }, progress)
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
        Ok(RestoreRequest { snapshot, to: Some(instance.to_string()), no_safety, ..RestoreRequest::default() })
    }

    /// The last restore over an instance, as far as it has come.
    pub fn last_restore(&self, instance: &str) -> Result<Option<LastRestore>> {
        let catalog = self.catalog()?;
        Ok(catalog.restores.get(instance).map(|(_, state)| LastRestore {
            run: state.id.clone(),
            snapshot: match &state.of {
                RestoreOf::Snapshot(id) => Some(id.to_string()),
                RestoreOf::Dump(_) => None,
            },
            stage: state.stage.as_str(),
            is_over: state.stage.is_over(),
            is_reverted: state.stage == RestoreStage::Reverted,
            is_staged: !state.components.is_empty() && state.components.iter().all(|part| part.staged.is_some()),
            safety_snapshot: state.safety.map(|id| id.to_string()),
        }))
    }

    /// Completes a restore over an instance that was cut short.
    pub fn resume_restore(&self, instance: &str, progress: &dyn Progress) -> Result<ResumeOutcome> {
        self.take_up(instance, progress, |run| {
            let ran = run.complete()?;
            Ok(("done", ran.checks, ran.safety))
        })
    }

    /// Goes back to the state before a restore over an instance that was cut short.
    pub fn abort_restore(&self, instance: &str, progress: &dyn Progress) -> Result<ResumeOutcome> {
        self.take_up(instance, progress, |run| {
            let safety = run.go_back()?;
            Ok(("reverted", Vec::new(), safety))
        })
    }

    fn take_up(
        &self,
        instance: &str,
        progress: &dyn Progress,
        work: impl FnOnce(Run<'_>) -> Result<(&'static str, Vec<Check>, Option<SnapshotId>)>,
    ) -> Result<ResumeOutcome> {
        let catalog = self.catalog()?;
        catalog.instance(instance)?;
        let (revision, state) = catalog
            .restores
            .get(instance)
            .filter(|(_, state)| !state.stage.is_over())
            .cloned()
            .ok_or_else(|| Error::NotFound(format!("no restore over {instance:?} was cut short")))?;
        if is_at_it(self, &state) == Some(true) {
            return Err(unfinished(self, &state));
        }
        let (of, snapshot) = match &state.of {
            RestoreOf::Snapshot(id) => (id.to_string(), Some(catalog.snapshot(*id)?)),
            RestoreOf::Dump(name) => (name.clone(), None),
        };
        let reader = self.reader(progress)?;
        let parts = self.parts_again(&catalog, &state, snapshot, &reader)?;
        let manifest = snapshot.map(|snapshot| &snapshot.manifest);
        let means = Means { service: self, reader, progress };
        let (outcome, checks, safety) = work(Run::take_up(means, (revision, state), manifest, parts)?)?;
        let safety_snapshot = safety.map(|id| id.to_string());
        Ok(ResumeOutcome { instance: instance.to_string(), outcome: outcome.into(), of, safety_snapshot, checks })
    }

    /// The parts of a restore, as it was begun.
    fn parts_again(
        &self,
        catalog: &Catalog,
        state: &RestoreState,
        snapshot: Option<&Snapshot>,
        reader: &Reader,
    ) -> Result<Vec<RunPart>> {
        let mut parts = self.parts_of(catalog, &state.instance)?.parts;
        let again = state.components.iter().map(|wanted| {
            let at = parts.iter().position(|part| part.name == wanted.part).ok_or_else(|| {
                Error::NotFound(format!("{} has no component {:?} any more", state.instance, wanted.part))
            })?;
            let part = parts.remove(at);
            let Some(snapshot) = snapshot else { return Ok(RunPart { part, component: None }) };
            let component = component_of(snapshot, Some(&wanted.component))?.clone();
            part_of(RunPart { part, component: Some(component) }, state.path.as_deref(), reader)
        });
        again.collect()
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

    fn target(
        &self,
        catalog: &Catalog,
        snapshot: &Snapshot,
        request: &RestoreRequest,
        reader: &Reader,
    ) -> Result<Target> {
        let instance = match request.to.as_deref() {
            None => Some(snapshot.manifest.instance.as_str()),
            Some(to) => catalog.instances.contains_key(to).then_some(to),
        };
        let only = request.component.as_deref();
        match (instance, request.to.as_deref()) {
            (Some(instance), _) => {
                let parts = self.parts_of(catalog, instance)?;
                let pairs = pair(snapshot, parts, only)?;
                if request.path.is_some() && pairs.len() > 1 {
                    return Err(Error::Usage("which component is the path in? name it by --component".into()));
                }
                let path = request.path.as_deref();
                let parts = pairs.into_iter().map(|pair| part_of(pair, path, reader)).collect::<Result<_>>()?;
                Ok(Target::Instance { name: instance.to_string(), parts })
            }
            (None, Some(folder)) => {
                let components = snapshot.components()?;
                if only.is_some() || components.len() == 1 || request.path.is_some() {
                    let component = component_of(snapshot, only)?;
                    let entry = entry_of(reader, component, request.path.as_deref())?;
                    let mut path = PathBuf::from(folder);
                    if !matches!(entry.node, Node::Directory { .. }) {
                        path.push(os_name(&entry.name));
                    }
                    return Ok(Target::Folders(vec![(path, entry)]));
                }
                let each = |component: &Component| (Path::new(folder).join(&component.name), component.root.clone());
                Ok(Target::Folders(components.iter().map(each).collect()))
            }
            (None, None) => Err(Error::Usage("name a folder or an instance to restore to by --to".into())),
        }
    }
}

impl Target {
    fn is_in_place(&self) -> Result<bool> {
        match self {
            Target::Instance { .. } => Ok(true),
            Target::Folders(folders) => {
                for (path, _) in folders {
                    if !is_vacant(path)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    fn shown(&self) -> String {
        match self {
            Target::Instance { parts, .. } => shown(parts),
            Target::Folders(folders) => shown_folders(folders),
        }
    }

    fn outcome(self, snapshot: &Snapshot, ran: Ran) -> Result<RestoreOutcome> {
        let (shown, in_place) = (self.shown(), self.is_in_place()?);
        let instance = match self {
            Target::Instance { name, .. } => Some(name),
            Target::Folders(_) => None,
        };
        Ok(outcome(snapshot, shown, instance, in_place, ran))
    }
}

fn outcome(snapshot: &Snapshot, target: String, instance: Option<String>, in_place: bool, ran: Ran) -> RestoreOutcome {
    RestoreOutcome {
        snapshot: snapshot.manifest.id.to_string(),
        target,
        in_place,
        instance,
        safety_snapshot: ran.safety.map(|id| id.to_string()),
        checks: ran.checks,
        report: ran.report,
    }
}

fn shown(parts: &[RunPart]) -> String {
    parts.iter().map(|part| part.part.source.target()).collect::<Vec<_>>().join(", ")
}

fn shown_folders(folders: &[(PathBuf, Entry)]) -> String {
    folders.iter().map(|(path, _)| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// A part with only what is at `path` of its component.
fn part_of(mut pair: RunPart, path: Option<&[u8]>, reader: &Reader) -> Result<RunPart> {
    if let (Some(path), Some(component)) = (path, pair.component.as_mut()) {
        pair.part.source = pair.part.source.part(path)?;
        component.root = entry_of(reader, component, Some(path))?;
    }
    Ok(pair)
}

fn entry_of(reader: &Reader, component: &Component, path: Option<&[u8]>) -> Result<Entry> {
    match path {
        Some(path) => restore::find(reader, &component.root, path),
        None => Ok(component.root.clone()),
    }
}

/// A snapshot's component of a name; without one, its only one.
pub(super) fn component_of<'c>(snapshot: &'c Snapshot, name: Option<&str>) -> Result<&'c Component> {
    let components = snapshot.components()?;
    let names = || components.iter().map(|component| component.name.as_str()).collect::<Vec<_>>().join(", ");
    let id = snapshot.manifest.id;
    match (name, components) {
        (Some(name), _) => components
            .iter()
            .find(|component| component.name == name)
            .ok_or_else(|| Error::NotFound(format!("snapshot {id} has no component {name:?}; it has {}", names()))),
        (None, [component]) => Ok(component),
        (None, []) => Err(Error::damaged(&snapshot.name, "it has no component")),
        (None, _) => {
            Err(Error::Usage(format!("snapshot {id} has several components ({}); name one by --component", names())))
        }
    }
}

fn os_name(name: &[u8]) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(name)
}
