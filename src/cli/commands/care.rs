//! `snaphold gc`, `verify`, `repair`, `stats` and `check-storage`.

use serde::Serialize;
use snaphold::error::{Error, ErrorKind, Result};
use snaphold::ops::Progress;
use snaphold::ops::verify::ReadData;
use snaphold::service::GcRequest;
use snaphold::storage::{Check, LocalFolder, check_storage as probe};

use crate::cli::args::{CheckStorageArgs, Fraction, GcArgs, VerifyArgs};
use crate::cli::context::Context;
use crate::cli::output::Report;
use crate::cli::table::{Side, Table, count, printable, size};

pub fn gc(context: &Context, arguments: &GcArgs) -> Result<Report> {
    let request = GcRequest { dry_run: arguments.dry_run, grace_ns: arguments.grace, full: arguments.full };
    let progress = context.progress();
    let report = context.backend()?.gc(request, &progress)?;
    progress.done();
    let would = if report.dry_run { "would be " } else { "" };
    let mut text = format!(
        "{} snapshots {would}expired, {} {would}gone for good; {} {would}freed, {} packs {would}removed, {} {would}rewritten\n",
        count(report.snapshots_expired),
        count(report.snapshots_purged),
        size(report.bytes_freed),
        count(report.packs_deleted),
        count(report.packs_rewritten)
    );
    if report.packs_waiting > 0 {
        text.push_str(&format!(
            "{} packs wait for sessions that write now; the next gc removes them\n",
            count(report.packs_waiting)
        ));
    }
    Report::new(&report, text)
}

pub fn verify(context: &Context, arguments: &VerifyArgs) -> Result<Report> {
    let read_data = match arguments.read_data {
        None => ReadData::None,
        Some(None) => ReadData::All,
        Some(Some(Fraction { number, of })) => ReadData::Part { n: number, of },
    };
    let progress = context.progress();
    let report = context.backend()?.verify(read_data, &progress)?;
    report.notices.iter().for_each(|line| progress.notice(line));
    progress.done();
    let mut text = String::new();
    for error in &report.errors {
        text.push_str(&format!("{}: {}\n", printable(&error.object), printable(&error.message)));
        if !error.snapshots.is_empty() {
            text.push_str(&format!("  snapshots that need it: {}\n", error.snapshots.join(", ")));
        }
    }
    let verdict = match report.errors.len() {
        0 => "all is well".to_string(),
        1 => "1 error; `snaphold repair` makes the best of it".to_string(),
        errors => format!("{errors} errors; `snaphold repair` makes the best of them"),
    };
    text.push_str(&format!(
        "{} snapshots, {} packs, {} chunks checked, {} read: {verdict}\n",
        count(report.snapshots),
        count(report.packs),
        count(report.chunks),
        size(report.bytes_read)
    ));
    let code = if report.ok { 0 } else { ErrorKind::Damaged.exit_code() };
    Report::with_code(&report, text, code)
}

/// Ends with 5 where snapshots stay damaged.
pub fn repair(context: &Context) -> Result<Report> {
    let progress = context.progress();
    let report = context.service()?.repair(&progress)?;
    progress.done();
    let mut text = format!("the index was made anew from {} packs\n", count(report.packs_indexed));
    let lines = [
        ("made again from its other copy", &report.copies_restored),
        ("put aside", &report.packs_put_aside),
        ("damaged and left as it is", &report.left),
        ("snapshot that cannot be restored whole", &report.snapshots_damaged),
    ];
    for (what, names) in lines {
        names.iter().for_each(|name| text.push_str(&format!("{what}: {}\n", printable(name))));
    }
    if report.chunks_saved + report.chunks_lost > 0 {
        text.push_str(&format!("{} chunks saved, {} lost\n", count(report.chunks_saved), count(report.chunks_lost)));
    }
    text.push_str(&format!("{} snapshots are whole\n", count(report.snapshots_whole)));
    let code = if report.snapshots_damaged.is_empty() { 0 } else { ErrorKind::Damaged.exit_code() };
    Report::with_code(&report, text, code)
}

#[derive(Serialize)]
struct Checks {
    ok: bool,
    checks: Vec<Check>,
}

pub fn check_storage(context: &Context, arguments: &CheckStorageArgs) -> Result<Report> {
    let entropy = &*context.surroundings.entropy;
    let checks = match &arguments.path {
        None => probe(&*context.storage()?, entropy)?,
        Some(path) => {
            // A folder of its own below: whatever stands in `path` is left alone.
            let made = tempfile::Builder::new().prefix("snaphold-probe-").tempdir_in(path);
            let folder = made.map_err(|error| Error::target(path, error))?;
            let checks = probe(&LocalFolder::create(folder.path())?, entropy)?;
            folder.close().map_err(|error| Error::target(path, error))?;
            checks
        }
    };
    let mut table = Table::new([("PROMISE", Side::Left), ("KEPT", Side::Left), ("SEEN", Side::Left)]);
    for check in &checks {
        table.row([check.name.to_string(), if check.ok { "yes" } else { "NO" }.to_string(), check.detail.clone()]);
    }
    let ok = checks.iter().all(|check| check.ok);
    let code = if ok { 0 } else { ErrorKind::Failed.exit_code() };
    Report::with_code(&Checks { ok, checks }, table.text("nothing was checked"), code)
}
