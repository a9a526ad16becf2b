//! What a repository holds, read once for a command: snapshots with their states, instances, writers.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::error::{Error, Result};
use crate::format::ledger::{InstanceSettings, LedgerRecord, Proof, RestoreState, ScheduledRun, SnapshotState};
use crate::format::manifest::{Component, InstanceRecord, Manifest, Outcome, SnapshotType};
use crate::id::SnapshotId;
use crate::repo::{FoundWriter, Repository, Revision, StoredManifest, snapshot_topic};
use crate::storage::{ObjectKind, ObjectName};

use super::find::{Name, Named, no_instance};
use super::settings;
use super::view::{InstanceView, ProofView, SnapshotView, timestamp};

/// A snapshot and what may have changed about it since.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The manifest's object.
    pub name: ObjectName,
    /// The manifest.
    pub manifest: Manifest,
    /// The newest revision of its state, and its number.
    pub state: Option<(u32, SnapshotState)>,
    /// What its last drill showed, and the number of that revision.
    pub proof: Option<(u32, Proof)>,
    /// Whether its state cannot be read: then it is neither deleted nor let go.
    pub state_damaged: bool,
}

impl Snapshot {
    /// Its components; an error where it failed.
    pub fn components(&self) -> Result<&[Component]> {
        match &self.manifest.outcome {
            Outcome::Completed { components } => Ok(components),
            Outcome::Failed { reason } => Err(Error::Refused(format!(
                "snapshot {} failed and holds nothing that could be used: {reason}",
                self.manifest.id
            ))),
        }
    }

    /// Whether it is complete.
    pub fn is_completed(&self) -> bool {
        matches!(self.manifest.outcome, Outcome::Completed { .. })
    }

    /// Whether it was deleted and its data may still be there.
    pub fn is_deleted(&self) -> bool {
        self.state.as_ref().is_some_and(|(_, state)| state.deleted.is_some())
    }

    /// Whether nobody may delete it at `now_ns`.
    pub fn is_held(&self, now_ns: i64) -> bool {
        self.state_damaged
            || self.state.as_ref().and_then(|(_, state)| state.hold_until_ns).is_some_and(|until| until > now_ns)
    }

    /// As it is shown.
    pub fn view(&self) -> SnapshotView {
        let mut view = SnapshotView::of(&self.manifest, self.state.as_ref().map(|(_, state)| state));
        view.proof = self.proof.as_ref().map(|(_, proof)| ProofView::of(proof));
        view
    }
}

impl Named for Snapshot {
    fn id(&self) -> String {
        self.manifest.id.to_string()
    }

    fn instance(&self) -> &str {
        &self.manifest.instance
    }

    fn is_usable(&self) -> bool {
        self.is_completed() && !self.is_deleted()
    }

    fn is_safety(&self) -> bool {
        self.manifest.kind == SnapshotType::Safety
    }
}

/// What an instance is.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The number of the revision.
    pub revision: u32,
    /// The definition.
    pub record: InstanceRecord,
    /// How its source is reached and handled.
    pub settings: InstanceSettings,
}

/// What a repository holds.
pub struct Catalog {
    /// Snapshots, oldest first.
    pub snapshots: Vec<Snapshot>,
    /// Instances that are defined.
    pub instances: BTreeMap<String, Definition>,
    /// The last restore over each instance, with the number of its revision.
    pub restores: BTreeMap<String, (u32, RestoreState)>,
    /// What was done last because of each instance's policy, with the number of its revision.
    pub scheduled: BTreeMap<String, (u32, ScheduledRun)>,
    /// Numbers of the newest revisions of instances that were removed.
    removed: HashMap<String, u32>,
    /// Sessions that are registered as writing.
    pub writers: Vec<FoundWriter>,
    /// Objects that cannot be read.
    pub damaged: Vec<(ObjectName, Error)>,
}

impl Catalog {
    /// Reads it.
    pub fn read(repo: &Repository) -> Result<Self> {
        // Writers first: a snapshot that is committed in between is then shown once or twice, never not at all.
        let writers = repo.writers()?;
        let manifests = repo.manifests_by_copies()?;
        let ledger = repo.ledger_by_copies()?;
        let (mut states, mut proofs) = (HashMap::new(), HashMap::new());
        let (mut instances, mut removed) = (BTreeMap::new(), HashMap::new());
        let (mut restores, mut scheduled) = (BTreeMap::new(), BTreeMap::new());
        for Revision { number: revision, record } in ledger.newest.into_values() {
            match record {
                LedgerRecord::Snapshot(state) => _ = states.insert(state.snapshot, (revision, state)),
                LedgerRecord::Instance { name, record: Some(record) } => {
                    instances.insert(name, Definition { revision, record, settings: InstanceSettings::default() });
                }
                LedgerRecord::Defined { name, record, settings } => {
                    instances.insert(name, Definition { revision, record, settings });
                }
                LedgerRecord::Instance { name, record: None } => _ = removed.insert(name, revision),
                LedgerRecord::Restore(state) => _ = restores.insert(state.instance.clone(), (revision, state)),
                LedgerRecord::Proof(proof) => _ = proofs.insert(proof.snapshot, (revision, proof)),
                LedgerRecord::Scheduled(run) => _ = scheduled.insert(run.instance.clone(), (revision, run)),
                LedgerRecord::Purged(_) => {}
            }
        }
        let damaged_topics: HashSet<String> =
            ledger.damaged.iter().filter_map(|(name, _)| Some(name.leaf().split_once('.')?.0.to_string())).collect();
        let snapshots = manifests
            .manifests
            .into_iter()
            .map(|StoredManifest { name, manifest }| Snapshot {
                state: states.remove(&manifest.id),
                proof: proofs.remove(&manifest.id),
                state_damaged: damaged_topics.contains(&snapshot_topic(&manifest.id)),
                name,
                manifest,
            })
            .collect();
        let damaged = manifests.damaged.into_iter().chain(ledger.damaged).collect();
        Ok(Self { snapshots, instances, restores, scheduled, removed, writers, damaged })
    }

    /// The definition of an instance.
    pub fn instance(&self, name: &str) -> Result<&InstanceRecord> {
        self.definition(name).map(|definition| &definition.record)
    }

    /// The definition of an instance, with its settings.
    pub fn definition(&self, name: &str) -> Result<&Definition> {
        self.instances.get(name).ok_or_else(|| no_instance(name))
    }

    /// The number of the newest revision of an instance's definition, removed ones too.
    pub fn instance_revision(&self, name: &str) -> Option<u32> {
        self.instances.get(name).map(|definition| definition.revision).or_else(|| self.removed.get(name).copied())
    }

    /// All instances, those without a definition that have snapshots too.
    pub fn instance_views(&self) -> Vec<InstanceView> {
        let mut names: Vec<&str> = self.instances.keys().map(String::as_str).collect();
        names.extend(self.snapshots.iter().map(|snapshot| snapshot.manifest.instance.as_str()));
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(|name| self.instance_view(name)).collect()
    }

    /// One instance.
    pub fn instance_view(&self, name: &str) -> InstanceView {
        let definition = self.instances.get(name);
        let usable = self.usable(Some(name));
        let latest = usable.last().map(|snapshot| timestamp(snapshot.manifest.created_at_ns));
        let restore = self.restores.get(name).map(|(_, state)| state).filter(|state| !state.stage.is_over());
        InstanceView {
            settings: definition.map(|definition| settings::shown(&definition.settings)).unwrap_or_default(),
            policy: definition
                .and_then(|definition| settings::policy(&definition.settings).ok().flatten())
                .map(|own| own.policy),
            unfinished_restore: restore.map(|state| state.stage.as_str().into()),
            ..InstanceView::of(name, definition.map(|definition| &definition.record), usable.len() as u64, latest)
        }
    }

    /// Whether anything is known by this instance name.
    pub fn knows_instance(&self, name: &str) -> bool {
        self.instances.contains_key(name) || self.snapshots.iter().any(|snapshot| snapshot.manifest.instance == name)
    }

    /// Completed snapshots that are not deleted, oldest first.
    pub fn usable(&self, instance: Option<&str>) -> Vec<&Snapshot> {
        self.snapshots
            .iter()
            .filter(|snapshot| snapshot.is_completed() && !snapshot.is_deleted())
            .filter(|snapshot| instance.is_none_or(|name| snapshot.manifest.instance == name))
            .collect()
    }

    /// The snapshot that `text` names: an id, a unique prefix of one, `latest`, `latest~N` (safety snapshots do not count), each also as
    /// `INSTANCE@…` for one instance's.
    ///
    /// Where a manifest cannot be read, what would be "not found" may be just that one, and which is the latest cannot be
    /// told: both are `Error::Damaged`.
    pub fn resolve(&self, text: &str) -> Result<&Snapshot> {
        let unreadable = self.damaged.iter().map(|(name, _)| name).find(|name| name.kind() == ObjectKind::Snapshot);
        let is_latest = text.rsplit('@').next().is_some_and(|spec| spec.starts_with("latest"));
        match (self.resolve_readable(text), unreadable) {
            (Ok(_), Some(name)) if is_latest => Err(Error::damaged(
                name,
                format!("it cannot be read, so {text} cannot be told; name a snapshot by its id"),
            )),
            (Err(Error::NotFound(_)), Some(name)) => {
                Err(Error::damaged(name, format!("it cannot be read, and no other snapshot is {text}")))
            }
            (resolved, _) => resolved,
        }
    }

    fn resolve_readable(&self, text: &str) -> Result<&Snapshot> {
        if let Some((instance, _)) = text.rsplit_once('@')
            && !self.knows_instance(instance)
        {
            return Err(Error::NotFound(format!("there is no instance {instance:?}")));
        }
        Name::read(text)?.choose(&self.snapshots)
    }

    /// The snapshot of an id.
    pub fn snapshot(&self, id: SnapshotId) -> Result<&Snapshot> {
        self.snapshots
            .iter()
            .find(|snapshot| snapshot.manifest.id == id)
            .ok_or_else(|| Error::NotFound(format!("there is no snapshot {id}")))
    }
}

/// Whether `name` can name an instance: 1 to 64 bytes of letters, digits, `.`, `_` and `-`, a letter or digit first.
pub fn check_instance_name(name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let begins_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if begins_well && name.len() <= 64 && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "{name:?} cannot name an instance: use up to 64 letters, digits, '.', '_' and '-', a letter or digit first"
    )))
}
