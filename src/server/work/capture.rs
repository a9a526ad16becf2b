//! Snapshots: on demand, because a system changed, because a policy says so.

use crate::error::{Error, Result};
use crate::id::SnapshotId;
use crate::service::{PolicyRunRequest, Service, SnapshotView, TakeOptions};

use super::done::{Done, Means};
use super::spec;

/// The id that a spec names.
pub fn parse_id(text: &str) -> Result<SnapshotId> {
    text.parse().map_err(|error| Error::Usage(format!("{text:?} cannot be a snapshot's id: {error}")))
}

/// The snapshot of a chosen id, where an earlier attempt has brought it to an end. One that failed is the job's failure:
/// what it was asked for did not come to be, and its reason is the answer. One that was cancelled is taken anew, in the
/// same record's place: a job that is done again was put back, by a server that stopped, say, and is still wanted.
pub fn ended(service: &Service, id: SnapshotId) -> Result<Option<SnapshotView>> {
    let Some(view) = service.find_snapshot(id)? else { return Ok(None) };
    match view.reason {
        Some(reason) if reason == Error::Cancelled.to_string() => Ok(None),
        Some(reason) => Err(Error::Failed(reason)),
        None => Ok(Some(view)),
    }
}

pub fn snapshot(job: &spec::Snapshot, means: &Means<'_>) -> Result<Done> {
    let service = means.service;
    let id = parse_id(&job.snapshot)?;
    let view = match ended(service, id)? {
        Some(view) => view,
        None => {
            let options = TakeOptions {
                id: Some(id),
                description: job.description.clone(),
                retain_ns: job.retain_ns,
                skip_unreadable: job.skip_unreadable,
                include: job.include.clone(),
                ..TakeOptions::default()
            };
            service.take(&job.instance, options, means.progress)?
        }
    };
    Done::of(service, &[&job.instance], &[&view.id])?.with(&view)
}

pub fn check(job: &spec::Check, means: &Means<'_>) -> Result<Done> {
    let outcome = means.service.check_instance(&job.instance, means.progress)?;
    let taken: Vec<&str> = outcome.snapshot.iter().map(|snapshot| snapshot.id.as_str()).collect();
    Done::of(means.service, &[&job.instance], &taken)?.with(&outcome)
}

/// One instance's policy. Where it failed the job does, with the same message; what expired beside is told by the
/// aftermath.
pub fn policy(job: &spec::Policy, means: &Means<'_>) -> Result<Done> {
    let request = PolicyRunRequest { names: vec![job.instance.clone()], no_check: job.no_check };
    let run = means.service.run_policies(&request, means.progress)?;
    if let Some(failure) = run.failed.first() {
        return Err(failure.error());
    }
    let taken = run.taken.iter().map(|taken| taken.snapshot.id.as_str());
    let changed: Vec<&str> = taken.chain(run.expired.iter().map(String::as_str)).collect();
    Done::of(means.service, &[&job.instance], &changed)?.with(&run)
}
