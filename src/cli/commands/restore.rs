//! `snaphold restore`.

use std::os::unix::ffi::OsStrExt;

use snaphold::error::{Error, Result};
use snaphold::service::{RestoreOutcome, RestoreRequest};

use crate::cli::args::{ConsentArgs, RestoreArgs, RestoreCommand};
use crate::cli::backend::Backend;
use crate::cli::confirm::{RESTORE, can_ask, consent, given};
use crate::cli::context::Context;
use crate::cli::output::Report;
use crate::cli::progress::Teller;
use crate::cli::table::{count, fields, size};

pub fn run(context: &Context, arguments: RestoreArgs) -> Result<Report> {
    let backend = context.backend()?;
    if let Some(instance) = arguments.resume.as_deref().or(arguments.abort.as_deref()) {
        return take_up(context, &*backend, instance, arguments.resume.is_some());
    }
    let (request, plan, consent) = match arguments.command {
        Some(RestoreCommand::Undo { name, plan, consent }) => {
            (backend.undo_request(&name, consent.no_safety)?, plan, consent)
        }
        None => {
            let snapshot = arguments.snapshot.ok_or_else(|| Error::Usage("which snapshot?".into()))?;
            let path = arguments.path.map(|path| path.as_os_str().as_bytes().to_vec());
            let request = RestoreRequest {
                snapshot,
                to: arguments.to,
                path,
                component: arguments.component,
                no_safety: arguments.consent.no_safety,
                run: None,
            };
            (request, arguments.plan, arguments.consent)
        }
    };
    let progress = context.progress();
    if plan {
        let outcome = backend.plan_restore(&request, &progress)?;
        progress.done();
        return Report::new(&outcome, planned(&outcome));
    }
    let confirmed = confirmed(&*backend, &request, &consent, &progress)?;
    let outcome = backend.restore(&request, confirmed, &progress)?;
    progress.done();
    Report::new(&outcome, done(&outcome))
}

/// Ends a restore that was cut short, in one way or the other.
fn take_up(context: &Context, backend: &dyn Backend, instance: &str, forward: bool) -> Result<Report> {
    let progress = context.progress();
    let outcome = match forward {
        true => backend.resume_restore(instance, &progress)?,
        false => backend.abort_restore(instance, &progress)?,
    };
    progress.done();
    let of = &outcome.of;
    let mut text = match forward {
        true => format!("completed the restore of {of} over {instance}\n"),
        false => format!("{instance} is as it was before the restore of {of}\n"),
    };
    if let Some(safety) = outcome.safety_snapshot.as_deref().filter(|_| forward) {
        text.push_str(&kept(safety, instance));
    }
    Report::new(&outcome, text)
}

/// Whether what is there may be overwritten. A script that gave no word hears from the library whether one is needed.
fn confirmed(
    backend: &dyn Backend,
    request: &RestoreRequest,
    arguments: &ConsentArgs,
    progress: &Teller,
) -> Result<bool> {
    let word = arguments.confirm.as_deref();
    if word.is_some() || !can_ask() {
        return given(RESTORE, word);
    }
    let plan = backend.plan_restore(request, progress)?;
    progress.done();
    match plan.in_place {
        true => consent(RESTORE, None, &format!("overwrite {}", plan.target), || Ok(planned(&plan))),
        false => Ok(false),
    }
}

fn planned(plan: &RestoreOutcome) -> String {
    let RestoreOutcome { snapshot, target, report, .. } = plan;
    let place = if plan.in_place { "is there and would be overwritten" } else { "is empty or not there" };
    fields(&[
        ("restore of", snapshot.clone()),
        ("to", format!("{target}, which {place}")),
        ("would write", format!("{} of {}", size(report.bytes_written), size(report.bytes_total))),
        ("would leave", format!("{} as they are", size(report.bytes_unchanged))),
        ("would change", format!("{} of {} files", count(report.files_changed), count(report.files))),
        ("would remove", format!("{} files and folders", count(report.removed))),
    ])
}

/// What a restore did.
pub fn done(outcome: &RestoreOutcome) -> String {
    let RestoreOutcome { snapshot, target, instance, safety_snapshot, report, .. } = outcome;
    let mut text = format!(
        "restored snapshot {snapshot} to {target}: {} files of {}; {} written",
        count(report.files),
        size(report.bytes_total),
        size(report.bytes_written)
    );
    if outcome.in_place {
        text.push_str(&format!(", {} left as they were", size(report.bytes_unchanged)));
    }
    text.push('\n');
    for check in &outcome.checks {
        text.push_str(&format!("{}: {}\n", check.name, check.detail));
    }
    if let (Some(safety), Some(instance)) = (safety_snapshot, instance) {
        text.push_str(&kept(safety, instance));
    }
    text
}

/// Says where the state before is.
pub fn kept(safety: &str, instance: &str) -> String {
    format!("what was there before is snapshot {safety}; `snaphold restore undo {instance}` goes back to it\n")
}
