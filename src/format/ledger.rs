//! The ledger: small records that are appended, one topic after the other. The last record of a topic is its state.
//!
//! Everything else in a repository is immutable; what may change about a snapshot (deleted, held) and what an instance
//! is are revisions here. Revision n + 1 is put only if it is absent, so of two who change one thing at once one
//! learns that it was second.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::ProcessIdentity;
use crate::id::SnapshotId;

use super::manifest::InstanceRecord;

/// One revision of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LedgerRecord {
    /// What may change about a snapshot.
    Snapshot(SnapshotState),
    /// What an instance is; `None` once it was removed.
    Instance {
        /// The instance's name.
        name: String,
        /// Its definition.
        record: Option<InstanceRecord>,
    },
    /// What garbage collection has removed last on purpose: paths of manifests, and topics. Whoever remembers such an
    /// object and no longer finds it knows that it was not lost.
    Purged(Vec<String>),
    /// What an instance is that has settings beside its record. It replaces [`LedgerRecord::Instance`] of the same name.
    Defined {
        /// The instance's name.
        name: String,
        /// Its definition.
        record: InstanceRecord,
        /// How its source is reached and handled.
        settings: InstanceSettings,
    },
    /// How far a restore over an instance is.
    Restore(RestoreState),
    /// What the last drill of a snapshot showed.
    Proof(Proof),
    /// What was done last because an instance's policy said so.
    Scheduled(ScheduledRun),
}

/// How an instance's source is reached and handled: values by name, among them a password. The names are those of
/// `service::settings`; whoever does not know one keeps it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceSettings(pub BTreeMap<String, String>);

impl fmt::Debug for InstanceSettings {
    /// Values may be secrets: only names are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A restore over an instance's source. Each step is noted before it begins, so that what a crash leaves can be brought
/// to a whole state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreState {
    /// The instance that is overwritten.
    pub instance: String,
    /// The restore's id, eight hexadecimal digits: what is staged has names with it.
    pub id: String,
    /// What is restored.
    pub of: RestoreOf,
    /// Only this path of it.
    pub path: Option<Vec<u8>>,
    /// When it began, nanoseconds since 1970 (UTC).
    pub began_at_ns: i64,
    /// The process that works on it.
    pub process: ProcessIdentity,
    /// How far it is.
    pub stage: RestoreStage,
    /// Whether the present state is not kept first.
    pub no_safety: bool,
    /// The snapshot of the state before, once it was taken.
    pub safety: Option<SnapshotId>,
    /// Its components, in the order in which they are worked on.
    pub components: Vec<ComponentState>,
}

/// What is restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestoreOf {
    /// A snapshot.
    Snapshot(SnapshotId),
    /// A dump of this file name, which a user loads.
    Dump(String),
}

/// One component of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentState {
    /// Its name in the instance.
    pub part: String,
    /// Its name in the snapshot.
    pub component: String,
    /// What its source wants to know again, as JSON, once it is staged.
    pub staged: Option<String>,
}

/// The steps of a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RestoreStage {
    /// It is known what is to be done; nothing is touched.
    Planned,
    /// The snapshot's data is all there.
    Verified,
    /// The present state is kept as a snapshot, or need not be.
    Safe,
    /// Data is being made ready beside what is there.
    Staging,
    /// All of it is ready.
    Staged,
    /// It is being put in its place.
    Swapping,
    /// It is in its place, and is being looked at.
    Checking,
    /// It is as it should be; what was kept aside is being removed. From here on there is no way back but an undo.
    Finishing,
    /// It is over, and what was restored is there.
    Done,
    /// What was there before is being put back.
    Reverting,
    /// It is over, and what was there before is there.
    Reverted,
}

impl RestoreStage {
    /// Whether nothing is left to be done.
    pub fn is_over(self) -> bool {
        matches!(self, RestoreStage::Done | RestoreStage::Reverted)
    }

    /// The word used in messages and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            RestoreStage::Planned => "planned",
            RestoreStage::Verified => "verified",
            RestoreStage::Safe => "safe",
            RestoreStage::Staging => "staging",
            RestoreStage::Staged => "staged",
            RestoreStage::Swapping => "swapping",
            RestoreStage::Checking => "checking",
            RestoreStage::Finishing => "finishing",
            RestoreStage::Done => "done",
            RestoreStage::Reverting => "reverting",
            RestoreStage::Reverted => "reverted",
        }
    }
}

/// What a drill showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Which snapshot.
    pub snapshot: SnapshotId,
    /// When, nanoseconds since 1970 (UTC).
    pub at_ns: i64,
    /// Whether all checks came out well.
    pub proven: bool,
    /// What was looked at, in words: name, whether it is as it should be, what was seen.
    pub checks: Vec<(String, bool, String)>,
}

/// A snapshot that an instance's policy asked for. It is noted before it is begun: whoever notes it takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledRun {
    /// The instance.
    pub instance: String,
    /// The newest slot that was seen to before this one, nanoseconds since 1970 (UTC).
    pub done_ns: Option<i64>,
    /// For which slot it is, nanoseconds since 1970 (UTC); `None`: the instance was new, or its system had changed.
    pub slot_ns: Option<i64>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was begun, nanoseconds since 1970 (UTC).
    pub began_at_ns: i64,
    /// The process that does it.
    pub process: ProcessIdentity,
    /// How it ended.
    pub outcome: RunOutcome,
}

/// How a snapshot that a policy asked for ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunOutcome {
    /// Not yet.
    Running,
    /// It is there.
    Done(SnapshotId),
    /// It is not.
    Failed {
        /// When that was clear, nanoseconds since 1970 (UTC).
        at_ns: i64,
        /// Why, in one line.
        reason: String,
    },
}

impl ScheduledRun {
    /// The newest slot that was seen to, nanoseconds since 1970 (UTC).
    pub fn newest_done_ns(&self) -> Option<i64> {
        match self.outcome {
            RunOutcome::Done(_) => self.slot_ns.or(self.done_ns),
            _ => self.done_ns,
        }
    }
}

/// What may change about a snapshot after it was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotState {
    /// Which snapshot.
    pub snapshot: SnapshotId,
    /// When it was deleted, by whom; absent while it is not.
    pub deleted: Option<Deletion>,
    /// It is not deleted before this time, nanoseconds since 1970 (UTC).
    pub hold_until_ns: Option<i64>,
}

/// A soft deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// When, nanoseconds since 1970 (UTC).
    pub at_ns: i64,
    /// Why.
    pub cause: DeletionCause,
    /// Garbage collection may take the data from this time on, nanoseconds since 1970 (UTC).
    /// [`Deletion::CLAIMED_NS`]: it has begun to.
    pub purge_after_ns: i64,
}

impl Deletion {
    /// Stands for a deletion that garbage collection has begun to carry out: it cannot be taken back.
    pub const CLAIMED_NS: i64 = i64::MIN;

    /// Whether garbage collection has begun to carry it out.
    pub fn is_claimed(&self) -> bool {
        self.purge_after_ns == Self::CLAIMED_NS
    }
}

/// Why a snapshot was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeletionCause {
    /// A user asked for it.
    User,
    /// Its retention ended.
    Expired,
}
