//! What is due of the instances' policies is taken, and what is over goes. Any number of processes may do this at once.
//!
//! Who takes a slot notes it first, as the next revision of the instance's topic, which is put only if it is absent. So
//! of two who would take one slot only one does. Where a process ends in between, the note names it, and the next one
//! finds out whether the snapshot is there.

use jiff::Timestamp;
use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::format::ledger::{DeletionCause, LedgerRecord, RunOutcome, ScheduledRun};
use crate::format::manifest::SnapshotType;
use crate::id::SnapshotId;
use crate::ops::Progress;

use super::Service;
use super::catalog::Catalog;
use super::plan::Cadence;
use super::policy::{Decision, Slot};
use super::retention;
use super::schedules::{Followed, Known, nanoseconds, policy_claim};
use super::snapshots::TakeOptions;
use super::view::{SnapshotView, timestamp};

/// What is asked of a run.
#[derive(Debug, Clone, Default)]
pub struct PolicyRunRequest {
    /// Only these instances; none: all.
    pub names: Vec<String>,
    /// Does not look whether the systems under instances have changed.
    pub no_check: bool,
}

/// What a run did.
#[derive(Debug, Default, Serialize)]
pub struct PolicyRun {
    /// The snapshots that it took.
    pub taken: Vec<PolicyTaken>,
    /// What went wrong.
    pub failed: Vec<PolicyFailure>,
    /// Instances that another process is at.
    pub busy: Vec<String>,
    /// Snapshots whose time was over.
    pub expired: Vec<String>,
    /// What is due next.
    pub next: Option<NextDue>,
}

/// A snapshot that a policy asked for.
#[derive(Debug, Serialize)]
pub struct PolicyTaken {
    /// The instance.
    pub instance: String,
    /// The slot; `None`: the instance was new, or its system had changed.
    pub due_at: Option<Timestamp>,
    /// The snapshot.
    pub snapshot: SnapshotView,
}

/// What went wrong with an instance.
#[derive(Debug, Serialize)]
pub struct PolicyFailure {
    /// The instance.
    pub instance: String,
    /// The slot.
    pub due_at: Option<Timestamp>,
    /// As in an error's object.
    pub kind: &'static str,
    /// What went wrong.
    pub message: String,
}

/// The next time at which anything is due.
#[derive(Debug, Serialize)]
pub struct NextDue {
    /// The instance.
    pub instance: String,
    /// When.
    pub due_at: Timestamp,
}

/// What is done about an instance.
enum Step {
    Taken(Box<PolicyTaken>),
    Busy,
    Nothing,
}

impl Service {
    /// Takes what is due now, of all instances or of some, the most overdue first, and lets go what is over. What goes
    /// wrong with one instance is in the result and keeps no other from its turn.
    pub fn run_policies(&self, request: &PolicyRunRequest, progress: &dyn Progress) -> Result<PolicyRun> {
        let catalog = self.catalog()?;
        for name in &request.names {
            if self.followed(catalog.definition(name)?)?.is_none() {
                return Err(Error::Refused(format!(
                    "instance {name:?} has no policy; `snaphold policy set` gives it one, unless its plan has no snapshots"
                )));
            }
        }
        let mut run = PolicyRun::default();
        for (_, name) in self.in_turn(&catalog, &request.names) {
            match self.follow(&catalog, &name, request, progress) {
                Ok(Step::Taken(taken)) => run.taken.push(*taken),
                Ok(Step::Busy) => run.busy.push(name),
                Ok(Step::Nothing) => {}
                Err((due_at, error)) => run.failed.push(failure(name, due_at, &error)),
            }
        }
        self.expire(request, &mut run)?;
        run.next = self.next_due(&catalog, &request.names);
        Ok(run)
    }

    /// The instances that are asked for, those with the oldest slots first, then those without.
    fn in_turn(&self, catalog: &Catalog, names: &[String]) -> Vec<(Option<Timestamp>, String)> {
        let asked = catalog.instances.iter().filter(|(name, definition)| {
            definition.record.source.is_some() && (names.is_empty() || names.contains(name))
        });
        let mut turn: Vec<(Option<Timestamp>, String)> = asked
            .map(|(name, definition)| {
                let followed = self.followed(definition).ok().flatten();
                let due = followed.map(|followed| self.decision(catalog, name, &followed));
                match due {
                    Some(Decision::Take { slot, .. }) => (Some(slot.due), name.clone()),
                    _ => (None, name.clone()),
                }
            })
            .collect();
        turn.sort_by(|a, b| (a.0.is_none(), a).cmp(&(b.0.is_none(), b)));
        turn
    }

    /// Does what an instance's policy asks for now. An error comes with the slot that it is about.
    fn follow(
        &self,
        catalog: &Catalog,
        name: &str,
        request: &PolicyRunRequest,
        progress: &dyn Progress,
    ) -> std::result::Result<Step, (Option<Timestamp>, Error)> {
        let of_no_slot = |error| (None, error);
        let definition = catalog.definition(name).map_err(of_no_slot)?;
        let Some(followed) = self.followed(definition).map_err(of_no_slot)?.filter(|it| it.policy.enabled) else {
            return Ok(Step::Nothing);
        };
        let plan = self.plans.get(&definition.record.plan).map_err(of_no_slot)?;
        plan.allows(&followed.policy).map_err(of_no_slot)?;
        match self.decision(catalog, name, &followed) {
            Decision::Busy => Ok(Step::Busy),
            Decision::Retry(_) => Ok(Step::Nothing),
            Decision::Take { slot, .. } => self.take_slot(name, progress).map_err(|error| (Some(slot.due), error)),
            Decision::Wait if request.no_check || plan.cadence == Cadence::None => Ok(Step::Nothing),
            Decision::Wait if !followed.policy.is_open(self.now()) => Ok(Step::Nothing),
            Decision::Wait => self.take_changed(catalog, name, &followed, progress).map_err(of_no_slot),
        }
    }

    /// Takes the slot that is due, if it still is: the catalog may be old by the time that an instance's turn comes.
    fn take_slot(&self, name: &str, progress: &dyn Progress) -> Result<Step> {
        let catalog = self.catalog()?;
        let Some(followed) = self.followed(catalog.definition(name)?)?.filter(|followed| followed.policy.enabled)
        else {
            return Ok(Step::Nothing);
        };
        let (slot, attempt, after_crash) = match self.decision(&catalog, name, &followed) {
            Decision::Take { slot, attempt, after_crash } => (slot, attempt, after_crash),
            Decision::Busy => return Ok(Step::Busy),
            Decision::Wait | Decision::Retry(_) => return Ok(Step::Nothing),
        };
        let known = self.known(&catalog, name);
        let left = after_crash.then(|| made_by(&catalog, known.run.as_ref())).flatten();
        let _at_work = self.claim_work(policy_claim(name));
        let Some((catalog, revision, run)) = self.claim(name, known, Some(slot), attempt)? else {
            return Ok(Step::Busy);
        };
        if let Some(view) = left {
            let id = id_of(&view)?;
            let attempts = run.attempts.saturating_sub(1);
            self.note(revision, ScheduledRun { outcome: RunOutcome::Done(id), attempts, ..run })?;
            return Ok(Step::Taken(Box::new(PolicyTaken {
                instance: name.to_string(),
                due_at: Some(slot.due),
                snapshot: view,
            })));
        }
        let options = TakeOptions { retain_ns: followed.policy.retain_ns, ..TakeOptions::default() };
        self.take_claimed(&catalog, name, (revision, run), options, progress)
    }

    /// Takes the snapshot of an instance that is new or whose system has changed.
    fn take_changed(
        &self,
        catalog: &Catalog,
        name: &str,
        followed: &Followed,
        progress: &dyn Progress,
    ) -> Result<Step> {
        if self.look_for_change(catalog, name)?.1.is_none() {
            return Ok(Step::Nothing);
        }
        let known = self.known(catalog, name);
        let again = known.run.as_ref().filter(|run| run.slot_ns.is_none());
        let failed = again.filter(|run| matches!(run.outcome, RunOutcome::Failed { .. }));
        let attempt = failed.map_or(1, |run| run.attempts.saturating_add(1));
        let _at_work = self.claim_work(policy_claim(name));
        let Some((catalog, revision, run)) = self.claim(name, known, None, attempt)? else { return Ok(Step::Busy) };
        // Somebody may have taken it since the catalog was read.
        let (_, Some(description)) = self.look_for_change(&catalog, name)? else {
            let newest = catalog.usable(Some(name)).last().map(|snapshot| snapshot.manifest.id);
            if let Some(newest) = newest {
                self.note(revision, ScheduledRun { outcome: RunOutcome::Done(newest), ..run })?;
            }
            return Ok(Step::Nothing);
        };
        let options = TakeOptions {
            description: Some(description),
            retain_ns: followed.policy.retain_ns,
            ..TakeOptions::default()
        };
        self.take_claimed(&catalog, name, (revision, run), options, progress)
    }

    /// Notes that this process takes a slot. `None` where another one was quicker. Returns what the repository holds
    /// after that, and the revision.
    fn claim(
        &self,
        name: &str,
        known: Known,
        slot: Option<Slot>,
        attempts: u32,
    ) -> Result<Option<(Catalog, u32, ScheduledRun)>> {
        let run = ScheduledRun {
            instance: name.to_string(),
            done_ns: known.run.as_ref().and_then(ScheduledRun::newest_done_ns).or(known.seen_to.map(nanoseconds)),
            slot_ns: slot.map(|slot| nanoseconds(slot.due)),
            attempts,
            began_at_ns: self.repo.now_ns(),
            process: self.repo.surroundings().processes.identity(),
            outcome: RunOutcome::Running,
        };
        match self.note_after(known.revision, run.clone()) {
            Ok(()) => {}
            Err(Error::Busy(_)) => return Ok(None),
            Err(error) => return Err(error),
        }
        let revision = known.revision.map_or(1, |number| number.saturating_add(1));
        // Gc may have removed what stood at this number, beneath a newer one: then this one says nothing.
        let catalog = self.catalog()?;
        let newest = catalog.scheduled.get(name).map(|(number, _)| *number);
        Ok((newest == Some(revision)).then_some((catalog, revision, run)))
    }

    /// Takes a snapshot that was claimed, and notes how that ended.
    fn take_claimed(
        &self,
        catalog: &Catalog,
        name: &str,
        (revision, run): (u32, ScheduledRun),
        options: TakeOptions,
        progress: &dyn Progress,
    ) -> Result<Step> {
        match self.take_as(catalog, name, SnapshotType::Scheduled, options, progress) {
            Ok(snapshot) => {
                let id = id_of(&snapshot)?;
                let due_at = run.slot_ns.map(timestamp);
                self.note(revision, ScheduledRun { outcome: RunOutcome::Done(id), ..run })?;
                Ok(Step::Taken(Box::new(PolicyTaken { instance: name.to_string(), due_at, snapshot })))
            }
            Err(error) => {
                let outcome = RunOutcome::Failed { at_ns: self.repo.now_ns(), reason: error.to_string() };
                // What went wrong with the snapshot is what there is to say.
                let _ = self.note(revision, ScheduledRun { outcome, ..run });
                Err(error)
            }
        }
    }

    fn note(&self, revision: u32, run: ScheduledRun) -> Result<()> {
        self.note_after(Some(revision), run)
    }

    fn note_after(&self, revision: Option<u32>, run: ScheduledRun) -> Result<()> {
        let topic = self.repo.schedule_topic(&run.instance);
        self.repo.append_ledger(&topic, revision, &LedgerRecord::Scheduled(run))
    }

    /// Lets go what is over, as gc does; the data stays for the grace time.
    fn expire(&self, request: &PolicyRunRequest, run: &mut PolicyRun) -> Result<()> {
        let catalog = self.catalog()?;
        for snapshot in retention::expired(&catalog, &self.plans, self.repo.now_ns()) {
            let instance = &snapshot.manifest.instance;
            if !request.names.is_empty() && !request.names.contains(instance) {
                continue;
            }
            match retention::delete(&self.repo, snapshot, DeletionCause::Expired, self.grace_ns) {
                Ok(()) => run.expired.push(snapshot.manifest.id.to_string()),
                // Another process has changed it just now; the next run looks at it again.
                Err(Error::Busy(_)) => {}
                Err(error) => run.failed.push(failure(instance.clone(), None, &error)),
            }
        }
        Ok(())
    }

    fn next_due(&self, catalog: &Catalog, names: &[String]) -> Option<NextDue> {
        let asked = catalog.instances.iter().filter(|(name, definition)| {
            definition.record.source.is_some() && (names.is_empty() || names.contains(name))
        });
        let next = asked.filter_map(|(name, definition)| {
            let followed = self.followed(definition).ok().flatten()?;
            let slot = followed.policy.slots(self.spread(name), self.now()).next()?;
            Some(NextDue { instance: name.clone(), due_at: slot.due })
        });
        next.min_by_key(|next| next.due_at)
    }

    /// When an instance's policy is to be looked at again: now where a slot is due, when a failed one is tried again, or
    /// when the next slot is. `None` where nothing is ever due: no source, no policy or one that is switched off, a plan
    /// without snapshots or that does not allow the policy, or a policy that cannot be understood.
    ///
    /// Where somebody is at it, the next slot's time: who is at it looks by himself how it ends.
    pub fn next_due_of(&self, name: &str) -> Result<Option<Timestamp>> {
        let catalog = self.catalog()?;
        Ok(self.due_of(&catalog, name))
    }

    /// [`Service::next_due_of`] for all instances that have anything due, by their names; the repository is read once.
    pub fn next_due_of_all(&self) -> Result<Vec<NextDue>> {
        let catalog = self.catalog()?;
        let due = |name: &String| Some(NextDue { instance: name.clone(), due_at: self.due_of(&catalog, name)? });
        Ok(catalog.instances.keys().filter_map(due).collect())
    }

    fn due_of(&self, catalog: &Catalog, name: &str) -> Option<Timestamp> {
        let definition = catalog.instances.get(name).filter(|definition| definition.record.source.is_some())?;
        let followed = self.followed(definition).ok().flatten().filter(|followed| followed.policy.enabled)?;
        self.plans.get(&definition.record.plan).ok()?.allows(&followed.policy).ok()?;
        let next = || followed.policy.slots(self.spread(name), self.now()).next().map(|slot| slot.due);
        match self.decision(catalog, name, &followed) {
            Decision::Take { .. } => Some(self.now()),
            Decision::Retry(at) => Some(next().map_or(at, |next| next.min(at))),
            Decision::Wait | Decision::Busy => next(),
        }
    }
}

/// The scheduled snapshot that a run left which was cut short before it could note it.
fn made_by(catalog: &Catalog, run: Option<&ScheduledRun>) -> Option<SnapshotView> {
    let run = run?;
    let usable = catalog.usable(Some(&run.instance)).into_iter();
    let mut made = usable.filter(|snapshot| {
        snapshot.manifest.kind == SnapshotType::Scheduled && snapshot.manifest.created_at_ns >= run.began_at_ns
    });
    made.next().map(|snapshot| snapshot.view())
}

fn id_of(view: &SnapshotView) -> Result<SnapshotId> {
    view.id.parse().map_err(|error| Error::Failed(format!("snapshot {}: {error}", view.id)))
}

fn failure(instance: String, due_at: Option<Timestamp>, error: &Error) -> PolicyFailure {
    let kind: ErrorKind = error.kind();
    PolicyFailure { instance, due_at, kind: kind.as_str(), message: error.to_string() }
}

impl PolicyFailure {
    /// The same as an error, for a run that was about one instance.
    pub fn error(&self) -> Error {
        let text = self.message.clone();
        match self.kind {
            "usage" => Error::Usage(text),
            "not_found" => Error::NotFound(text),
            "refused" => Error::Refused(text),
            "busy" => Error::Busy(text),
            "cancelled" => Error::Cancelled,
            _ => Error::Failed(text),
        }
    }
}
