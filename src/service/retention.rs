//! Which snapshots may go: by their expiry, never the newest, never a held one, and what a calendar keeps stays.

use std::collections::HashSet;

use jiff::Zoned;
use jiff::tz::TimeZone;

use crate::error::Result;
use crate::format::ledger::{Deletion, DeletionCause, LedgerRecord, SnapshotState};
use crate::format::manifest::SnapshotType;
use crate::id::SnapshotId;
use crate::repo::{Repository, snapshot_topic};

use super::catalog::{Catalog, Snapshot};
use super::plan::{Keep, Plans};
use super::view::timestamp;

/// Time between a deletion and the end of the data, unless said otherwise: 7 days, in nanoseconds.
pub const GRACE_NS: i64 = 7 * 86_400 * 1_000_000_000;

/// The snapshots that have expired at `now_ns`.
pub fn expired<'c>(catalog: &'c Catalog, plans: &Plans, now_ns: i64) -> Vec<&'c Snapshot> {
    let mut expired = Vec::new();
    for view in catalog.instance_views() {
        let usable = catalog.usable(Some(&view.name));
        let newest = usable.iter().rev().find(|snapshot| snapshot.manifest.kind != SnapshotType::Safety);
        let newest = newest.or(usable.last()).map(|snapshot| snapshot.manifest.id);
        let keep = plans.get(&view.plan).map(|plan| plan.keep).unwrap_or_default();
        let kept = kept(&usable, keep);
        expired.extend(usable.into_iter().filter(|snapshot| {
            let id = snapshot.manifest.id;
            let is_over = snapshot.manifest.expires_at_ns.is_some_and(|at| at <= now_ns);
            is_over && Some(id) != newest && !snapshot.is_held(now_ns) && !kept.contains(&id)
        }));
    }
    expired
}

/// What a calendar keeps of one instance's snapshots, oldest first: the newest of each of the latest so many periods.
fn kept(usable: &[&Snapshot], keep: Keep) -> HashSet<SnapshotId> {
    let mut kept: HashSet<SnapshotId> =
        usable.iter().rev().take(keep.last as usize).map(|snapshot| snapshot.manifest.id).collect();
    type Period = fn(&Zoned) -> (i64, i64);
    let periods: [(u32, Period); 5] = [
        (keep.hourly, |time| (day_number(time), i64::from(time.hour()))),
        (keep.daily, |time| (day_number(time), 0)),
        (keep.weekly, |time| {
            let week = time.date().iso_week_date();
            (i64::from(week.year()), i64::from(week.week()))
        }),
        (keep.monthly, |time| (i64::from(time.year()), i64::from(time.month()))),
        (keep.yearly, |time| (i64::from(time.year()), 0)),
    ];
    for (count, period) in periods {
        let mut seen = HashSet::new();
        for snapshot in usable.iter().rev() {
            let time = timestamp(snapshot.manifest.created_at_ns).to_zoned(TimeZone::UTC);
            if seen.len() >= count as usize {
                break;
            }
            if seen.insert(period(&time)) {
                kept.insert(snapshot.manifest.id);
            }
        }
    }
    kept
}

fn day_number(time: &Zoned) -> i64 {
    i64::from(time.year()) * 366 + i64::from(time.day_of_year())
}

/// Marks a snapshot as deleted, softly.
pub fn delete(repo: &Repository, snapshot: &Snapshot, cause: DeletionCause, grace_ns: i64) -> Result<()> {
    let at_ns = repo.now_ns();
    let deletion = Deletion { at_ns, cause, purge_after_ns: at_ns.saturating_add(grace_ns) };
    change_state(repo, snapshot, |state| state.deleted = Some(deletion))
}

/// Appends a new revision of a snapshot's state.
pub fn change_state(repo: &Repository, snapshot: &Snapshot, change: impl FnOnce(&mut SnapshotState)) -> Result<()> {
    let id = snapshot.manifest.id;
    let (number, mut state) = match &snapshot.state {
        Some((number, state)) => (Some(*number), state.clone()),
        None => (None, SnapshotState { snapshot: id, deleted: None, hold_until_ns: None }),
    };
    change(&mut state);
    repo.append_ledger(&snapshot_topic(&id), number, &LedgerRecord::Snapshot(state))
}
