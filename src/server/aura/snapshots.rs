//! Snapshots of an instance: of a day, one, a new one.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::server::actions::Desk;
use crate::server::actions::instances;
use crate::server::actions::snapshots::{TakeSnapshot, take as take_one, usable};
use crate::server::api::Refusal;
use crate::server::auth::{Principal, Right};
use crate::server::catalog::{Job, JobFilter, JobState, Snapshot, SnapshotFilter, from_microseconds, microseconds};
use crate::server::fault::{Fault, Outcome, Problem};

use super::access::Who;
use super::answer::{accepted, data};
use super::face::Face;

/// Snapshots of a day at most: one every minute, and some.
const DAY_MAX: usize = 2000;

/// A snapshot as Aura shows it.
#[derive(Debug, Serialize)]
struct Shown {
    snapshot_id: String,
    instance_id: String,
    profile: &'static str,
    status: &'static str,
    timestamp: Timestamp,
    exportable: bool,
}

async fn shown(desk: &Desk, who: &Principal, instance: &str, snapshot: &Snapshot) -> Outcome<Shown> {
    let status = match snapshot.status.as_str() {
        "completed" => "Completed",
        "failed" | "deleting" => "Failed",
        _ if is_begun(desk, who, &snapshot.id).await? => "InProgress",
        _ => "Pending",
    };
    let profile = match snapshot.kind.as_str() {
        "scheduled" => "Scheduled",
        "load" => "Load",
        "safety" => "Safety",
        _ => "AdHoc",
    };
    Ok(Shown {
        snapshot_id: snapshot.id.clone(),
        instance_id: instance.to_string(),
        profile,
        status,
        timestamp: from_microseconds(snapshot.created_us),
        exportable: status == "Completed" && usable(desk, who, snapshot).await.is_ok(),
    })
}

/// Whether a worker is at the job that takes a snapshot.
async fn is_begun(desk: &Desk, who: &Principal, snapshot: &str) -> Outcome<bool> {
    let filter = JobFilter { snapshot: Some(snapshot.into()), ..JobFilter::default() };
    let job: Option<Job> = desk.catalog.jobs(&who.account, &filter, None, 1).await?.items.pop();
    Ok(job.is_none_or(|job| job.state != JobState::Queued))
}

#[derive(Deserialize)]
pub struct ListQuery {
    date: Option<String>,
}

/// An instance's snapshots of a day (UTC), newest first; of today unless said otherwise.
pub async fn list(
    State(face): State<Face>,
    Who(who): Who,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Refusal> {
    let desk = &face.desk;
    let instance = instances::get(desk, &who, &id).await?;
    let now = from_microseconds(desk.catalog.now_us());
    let date = match query.date.filter(|date| !date.is_empty()) {
        None => now.to_zoned(TimeZone::UTC).date(),
        Some(text) => day(&text)?,
    };
    let begin = |date: Date| {
        let begun = date.to_zoned(TimeZone::UTC).map(|begin| begin.timestamp());
        begun.map_err(|_| Fault::invalid("date", "the date is too far away"))
    };
    let next = date.checked_add(1.day()).map_err(|_| Fault::invalid("date", "the date is too far away"))?;
    let filter = SnapshotFilter {
        instance: Some(instance.name.clone()),
        from_us: Some(microseconds(begin(date)?)),
        until_us: Some(microseconds(begin(next)?)),
        ..SnapshotFilter::default()
    };
    let found = desk.catalog.snapshots(&who.account, &filter, None, DAY_MAX).await.map_err(Fault::from)?;
    let mut listed = Vec::new();
    for snapshot in found.items.iter().filter(|snapshot| snapshot.status != "deleting") {
        listed.push(shown(desk, &who, &instance.id, snapshot).await?);
    }
    Ok(data(listed))
}

fn day(text: &str) -> Outcome<Date> {
    let date = Date::strptime("%Y-%m-%d", text).ok().filter(|date| date.to_string() == text);
    date.ok_or_else(|| Fault::invalid("date", format!("{text:?} is no date; write it as 2027-01-31")))
}

/// One snapshot of an instance.
pub async fn get(
    State(face): State<Face>,
    Who(who): Who,
    Path((id, snapshot)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let instance = instances::get(&face.desk, &who, &id).await?;
    let found = of_instance(&face.desk, &who, &instance.name, &snapshot).await?;
    Ok(data(shown(&face.desk, &who, &instance.id, &found).await?))
}

/// Takes a snapshot.
pub async fn take(State(face): State<Face>, Who(who): Who, Path(id): Path<String>) -> Result<Response, Refusal> {
    let taking = take_one(&face.desk, &who, &id, TakeSnapshot::default()).await?;
    Ok(accepted(json!({ "snapshot_id": taking.snapshot.id })))
}

async fn of_instance(desk: &Desk, who: &Principal, instance: &str, id: &str) -> Outcome<Snapshot> {
    desk.need(who, Right::Read)?;
    let absent = || Fault::new(Problem::NotFound, format!("instance {instance:?} has no snapshot {id:?}"));
    match desk.snapshot(who, id).await {
        Ok(snapshot) if snapshot.instance == instance => Ok(snapshot),
        Ok(_) => Err(absent()),
        Err(fault) if fault.problem == Problem::NotFound => Err(absent()),
        Err(fault) => Err(fault),
    }
}

/// The id of an instance's snapshot that something is made from: the one that is named, or else the newest good one.
pub async fn find(desk: &Desk, who: &Principal, instance: &str, id: Option<&str>) -> Outcome<String> {
    if let Some(id) = id.filter(|id| !id.is_empty()) {
        return Ok(of_instance(desk, who, instance, id).await?.id);
    }
    desk.need(who, Right::Read)?;
    let filter = SnapshotFilter {
        instance: Some(instance.to_string()),
        status: Some("completed".into()),
        ..SnapshotFilter::default()
    };
    let newest = desk.catalog.snapshots(&who.account, &filter, None, 1).await?.items.pop();
    newest.map(|snapshot| snapshot.id).ok_or_else(|| {
        Fault::invalid("source_snapshot_id", format!("instance {instance:?} has no snapshot yet; take one first"))
    })
}
