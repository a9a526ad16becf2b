//! Looking into snapshots: listed, compared, exported.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::ops::Progress;
use crate::ops::diff::{Change, DiffSummary, diff};
use crate::ops::export::{
    ExportFormat, ExportOptions, ExportReport, Neo4jFormat, export_stream, export_to_file, exportable,
};
use crate::ops::ls::{Listed, list};
use crate::ops::restore::{self, RestoreReport, restore_new};
use crate::source::sqlite;

use super::Service;

/// Where an export goes.
pub enum ExportTarget<'a> {
    /// A file (a folder for the format `dir`), which is there only when it is whole.
    Path {
        /// Its path.
        path: &'a Path,
        /// Whether a file that is there may be replaced.
        overwrite: bool,
    },
    /// A stream.
    Stream(&'a mut dyn Write),
}

/// What was exported.
#[derive(Debug, Clone, Serialize)]
pub struct ExportOutcome {
    /// The snapshot's id.
    pub snapshot: String,
    /// Where to; `-` for a stream.
    pub output: String,
    /// What was written.
    #[serde(flatten)]
    pub report: ExportWritten,
}

/// What an export wrote.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum ExportWritten {
    /// One file.
    File(ExportReport),
    /// A folder.
    Folder {
        /// `dir`.
        format: &'static str,
        /// What was written.
        #[serde(flatten)]
        report: RestoreReport,
    },
}

impl Service {
    /// Hands over what is at `path` of a snapshot.
    pub fn ls(
        &self,
        spec: &str,
        path: &[u8],
        recursive: bool,
        progress: &dyn Progress,
        visit: &mut dyn FnMut(Listed) -> Result<()>,
    ) -> Result<()> {
        let catalog = self.catalog()?;
        let snapshot = catalog.resolve(spec)?;
        let component = self.component(snapshot)?;
        list(&*self.reader(progress)?, &component.root, path, recursive, visit)
    }

    /// Hands over what differs between two snapshots.
    pub fn diff(
        &self,
        a: &str,
        b: &str,
        progress: &dyn Progress,
        visit: &mut dyn FnMut(Change) -> Result<()>,
    ) -> Result<DiffSummary> {
        let catalog = self.catalog()?;
        let (a, b) = (self.component(catalog.resolve(a)?)?, self.component(catalog.resolve(b)?)?);
        diff(&*self.reader(progress)?, &a.root, &b.root, visit)
    }

    /// For each format, whether a snapshot can be exported as it, and why not.
    pub fn exportable(&self, spec: &str) -> Result<Vec<(ExportFormat, Result<(), String>)>> {
        let catalog = self.catalog()?;
        let snapshot = catalog.resolve(spec)?;
        exportable(&*self.reader(&crate::ops::Silent)?, &snapshot.manifest)
    }

    /// Exports a snapshot, or with `only` what is at one path of it.
    pub fn export(
        &self,
        spec: &str,
        (format, neo4j_format): (ExportFormat, Neo4jFormat),
        only: Option<Vec<u8>>,
        target: ExportTarget<'_>,
        progress: &dyn Progress,
    ) -> Result<ExportOutcome> {
        let catalog = self.catalog()?;
        let snapshot = self.restorable(&catalog, spec)?;
        let reader = self.reader(progress)?;
        let outcome =
            |output: String, report| ExportOutcome { snapshot: snapshot.manifest.id.to_string(), output, report };
        if format == ExportFormat::Dir {
            let ExportTarget::Path { path, .. } = target else {
                return Err(Error::Usage("a folder cannot be written to standard output; use tar".into()));
            };
            let root = &self.component(snapshot)?.root;
            let entry = match &only {
                Some(part) => restore::find(&reader, root, part)?,
                None => root.clone(),
            };
            let report = restore_new(&reader, &entry, path, progress)?;
            let written = ExportWritten::Folder { format: "dir", report };
            return Ok(outcome(path.display().to_string(), written));
        }
        let dump = |database: &Path, out: &mut dyn Write| {
            let dump = sqlite::dump_sql(database, out)?;
            if dump.texts_cut > 0 {
                progress.notice(&format!(
                    "{} texts hold a NUL byte and end there in the dump, as sqlite3 writes them",
                    dump.texts_cut
                ));
            }
            Ok(())
        };
        let options = ExportOptions {
            format,
            neo4j_format,
            only,
            threads: rayon::current_num_threads(),
            staging: &self.staging,
            sqlite_dump: Some(&dump),
        };
        let write = |out: &mut dyn Write| export_stream(&reader, &snapshot.manifest, &options, out, progress);
        Ok(match target {
            ExportTarget::Path { path, overwrite } => {
                let report = export_to_file(path, overwrite, write)?;
                outcome(path.display().to_string(), ExportWritten::File(report))
            }
            ExportTarget::Stream(out) => outcome("-".into(), ExportWritten::File(write(out)?)),
        })
    }
}
