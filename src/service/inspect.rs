//! Looking into snapshots: listed, compared, exported.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::format::manifest::{Component, Manifest, Outcome};
use crate::format::tree::Entry;
use crate::ops::Progress;
use crate::ops::diff::{Change, DiffSummary, diff};
use crate::ops::export::{
    Dumps, ExportFormat, ExportItem, ExportOptions, ExportReport, Neo4jFormat, export_stream, export_to_file,
    exportable,
};
use crate::ops::ls::{Listed, list};
use crate::ops::restore::RestoreReport;
use crate::repo::Reader;
use crate::source::access::Place;
use crate::source::kind::{Export, Exported, Item, Only};
use crate::source::kinds::kind_that_made;
use crate::source::stored::Stored;

use super::catalog::Snapshot;
use super::items::{ItemChange, ItemView, diff_items, side_by_side};
use super::restores::component_of;
use super::{RestoreOutcome, RestoreRequest, Service};

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

/// What is exported, and how.
#[derive(Debug, Clone)]
pub struct ExportRequest {
    /// The snapshot, as it is named.
    pub snapshot: String,
    /// As what.
    pub format: ExportFormat,
    /// For Neo4j dumps: which readers it is for.
    pub neo4j_format: Neo4jFormat,
    /// Only this component.
    pub component: Option<String>,
    /// Only what is at this path of it.
    pub path: Option<Vec<u8>>,
    /// Only this table or key: `table=public.accounts`.
    pub item: Option<ExportItem>,
}

impl Service {
    /// Hands over what is at `path` of a snapshot. Of several components each is a folder of its name.
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
        let reader = self.reader(progress)?;
        let components = snapshot.components()?;
        if let [component] = components {
            return list(&reader, &component.root, path, recursive, visit);
        }
        let below = path.strip_prefix(b"/").unwrap_or(path);
        let (first, rest) = below.split_at(below.iter().position(|byte| *byte == b'/').unwrap_or(below.len()));
        for component in components.iter().filter(|component| first.is_empty() || component.name.as_bytes() == first) {
            let mut with_name = |listed: Listed| visit(listed.below(&component.name));
            if first.is_empty() && !recursive {
                with_name(Listed::root(&component.root))?;
            } else {
                list(&reader, &component.root, rest.strip_prefix(b"/").unwrap_or(rest), recursive, &mut with_name)?;
            }
        }
        match first.is_empty() || components.iter().any(|component| component.name.as_bytes() == first) {
            true => Ok(()),
            false => component_of(snapshot, Some(&String::from_utf8_lossy(first))).map(drop),
        }
    }

    /// Hands over what is in a snapshot as its databases have it: tables, keys. `false`: it has nothing but files.
    pub fn items(
        &self,
        spec: &str,
        progress: &dyn Progress,
        visit: &mut dyn FnMut(ItemView) -> Result<()>,
    ) -> Result<bool> {
        let catalog = self.catalog()?;
        let snapshot = catalog.resolve(spec)?;
        let reader = self.reader(progress)?;
        let several = snapshot.components()?.len() > 1;
        let mut any = false;
        for component in snapshot.components()? {
            let Some(kind) = kind_that_made(&component.origin) else { continue };
            let stored = Stored::of(&reader, &snapshot.manifest, component);
            any |= kind.items(&stored, &self.place, &mut |item| {
                let Item { kind, name, bytes, rows, .. } = item;
                visit(ItemView {
                    component: several.then(|| component.name.clone()),
                    kind: kind.into(),
                    name,
                    bytes,
                    rows,
                })
            })?;
        }
        Ok(any)
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
        let reader = self.reader(progress)?;
        let (a, b) = (catalog.resolve(a)?, catalog.resolve(b)?);
        if let ([a], [b]) = (a.components()?, b.components()?) {
            return diff(&reader, &a.root, &b.root, visit);
        }
        let mut summary = DiffSummary::default();
        for (name, a, b) in side_by_side(a, b)? {
            let nothing = Entry::empty_folder();
            let root = |component: Option<&Component>| component.map_or(nothing.clone(), |one| one.root.clone());
            let of = diff(&reader, &root(a), &root(b), &mut |change| visit(change.below(name)))?;
            summary.add(&of);
        }
        Ok(summary)
    }

    /// Hands over the tables or keys that differ between two snapshots. `false`: there is nothing but files.
    pub fn diff_items(
        &self,
        a: &str,
        b: &str,
        progress: &dyn Progress,
        visit: &mut dyn FnMut(ItemChange) -> Result<()>,
    ) -> Result<bool> {
        let catalog = self.catalog()?;
        let reader = self.reader(progress)?;
        let (a, b) = (catalog.resolve(a)?, catalog.resolve(b)?);
        let several = a.components()?.len() > 1 || b.components()?.len() > 1;
        let mut any = false;
        for (name, before, after) in side_by_side(a, b)? {
            let label = several.then(|| name.to_string());
            let before = before.map(|component| Stored::of(&reader, &a.manifest, component));
            let after = after.map(|component| Stored::of(&reader, &b.manifest, component));
            any |= diff_items(before.as_ref(), after.as_ref(), &self.place, &mut |change| {
                visit(ItemChange { component: label.clone(), ..change })
            })?;
        }
        Ok(any)
    }

    /// For each format, whether a snapshot can be exported as it, and why not.
    pub fn exportable(&self, spec: &str) -> Result<Vec<(ExportFormat, Result<(), String>)>> {
        let catalog = self.catalog()?;
        let snapshot = catalog.resolve(spec)?;
        let reader = self.reader(&crate::ops::Silent)?;
        let dumps = SourceDumps { reader: &reader, snapshot, place: &self.place, progress: &crate::ops::Silent };
        exportable(&reader, &snapshot.manifest, Some(&dumps))
    }

    /// Exports a snapshot, or a part of it.
    pub fn export(
        &self,
        request: ExportRequest,
        target: ExportTarget<'_>,
        progress: &dyn Progress,
    ) -> Result<ExportOutcome> {
        let catalog = self.catalog()?;
        let snapshot = self.restorable(&catalog, &request.snapshot)?;
        let reader = self.reader(progress)?;
        let ExportRequest { format, neo4j_format, component, path: only, item, .. } = request;
        let outcome =
            |output: String, report| ExportOutcome { snapshot: snapshot.manifest.id.to_string(), output, report };
        // One component alone is exported as if the snapshot had no others.
        let manifest = match &component {
            Some(_) => Manifest {
                outcome: Outcome::Completed { components: vec![component_of(snapshot, component.as_deref())?.clone()] },
                ..snapshot.manifest.clone()
            },
            None => snapshot.manifest.clone(),
        };
        if format == ExportFormat::Dir {
            let ExportTarget::Path { path, .. } = target else {
                return Err(Error::Usage("a folder cannot be written to standard output; use tar".into()));
            };
            let request = RestoreRequest {
                snapshot: snapshot.manifest.id.to_string(),
                to: Some(format!("./{}", path.display()))
                    .filter(|_| path.is_relative())
                    .or(path.to_str().map(Into::into)),
                path: only,
                component,
                no_safety: true,
                run: None,
            };
            let RestoreOutcome { target, report, .. } = self.restore(&request, false, progress)?;
            return Ok(outcome(target, ExportWritten::Folder { format: "dir", report }));
        }
        let dumps = SourceDumps { reader: &reader, snapshot, place: &self.place, progress };
        let options = ExportOptions {
            format,
            neo4j_format,
            only,
            threads: rayon::current_num_threads(),
            staging: &self.place.staging,
            item,
            dumps: Some(&dumps),
        };
        let write = |out: &mut dyn Write| {
            // Whoever was told to stop may have broken off with another word for it.
            let stopped = |error| if progress.is_cancelled() { Error::Cancelled } else { error };
            export_stream(&reader, &manifest, &options, out, progress).map_err(stopped)
        };
        Ok(match target {
            ExportTarget::Path { path, overwrite } => {
                let report = export_to_file(path, overwrite, write)?;
                outcome(path.display().to_string(), ExportWritten::File(report))
            }
            ExportTarget::Stream(out) => outcome("-".into(), ExportWritten::File(write(out)?)),
        })
    }
}

/// Dumps as the sources write them.
struct SourceDumps<'a> {
    reader: &'a Arc<Reader>,
    snapshot: &'a Snapshot,
    place: &'a Place,
    progress: &'a dyn Progress,
}

impl Dumps for SourceDumps<'_> {
    fn available(&self, component: &Component, format: ExportFormat) -> Result<Option<Result<(), String>>> {
        match kind_that_made(&component.origin).filter(|kind| kind.writes_dumps()) {
            Some(kind) => kind.exports(&Stored::of(self.reader, &self.snapshot.manifest, component), format).map(Some),
            None => Ok(None),
        }
    }

    fn in_tar_gz(&self, component: &Component) -> bool {
        kind_that_made(&component.origin)
            .is_some_and(|kind| kind.tar_gz_holds_dump(&Stored::of(self.reader, &self.snapshot.manifest, component)))
    }

    fn write(
        &self,
        component: &Component,
        format: ExportFormat,
        item: Option<&ExportItem>,
        out: &mut dyn Write,
    ) -> Result<(u64, u64)> {
        let kind = kind_that_made(&component.origin)
            .ok_or_else(|| Error::Refused("what it was captured from is not known to be a database".into()))?;
        let only = item.map(|item| Only { kind: &item.kind, name: &item.name });
        let stored = Stored::of(self.reader, &self.snapshot.manifest, component);
        let job = Export { stored: &stored, format, only, place: self.place, progress: self.progress };
        let Exported { files, bytes } = kind.export(&job, out)?;
        Ok((files, bytes))
    }
}
