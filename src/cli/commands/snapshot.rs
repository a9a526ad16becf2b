//! `snaphold snapshot`.

use serde::Serialize;
use snaphold::error::{Error, Result};
use snaphold::service::{ProofView, SnapshotView, TakeOptions, format_duration};

use super::look;
use crate::cli::args::{Compression, SnapshotCommand, TakeArgs};
use crate::cli::confirm::{DELETE, consent};
use crate::cli::context::Context;
use crate::cli::output::Report;
use crate::cli::table::{Side, Table, count, fields, printable, size, time, time_or_dash};

#[derive(Serialize)]
struct Snapshots {
    snapshots: Vec<SnapshotView>,
}

pub fn run(context: &Context, command: SnapshotCommand) -> Result<Report> {
    match command {
        SnapshotCommand::Take(arguments) => take(context, arguments),
        SnapshotCommand::List { name } => {
            let snapshots = Snapshots { snapshots: context.backend()?.snapshots(name.as_deref())? };
            let text = table(&snapshots.snapshots).text("there are no snapshots");
            Report::new(&snapshots, text)
        }
        SnapshotCommand::Show { snapshot } => {
            let view = context.backend()?.snapshot(&snapshot)?;
            Report::new(&view, show(&view))
        }
        SnapshotCommand::Delete { snapshots, confirm, grace } => delete(context, &snapshots, confirm.as_deref(), grace),
        SnapshotCommand::Undelete { snapshot } => {
            let view = context.backend()?.undelete_snapshot(&snapshot)?;
            Report::new(&view, format!("snapshot {} is back\n", view.id))
        }
        SnapshotCommand::Hold { snapshot, until } => {
            let backend = context.backend()?;
            let view = backend.hold_snapshot(&snapshot, until.at_ns(context.now_ns()))?;
            let text = format!("snapshot {} is held until {} UTC\n", view.id, time_or_dash(view.hold_until));
            Report::new(&view, text)
        }
        SnapshotCommand::Diff { a, b, files } => look::diff(context, &a, &b, files),
        SnapshotCommand::Ls { snapshot, path, recursive, files } => {
            look::ls(context, &snapshot, path.as_deref(), recursive, files)
        }
    }
}

fn take(context: &Context, arguments: TakeArgs) -> Result<Report> {
    let effort = match arguments.compression {
        Compression::Fast => "fast",
        Compression::Default => "default",
        Compression::Best => "best",
    };
    let options = TakeOptions {
        id: None,
        description: arguments.description,
        retain_ns: arguments.retain,
        effort: effort.parse().map_err(Error::Usage)?,
        skip_unreadable: arguments.skip_unreadable,
        include: arguments.include,
    };
    let progress = context.progress();
    let view = context.backend()?.take(&arguments.name, options, &progress)?;
    progress.done();
    Report::new(&view, taken(&view))
}

/// What a snapshot that was just taken cost.
pub fn taken(view: &SnapshotView) -> String {
    let mut text = format!(
        "snapshot {} of {}: {} in {} files; {} read, {} new, {} stored\n",
        view.id,
        view.instance,
        size(view.bytes_total),
        count(view.files),
        size(view.bytes_read),
        size(view.bytes_new),
        size(view.bytes_stored)
    );
    text.push_str(&missing(view));
    text
}

/// Says what a snapshot lacks, wherever it is shown.
fn missing(view: &SnapshotView) -> String {
    match view.unreadable {
        0 => String::new(),
        1 => format!("snapshot {} lacks 1 file that could not be read\n", view.id),
        lacking => format!("snapshot {} lacks {} files that could not be read\n", view.id, count(lacking)),
    }
}

fn table(views: &[SnapshotView]) -> Table {
    let mut table = Table::new([
        ("ID", Side::Left),
        ("INSTANCE", Side::Left),
        ("TYPE", Side::Left),
        ("STATUS", Side::Left),
        ("CREATED (UTC)", Side::Left),
        ("FILES", Side::Right),
        ("SIZE", Side::Right),
        ("STORED", Side::Right),
        ("EXPIRES (UTC)", Side::Left),
        ("DESCRIPTION", Side::Left),
    ]);
    for view in views {
        table.row([
            view.id.clone(),
            view.instance.clone(),
            view.kind.to_string(),
            status(view),
            time(view.created_at),
            count(view.files),
            size(view.bytes_total),
            size(view.bytes_stored),
            time_or_dash(view.expires_at),
            view.description.clone().unwrap_or_default(),
        ]);
    }
    table
}

fn status(view: &SnapshotView) -> String {
    let mut status = view.status.to_string();
    if view.unreadable > 0 {
        status.push_str(", incomplete");
    }
    if view.hold_until.is_some() {
        status.push_str(", held");
    }
    match &view.proof {
        Some(proof) if proof.proven => status.push_str(", proven"),
        Some(_) => status.push_str(", DRILL FAILED"),
        None => {}
    }
    status
}

fn show(view: &SnapshotView) -> String {
    let mut lines = vec![
        ("id", view.id.clone()),
        ("instance", view.instance.clone()),
        ("type", view.kind.to_string()),
        ("status", view.status.to_string()),
    ];
    let optional = [
        ("reason", view.reason.clone()),
        ("description", view.description.clone()),
        ("created", Some(time(view.created_at))),
        ("finished", view.finished_at.map(time)),
        ("expires", view.expires_at.map(time)),
        ("held until", view.hold_until.map(time)),
        ("deleted", view.deleted_at.map(time)),
        ("deleted by", view.deleted_by.as_deref().map(str::to_string)),
        ("data goes after", view.purge_after.map(time)),
        ("origin", view.origin.clone()),
        ("components", components(view)),
        ("last drill", view.proof.as_ref().map(drill)),
        ("compared with", view.parent.clone()),
        ("before restore of", view.before_restore_of.clone()),
    ];
    lines.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    lines.extend([
        ("files", count(view.files)),
        ("folders", count(view.directories)),
        ("size", size(view.bytes_total)),
        ("read", size(view.bytes_read)),
        (
            "new",
            format!(
                "{} in {} chunks, {} as deltas",
                size(view.bytes_new),
                count(view.chunks_new),
                count(view.chunks_delta)
            ),
        ),
        ("stored", size(view.bytes_stored)),
    ]);
    if view.unreadable > 0 {
        lines.push(("not readable", count(view.unreadable)));
    }
    fields(&lines)
}

fn components(view: &SnapshotView) -> Option<String> {
    let each = view.components.iter().map(|one| format!("{} ({}, {})", one.name, one.origin, size(one.bytes_total)));
    Some(each.collect::<Vec<_>>().join("; ")).filter(|text| !text.is_empty())
}

fn drill(proof: &ProofView) -> String {
    let failed: Vec<String> = proof
        .checks
        .iter()
        .filter(|check| !check.ok)
        .map(|check| format!("{}: {}", check.name, check.detail))
        .collect();
    match proof.proven {
        true => format!("{}: proven by {} checks", time(proof.at), count(proof.checks.len() as u64)),
        false => format!("{}: NOT proven; {}", time(proof.at), printable(&failed.join("; "))),
    }
}

fn delete(context: &Context, specs: &[String], given: Option<&str>, grace_ns: Option<i64>) -> Result<Report> {
    let backend = context.backend()?;
    // All are looked up before one is deleted, and then named by their ids: `latest` moves while they go.
    let mut views: Vec<SnapshotView> = Vec::new();
    for spec in specs {
        let view = backend.snapshot(spec)?;
        if !views.iter().any(|known| known.id == view.id) {
            views.push(view);
        }
    }
    let ids: Vec<&str> = views.iter().map(|view| view.id.as_str()).collect();
    let what = match ids.as_slice() {
        [id] => format!("delete snapshot {id}"),
        ids => format!("delete the snapshots {}", ids.join(", ")),
    };
    consent(DELETE, given, &what, || Ok(table(&views).text("")))?;
    let deleted: Result<Vec<SnapshotView>> = ids.iter().map(|id| backend.delete_snapshot(id, grace_ns)).collect();
    let deleted = Snapshots { snapshots: deleted? };
    let text: String = deleted.snapshots.iter().map(gone).collect();
    Report::new(&deleted, text)
}

/// What becomes of a deleted snapshot's data.
fn gone(view: &SnapshotView) -> String {
    let grace = view.deleted_at.zip(view.purge_after).map(|(from, until)| until.duration_since(from).as_nanos());
    let grace_ns = grace.and_then(|grace| i64::try_from(grace).ok()).unwrap_or_default();
    let then = match grace_ns {
        ..=0 => "`snaphold gc` frees what only it held".to_string(),
        _ => format!("its data stays for {}, `snaphold snapshot undelete` brings it back", format_duration(grace_ns)),
    };
    format!("deleted snapshot {}; {then}\n", view.id)
}
