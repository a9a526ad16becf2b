//! `snaphold gc`, `verify`, `repair`, `stats` and `check-storage`.

use serde::Serialize;
use snaphold::error::{Error, ErrorKind, Result};
use snaphold::storage::{Check, LocalFolder, check_storage as probe};

use crate::cli::args::{CheckStorageArgs, GcArgs, VerifyArgs};
use crate::cli::context::Context;
use crate::cli::output::Report;
use crate::cli::table::{Side, Table};

pub fn gc(_context: &Context, _arguments: &GcArgs) -> Result<Report> {
    Err(Error::Failed("not wired yet".into()))
}

pub fn verify(_context: &Context, _arguments: &VerifyArgs) -> Result<Report> {
    Err(Error::Failed("not wired yet".into()))
}

pub fn repair(_context: &Context) -> Result<Report> {
    Err(Error::Failed("not wired yet".into()))
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
