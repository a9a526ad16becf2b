//! What garbage collection is asked, and what it answers.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::id::SnapshotId;

/// How garbage is collected.
#[derive(Clone)]
pub struct GcOptions<'a> {
    /// Says what would be done, and changes nothing in the repository.
    pub dry_run: bool,
    /// Looks for garbage even where nothing says that there is any: a session that failed may have left some.
    pub full: bool,
    /// A pack is rewritten when garbage is more than this share of it, 0.0 to 1.0. Rewriting is cheap and reads well
    /// afterwards, so the default is low: 0.03.
    pub dead_share: f64,
    /// Packs of a kind that are under a quarter of the usual length are merged when there are more than this. Default: 64.
    pub small_packs: usize,
    /// Deleted snapshots go when this long has passed since their deletion, nanoseconds, though they were promised
    /// longer; `None`: as was promised.
    pub grace_ns: Option<i64>,
    /// Counted as deleted just now: what the caller would delete if this were no dry run.
    pub would_expire: &'a [SnapshotId],
    /// Snapshots that the caller has just deleted because their retention ended, for the report.
    pub snapshots_expired: u64,
    /// Removes what interrupted writers left outside of the objects; returns how many files. Called where nobody writes.
    pub sweep_temporaries: Option<&'a (dyn Fn() -> Result<u64> + Sync)>,
}

impl Default for GcOptions<'_> {
    fn default() -> Self {
        Self {
            dry_run: false,
            full: false,
            dead_share: 0.03,
            small_packs: 64,
            grace_ns: None,
            would_expire: &[],
            snapshots_expired: 0,
            sweep_temporaries: None,
        }
    }
}

/// What garbage collection did; with `dry_run`, what it would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcReport {
    /// Snapshots that were deleted because their retention ended: [`GcOptions::snapshots_expired`].
    pub snapshots_expired: u64,
    /// Snapshots deleted earlier whose grace time is over: they are gone now.
    pub snapshots_purged: u64,
    /// Packs that were removed.
    pub packs_deleted: u64,
    /// Packs of which something was needed, that was stored again in new packs.
    pub packs_rewritten: u64,
    /// Bytes of the new packs.
    pub bytes_rewritten: u64,
    /// Stored bytes before less stored bytes after; 0 where the new packs are longer than what could be removed by now.
    pub bytes_freed: u64,
    /// Stored bytes of garbage that stays: too little in its pack to be worth rewriting it.
    pub bytes_dead_left: u64,
    /// Packs that go when the writers of today are gone.
    pub packs_waiting: u64,
    /// Nothing was changed.
    pub dry_run: bool,
}
