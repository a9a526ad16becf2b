//! The policies of instances: shown, set, taken away.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::format::ledger::{RunOutcome, ScheduledRun};
use crate::format::manifest::SnapshotType;
use crate::repo::ledger_topic;

use super::catalog::{Catalog, Definition};
use super::policy::{Decision, LastRun, Policy, PolicyEdit, RunState, Slot, Spread, decide};
use super::settings::{self, OwnPolicy};
use super::view::timestamp;
use super::{Service, plan::Plan};

/// Slots that are shown.
const NEXT: usize = 5;

/// An instance's policy as it is shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PolicyView {
    /// The instance.
    pub instance: String,
    /// Its plan.
    pub plan: String,
    /// Whose it is: `own`, `plan`, or `none`.
    pub origin: Cow<'static, str>,
    /// The policy; absent where there is none.
    pub policy: Option<Policy>,
    /// When it is due next.
    pub next: Vec<SlotView>,
    /// What was done last.
    pub last: Option<RunView>,
    /// What a user should know.
    pub notes: Vec<String>,
}

/// A time at which a policy is due.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SlotView {
    /// When.
    pub due_at: Timestamp,
    /// The same by the policy's own clock, with the zone's abbreviation.
    pub local: String,
    /// It is not begun later than that; `None`: it is made up for until the next one is due.
    pub closes_at: Option<Timestamp>,
}

/// What a policy had done last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunView {
    /// The slot; `None`: the instance was new, or its system had changed.
    pub due_at: Option<Timestamp>,
    /// When it was begun.
    pub began_at: Timestamp,
    /// `running`, `interrupted`, `done` or `failed`.
    pub status: Cow<'static, str>,
    /// How often it was tried.
    pub attempts: u32,
    /// The snapshot, once it is there.
    pub snapshot: Option<String>,
    /// Why it failed.
    pub reason: Option<String>,
}

/// The policy that counts for an instance.
pub(super) struct Followed {
    pub policy: Policy,
    /// Slots before that do not count.
    pub since: Timestamp,
    pub is_own: bool,
}

/// What is known of what a policy had done.
pub(super) struct Known {
    /// The newest revision of the topic.
    pub revision: Option<u32>,
    pub run: Option<ScheduledRun>,
    /// Slots up to then were seen to, where the record itself cannot be read.
    pub seen_to: Option<Timestamp>,
}

impl Service {
    /// An instance's policy, and when it is due next.
    pub fn policy(&self, name: &str) -> Result<PolicyView> {
        self.policy_view(&self.catalog()?, name)
    }

    /// Changes an instance's policy. One that has none of its own starts from its plan's.
    pub fn set_policy(&self, name: &str, edit: PolicyEdit) -> Result<PolicyView> {
        let catalog = self.catalog()?;
        let Definition { record, settings, .. } = catalog.definition(name)?.clone();
        let plan = self.plans.get(&record.plan)?;
        let own = settings::policy(&settings)?;
        let before = own.as_ref().map(|own| own.policy.clone()).or_else(|| plan.policy.clone()).unwrap_or_default();
        let policy = before.edited(edit)?;
        plan.allows(&policy)?;
        let since = match own {
            Some(own) if own.policy.is_due_as(&policy) => own.since,
            _ => self.now(),
        };
        let mut settings = settings;
        settings::set_policy(&mut settings, Some(&OwnPolicy { since, policy }))?;
        self.define(&catalog, name, record, settings)?;
        self.policy(name)
    }

    /// Takes an instance's own policy away: its plan's counts again.
    pub fn reset_policy(&self, name: &str) -> Result<PolicyView> {
        let catalog = self.catalog()?;
        let Definition { record, mut settings, .. } = catalog.definition(name)?.clone();
        settings::set_policy(&mut settings, None)?;
        self.define(&catalog, name, record, settings)?;
        self.policy(name)
    }

    fn policy_view(&self, catalog: &Catalog, name: &str) -> Result<PolicyView> {
        let definition = catalog.definition(name)?;
        let plan = self.plans.get(&definition.record.plan)?;
        let followed = self.followed(definition)?;
        let mut notes = notes(plan, definition, followed.as_ref());
        let known = self.known(catalog, name);
        if known.revision.is_some() && known.run.is_none() {
            notes.push("what was done last cannot be read; `snaphold repair` says more".into());
        }
        let next = followed.as_ref().map(|followed| {
            let slots = followed.policy.slots(self.spread(name), self.now()).take(NEXT);
            slots.map(|slot| slot_view(&followed.policy, slot)).collect()
        });
        Ok(PolicyView {
            instance: name.to_string(),
            plan: plan.name.clone(),
            origin: followed.as_ref().map_or("none", |followed| if followed.is_own { "own" } else { "plan" }).into(),
            next: next.unwrap_or_default(),
            last: known.run.as_ref().map(|run| run_view(run, self.last_run(run).state)),
            notes,
            policy: followed.map(|followed| followed.policy),
        })
    }

    /// The policy that counts: the instance's own, else its plan's. `None` where there is neither, or the plan has no
    /// snapshots.
    pub(super) fn followed(&self, definition: &Definition) -> Result<Option<Followed>> {
        let plan = self.plans.get(&definition.record.plan)?;
        if !plan.snapshots {
            return Ok(None);
        }
        if let Some(OwnPolicy { since, policy }) = settings::policy(&definition.settings)? {
            return Ok(Some(Followed { policy, since, is_own: true }));
        }
        let since = timestamp(definition.record.created_at_ns);
        Ok(plan.policy.clone().map(|policy| Followed { policy, since, is_own: false }))
    }

    /// What was done last of an instance's policy.
    pub(super) fn known(&self, catalog: &Catalog, name: &str) -> Known {
        if let Some((revision, run)) = catalog.scheduled.get(name) {
            return Known { revision: Some(*revision), run: Some(run.clone()), seen_to: None };
        }
        let topic = self.repo.schedule_topic(name);
        let damaged = catalog.damaged.iter().filter_map(|(object, _)| ledger_topic(object));
        let revision = damaged.filter(|(damaged, _)| *damaged == topic).map(|(_, number)| number).max();
        // A snapshot that is there tells that the slots before it were seen to.
        let scheduled = catalog.usable(Some(name)).into_iter().rev();
        let newest = revision.and_then(|_| {
            scheduled.map(|snapshot| &snapshot.manifest).find(|manifest| manifest.kind == SnapshotType::Scheduled)
        });
        Known { revision, run: None, seen_to: newest.map(|manifest| timestamp(manifest.created_at_ns)) }
    }

    /// What is to be done now about an instance's policy.
    pub(super) fn decision(&self, catalog: &Catalog, name: &str, followed: &Followed) -> Decision {
        let known = self.known(catalog, name);
        let since = known.seen_to.map_or(followed.since, |seen_to| seen_to.max(followed.since));
        let last = known.run.as_ref().map(|run| self.last_run(run));
        decide(&followed.policy, self.spread(name), since, last, self.now())
    }

    fn last_run(&self, run: &ScheduledRun) -> LastRun {
        let state = match &run.outcome {
            RunOutcome::Running => {
                RunState::Running { alive: self.is_at_work(&run.process, &policy_claim(&run.instance)) }
            }
            RunOutcome::Done(_) => RunState::Done,
            RunOutcome::Failed { at_ns, .. } => RunState::Failed(timestamp(*at_ns)),
        };
        let (done, slot) = (run.done_ns.map(timestamp), run.slot_ns.map(timestamp));
        LastRun { done, slot, attempts: run.attempts, state }
    }

    /// Where an instance stands among all: instances of one name in several repositories stand apart.
    pub(super) fn spread(&self, name: &str) -> Spread {
        Spread::of(&self.repo.config().repo.0, name)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.repo.surroundings().clock.now()
    }
}

fn notes(plan: &Plan, definition: &Definition, followed: Option<&Followed>) -> Vec<String> {
    let mut notes = followed.map(|followed| followed.policy.notes()).unwrap_or_default();
    if !plan.snapshots {
        notes.push(format!("plan {:?} has no snapshots", plan.name));
    }
    if let Some(Err(Error::Refused(reason))) = followed.map(|followed| plan.allows(&followed.policy)) {
        notes.push(reason);
    }
    if followed.is_some() && definition.record.source.is_none() {
        notes.push(
            "it has no source, so there is nothing to take; `snaphold instance edit --source` gives it one".into(),
        );
    }
    notes
}

pub(super) fn slot_view(policy: &Policy, slot: Slot) -> SlotView {
    let local = slot.due.to_zoned(policy.zone.rules().clone());
    SlotView { due_at: slot.due, local: local.strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string(), closes_at: slot.closes }
}

fn run_view(run: &ScheduledRun, state: RunState) -> RunView {
    let (status, snapshot, reason) = match &run.outcome {
        RunOutcome::Running if state == (RunState::Running { alive: Some(false) }) => ("interrupted", None, None),
        RunOutcome::Running => ("running", None, None),
        RunOutcome::Done(id) => ("done", Some(id.to_string()), None),
        RunOutcome::Failed { reason, .. } => ("failed", None, Some(reason.clone())),
    };
    RunView {
        due_at: run.slot_ns.map(timestamp),
        began_at: timestamp(run.began_at_ns),
        status: status.into(),
        attempts: run.attempts,
        snapshot,
        reason,
    }
}

/// What a process has claimed that takes what a policy asks for.
pub(super) fn policy_claim(instance: &str) -> String {
    format!("policy {instance}")
}

/// Nanoseconds since 1970; what is out of range is the nearest end.
pub(super) fn nanoseconds(time: Timestamp) -> i64 {
    let since: SignedDuration = time.as_duration();
    i64::try_from(since.as_nanos()).unwrap_or(if since.is_negative() { i64::MIN } else { i64::MAX })
}
