//! Loads: an uploaded file becomes a snapshot, and what the instance's source holds.

use crate::error::Result;
use crate::service::{LoadOutcome, LoadRequest, SnapshotView, TakeOptions, open_file};

use super::capture::{ended, parse_id};
use super::done::{Done, Means};
use super::files::{check_file_name, file_of};
use super::restore::{Before, before};
use super::spec;

pub fn load(job: &spec::Load, means: &Means<'_>) -> Result<Done> {
    let service = means.service;
    let id = parse_id(&job.snapshot)?;
    let options = TakeOptions {
        id: Some(id),
        description: job.description.clone(),
        retain_ns: job.retain_ns,
        ..TakeOptions::default()
    };
    let snapshot = ended(service, id)?;
    let safety = |run: &crate::service::LastRestore| run.safety_snapshot.clone();
    let outcome = match before(service, &job.instance, &job.run)? {
        Before::Done(run) => {
            let snapshot = or_taken(job, means, snapshot, options)?;
            LoadOutcome { snapshot, safety_snapshot: safety(&run) }
        }
        // A dump that was not made ready to its end is gone from the staging folder: it goes in again.
        Before::Unfinished(run) if run.snapshot.is_none() && !run.is_staged => {
            service.abort_restore(&job.instance, means.progress)?;
            begin(job, means, options)?
        }
        Before::Unfinished(_) => {
            let resumed = service.resume_restore(&job.instance, means.progress)?;
            let snapshot = or_taken(job, means, snapshot, options)?;
            LoadOutcome { snapshot, safety_snapshot: resumed.safety_snapshot }
        }
        Before::Nothing => match snapshot {
            Some(snapshot) if service.load_overwrites(&job.instance)?.is_some() => {
                let restored = service.restore(&restore_of(job), true, means.progress)?;
                LoadOutcome { snapshot, safety_snapshot: restored.safety_snapshot }
            }
            Some(snapshot) => LoadOutcome { snapshot, safety_snapshot: None },
            None => begin(job, means, options)?,
        },
    };
    let mut changed = vec![outcome.snapshot.id.as_str()];
    changed.extend(outcome.safety_snapshot.as_deref());
    Done::of(service, &[&job.instance], &changed)?.with(&outcome)
}

/// The snapshot of what was loaded; of a dump it is taken when that is in its place.
fn or_taken(
    job: &spec::Load,
    means: &Means<'_>,
    snapshot: Option<SnapshotView>,
    options: TakeOptions,
) -> Result<SnapshotView> {
    match snapshot {
        Some(snapshot) => Ok(snapshot),
        None => means.service.take_loaded(&job.instance, options, means.progress),
    }
}

fn begin(job: &spec::Load, means: &Means<'_>, options: TakeOptions) -> Result<LoadOutcome> {
    check_file_name(&job.file_name)?;
    let input = open_file(&file_of(means.uploads, &job.upload)?)?;
    let request = LoadRequest {
        instance: job.instance.clone(),
        input,
        file_name: job.file_name.clone(),
        no_safety: job.no_safety,
        run: Some(job.run.clone()),
        options,
    };
    means.service.load(request, true, means.progress)
}

/// What is left of a load whose snapshot is there already.
fn restore_of(job: &spec::Load) -> crate::service::RestoreRequest {
    crate::service::RestoreRequest {
        snapshot: job.snapshot.clone(),
        to: Some(job.instance.clone()),
        no_safety: job.no_safety,
        run: Some(job.run.clone()),
        ..Default::default()
    }
}
