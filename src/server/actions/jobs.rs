//! Jobs: listed, looked at, called off, watched.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::server::auth::{Principal, Right};
use crate::server::catalog::{self, JobFilter, from_microseconds};
use crate::server::fault::{Fault, Outcome, Problem};

use super::Desk;
use super::page::{self, Paging};

/// A job.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Its id: `j` and 16 hexadecimal digits.
    pub id: String,
    /// `snapshot`, `load`, `restore`, `undo`, `resume`, `abort`, `export`, `clone`, `delete`, `gc`, `verify`, `drill`,
    /// `check` or `policy`.
    pub kind: String,
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    pub status: String,
    /// Where it is.
    pub url: String,
    /// The instance that it is about, by name.
    pub instance: Option<String>,
    /// The snapshot that it takes or is about.
    pub snapshot: Option<String>,
    /// What it is at, in words.
    pub stage: Option<String>,
    /// Bytes done of this stage.
    pub bytes_done: i64,
    /// Bytes of this stage, where that is known.
    pub bytes_total: Option<i64>,
    /// How much of this stage is done, of 100; `null` where that is not known.
    pub percent: Option<f64>,
    /// How often it was begun.
    pub attempt: i64,
    /// Whether it was asked to stop.
    pub cancel_requested: bool,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was first begun.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Who asked for it.
    pub created_by: String,
    /// The request that asked for it.
    pub request_id: Option<String>,
    /// What came of it, by its kind.
    #[schema(value_type = Option<Object>)]
    pub result: Option<Value>,
    /// Why it failed.
    pub error: Option<JobError>,
}

/// Why a job failed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JobError {
    /// `failed`, `usage`, `not_found`, `refused`, `damaged` or `busy`.
    pub kind: String,
    /// What went wrong, one line.
    pub message: String,
}

impl Job {
    /// As the catalog has it.
    pub fn of(job: &catalog::Job) -> Self {
        let is_whole = job.state == catalog::JobState::Succeeded;
        let percent = job
            .bytes_total
            .filter(|total| *total > 0)
            .map(|total| (job.bytes_done.clamp(0, total) as f64 * 1000.0 / total as f64).round() / 10.0);
        Self {
            id: job.id.clone(),
            kind: job.kind.clone(),
            status: job.state.as_str().to_string(),
            url: format!("/v1/jobs/{}", job.id),
            instance: job.instance.clone(),
            snapshot: job.snapshot.clone(),
            stage: job.stage.clone(),
            bytes_done: job.bytes_done,
            bytes_total: job.bytes_total,
            percent: if is_whole { Some(100.0) } else { percent },
            attempt: job.attempt,
            cancel_requested: job.cancel_requested,
            created_at: from_microseconds(job.created_us),
            started_at: job.started_us.map(from_microseconds),
            finished_at: job.finished_us.map(from_microseconds),
            created_by: job.created_by.clone(),
            request_id: job.request_id.clone(),
            // A result is an object; `null` says that there is none.
            result: job.result.clone().filter(Value::is_object),
            error: job.error.as_ref().map(|(kind, message)| JobError { kind: kind.clone(), message: message.clone() }),
        }
    }

    /// Whether nothing more will happen.
    pub fn is_over(&self) -> bool {
        !matches!(self.status.as_str(), "queued" | "running")
    }
}

/// A page of jobs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Jobs {
    /// The jobs, newest first.
    pub jobs: Vec<Job>,
    /// The next page's `cursor`; `null`: there is none.
    pub next: Option<String>,
}

/// Which jobs are asked for.
#[derive(Debug, Clone, Default)]
pub struct ListJobs {
    /// In this status.
    pub status: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// About this instance, by id or name.
    pub instance: Option<String>,
    /// About this snapshot.
    pub snapshot: Option<String>,
    /// Which page.
    pub paging: Paging,
}

/// A page of the account's jobs.
pub async fn list(desk: &Desk, who: &Principal, request: ListJobs) -> Outcome<Jobs> {
    desk.need(who, Right::Read)?;
    let instance = match &request.instance {
        // Of an instance that is gone, its name still stands in its jobs.
        Some(instance) => {
            Some(desk.instance(who, instance).await.map_or_else(|_| instance.clone(), |found| found.name))
        }
        None => None,
    };
    let filter = JobFilter { status: request.status, kind: request.kind, instance, snapshot: request.snapshot };
    let asked = ("jobs", &who.account, &filter);
    let after = request.paging.after(&asked)?;
    let page = desk.catalog.jobs(&who.account, &filter, after.as_ref(), request.paging.limit()?).await?;
    let next = page::next(&page, &asked);
    Ok(Jobs { jobs: page.items.iter().map(Job::of).collect(), next })
}

/// A job that this one may see: all of the account, or with the right to capture alone those that it asked for itself.
pub async fn find(desk: &Desk, who: &Principal, id: &str) -> Outcome<catalog::Job> {
    if !who.may(Right::Read) {
        desk.need(who, Right::Capture)?;
    }
    let job = desk.catalog.job(&who.account, id).await?;
    match may_see(who, &job) {
        true => Ok(job),
        false => Err(Fault::new(Problem::NotFound, format!("there is no job {id:?}"))),
    }
}

/// Whether this one may see a job of the account.
pub fn may_see(who: &Principal, job: &catalog::Job) -> bool {
    job.account == who.account && (who.may(Right::Read) || job.created_by == who.actor)
}

/// One job.
pub async fn get(desk: &Desk, who: &Principal, id: &str) -> Outcome<Job> {
    Ok(Job::of(&find(desk, who, id).await?))
}

/// Calls a job off: what waits ends at once, what runs is asked to stop.
pub async fn cancel(desk: &Desk, who: &Principal, id: &str) -> Outcome<Job> {
    if !who.may(Right::Operate) {
        desk.need(who, Right::Capture)?;
    }
    let job = find_own(desk, who, id).await?;
    if job.state.is_over() {
        return Err(Fault::new(Problem::Refused, format!("job {id} is over: it {}", job.state.as_str())));
    }
    let cancelled = desk.jobs.cancel(&who.account, id).await?;
    desk.note(who, "job.cancel", id, json!({ "kind": job.kind, "instance": job.instance })).await?;
    Ok(Job::of(&cancelled))
}

async fn find_own(desk: &Desk, who: &Principal, id: &str) -> Outcome<catalog::Job> {
    let job = desk.catalog.job(&who.account, id).await?;
    match who.may(Right::Operate) || job.created_by == who.actor {
        true => Ok(job),
        false => Err(Fault::new(Problem::NotFound, format!("there is no job {id:?}"))),
    }
}

/// Jobs of the account that changed at or after a time, oldest first: what who listens has missed.
pub async fn changed_since(desk: &Desk, who: &Principal, since_us: i64) -> Outcome<Vec<catalog::Job>> {
    let mut jobs = desk.catalog.jobs_since(&who.account, since_us, i64::from(page::LIMIT_MAX)).await?;
    jobs.retain(|job| may_see(who, job));
    Ok(jobs)
}
