//! Snapshots: taken, listed, deleted, held.

use std::collections::HashSet;

use crate::codec::Effort;
use crate::error::{Error, Result};
use crate::format::ledger::DeletionCause;
use crate::format::manifest::{InstanceRecord, SnapshotType};
use crate::id::SnapshotId;
use crate::ops::Progress;
use crate::ops::capture::{SnapshotRequest, take_snapshot};

use super::catalog::Catalog;
use super::unfinished::unfinished;
use super::view::SnapshotView;
use super::{Service, retention};

/// What may be chosen about a snapshot.
#[derive(Debug, Clone, Default)]
pub struct TakeOptions {
    /// Its id, chosen by a caller who will ask for it after a crash ([`Service::find_snapshot`]). That of a complete
    /// snapshot is refused; the record of one that failed gives way. `None`: a random one.
    pub id: Option<SnapshotId>,
    /// The user's words.
    pub description: Option<String>,
    /// How long it is kept, nanoseconds; `None`: as the instance or its plan says.
    pub retain_ns: Option<i64>,
    /// How hard to compress.
    pub effort: Effort,
    /// Leave out what cannot be read, and record it.
    pub skip_unreadable: bool,
    /// Optional components of an environment that are captured too.
    pub include: Vec<String>,
}

impl Service {
    /// Takes a snapshot of an instance's source on demand.
    pub fn take(&self, name: &str, options: TakeOptions, progress: &dyn Progress) -> Result<SnapshotView> {
        let catalog = self.catalog()?;
        self.take_as(&catalog, name, SnapshotType::OnDemand, options, progress)
    }

    /// Takes a snapshot of an instance's source.
    pub(super) fn take_as(
        &self,
        catalog: &Catalog,
        name: &str,
        kind: SnapshotType,
        options: TakeOptions,
        progress: &dyn Progress,
    ) -> Result<SnapshotView> {
        let parts = self.parts_with(catalog, name, options.skip_unreadable)?.including(&options.include)?;
        if let Some((_, state)) = catalog.restores.get(name).filter(|(_, state)| !state.stage.is_over()) {
            return Err(unfinished(self, state));
        }
        refuse_taken(catalog, options.id)?;
        let request = self.request(name, catalog.instance(name)?, kind, None, &options)?;
        let stored = take_snapshot(&self.repo, request, progress, |capture| parts.capture(&self.place, capture))?;
        Ok(SnapshotView::of(&stored.manifest, None))
    }

    /// Takes a snapshot of some parts of an instance, by their names, while a restore over it is under way.
    pub(super) fn take_some(
        &self,
        name: &str,
        parts: &[&str],
        (kind, before_restore_of): (SnapshotType, Option<SnapshotId>),
        options: TakeOptions,
        progress: &dyn Progress,
    ) -> Result<SnapshotId> {
        let catalog = self.catalog()?;
        let mut some = self.parts_of(&catalog, name)?;
        some.parts.retain(|part| parts.contains(&part.name.as_str()));
        let request = self.request(name, catalog.instance(name)?, kind, before_restore_of, &options)?;
        let stored = take_snapshot(&self.repo, request, progress, |capture| some.capture(&self.place, capture))?;
        Ok(stored.manifest.id)
    }

    pub(super) fn request(
        &self,
        name: &str,
        record: &InstanceRecord,
        kind: SnapshotType,
        before_restore_of: Option<SnapshotId>,
        options: &TakeOptions,
    ) -> Result<SnapshotRequest> {
        let plan = self.plans.get(&record.plan)?;
        if !plan.snapshots && kind != SnapshotType::Safety {
            return Err(Error::Refused(format!("plan {:?} of instance {name:?} has no snapshots", plan.name)));
        }
        let retain_ns = options.retain_ns.or(record.retain_ns).or(plan.retain_ns);
        let expires_at_ns = retain_ns.map(|retain| self.repo.now_ns().saturating_add(retain));
        Ok(SnapshotRequest {
            id: options.id,
            instance: name.to_string(),
            kind,
            description: options.description.clone(),
            expires_at_ns,
            before_restore_of,
            effort: options.effort,
        })
    }

    /// Snapshots, newest first, of one instance or of all; those that are being taken too.
    pub fn snapshots(&self, instance: Option<&str>) -> Result<Vec<SnapshotView>> {
        let catalog = self.catalog()?;
        if let Some(name) = instance.filter(|name| !catalog.knows_instance(name)) {
            catalog.instance(name)?;
        }
        let mut views: Vec<SnapshotView> = catalog.snapshots.iter().map(|snapshot| snapshot.view()).collect();
        let committed: Vec<String> = views.iter().map(|view| view.id.clone()).collect();
        // An attempt that died and the one that repeats it have one id: the one that is alive counts.
        let (alive, dead): (Vec<_>, Vec<_>) = catalog.writers.iter().partition(|writer| writer.may_be_alive());
        let mut shown: HashSet<String> = committed.into_iter().collect();
        let working = alive.into_iter().chain(dead).filter_map(SnapshotView::of_writer);
        views.extend(working.filter(|view| shown.insert(view.id.clone())));
        views.retain(|view| instance.is_none_or(|name| view.instance == name));
        views.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        Ok(views)
    }

    /// One snapshot.
    pub fn snapshot(&self, spec: &str) -> Result<SnapshotView> {
        Ok(self.catalog()?.resolve(spec)?.view())
    }

    /// The snapshot of an id that a caller has chosen, complete or failed; `None` where there is none, or none yet.
    pub fn find_snapshot(&self, id: SnapshotId) -> Result<Option<SnapshotView>> {
        let catalog = self.catalog()?;
        let same = catalog.snapshots.iter().filter(|snapshot| snapshot.manifest.id == id);
        Ok(same.max_by_key(|snapshot| snapshot.is_completed()).map(|snapshot| snapshot.view()))
    }

    /// Deletes a snapshot, softly: it can be brought back until its grace time is over and gc has run.
    pub fn delete_snapshot(&self, spec: &str, grace_ns: i64) -> Result<SnapshotView> {
        let catalog = self.catalog()?;
        let snapshot = catalog.resolve(spec)?;
        if snapshot.is_held(self.repo.now_ns()) {
            let until = snapshot.view().hold_until.map_or("its state is readable again".into(), |at| at.to_string());
            return Err(Error::Refused(format!("snapshot {} is held until {until}", snapshot.manifest.id)));
        }
        if !snapshot.is_deleted() {
            retention::delete(&self.repo, snapshot, DeletionCause::User, grace_ns)?;
        }
        self.snapshot(&snapshot.manifest.id.to_string())
    }

    /// Brings a deleted snapshot back. One that had expired is kept from now on, until it is deleted.
    pub fn undelete_snapshot(&self, spec: &str) -> Result<SnapshotView> {
        let catalog = self.catalog()?;
        let snapshot = catalog.resolve(spec)?;
        if !snapshot.is_deleted() {
            return Err(Error::Refused(format!("snapshot {} is not deleted", snapshot.manifest.id)));
        }
        if snapshot.state.as_ref().and_then(|(_, state)| state.deleted).is_some_and(|deletion| deletion.is_claimed()) {
            let id = snapshot.manifest.id;
            return Err(Error::Refused(format!("snapshot {id} cannot come back: gc has begun to remove it")));
        }
        let keep_until = self.repo.now_ns().saturating_add(self.grace_ns);
        let expired = snapshot.manifest.expires_at_ns.is_some_and(|at| at < keep_until);
        retention::change_state(&self.repo, snapshot, |state| {
            state.deleted = None;
            if expired {
                state.hold_until_ns = Some(state.hold_until_ns.map_or(keep_until, |until| until.max(keep_until)));
            }
        })?;
        self.snapshot(&snapshot.manifest.id.to_string())
    }

    /// Holds a snapshot until a time. A hold can be made longer, never shorter.
    pub fn hold_snapshot(&self, spec: &str, until_ns: i64) -> Result<SnapshotView> {
        let catalog = self.catalog()?;
        let snapshot = catalog.resolve(spec)?;
        if snapshot.is_deleted() {
            return Err(Error::Refused(format!("snapshot {} is deleted; undelete it first", snapshot.manifest.id)));
        }
        if until_ns <= self.repo.now_ns() {
            return Err(Error::Usage("a hold must end in the future".into()));
        }
        let before = snapshot.state.as_ref().and_then(|(_, state)| state.hold_until_ns);
        if before.is_some_and(|before| before > until_ns) {
            return Err(Error::Refused("it is held for longer already, and nobody can shorten a hold".into()));
        }
        retention::change_state(&self.repo, snapshot, |state| state.hold_until_ns = Some(until_ns))?;
        self.snapshot(&snapshot.manifest.id.to_string())
    }
}

/// One id is one complete snapshot's.
pub(super) fn refuse_taken(catalog: &Catalog, id: Option<SnapshotId>) -> Result<()> {
    let is_taken = |id: &SnapshotId| catalog.snapshots.iter().any(|it| it.manifest.id == *id && it.is_completed());
    match id.filter(is_taken) {
        Some(id) => Err(Error::Refused(format!("there is a snapshot {id} already"))),
        None => Ok(()),
    }
}
