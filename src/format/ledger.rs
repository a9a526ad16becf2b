//! The ledger: small records that are appended, one topic after the other. The last record of a topic is its state.
//!
//! Everything else in a repository is immutable; what may change about a snapshot (deleted, held) and what an instance
//! is are revisions here. Revision n + 1 is put only if it is absent, so of two who change one thing at once one
//! learns that it was second.

use serde::{Deserialize, Serialize};

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
