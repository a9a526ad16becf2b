//! `snaphold policy`.

use snaphold::error::{ErrorKind, Result};
use snaphold::service::policy::{Hours, Policy, PolicyEdit};
use snaphold::service::{PolicyRun, PolicyRunRequest, PolicyView, RunView, format_duration};

use super::snapshot::taken;
use crate::cli::args::{PolicyCommand, PolicyRunArgs, PolicySetArgs};
use crate::cli::context::Context;
use crate::cli::output::Report;
use crate::cli::table::{Side, Table, fields, printable, time, time_or_dash};

pub fn run(context: &Context, command: PolicyCommand) -> Result<Report> {
    match command {
        PolicyCommand::Show { name } => report(&context.backend()?.policy(&name)?),
        PolicyCommand::Set(arguments) => {
            let (name, edit) = edit(arguments);
            report(&context.backend()?.set_policy(&name, edit)?)
        }
        PolicyCommand::Reset { name } => report(&context.backend()?.reset_policy(&name)?),
        PolicyCommand::Run(arguments) => follow(context, arguments),
    }
}

fn edit(arguments: PolicySetArgs) -> (String, PolicyEdit) {
    let enabled = match (arguments.on, arguments.off) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    let edit = PolicyEdit {
        enabled,
        days: arguments.days,
        hours: arguments.hours,
        window: arguments.window.map(Some).or(arguments.no_window.then_some(None)),
        zone: arguments.timezone,
        retain_ns: arguments.retain.map(Some).or(arguments.no_retain.then_some(None)),
    };
    (arguments.name, edit)
}

fn report(view: &PolicyView) -> Result<Report> {
    let mut lines = vec![("instance", view.instance.clone()), ("plan", view.plan.clone())];
    let whose = match view.origin.as_ref() {
        "own" => "the instance's own",
        "plan" => "the plan's",
        _ => "none; `snaphold policy set` makes one",
    };
    lines.push(("policy", whose.to_string()));
    lines.extend(view.policy.iter().flat_map(parts));
    lines.extend(view.last.as_ref().map(|last| ("last", last_run(last))));
    let mut text = fields(&lines);
    view.notes.iter().for_each(|note| text.push_str(&format!("{}\n", printable(note))));
    if !view.next.is_empty() {
        let mut table = Table::new([("NEXT (UTC)", Side::Left), ("LOCAL", Side::Left), ("UNTIL (UTC)", Side::Left)]);
        for slot in &view.next {
            table.row([time(slot.due_at), slot.local.clone(), time_or_dash(slot.closes_at)]);
        }
        text.push_str(&table.text(""));
    }
    Report::new(view, text)
}

fn parts(policy: &Policy) -> Vec<(&'static str, String)> {
    let hours = match policy.hours {
        Hours::Once => "once a day".to_string(),
        Hours::Every => "every hour".to_string(),
        hours @ Hours::At(_) => hours.to_string(),
    };
    let retain = policy.retain_ns.map_or_else(|| "as the instance or its plan says".to_string(), format_duration);
    vec![
        ("state", if policy.enabled { "on" } else { "off" }.to_string()),
        ("days", policy.days.to_string()),
        ("hours", hours),
        ("window", policy.window.map_or_else(|| "-".to_string(), |window| window.to_string())),
        ("timezone", policy.zone.to_string()),
        ("retention", retain),
    ]
}

/// A policy in a few words.
pub fn in_words(policy: &Policy) -> String {
    let parts = parts(policy).into_iter().filter(|(_, value)| value != "-");
    parts.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("; ")
}

fn last_run(last: &RunView) -> String {
    let what = match last.due_at {
        Some(due_at) => format!("{} UTC", time(due_at)),
        None => format!("{} UTC, because the system was new or changed", time(last.began_at)),
    };
    match (&last.status, &last.snapshot, &last.reason) {
        (_, Some(snapshot), _) => format!("{what}: snapshot {snapshot}"),
        (status, _, Some(reason)) => format!("{what}: {status} {} times; {reason}", last.attempts),
        (status, ..) => format!("{what}: {status}"),
    }
}

fn follow(context: &Context, arguments: PolicyRunArgs) -> Result<Report> {
    let progress = context.progress();
    let request = PolicyRunRequest { names: arguments.names, no_check: arguments.no_check };
    let run = context.service()?.run_policies(&request, &progress)?;
    progress.done();
    let code = if run.failed.is_empty() { 0 } else { ErrorKind::Failed.exit_code() };
    Report::with_code(&run, said(&run, context.global.quiet), code)
}

fn said(run: &PolicyRun, quiet: bool) -> String {
    let mut text: String = run.taken.iter().map(|one| taken(&one.snapshot)).collect();
    for failure in &run.failed {
        text.push_str(&format!("{}: FAILED: {}\n", failure.instance, printable(&failure.message)));
    }
    run.busy.iter().for_each(|name| text.push_str(&format!("{name}: another process is at it\n")));
    match run.expired.len() {
        0 => {}
        1 => text.push_str("1 snapshot expired\n"),
        expired => text.push_str(&format!("{expired} snapshots expired\n")),
    }
    // Cron sends a letter for every word.
    if !quiet {
        text.push_str(&match &run.next {
            Some(next) => format!("next: {} at {} UTC\n", next.instance, time(next.due_at)),
            None => "no instance has a policy that is on; `snaphold policy set` gives it one\n".to_string(),
        });
    }
    text
}
