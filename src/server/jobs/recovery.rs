//! Jobs of workers that died go back into the queue.

use crate::clock::ProcessIdentity;
use crate::error::Result;

use super::super::catalog::{Catalog, Ending, Job};
use super::name::WorkerName;

const SECOND_US: i64 = 1_000_000;

/// Takes back the jobs whose worker's process is known to have ended, and those not heard of for `silence_us`. Returns how
/// many.
pub async fn take_back(catalog: &Catalog, silence_us: i64) -> Result<usize> {
    let silent_since = catalog.now_us().saturating_sub(silence_us);
    let mut taken = 0;
    for job in catalog.running_jobs().await? {
        let is_silent = job.beat_us.is_none_or(|beat| beat < silent_since);
        if is_silent || process_of(&job).is_some_and(|process| has_ended(catalog, &process)) {
            taken += usize::from(take_back_one(catalog, &job).await?);
        }
    }
    Ok(taken)
}

fn process_of(job: &Job) -> Option<ProcessIdentity> {
    let name: WorkerName = serde_json::from_str(job.worker.as_deref()?).ok()?;
    Some(name.process)
}

fn has_ended(catalog: &Catalog, process: &ProcessIdentity) -> bool {
    catalog.surroundings().processes.is_alive(process) == Some(false)
}

async fn take_back_one(catalog: &Catalog, job: &Job) -> Result<bool> {
    if job.attempt < job.attempts_max {
        tracing::warn!(job = %job.id, attempt = job.attempt, "its worker is gone: it goes back into the queue");
        // The first time at once: most often it was not the job that ended its worker.
        let wait_us = if job.attempt <= 1 { 0 } else { SECOND_US << job.attempt.min(10) };
        return catalog.requeue_job(job, catalog.now_us().saturating_add(wait_us)).await;
    }
    let why = format!("the process that worked on it ended, {} times", job.attempt);
    tracing::error!(job = %job.id, "{why}");
    let is_ended = catalog.end_job(job, &Ending::Failed("failed".into(), why.clone())).await?;
    if let (true, Some(snapshot)) = (is_ended, &job.snapshot) {
        catalog.fail_snapshot(&job.account, snapshot, &why).await?;
    }
    Ok(is_ended)
}
