//! `snaphold job`.

use serde::Serialize;
use snaphold::error::{ErrorKind, Result};
use snaphold::server::actions::jobs::Job;

use crate::cli::args::JobCommand;
use crate::cli::context::Context;
use crate::cli::output::Report;
use crate::cli::table::{Side, Table, fields, printable, size, time};

#[derive(Serialize)]
struct Jobs {
    jobs: Vec<Job>,
}

pub fn run(context: &Context, command: JobCommand) -> Result<Report> {
    let remote = context.remote()?;
    match command {
        JobCommand::List { status, kind, instance, limit } => {
            let asked = [("status", status), ("kind", kind), ("instance", instance)];
            let query: Vec<(&str, &str)> =
                asked.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
            let jobs = Jobs { jobs: remote.jobs(&query, limit)? };
            Report::new(&jobs, table(&jobs.jobs).text("there are no jobs"))
        }
        JobCommand::Show { id } => {
            let job = remote.job(&id)?;
            Report::new(&job, show(&job))
        }
        JobCommand::Cancel { id } => {
            let job = remote.cancel_job(&id)?;
            let text = match job.is_over() {
                true => format!("job {id} is {}\n", job.status),
                false => format!("job {id} was asked to stop\n"),
            };
            Report::new(&job, text)
        }
        JobCommand::Wait { id } => {
            let progress = context.progress();
            let job = remote.ended(remote.job(&id)?, &progress)?;
            progress.done();
            let code = if job.status == "succeeded" { 0 } else { ErrorKind::Failed.exit_code() };
            Report::with_code(&job, show(&job), code)
        }
    }
}

fn table(jobs: &[Job]) -> Table {
    let mut table = Table::new([
        ("ID", Side::Left),
        ("KIND", Side::Left),
        ("STATUS", Side::Left),
        ("INSTANCE", Side::Left),
        ("CREATED (UTC)", Side::Left),
        ("DONE", Side::Right),
        ("STAGE", Side::Left),
    ]);
    for job in jobs {
        table.row([
            job.id.clone(),
            job.kind.clone(),
            job.status.clone(),
            job.instance.clone().unwrap_or_else(|| "-".to_string()),
            time(job.created_at),
            job.percent.map_or_else(|| "-".to_string(), |percent| format!("{percent:.0} %")),
            job.stage.clone().unwrap_or_default(),
        ]);
    }
    table
}

fn show(job: &Job) -> String {
    let bytes = |bytes: i64| size(u64::try_from(bytes).unwrap_or_default());
    let stage = job.stage.as_ref().map(|stage| match job.bytes_total {
        Some(total) => format!("{stage}, {} of {}", bytes(job.bytes_done), bytes(total)),
        None => format!("{stage}, {}", bytes(job.bytes_done)),
    });
    let mut lines = vec![
        ("id", job.id.clone()),
        ("kind", job.kind.clone()),
        ("status", job.status.clone()),
        ("created", time(job.created_at)),
        ("by", job.created_by.clone()),
    ];
    let optional = [
        ("instance", job.instance.clone()),
        ("snapshot", job.snapshot.clone()),
        ("begun", job.started_at.map(time)),
        ("ended", job.finished_at.map(time)),
        ("attempt", Some(job.attempt.to_string()).filter(|_| job.attempt > 1)),
        ("stage", stage.filter(|_| !job.is_over())),
        ("error", job.error.as_ref().map(|error| printable(&error.message))),
    ];
    lines.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    fields(&lines)
}
