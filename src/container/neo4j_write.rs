//! A Neo4j dump, written: the magic, one zstd frame, the counts, the tar.

use std::io::Write;

use super::compress::ZstdWriter;
use super::input::write_error;
use super::member::MemberKind;
use super::neo4j_read::{INNER_WORD, VERSION};
use super::path::RelativePath;
use super::tar_write::TarWriter;
use crate::error::{Error, Result};
use crate::format::tree::Metadata;

const SECOND_NS: i64 = 1_000_000_000;

/// Which readers a dump is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DumpFormat {
    /// Neo4j 5 and newer: `DZV1`, then the frame.
    Current,
    /// Neo4j 4 and before: the frame alone.
    Neo4j4,
}

/// A file or a folder that goes into a dump.
#[derive(Debug, Clone)]
pub struct DumpEntry<T> {
    /// Where it lies in the store. The root may be among the entries, for its metadata.
    pub path: RelativePath,
    /// Owner, mode, time. Extended attributes are left out, and times are cut to seconds: the database's own tool
    /// writes neither.
    pub metadata: Metadata,
    /// [`MemberKind::File`] or [`MemberKind::Directory`].
    pub kind: MemberKind,
    /// Whatever the caller finds the bytes by.
    pub source: T,
}

/// What goes into a dump, in the order in which it goes there.
#[derive(Debug, Clone)]
pub struct DumpPlan<T> {
    root: Metadata,
    store: Vec<DumpEntry<T>>,
    logs: Vec<DumpEntry<T>>,
    files: u64,
    bytes: u64,
}

impl<T> DumpPlan<T> {
    /// Puts `entries` in order: the store's, each folder before what is in it; then the transaction logs.
    ///
    /// Refuses what a dump cannot hold (anything but files and folders), and a path that comes twice.
    pub fn new(mut entries: Vec<DumpEntry<T>>) -> Result<Self> {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        let mut plan = Self { root: default_root(), store: Vec::new(), logs: Vec::new(), files: 0, bytes: 0 };
        let mut last: Option<RelativePath> = None;
        for mut entry in entries {
            let path = &entry.path;
            if last.as_ref() == Some(path) {
                return Err(Error::Refused(format!("{path} would be in the Neo4j dump twice")));
            }
            last = Some(path.clone());
            entry.metadata.xattrs.clear();
            entry.metadata.mtime_ns = entry.metadata.mtime_ns.max(0) / SECOND_NS * SECOND_NS;
            match entry.kind {
                MemberKind::Directory if path.is_root() => plan.root = entry.metadata,
                MemberKind::Directory => plan.store.push(entry),
                MemberKind::File { len } if !path.is_root() => {
                    plan.files += 1;
                    plan.bytes = plan
                        .bytes
                        .checked_add(len)
                        .ok_or_else(|| Error::Refused("the Neo4j dump would be too large".to_string()))?;
                    if is_transaction_log(path) { plan.logs.push(entry) } else { plan.store.push(entry) }
                }
                _ => {
                    return Err(Error::Refused(format!(
                        "a Neo4j dump holds files and folders only, and {path} is neither"
                    )));
                }
            }
        }
        Ok(plan)
    }

    /// Regular files.
    pub fn files(&self) -> u64 {
        self.files
    }

    /// Bytes of the regular files.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The entries in their order, without the roots.
    pub fn entries(&self) -> impl Iterator<Item = &DumpEntry<T>> {
        self.store.iter().chain(&self.logs)
    }
}

/// Writes the dump of `plan` into `out`, which messages call `file_name`, and gives `out` back, not flushed.
///
/// `fill` is called for every regular file in turn and writes exactly its bytes. `level` is zstd's; the bytes do not
/// depend on `threads`. After an error what was written is no dump, and no reader takes it for one.
pub fn write_dump<W: Write, T>(
    mut out: W,
    file_name: &str,
    plan: &DumpPlan<T>,
    format: DumpFormat,
    level: i32,
    threads: u32,
    mut fill: impl FnMut(&DumpEntry<T>, &mut dyn Write) -> Result<()>,
) -> Result<W> {
    let failed = |error| write_error(file_name, error);
    let count =
        |value: u64| i64::try_from(value).map_err(|_| Error::Refused("the Neo4j dump would be too large".to_string()));
    let header =
        [&INNER_WORD[..], &VERSION.to_be_bytes(), &count(plan.files)?.to_be_bytes(), &count(plan.bytes)?.to_be_bytes()]
            .concat();
    if format == DumpFormat::Current {
        out.write_all(b"DZV1").map_err(failed)?;
    }
    let mut frame = ZstdWriter::new(out, level, threads).map_err(failed)?;
    frame.write_all(&header).map_err(failed)?;
    let mut tar = TarWriter::dotted(frame, file_name);
    let groups = [Some(&plan.store), Some(&plan.logs).filter(|logs| !logs.is_empty())];
    for group in groups.into_iter().flatten() {
        tar.append(&RelativePath::default(), &plan.root, &MemberKind::Directory, |_| Ok(()))?;
        for entry in group {
            tar.append(&entry.path, &entry.metadata, &entry.kind, |out| fill(entry, out))?;
        }
    }
    tar.finish()?.finish().map_err(failed)
}

/// Whether the loader would put the file into the folder of transaction logs. Those lie side by side, so one that
/// lies deeper is something else.
fn is_transaction_log(path: &RelativePath) -> bool {
    match path.components() {
        [name] => name.starts_with(b"neostore.transaction.db.") || name.starts_with(b"checkpoint."),
        _ => false,
    }
}

fn default_root() -> Metadata {
    Metadata { mode: 0o755, uid: 0, gid: 0, mtime_ns: 0, xattrs: Vec::new() }
}
