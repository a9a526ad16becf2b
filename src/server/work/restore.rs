//! Restores over instances: planned, done, undone, taken up again.

use crate::error::{Error, Result};
use crate::ops::Progress;
use crate::service::{LastRestore, RestoreOutcome, RestoreRequest, Service};

use super::done::{Done, Means};
use super::files::is_run;
use super::spec::{self, JobSpec};

/// What an earlier attempt at a restore has left.
pub enum Before {
    /// It never began, or it went back: it failed, or was cancelled so that the job could be put back. Who wants to abort
    /// a restore for good cancels its job.
    Nothing,
    /// It came to its end.
    Done(LastRestore),
    /// It stands half way.
    Unfinished(LastRestore),
}

/// What is known of the restore `run` over an instance.
pub fn before(service: &Service, instance: &str, run: &str) -> Result<Before> {
    if !is_run(run) {
        return Err(Error::Usage(format!("{run:?} cannot name a restore: it is eight hexadecimal digits")));
    }
    Ok(match service.last_restore(instance)?.filter(|last| last.run == run) {
        None => Before::Nothing,
        Some(last) if last.is_reverted => Before::Nothing,
        Some(last) if last.is_over => Before::Done(last),
        Some(last) => Before::Unfinished(last),
    })
}

/// What a restore or an undo would write. Touches nothing.
pub fn plan(service: &Service, job: &JobSpec, progress: &dyn Progress) -> Result<RestoreOutcome> {
    let request = match job {
        JobSpec::Restore(job) => request_of(job),
        JobSpec::Undo(job) => request_of(&as_restore(job)),
        other => return Err(Error::Usage(format!("a job of kind {} has no plan", other.kind()))),
    };
    defined(service, request.to.as_deref().unwrap_or_default())?;
    service.plan_restore(&request, progress)
}

/// The job that goes back to the state before an instance's latest restore. `run` is chosen by the caller: eight
/// hexadecimal digits.
pub fn undo(service: &Service, instance: &str, run: &str, no_safety: bool) -> Result<JobSpec> {
    let snapshot = service.undo_request(instance, no_safety)?.snapshot;
    Ok(JobSpec::Undo(spec::Undo { instance: instance.to_string(), snapshot, run: run.to_string(), no_safety }))
}

pub fn restore(job: &spec::Restore, means: &Means<'_>) -> Result<Done> {
    let service = means.service;
    defined(service, &job.instance)?;
    match before(service, &job.instance, &job.run)? {
        Before::Done(last) => {
            with_safety(means, &job.instance, last.safety_snapshot.as_deref())?.with(&Ended::of(last))
        }
        Before::Unfinished(_) => resume(&spec::Resume { instance: job.instance.clone() }, means),
        Before::Nothing => {
            let outcome = service.restore(&request_of(job), true, means.progress)?;
            with_safety(means, &job.instance, outcome.safety_snapshot.as_deref())?.with(&outcome)
        }
    }
}

pub fn undone(job: &spec::Undo, means: &Means<'_>) -> Result<Done> {
    restore(&as_restore(job), means)
}

pub fn resume(job: &spec::Resume, means: &Means<'_>) -> Result<Done> {
    let last = means.service.last_restore(&job.instance)?;
    if let Some(last) = last.filter(|last| means.is_again() && last.is_over && !last.is_reverted) {
        return with_safety(means, &job.instance, last.safety_snapshot.as_deref())?.with(&Ended::of(last));
    }
    let outcome = means.service.resume_restore(&job.instance, means.progress)?;
    with_safety(means, &job.instance, outcome.safety_snapshot.as_deref())?.with(&outcome)
}

pub fn abort(job: &spec::Abort, means: &Means<'_>) -> Result<Done> {
    let last = means.service.last_restore(&job.instance)?;
    if let Some(last) = last.filter(|last| means.is_again() && last.is_reverted) {
        return with_safety(means, &job.instance, last.safety_snapshot.as_deref())?.with(&Ended::of(last));
    }
    let outcome = means.service.abort_restore(&job.instance, means.progress)?;
    with_safety(means, &job.instance, outcome.safety_snapshot.as_deref())?.with(&outcome)
}

/// How a restore ended, where only the ledger tells.
#[derive(serde::Serialize)]
struct Ended {
    outcome: &'static str,
    of: Option<String>,
    safety_snapshot: Option<String>,
}

impl Ended {
    fn of(last: LastRestore) -> Self {
        Self { outcome: last.stage, of: last.snapshot, safety_snapshot: last.safety_snapshot }
    }
}

fn with_safety(means: &Means<'_>, instance: &str, safety: Option<&str>) -> Result<Done> {
    let changed: Vec<&str> = safety.into_iter().collect();
    Done::of(means.service, &[instance], &changed)
}

/// Where no instance answers to a name, a restore would take it for a folder's.
fn defined(service: &Service, name: &str) -> Result<()> {
    service.catalog()?.instance(name).map(drop)
}

fn as_restore(job: &spec::Undo) -> spec::Restore {
    let spec::Undo { instance, snapshot, run, no_safety } = job.clone();
    spec::Restore { instance, snapshot, run, no_safety, component: None, path: None }
}

fn request_of(job: &spec::Restore) -> RestoreRequest {
    RestoreRequest {
        snapshot: job.snapshot.clone(),
        to: Some(job.instance.clone()),
        path: job.path.as_ref().map(|path| path.as_bytes().to_vec()),
        component: job.component.clone(),
        no_safety: job.no_safety,
        run: Some(job.run.clone()),
    }
}
