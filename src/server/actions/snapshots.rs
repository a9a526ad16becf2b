//! Snapshots: listed, taken, deleted, brought back, held.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::server::auth::{Principal, Right};
use crate::server::catalog::{self, Order, SnapshotFilter};
use crate::server::fault::{Fault, Outcome, Problem};
use crate::server::work::{self, JobSpec};

use super::Desk;
use super::jobs::Job;
use super::page::{self, Paging};
use super::{check, page::LIMIT_MAX};

/// A snapshot.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Snapshot {
    /// Its id, 16 hexadecimal digits.
    pub id: String,
    /// Its instance's name.
    pub instance: String,
    /// `on_demand`, `scheduled`, `load` or `safety`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `in_progress`, `completed`, `failed` or `deleting`.
    pub status: String,
    /// Why it failed.
    #[serde(default)]
    pub reason: Option<String>,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it was complete or had failed.
    pub finished_at: Option<Timestamp>,
    /// When it may be deleted by itself.
    pub expires_at: Option<Timestamp>,
    /// The user's words.
    pub description: Option<String>,
    /// It is not deleted before this time.
    pub hold_until: Option<Timestamp>,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// `user` or `expired`.
    #[serde(default)]
    pub deleted_by: Option<String>,
    /// Its data may go from this time on.
    pub purge_after: Option<Timestamp>,
    /// Regular files.
    pub files: u64,
    /// Folders.
    pub directories: u64,
    /// Plain bytes of its files.
    pub bytes_total: u64,
    /// Bytes read from the source.
    pub bytes_read: u64,
    /// Plain bytes of new chunks.
    pub bytes_new: u64,
    /// Bytes added to the repository.
    pub bytes_stored: u64,
    /// New chunks.
    #[serde(default)]
    pub chunks_new: u64,
    /// New chunks that are stored as deltas.
    #[serde(default)]
    pub chunks_delta: u64,
    /// Files that could not be read and are missing in it.
    #[serde(default)]
    pub unreadable: u64,
    /// What it was captured from, for people.
    #[serde(default)]
    pub origin: Option<String>,
    /// The snapshot it was compared with.
    #[serde(default)]
    pub parent: Option<String>,
    /// Of a safety snapshot: what was to be restored.
    #[serde(default)]
    pub before_restore_of: Option<String>,
    /// Its components, where it has others than one.
    #[serde(default)]
    pub components: Vec<Component>,
    /// What its last drill showed; `null` where none was held.
    #[serde(default)]
    pub proof: Option<Proof>,
}

/// One component of a snapshot.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// What it was captured from, for people.
    pub origin: String,
    /// Plain bytes of its files.
    pub bytes_total: u64,
}

/// What a drill showed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Proof {
    /// Whether all checks came out well.
    pub proven: bool,
    /// When it was held.
    pub at: Timestamp,
    /// What was looked at.
    pub checks: Vec<ProofCheck>,
}

/// One thing that a drill looked at.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProofCheck {
    /// What was looked at.
    pub name: String,
    /// Whether it was as it should be.
    pub ok: bool,
    /// What was seen.
    pub detail: String,
}

impl Snapshot {
    /// As the catalog's mirror has it.
    pub fn of(snapshot: &catalog::Snapshot) -> Outcome<Self> {
        serde_json::from_str(&snapshot.view)
            .map_err(|error| Fault::internal(format!("a record of the catalog cannot be read: {error}")))
    }
}

/// A page of snapshots.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Snapshots {
    /// The snapshots.
    pub snapshots: Vec<Snapshot>,
    /// The next page's `cursor`; `null`: there is none.
    pub next: Option<String>,
}

/// Which snapshots are asked for.
#[derive(Debug, Clone, Default)]
pub struct ListSnapshots {
    /// Of this instance, by id or name.
    pub instance: Option<String>,
    /// Of this type.
    pub kind: Option<String>,
    /// In this status.
    pub status: Option<String>,
    /// Begun at or after this time.
    pub from: Option<Timestamp>,
    /// Begun before this time.
    pub until: Option<Timestamp>,
    /// Oldest first.
    pub is_oldest_first: bool,
    /// Which page.
    pub paging: Paging,
}

/// A page of the account's snapshots.
pub async fn list(desk: &Desk, who: &Principal, request: ListSnapshots) -> Outcome<Snapshots> {
    desk.need(who, Right::Read)?;
    let instance = match &request.instance {
        Some(instance) => Some(instance_name(desk, who, instance).await?),
        None => None,
    };
    let filter = SnapshotFilter {
        instance,
        kind: request.kind,
        status: request.status,
        from_us: check::microseconds(request.from),
        until_us: check::microseconds(request.until),
        order: if request.is_oldest_first { Order::OldestFirst } else { Order::NewestFirst },
    };
    let asked = ("snapshots", &who.account, &filter);
    let after = request.paging.after(&asked)?;
    let page = desk.catalog.snapshots(&who.account, &filter, after.as_ref(), request.paging.limit()?).await?;
    let next = page::next(&page, &asked);
    Ok(Snapshots { snapshots: page.items.iter().map(Snapshot::of).collect::<Outcome<_>>()?, next })
}

/// An instance's name. One that was removed and has snapshots still is named by its name.
async fn instance_name(desk: &Desk, who: &Principal, id_or_name: &str) -> Outcome<String> {
    match desk.instance(who, id_or_name).await {
        Ok(instance) => Ok(instance.name),
        Err(fault) if fault.problem == Problem::NotFound => {
            let filter = SnapshotFilter { instance: Some(id_or_name.to_string()), ..SnapshotFilter::default() };
            match desk.catalog.snapshots(&who.account, &filter, None, 1).await?.items.is_empty() {
                true => Err(fault),
                false => Ok(id_or_name.to_string()),
            }
        }
        Err(fault) => Err(fault),
    }
}

/// One snapshot.
pub async fn get(desk: &Desk, who: &Principal, id: &str) -> Outcome<Snapshot> {
    desk.need(who, Right::Read)?;
    Snapshot::of(&desk.snapshot(who, id).await?)
}

/// What may be said of a snapshot that is to be taken.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeSnapshot {
    /// Words about it.
    pub description: Option<String>,
    /// Days that it is kept; left out: as the instance or its plan says.
    #[schema(minimum = 1, maximum = 36500)]
    pub retention_days: Option<u32>,
    /// Optional components that are captured too.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub include: Vec<String>,
    /// Leave out files that cannot be read, and record it.
    #[serde(default)]
    pub skip_unreadable: bool,
}

/// A job that takes a snapshot, and the snapshot as it is now.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Taking {
    /// The job.
    pub job: Job,
    /// The snapshot.
    pub snapshot: Snapshot,
}

/// Takes a snapshot: a job. Who may only capture sees of it what he asked for himself.
pub async fn take(desk: &Desk, who: &Principal, instance: &str, request: TakeSnapshot) -> Outcome<Taking> {
    desk.need(who, Right::Capture)?;
    let instance = desk.instance(who, instance).await?;
    may_take(desk, &instance)?;
    let spec = JobSpec::Snapshot(work::Snapshot {
        instance: instance.name.clone(),
        snapshot: desk.random_digits(8),
        description: check::words("description", request.description)?,
        retain_ns: check::retention(request.retention_days)?,
        include: request.include,
        skip_unreadable: request.skip_unreadable,
    });
    let job = desk.submit(who, &spec).await?;
    let snapshot = job.snapshot.clone().unwrap_or_default();
    desk.note(who, "snapshot.take", &snapshot, json!({ "instance": instance.name, "job": job.id })).await?;
    let snapshot = Snapshot::of(&desk.snapshot(who, &snapshot).await?)?;
    Ok(Taking { job: Job::of(&job), snapshot })
}

/// What is refused here need not wait for a worker to be refused.
fn may_take(desk: &Desk, instance: &catalog::Instance) -> Outcome<()> {
    let text = |name: &str| instance.view.get(name).and_then(|value| value.as_str());
    let name = &instance.name;
    if text("source").is_none() {
        return Err(Fault::new(
            Problem::Refused,
            format!("instance {name:?} has no source, so there is nothing to take"),
        ));
    }
    match text("plan").map(|plan| desk.plans.get(plan)) {
        Some(Ok(plan)) if !plan.snapshots => {
            Err(Fault::new(Problem::Refused, format!("plan {:?} of instance {name:?} has no snapshots", plan.name)))
        }
        _ => Ok(()),
    }
}

/// Refuses a snapshot from which nothing can be had: deleted, failed, still being taken, or beyond what its plan makes
/// available.
pub async fn usable(desk: &Desk, who: &Principal, snapshot: &catalog::Snapshot) -> Outcome<()> {
    let refused = |detail: String| Err(Fault::new(Problem::Refused, detail));
    let id = &snapshot.id;
    match snapshot.status.as_str() {
        "completed" => {}
        "deleting" => return refused(format!("snapshot {id} is deleted; undelete it first")),
        "failed" => return refused(format!("snapshot {id} failed and holds nothing")),
        _ => return refused(format!("snapshot {id} is still being taken")),
    }
    let Ok(instance) = desk.instance(who, &snapshot.instance).await else { return Ok(()) };
    let plan = instance.view.get("plan").and_then(|plan| plan.as_str()).unwrap_or_default();
    let Ok(plan) = desk.plans.get(plan) else { return Ok(()) };
    let Some(available) = plan.available else { return Ok(()) };
    let filter = SnapshotFilter {
        instance: Some(snapshot.instance.clone()),
        status: Some("completed".into()),
        from_us: Some(snapshot.created_us),
        ..SnapshotFilter::default()
    };
    let newer = desk.catalog.snapshots(&who.account, &filter, None, LIMIT_MAX as usize).await?.items;
    let newer = newer.iter().filter(|other| other.kind != "safety" && other.id != *id).count();
    match snapshot.kind != "safety" && newer >= available as usize {
        true => refused(format!(
            "plan {:?} makes only the latest {available} of an instance's snapshots available",
            plan.name
        )),
        false => Ok(()),
    }
}

/// Deletes a snapshot, softly.
pub async fn delete(desk: &Desk, who: &Principal, id: &str) -> Outcome<Snapshot> {
    desk.need(who, Right::Operate)?;
    let snapshot = desk.snapshot(who, id).await?;
    if snapshot.status == "in_progress" {
        return Err(Fault::new(Problem::Refused, format!("snapshot {id} is still being taken; cancel its job")));
    }
    let _editing = desk.editing(&who.account).await;
    let wanted = id.to_string();
    let done = desk.work(who, move |service| service.delete_snapshot(&wanted, service.grace_ns())).await;
    let deleted = match done {
        Ok(view) => Snapshot::of(&desk.mirror_snapshot(who, &view).await?)?,
        // One that failed before anything of it was stored stands in the mirror alone.
        Err(fault) if fault.problem == Problem::NotFound => {
            desk.catalog.forget_snapshot(&who.account, id).await?;
            Snapshot { status: "deleting".into(), ..Snapshot::of(&snapshot)? }
        }
        Err(fault) => return Err(fault),
    };
    desk.note(who, "snapshot.delete", id, json!({ "instance": snapshot.instance })).await?;
    Ok(deleted)
}

/// Brings a deleted snapshot back.
pub async fn undelete(desk: &Desk, who: &Principal, id: &str) -> Outcome<Snapshot> {
    desk.need(who, Right::Operate)?;
    let snapshot = desk.snapshot(who, id).await?;
    let _editing = desk.editing(&who.account).await;
    let wanted = id.to_string();
    let view = desk.work(who, move |service| service.undelete_snapshot(&wanted)).await?;
    let back = Snapshot::of(&desk.mirror_snapshot(who, &view).await?)?;
    desk.note(who, "snapshot.undelete", id, json!({ "instance": snapshot.instance })).await?;
    Ok(back)
}

/// Until when a snapshot is held.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// It is not deleted before this time. A hold can be made longer, never shorter.
    pub until: Timestamp,
}

/// Holds a snapshot.
pub async fn hold(desk: &Desk, who: &Principal, id: &str, request: Hold) -> Outcome<Snapshot> {
    desk.need(who, Right::Operate)?;
    let snapshot = desk.snapshot(who, id).await?;
    let until = request.until;
    let until_ns = i64::try_from(until.as_nanosecond())
        .map_err(|_| Fault::invalid("until", "that is too far away; a hold ends before the year 2262"))?;
    let _editing = desk.editing(&who.account).await;
    let wanted = id.to_string();
    let view = desk.work(who, move |service| service.hold_snapshot(&wanted, until_ns)).await?;
    let held = Snapshot::of(&desk.mirror_snapshot(who, &view).await?)?;
    let detail = json!({ "instance": snapshot.instance, "until": until });
    desk.note(who, "snapshot.hold", id, detail).await?;
    Ok(held)
}
