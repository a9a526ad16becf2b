//! Exports: a snapshot becomes a file that can be downloaded.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::ops::export::{ExportFormat, measure, partial_of};
use crate::service::{ExportRequest, ExportTarget, ExportWritten};

use super::done::{Done, Means};
use super::files::file_of;
use super::spec;

/// What an export made.
#[derive(Debug, Serialize)]
struct Exported {
    snapshot: String,
    export: String,
    format: ExportFormat,
    /// The file's name in the exports folder.
    file: String,
    /// Its length.
    bytes: u64,
    /// BLAKE3-256 of its bytes, in hexadecimal digits.
    blake3: String,
    /// Regular files that went in; absent where an earlier attempt had written it.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<u64>,
    /// Their plain bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_plain: Option<u64>,
}

/// Where an export's file is. `format` as in its job.
pub fn export_file(exports: &Path, export: &str, format: &str) -> Result<PathBuf> {
    let format = file_format(format)?;
    let base = file_of(exports, export)?;
    Ok(base.with_file_name(format!("{export}.{format}")))
}

/// Removes an export's file, and what an interrupted attempt has left of it. May be done again.
pub fn remove_export(exports: &Path, export: &str, format: &str) -> Result<()> {
    let file = export_file(exports, export, format)?;
    for path in partial_of(&file).into_iter().chain([file]) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::target(path, error)),
            _ => {}
        }
    }
    Ok(())
}

fn file_format(text: &str) -> Result<ExportFormat> {
    match text.parse()? {
        ExportFormat::Dir => Err(Error::Usage("a folder cannot be downloaded; use dump, sql, tar.gz or tar".into())),
        format => Ok(format),
    }
}

pub fn export(job: &spec::Export, means: &Means<'_>) -> Result<Done> {
    let format = file_format(&job.format)?;
    let path = export_file(means.exports, &job.export, &job.format)?;
    let written = match means.is_again() && path.is_file() {
        // It has its name only when it is whole.
        true => None,
        false => Some(write(job, format, &path, means)?),
    };
    let (bytes, hash) = measure(&path, means.progress).inspect_err(|_| _ = fs::remove_file(&path))?;
    let exported = Exported {
        snapshot: job.snapshot.clone(),
        export: job.export.clone(),
        format,
        file: path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        bytes,
        blake3: hash.to_hex().to_string(),
        files: written.map(|(files, _)| files),
        bytes_plain: written.map(|(_, bytes)| bytes),
    };
    Done::default().with(&exported)
}

/// Writes the file. Returns how many files went in, and their plain bytes.
fn write(job: &spec::Export, format: ExportFormat, path: &Path, means: &Means<'_>) -> Result<(u64, u64)> {
    let request = ExportRequest {
        snapshot: job.snapshot.clone(),
        format,
        neo4j_format: job.neo4j_format.as_deref().map(str::parse).transpose()?.unwrap_or_default(),
        component: job.component.clone(),
        path: job.path.as_ref().map(|path| path.as_bytes().to_vec()),
        item: job.only.as_deref().map(str::parse).transpose()?,
    };
    let outcome = means.service.export(request, ExportTarget::Path { path, overwrite: true }, means.progress)?;
    match outcome.report {
        ExportWritten::File(report) => Ok((report.files, report.bytes_plain)),
        ExportWritten::Folder { report, .. } => Ok((report.files, report.bytes_total)),
    }
}
