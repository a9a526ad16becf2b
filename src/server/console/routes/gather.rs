//! What pages show, gathered from the catalog by the same actions that REST asks.

use std::collections::{BTreeMap, HashMap};

use jiff::civil::Date;
use jiff::{Span, Timestamp};

use crate::server::actions::snapshots::Snapshot;
use crate::server::actions::{instances, jobs::Job, snapshots, usage};
use crate::server::auth::Right;
use crate::server::catalog::{self, Mark, from_microseconds, microseconds};
use crate::server::console::parts::progress::bytes;
use crate::server::console::view::{DayMark, Health, InstanceRow, InstanceUsage, SnapshotRow, UsagePoint, UsageView};
use crate::server::fault::Outcome;

use super::visit::Visitor;

/// Days of the small row in the list of instances.
const STRIP_DAYS: i32 = 30;
/// Days of the calendar.
const CALENDAR_DAYS: i32 = 182;
/// A snapshot that is due may be late by so much before that is said, microseconds.
const LATE_US: i64 = 20 * 60 * 1_000_000;

/// The first moment of the day that was so many days ago, by the reader's clock.
fn since(visitor: &Visitor, days: i32) -> Timestamp {
    let today = visitor.shell.now.to_zoned(visitor.shell.zone.clone()).date();
    let first = today.checked_sub(Span::new().days(days - 1)).unwrap_or(today);
    first.to_zoned(visitor.shell.zone.clone()).map_or(visitor.shell.now, |midnight| midnight.timestamp())
}

/// Days without gaps, oldest first.
fn days<'m>(visitor: &Visitor, marks: impl Iterator<Item = &'m Mark>, count: i32) -> Vec<DayMark> {
    let mut by_day: BTreeMap<Date, (u32, u32)> = BTreeMap::new();
    for mark in marks {
        let date = from_microseconds(mark.at_us).to_zoned(visitor.shell.zone.clone()).date();
        let (completed, failed) = by_day.entry(date).or_default();
        *completed += u32::try_from(mark.completed).unwrap_or_default();
        *failed += u32::try_from(mark.failed).unwrap_or_default();
    }
    let today = visitor.shell.now.to_zoned(visitor.shell.zone.clone()).date();
    let day = |back: i32| {
        let date = today.checked_sub(Span::new().days(back)).ok()?;
        let (completed, failed) = by_day.get(&date).copied().unwrap_or_default();
        Some(DayMark { date, completed, failed })
    };
    (0..count).rev().filter_map(day).collect()
}

/// Of each instance that has one, by its name.
async fn newest(visitor: &Visitor, status: &str) -> Outcome<HashMap<String, Snapshot>> {
    let found = visitor.desk.catalog.newest_snapshots(&visitor.who.account, status).await?;
    let named = |snapshot: &catalog::Snapshot| Ok((snapshot.instance.clone(), Snapshot::of(snapshot)?));
    found.iter().map(named).collect()
}

/// All instances of the account.
pub async fn instance_rows(visitor: &Visitor) -> Outcome<Vec<InstanceRow>> {
    let Visitor { desk, who, .. } = visitor;
    let all = instances::list(desk, who).await?.instances;
    let from = microseconds(since(visitor, STRIP_DAYS));
    let marks = desk.catalog.marks(&who.account, None, from).await?;
    let (completed, failed) = (newest(visitor, "completed").await?, newest(visitor, "failed").await?);
    let rows = all.into_iter().map(|view| {
        let days = days(visitor, marks.iter().filter(|mark| mark.instance == view.name), STRIP_DAYS);
        let (last, failed) = (completed.get(&view.name).cloned(), failed.get(&view.name).cloned());
        row(visitor, view, last, failed, days)
    });
    Ok(rows.collect())
}

fn row(
    visitor: &Visitor,
    view: instances::Instance,
    last: Option<Snapshot>,
    failed: Option<Snapshot>,
    days: Vec<DayMark>,
) -> InstanceRow {
    let has_snapshots = visitor.desk.plans.get(&view.plan).map_or(true, |plan| plan.snapshots);
    let job = visitor.job_of_instance(&view.name);
    let mut row = InstanceRow { view, last, health: Health::Good, job, days, has_snapshots };
    row.health = health(visitor, &row, failed.as_ref());
    row
}

fn health(visitor: &Visitor, row: &InstanceRow, failed: Option<&Snapshot>) -> Health {
    let is_late = |due: Timestamp| microseconds(visitor.shell.now) - microseconds(due) > LATE_US;
    let since_last = |failed: &&Snapshot| row.last.as_ref().is_none_or(|last| failed.created_at > last.created_at);
    if let Some(stage) = &row.view.unfinished_restore {
        return match row.job.as_ref().is_some_and(writes) {
            true => Health::Good,
            false => Health::Unfinished(stage.clone()),
        };
    }
    if !row.has_snapshots {
        return Health::NoBackups;
    }
    if let Some(failed) = failed.filter(since_last) {
        return Health::Failing(failed.reason.clone().unwrap_or_default());
    }
    match (&row.last, row.view.next_due_at) {
        (_, Some(due)) if is_late(due) && row.job.is_none() => Health::Overdue,
        (None, _) => Health::Empty,
        (Some(_), None) => Health::Unscheduled,
        (Some(_), Some(_)) => Health::Good,
    }
}

/// Whether a job is a restore, or goes on with one.
fn writes(job: &Job) -> bool {
    matches!(job.kind.as_str(), "restore" | "undo" | "resume" | "abort" | "load")
}

/// One instance.
pub async fn instance_row(visitor: &Visitor, name: &str) -> Outcome<InstanceRow> {
    let Visitor { desk, who, .. } = visitor;
    let view = instances::get(desk, who, name).await?;
    let one = async |status: &str| {
        let paging = snapshots::ListSnapshots {
            instance: Some(view.name.clone()),
            status: Some(status.into()),
            paging: crate::server::actions::page::Paging { limit: Some(1), cursor: None },
            ..Default::default()
        };
        snapshots::list(desk, who, paging).await.map(|page| page.snapshots.into_iter().next())
    };
    let (last, failed) = (one("completed").await?, one("failed").await?);
    Ok(row(visitor, view, last, failed, Vec::new()))
}

/// Snapshots as a list shows them. `plans` are those of their instances.
pub async fn snapshot_rows(visitor: &Visitor, found: Vec<Snapshot>) -> Outcome<Vec<SnapshotRow>> {
    let mut rows = Vec::new();
    let mut limited: HashMap<String, bool> = HashMap::new();
    for view in found {
        let is_limited = match limited.get(&view.instance) {
            Some(known) => *known,
            None => {
                let is_limited = has_limit(visitor, &view.instance).await;
                limited.insert(view.instance.clone(), is_limited);
                is_limited
            }
        };
        let available = view.status != "completed" || !is_limited || is_usable(visitor, &view.id).await?;
        rows.push(SnapshotRow { job: visitor.job_of_snapshot(&view.id), view, available });
    }
    Ok(rows)
}

async fn has_limit(visitor: &Visitor, instance: &str) -> bool {
    let Ok(instance) = visitor.desk.instance(&visitor.who, instance).await else { return false };
    let plan = instance.view.get("plan").and_then(|plan| plan.as_str()).unwrap_or_default();
    visitor.desk.plans.get(plan).is_ok_and(|plan| plan.available.is_some())
}

async fn is_usable(visitor: &Visitor, id: &str) -> Outcome<bool> {
    let snapshot = visitor.desk.snapshot(&visitor.who, id).await?;
    Ok(snapshots::usable(&visitor.desk, &visitor.who, &snapshot).await.is_ok())
}

/// One snapshot.
pub async fn snapshot_row(visitor: &Visitor, id: &str) -> Outcome<SnapshotRow> {
    let view = snapshots::get(&visitor.desk, &visitor.who, id).await?;
    let available = view.status != "completed" || is_usable(visitor, id).await?;
    Ok(SnapshotRow { job: visitor.job_of_snapshot(id), view, available })
}

/// What the account uses.
pub async fn account_usage(visitor: &Visitor) -> Outcome<UsageView> {
    let Visitor { desk, who, .. } = visitor;
    let found = usage::usage(desk, who, Some(CALENDAR_DAYS.unsigned_abs())).await?;
    let latest = newest(visitor, "completed").await?;
    let marks = desk.catalog.marks(&who.account, None, microseconds(since(visitor, CALENDAR_DAYS))).await?;
    let mut of_instances: Vec<InstanceUsage> = found
        .instances
        .into_iter()
        .map(|usage| InstanceUsage {
            latest: latest.get(&usage.instance).map_or(0, |snapshot| snapshot.bytes_total),
            name: usage.instance,
            snapshots: bytes(usage.snapshots),
            logical: bytes(usage.bytes_logical),
            added: bytes(usage.bytes_stored),
        })
        .collect();
    of_instances.sort_by_key(|usage| std::cmp::Reverse(usage.added));
    let points = found.over_time.into_iter().map(|day| UsagePoint {
        at: day.day,
        logical: bytes(day.bytes_logical),
        stored: bytes(day.bytes_stored),
    });
    Ok(UsageView {
        snapshots: bytes(found.snapshots),
        logical: bytes(found.bytes_logical),
        stored: bytes(found.bytes_stored),
        instances: of_instances,
        points: points.collect(),
        days: days(visitor, marks.iter(), CALENDAR_DAYS),
    })
}

/// What an instance uses. `found` are its completed snapshots, oldest first.
pub async fn instance_usage(visitor: &Visitor, name: &str, found: &[Snapshot]) -> Outcome<UsageView> {
    let Visitor { desk, who, .. } = visitor;
    let marks = desk.catalog.marks(&who.account, Some(name), microseconds(since(visitor, CALENDAR_DAYS))).await?;
    let all = desk.catalog.usage(&who.account).await?.into_iter().find(|usage| usage.instance == name);
    let all = all.unwrap_or_default();
    let (logical, stored) = (bytes(all.bytes_logical), bytes(all.bytes_stored));
    // The list may not go back to the first: what is not on it was there before.
    let sum = |of: fn(&Snapshot) -> u64| found.iter().map(of).fold(0, u64::saturating_add);
    let mut total = (
        logical.saturating_sub(sum(|snapshot| snapshot.bytes_total)),
        stored.saturating_sub(sum(|snapshot| snapshot.bytes_stored)),
    );
    let points = found.iter().map(|snapshot| {
        total = (total.0.saturating_add(snapshot.bytes_total), total.1.saturating_add(snapshot.bytes_stored));
        UsagePoint { at: snapshot.created_at, logical: total.0, stored: total.1 }
    });
    let points = points.collect();
    let days = days(visitor, marks.iter(), CALENDAR_DAYS);
    Ok(UsageView { snapshots: bytes(all.snapshots), logical, stored, instances: Vec::new(), points, days })
}

/// Names for those who do things: an e-mail address, a token's name.
#[derive(Default)]
pub struct Names(HashMap<String, String>);

impl Names {
    /// Of the account's users and tokens.
    pub async fn of(visitor: &Visitor) -> Outcome<Self> {
        let Visitor { desk, who, .. } = visitor;
        let mut names = HashMap::from([(who.actor.clone(), visitor.shell.user.clone())]);
        if who.may(Right::Administer) {
            let users = desk.catalog.users(&who.account).await?;
            names.extend(users.into_iter().map(|user| (format!("user:{}", user.id), user.email)));
            let tokens = desk.catalog.tokens(Some(&who.account)).await?;
            names.extend(tokens.into_iter().map(|token| (format!("token:{}", token.id), token.name)));
        }
        Ok(Self(names))
    }

    /// Of an actor.
    pub fn name(&self, actor: &str) -> String {
        match self.0.get(actor) {
            Some(name) => name.clone(),
            None => actor.to_string(),
        }
    }
}
