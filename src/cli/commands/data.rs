//! `snaphold load`, `export`, `restore` and `clone`.

use snaphold::error::{Error, Result};

use crate::cli::args::{CloneArgs, ExportArgs, LoadArgs, RestoreArgs};
use crate::cli::context::Context;
use crate::cli::output::Report;

pub fn load(_context: &Context, _arguments: LoadArgs) -> Result<Report> {
    Err(Error::Failed("not wired yet".into()))
}

pub fn export(_context: &Context, _arguments: ExportArgs) -> Result<Report> {
    Err(Error::Failed("not wired yet".into()))
}

pub fn restore(_context: &Context, _arguments: RestoreArgs) -> Result<Report> {
    Err(Error::Failed("not wired yet".into()))
}

pub fn clone(_context: &Context, _arguments: CloneArgs) -> Result<Report> {
    Err(Error::Failed("not wired yet".into()))
}
