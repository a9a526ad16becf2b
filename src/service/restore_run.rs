//! A restore over an instance, step by step. Each step is noted in the ledger before it begins, so that after a crash
//! [`resume`](super::Service::resume_restore) or [`abort`](super::Service::abort_restore) brings a whole state.
//!
//! ```text
//! planned → verified → safe → staging → staged → swapping → checking → finishing → done
//!     └─────────┴────────┴───────┴─────────┴─────────┴──────────┴─→ reverting → reverted
//! ```
//!
//! Every step may be done again from anywhere inside it: that is what sources promise.

use std::path::Path;
use std::sync::Arc;

use crate::clock::ProcessIdentity;
use crate::error::{Error, Result};
use crate::format::ledger::{ComponentState, LedgerRecord, RestoreOf, RestoreStage, RestoreState};
use crate::format::manifest::{Component, Manifest, SnapshotType};
use crate::id::SnapshotId;
use crate::ops::restore::RestoreReport;
use crate::ops::{Progress, ToTheEnd, check_present};
use crate::repo::Reader;
use crate::source::kind::{Attempt, Check, Dump, Material, Reverted, Source, Staged};
use crate::source::stored::Stored;

use super::Service;
use super::catalog::{Catalog, Snapshot};
use super::claims::Claim;
use super::snapshots::TakeOptions;
use super::sources::{Part, Parts};
use super::unfinished::{is_at_it, restore_claim, unfinished};
use super::view::timestamp;

/// One component on its way.
pub(super) struct RunPart {
    /// Where it goes.
    pub part: Part,
    /// What is restored; `None` for a dump.
    pub component: Option<Component>,
}

/// What is restored, and what it is called.
pub(super) enum RunOf<'a> {
    /// Components of a snapshot.
    Snapshot(&'a Snapshot),
    /// A dump that is loaded: its file, and its own name.
    Dump(&'a Path, &'a str),
}

/// What a restore is worked on with.
pub(super) struct Means<'s> {
    /// Takes the safety snapshot.
    pub service: &'s Service,
    /// Reads what is restored.
    pub reader: Arc<Reader>,
    /// Is told how far it is.
    pub progress: &'s dyn Progress,
}

/// A restore that is worked on.
pub(super) struct Run<'s> {
    service: &'s Service,
    reader: Arc<Reader>,
    manifest: Option<&'s Manifest>,
    dump: Option<(&'s Path, &'s str)>,
    state: RestoreState,
    revision: u32,
    parts: Vec<RunPart>,
    staged: Vec<Option<Staged>>,
    checks: Vec<Check>,
    progress: &'s dyn Progress,
    /// While this is there, this process is at it.
    _claim: Claim,
}

/// What is wanted of a restore, beside what and where.
#[derive(Default)]
pub(super) struct Wanted {
    /// One path of it.
    pub path: Option<Vec<u8>>,
    /// Whether the present state is not kept first.
    pub no_safety: bool,
    /// Its id, chosen by a caller who will ask for it after a crash; eight hexadecimal digits.
    pub run: Option<String>,
}

/// What a restore over an instance did.
pub(super) struct Ran {
    /// What was written.
    pub report: RestoreReport,
    /// What was looked at afterwards.
    pub checks: Vec<Check>,
    /// The snapshot of the state before.
    pub safety: Option<SnapshotId>,
}

impl<'s> Run<'s> {
    /// Begins a restore: from here on others are refused.
    pub fn begin(
        Means { service, reader, progress }: Means<'s>,
        catalog: &Catalog,
        instance: &str,
        of: RunOf<'s>,
        Wanted { path, no_safety, run }: Wanted,
        parts: Vec<RunPart>,
    ) -> Result<Self> {
        let before = catalog.restores.get(instance);
        if let Some((_, state)) = before.filter(|(_, state)| !state.stage.is_over()) {
            let is_dead = is_at_it(service, state) == Some(false);
            let makes_whole = path.is_none() && parts.iter().all(|part| part.part.source.is_patched_in_place());
            // What was patched half way is whole again once all of it was patched by another restore.
            if !(is_dead && makes_whole) {
                return Err(unfinished(service, state));
            }
        }
        let component = |part: &RunPart| ComponentState {
            part: part.part.name.clone(),
            component: part.component.as_ref().map_or_else(String::new, |component| component.name.clone()),
            staged: None,
        };
        let (manifest, dump, of) = match of {
            RunOf::Snapshot(snapshot) => (Some(&snapshot.manifest), None, RestoreOf::Snapshot(snapshot.manifest.id)),
            RunOf::Dump(file, name) => (None, Some((file, name)), RestoreOf::Dump(name.to_string())),
        };
        let state = RestoreState {
            instance: instance.to_string(),
            id: run.unwrap_or_else(|| service.place.random_digits(8)),
            of,
            path,
            began_at_ns: service.repo.now_ns(),
            process: service.repo.surroundings().processes.identity(),
            stage: RestoreStage::Planned,
            no_safety,
            safety: None,
            components: parts.iter().map(component).collect(),
        };
        let revision = before.map_or(0, |(number, _)| *number);
        let staged = parts.iter().map(|_| None).collect();
        let checks = Vec::new();
        let mut run = Self {
            service,
            reader,
            manifest,
            dump,
            state,
            revision,
            parts,
            staged,
            checks,
            progress,
            _claim: service.claim_work(restore_claim(instance)),
        };
        run.note(RestoreStage::Planned)?;
        Ok(run)
    }

    /// Takes up a restore that another process has left.
    pub fn take_up(
        Means { service, reader, progress }: Means<'s>,
        (revision, state): (u32, RestoreState),
        manifest: Option<&'s Manifest>,
        parts: Vec<RunPart>,
    ) -> Result<Self> {
        let staged = state.components.iter().map(|component| match &component.staged {
            Some(json) => {
                serde_json::from_str(json).map(Some).map_err(|error| Error::damaged("the restore's record", error))
            }
            None => Ok(None),
        });
        let staged = staged.collect::<Result<Vec<Option<Staged>>>>()?;
        let process = service.repo.surroundings().processes.identity();
        let stage = state.stage;
        let claim = service.claim_work(restore_claim(&state.instance));
        let state = RestoreState { process, ..state };
        let mut run = Self {
            service,
            reader,
            manifest,
            dump: None,
            state,
            revision,
            parts,
            staged,
            checks: Vec::new(),
            progress,
            _claim: claim,
        };
        run.note(stage)?;
        Ok(run)
    }

    /// Notes a stage, durably. Of two processes that take up one restore, one is told that it was second.
    fn note(&mut self, stage: RestoreStage) -> Result<()> {
        self.state.stage = stage;
        for (component, staged) in self.state.components.iter_mut().zip(&self.staged) {
            component.staged = match staged {
                Some(staged) => Some(serde_json::to_string(staged).map_err(|error| Error::Failed(error.to_string()))?),
                None => None,
            };
        }
        let topic = self.service.repo.restore_topic(&self.state.instance);
        let before = Some(self.revision).filter(|number| *number > 0);
        self.service.repo.append_ledger(&topic, before, &LedgerRecord::Restore(self.state.clone()))?;
        self.revision += 1;
        Ok(())
    }

    fn attempt(&self) -> Attempt {
        let of = match &self.state.of {
            RestoreOf::Snapshot(id) => id.to_string(),
            RestoreOf::Dump(name) => name.clone(),
        };
        Attempt { id: self.state.id.clone(), of, started_at: timestamp(self.state.began_at_ns) }
    }

    fn stored<'a>(&'a self, component: &'a Component) -> Option<Stored<'a>> {
        Some(Stored::of(&self.reader, self.manifest?, component))
    }

    /// Goes on to the end. Where a step fails, what was there before is put back, as far as that can be.
    ///
    /// It may be cancelled until it begins to replace what is there.
    pub fn complete(mut self) -> Result<Ran> {
        match self.go_on() {
            Ok(()) => Ok(self.ran()),
            Err(_) if self.state.stage < RestoreStage::Swapping && self.progress.is_cancelled() => {
                Err(self.give_up(Error::Cancelled))
            }
            Err(error) => Err(self.give_up(error)),
        }
    }

    /// From the swap on nothing stops it.
    fn to_the_end(&self) -> ToTheEnd<'s> {
        ToTheEnd(self.progress)
    }

    /// Notes that this process is not at it any more, though it is not over: another one may go on then, or go back.
    fn leave(&mut self) {
        let ProcessIdentity { host, boot, .. } = self.state.process.clone();
        self.state.process = ProcessIdentity { host, boot, pid: 0, started: 0 };
        // Where even that cannot be noted, this process still knows.
        let _ = self.note(self.state.stage);
    }

    fn ran(&self) -> Ran {
        let mut report = RestoreReport::default();
        self.staged.iter().flatten().for_each(|staged| report.add(&staged.report));
        Ran { report, checks: self.checks.clone(), safety: self.state.safety }
    }

    fn go_on(&mut self) -> Result<()> {
        loop {
            if self.state.stage < RestoreStage::Swapping {
                self.progress.go_on()?;
            }
            match self.state.stage {
                RestoreStage::Planned => {
                    self.verify()?;
                    self.note(RestoreStage::Verified)?;
                }
                RestoreStage::Verified => {
                    self.state.safety = self.take_safety()?;
                    self.note(RestoreStage::Safe)?;
                }
                RestoreStage::Safe => self.note(RestoreStage::Staging)?,
                RestoreStage::Staging => {
                    self.stage()?;
                    self.note(RestoreStage::Staged)?;
                }
                RestoreStage::Staged => self.note(RestoreStage::Swapping)?,
                RestoreStage::Swapping => {
                    self.swap()?;
                    self.note(RestoreStage::Checking)?;
                }
                RestoreStage::Checking => {
                    self.check()?;
                    self.note(RestoreStage::Finishing)?;
                }
                RestoreStage::Finishing => {
                    let attempt = self.attempt();
                    for staged in self.staged_parts() {
                        let (RunPart { part, .. }, staged) = staged?;
                        part.source.finish(&attempt, staged)?;
                    }
                    self.note(RestoreStage::Done)?;
                }
                RestoreStage::Reverting => return Err(Error::Refused("it is being undone".into())),
                RestoreStage::Done | RestoreStage::Reverted => return Ok(()),
            }
        }
    }

    /// All chunks that are needed are there. What only staging can tell is staged now, before anything else is done:
    /// whether a dump is one, and what a source that is patched where it is will write.
    fn verify(&mut self) -> Result<()> {
        self.progress.stage("verifying", None);
        for number in 0..self.parts.len() {
            let Some(RunPart { part, component }) = self.parts.get(number) else { continue };
            let Some(component) = component.as_ref().filter(|_| !part.source.is_patched_in_place()) else {
                self.stage_part(number)?;
                continue;
            };
            check_present(&self.reader, component, self.progress)?;
        }
        Ok(())
    }

    /// Keeps the state that is overwritten, unless the user does not want that or there is none. A restore that is taken up
    /// before this was noted keeps it once more: others may have written to it since.
    fn take_safety(&self) -> Result<Option<SnapshotId>> {
        if self.state.no_safety {
            return Ok(None);
        }
        let mut names = Vec::new();
        for RunPart { part, .. } in &self.parts {
            let has_data = part.source.has_data().map_err(|error| {
                error.with_context("what is there cannot be kept first (--no-safety does without that)")
            })?;
            match has_data {
                true => names.push(part.name.as_str()),
                false => self.progress.notice(&format!(
                    "{} holds nothing, or an unfinished restore, so its state is not kept",
                    part.source.shown()
                )),
            }
        }
        if names.is_empty() {
            return Ok(None);
        }
        let (before_restore_of, what) = match &self.state.of {
            RestoreOf::Snapshot(id) => (Some(*id), format!("the restore of {id}")),
            RestoreOf::Dump(name) => (None, format!("loading {name}")),
        };
        let options = TakeOptions { description: Some(format!("before {what}")), ..TakeOptions::default() };
        let view = self
            .service
            .take_some(&self.state.instance, &names, (SnapshotType::Safety, before_restore_of), options, self.progress)
            .map_err(|error| match error {
                Error::Storage { .. } | Error::Damaged { .. } => error,
                error => error.with_context("what is there cannot be kept first (--no-safety does without that)"),
            })?;
        self.service.repo.take_in_new_packs(self.reader.index())?;
        Ok(Some(view))
    }

    fn stage(&mut self) -> Result<()> {
        for number in 0..self.parts.len() {
            if self.staged.get(number).is_some_and(Option::is_none) {
                self.stage_part(number)?;
                self.note(RestoreStage::Staging)?;
            }
        }
        Ok(())
    }

    fn stage_part(&mut self, number: usize) -> Result<()> {
        let Some(RunPart { part, component }) = self.parts.get(number) else { return Ok(()) };
        self.progress.stage("staging", None);
        let stored = component.as_ref().and_then(|component| self.stored(component));
        let material = match (&stored, self.dump) {
            (Some(stored), _) => Material::Stored(stored),
            (None, Some((path, file_name))) => Material::Dump(Dump { path, file_name }),
            (None, None) => {
                return Err(Error::Refused(
                    "the dump that was loaded is not there any more; abort, and load it again".into(),
                ));
            }
        };
        let staged = part.source.stage(&material, &self.attempt(), self.progress)?;
        if let Some(place) = self.staged.get_mut(number) {
            *place = Some(staged);
        }
        Ok(())
    }

    /// The parts, each with what its staging wanted to be remembered.
    fn staged_parts(&self) -> impl Iterator<Item = Result<(&RunPart, &Staged)>> {
        let not_staged = || Error::Failed("a component was not staged".into());
        self.parts
            .iter()
            .zip(&self.staged)
            .map(move |(part, staged)| Ok((part, staged.as_ref().ok_or_else(not_staged)?)))
    }

    fn swap(&self) -> Result<()> {
        let attempt = self.attempt();
        for staged in self.staged_parts() {
            let (RunPart { part, component }, staged) = staged?;
            let stored = component.as_ref().and_then(|component| self.stored(component));
            self.progress.stage("replacing", None);
            part.source.swap(stored.as_ref(), &attempt, staged, &self.to_the_end())?;
        }
        Ok(())
    }

    fn check(&mut self) -> Result<()> {
        let attempt = self.attempt();
        let mut seen = Vec::new();
        for staged in self.staged_parts() {
            let (RunPart { part, .. }, staged) = staged?;
            let checks = part.source.check(&attempt, staged, &self.to_the_end())?;
            all_passed(&checks)?;
            seen.extend(checks);
        }
        self.checks = seen;
        Ok(())
    }

    /// After a failed step: back, where there is a way back.
    fn give_up(mut self, error: Error) -> Error {
        let instance = self.state.instance.clone();
        let goes_on = format!(
            "`snaphold restore --resume {instance}` tries to complete it, `snaphold restore --abort {instance}` goes back"
        );
        if self.state.stage == RestoreStage::Finishing {
            self.leave();
            return error.with_context(&format!("the restore is done, but not cleaned up after: {goes_on}"));
        }
        if self.state.stage > RestoreStage::Finishing {
            return error;
        }
        let is_patched = self.parts.iter().any(|part| part.part.source.is_patched_in_place());
        if is_patched && self.state.stage >= RestoreStage::Swapping {
            self.progress.notice(&format!("{instance} is restored in part: {goes_on}"));
            self.leave();
            return error;
        }
        match self.revert(false) {
            Ok(()) => error,
            Err(second) => {
                self.progress.notice(&format!("what was there could not be put back ({second}): {goes_on}"));
                self.leave();
                error
            }
        }
    }

    /// Goes back, by the safety snapshot where nothing else is left. Returns the safety snapshot, if there is one.
    pub fn go_back(mut self) -> Result<Option<SnapshotId>> {
        self.revert(true).inspect_err(|_| self.leave())?;
        Ok(self.state.safety)
    }

    /// Goes back. With `by_safety` the safety snapshot is used for what is not kept aside.
    fn revert(&mut self, by_safety: bool) -> Result<()> {
        self.progress.stage("going back", None);
        if self.state.stage == RestoreStage::Finishing {
            return Err(Error::Refused(
                "the restore is complete but for cleaning up; --resume does that, and `restore undo` goes back".into(),
            ));
        }
        let began = self.state.stage;
        // A dump is staged first of all, and perhaps in part.
        let touched =
            began >= RestoreStage::Staging || self.manifest.is_none() || self.staged.iter().any(Option::is_some);
        if touched {
            self.note(RestoreStage::Reverting)?;
            if let Err(error) = self.revert_parts(began, by_safety) {
                // Forward is still a way: what has gone back is staged anew then.
                match self.staged.iter().all(Option::is_some) {
                    true => self.note(began.min(RestoreStage::Swapping))?,
                    false if self.manifest.is_some() => self.note(RestoreStage::Staging)?,
                    false => {}
                }
                return Err(error);
            }
        }
        self.note(RestoreStage::Reverted)
    }

    fn revert_parts(&mut self, began: RestoreStage, by_safety: bool) -> Result<()> {
        let attempt = self.attempt();
        for (number, RunPart { part, .. }) in self.parts.iter().enumerate().rev() {
            if part.source.is_patched_in_place() && began < RestoreStage::Swapping {
                continue;
            }
            let Some(staged) = self.staged.get_mut(number) else { continue };
            if part.source.revert(&attempt, staged.as_ref())? == Reverted::NeedsSafety {
                if !by_safety {
                    return Err(Error::Refused("what was there is only in the safety snapshot".into()));
                }
                self.put_safety_back(part, &attempt)?;
            } else {
                *staged = None;
            }
        }
        Ok(())
    }

    fn put_safety_back(&self, part: &Part, attempt: &Attempt) -> Result<()> {
        let Some(id) = self.state.safety else {
            return Err(Error::Refused(format!(
                "{} was restored in part and nothing of what was there is kept; --resume completes the restore",
                part.source.shown()
            )));
        };
        let catalog = self.service.catalog()?;
        let safety = catalog.snapshot(id)?;
        let lost = || Error::damaged(id, format!("it has no component {:?}", part.name));
        let component = safety.components()?.iter().find(|component| component.name == part.name).ok_or_else(lost)?;
        let attempt = Attempt { of: id.to_string(), ..attempt.clone() };
        let stored = Stored::of(&self.reader, &safety.manifest, component);
        restore_at_once(&*part.source, &stored, &attempt, &self.to_the_end()).map(drop)
    }
}

fn all_passed(checks: &[Check]) -> Result<()> {
    match checks.iter().find(|check| !check.ok) {
        Some(Check { name, detail, .. }) => {
            Err(Error::Failed(format!("what was restored does not pass {name}: {detail}")))
        }
        None => Ok(()),
    }
}

/// All steps, one after the other, without notes: for a place where nothing is overwritten that is not kept elsewhere.
pub(super) fn restore_at_once(
    source: &dyn Source,
    stored: &Stored<'_>,
    attempt: &Attempt,
    progress: &dyn Progress,
) -> Result<(RestoreReport, Vec<Check>)> {
    let revert = |staged: Option<&Staged>| {
        // The failure that led here is the one to report.
        let _ = source.revert(attempt, staged);
    };
    let staged = source.stage(&Material::Stored(stored), attempt, progress).inspect_err(|_| revert(None))?;
    let to_the_end = ToTheEnd(progress);
    let checks = source
        .swap(Some(stored), attempt, &staged, &to_the_end)
        .and_then(|()| source.check(attempt, &staged, &to_the_end))
        .and_then(|checks| all_passed(&checks).map(|()| checks))
        .inspect_err(|_| revert(Some(&staged)))?;
    source.finish(attempt, &staged)?;
    Ok((staged.report, checks))
}

/// Pairs the components of a snapshot with the parts of an instance. `only` is one component's name.
pub(super) fn pair(snapshot: &Snapshot, parts: Parts, only: Option<&str>) -> Result<Vec<RunPart>> {
    let components = snapshot.components()?;
    let names = || components.iter().map(|component| component.name.as_str()).collect::<Vec<_>>().join(", ");
    let id = snapshot.manifest.id;
    if let Some(only) = only.filter(|only| !components.iter().any(|component| component.name == **only)) {
        return Err(Error::NotFound(format!("snapshot {id} has no component {only:?}; it has {}", names())));
    }
    let wanted = components.iter().filter(|component| only.is_none_or(|only| component.name == only));
    let mut wanted: Vec<Component> = wanted.cloned().collect();
    let mut parts = parts.parts;
    let mut pairs = Vec::new();
    if let ([_], [_]) = (parts.as_slice(), wanted.as_slice()) {
        pairs.extend(parts.pop().zip(wanted.pop()));
    } else {
        for part in parts {
            if let Some(at) = wanted.iter().position(|component| component.name == part.name) {
                pairs.push((part, wanted.remove(at)));
            }
        }
        if let Some(left) = wanted.first() {
            return Err(Error::Refused(format!(
                "the instance has no component {:?} to restore to; name one of {} by --component",
                left.name,
                names()
            )));
        }
    }
    for (part, component) in &pairs {
        part.source.accepts(&component.origin).map_err(|why| {
            Error::Refused(format!(
                "snapshot {id} cannot be restored into {}: {why}; restore it to a folder by --to DIR",
                part.source.shown()
            ))
        })?;
    }
    Ok(pairs.into_iter().map(|(part, component)| RunPart { part, component: Some(component) }).collect())
}
