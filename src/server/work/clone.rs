//! Clones: a snapshot becomes a new instance.

use crate::error::{Error, Result};
use crate::service::{CloneOutcome, CloneRequest, SettingsSpec};

use super::capture::{ended, parse_id};
use super::done::{Done, Means};
use super::spec;

pub fn clone(job: &spec::Clone, means: &Means<'_>) -> Result<Done> {
    let service = means.service;
    let copy = parse_id(&job.copy)?;
    let outcome = match ended(service, copy)? {
        Some(snapshot) => CloneOutcome { instance: job.name.clone(), snapshot, restored: None },
        None if means.is_again() && service.catalog()?.instances.contains_key(&job.name) => {
            service.complete_clone(&job.snapshot, &job.name, copy)?
        }
        None => begin(job, means)?,
    };
    Done::of(service, &[&job.name], &[&outcome.snapshot.id])?.with(&outcome)
}

fn begin(job: &spec::Clone, means: &Means<'_>) -> Result<CloneOutcome> {
    let settings = job.settings.clone();
    let password = settings.password.as_deref().map(|sealed| means.service.open_text(sealed)).transpose()?;
    let request = CloneRequest {
        snapshot: job.snapshot.clone(),
        name: job.name.clone(),
        source: job.source.clone(),
        settings: SettingsSpec {
            password,
            password_file: settings.password_file,
            stop: settings.stop,
            start: settings.start,
            before: settings.before,
            after: settings.after,
            data_directory: settings.data_directory,
        },
        copy: Some(parse_id(&job.copy)?),
    };
    let cut_short = |error| match error {
        // What is there may be what the attempt before has written: nobody but the user can tell.
        Error::Refused(text) if means.is_again() => Error::Refused(format!(
            "the clone was cut short, and is not begun anew over what is there ({text}); empty it, and clone again"
        )),
        error => error,
    };
    means.service.clone_snapshot(request, means.progress).map_err(cut_short)
}
