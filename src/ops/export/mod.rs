//! A snapshot as one file: a dump, a tar, a tar.gz. The same snapshot gives the same bytes, whatever the number of
//! threads: nothing goes in but what the snapshot holds.
//!
//! | format | what it holds |
//! | --- | --- |
//! | `dump` | one component in its database's own form: Neo4j's dump, PostgreSQL's archive, SQLite's text dump, or the single file that was loaded |
//! | `sql` | one component as SQL text, where its database has that |
//! | `tar` | the files, always |
//! | `tar.gz` | `<instance>.dump` where the database has one, as hosted services export it; else the files |
//! | `dir` | the files in a folder: a restore, which the caller does |
//!
//! A snapshot of several components has each in a folder of its name, or as `<component>.dump`. A part of a snapshot
//! is always its files.

mod dump;
mod file;
mod neo4j;
mod options;
mod tree;
mod work;

use std::io::{self, BufWriter, Read, Seek, Write};

use crate::container::{GzWriter, MemberKind, RelativePath, TarWriter, read_error, write_error};
use crate::error::{Error, Result};
use crate::format::manifest::{Component, Manifest, Outcome};
use crate::format::tree::Metadata;
use crate::repo::Reader;

use super::Progress;
use super::ls::parse_path;
use dump::{Source, write_source};
use tree::{append_files, parts};
use work::{BUFFER_LEN, Done, LABEL, Work};

pub use file::{check_target, export_to_file, measure, partial_of};
pub use options::{Dumps, ExportFormat, ExportItem, ExportOptions, ExportReport, Neo4jFormat};

/// gzip's level for files and texts.
const GZIP_LEVEL: u32 = 6;
/// gzip's level for what is compressed already: none. Level 1 makes such data a twentieth longer, and slowly.
const GZIP_LEVEL_COMPRESSED: u32 = 0;

/// For each format, whether the snapshot can be exported as it; if not, why not. `dumps` writes what is a source's own.
pub fn exportable(
    reader: &Reader,
    manifest: &Manifest,
    dumps: Option<&dyn Dumps>,
) -> Result<Vec<(ExportFormat, Result<(), String>)>> {
    let components = match &manifest.outcome {
        Outcome::Completed { components } => components,
        Outcome::Failed { reason } => {
            let why = format!("the snapshot failed and holds nothing: {reason}");
            return Ok(ExportFormat::ALL.map(|format| (format, Err(why.clone()))).to_vec());
        }
    };
    let of = |format| {
        let can = match (format, components.as_slice()) {
            (ExportFormat::Dump | ExportFormat::Sql, [component]) => {
                dump::source_of(reader, component, format, dumps)?.map(drop)
            }
            (ExportFormat::Dump | ExportFormat::Sql, _) => {
                Err(format!("it has {} components, and a dump holds one", components.len()))
            }
            _ => Ok(()),
        };
        Ok((format, can))
    };
    ExportFormat::ALL.into_iter().map(of).collect()
}

/// Writes the snapshot to `out`, as a stream, and flushes it. After an error what was written is of no use; it is never
/// a whole file that lacks something.
///
/// Tar formats have the root's own metadata (as `./`) where the snapshot knows it. Files that were not readable when
/// the snapshot was taken are left out with a notice; a dump without one of its files is refused.
///
/// Errors: [`Error::Usage`] for [`ExportFormat::Dir`]; [`Error::Refused`] for a format that the snapshot does not have,
/// with those that it has; [`Error::Damaged`] with the object and the file that needs it.
pub fn export_stream(
    reader: &Reader,
    manifest: &Manifest,
    options: &ExportOptions<'_>,
    out: &mut dyn Write,
    progress: &dyn Progress,
) -> Result<ExportReport> {
    let work = Work { reader, manifest, options, progress };
    let refused = |why: String| {
        let (id, format) = (manifest.id, options.format.as_str());
        Error::Refused(format!("snapshot {id} cannot be exported as {format}: {why}"))
    };
    let Outcome::Completed { components } = &manifest.outcome else {
        let of = exportable(reader, manifest, None)?.into_iter().find_map(|(_, can)| can.err());
        return Err(refused(of.unwrap_or_default()));
    };
    let only = options.only.as_deref().map(parse_path).transpose()?;
    let mut out = Counting { out, written: 0, progress };
    let done = match (options.format, components.as_slice()) {
        (ExportFormat::Dir, _) => {
            return Err(Error::Usage("a folder is written by restoring to it, not as a stream".into()));
        }
        (ExportFormat::Dump | ExportFormat::Sql, _) if only.is_some() => {
            return Err(refused("a file of it is no dump; it can be had as tar, tar.gz or dir".into()));
        }
        (ExportFormat::Tar | ExportFormat::TarGz, _) if options.item.is_some() => {
            return Err(refused(
                "a table or key of it can be had as dump or sql, and files of it by their path".into(),
            ));
        }
        (ExportFormat::Dump | ExportFormat::Sql, [component]) => {
            let source = dump::source_of(reader, component, options.format, options.dumps)?
                .map_err(|why| refused(format!("{why}; it can be had as tar, tar.gz or dir")))?;
            let name = dump_name(manifest, component, true);
            write_source(&work, &source, &name, &mut out)?
        }
        (ExportFormat::Dump | ExportFormat::Sql, _) => {
            let count = components.len();
            return Err(refused(format!(
                "it has {count} components, and a dump holds one; it can be had as tar, tar.gz or dir"
            )));
        }
        (ExportFormat::Tar, _) => {
            let mut tar = TarWriter::new(BufWriter::with_capacity(BUFFER_LEN, &mut out), LABEL);
            let done = append_files(&work, &mut tar, &parts(components, only.as_ref())?)?;
            tar.finish()?.flush().map_err(|error| write_error(LABEL, error))?;
            done
        }
        (ExportFormat::TarGz, _) => tar_gz(&work, components, only.as_ref(), &mut out)?,
    };
    out.flush().map_err(|error| write_error(LABEL, error))?;
    let Done { files, bytes } = done;
    Ok(ExportReport { format: options.format, files, bytes_plain: bytes, bytes_written: out.written })
}

/// The name of a component's dump: the instance's, where it has no other component.
fn dump_name(manifest: &Manifest, component: &Component, alone: bool) -> String {
    format!("{}.dump", if alone { &manifest.instance } else { &component.name })
}

/// Dumps go through a file in the staging folder: a tar says a member's length before its bytes, and what a dump
/// compresses to shows only at its end. Making it twice would read and compress everything twice.
fn tar_gz(
    work: &Work<'_>,
    components: &[Component],
    only: Option<&RelativePath>,
    out: &mut Counting<'_>,
) -> Result<Done> {
    let alone = components.len() == 1;
    let mut dumps = Vec::new();
    let mut files = Vec::new();
    for part in parts(components, only)? {
        let own = work.options.dumps;
        match dump::source_of(work.reader, part.component, ExportFormat::Dump, own)? {
            // A single file that was loaded goes in as that file, by its own name.
            Ok(source)
                if !(only.is_some()
                    || source.is_single()
                    || source.is_own() && !own.is_some_and(|own| own.in_tar_gz(part.component))) =>
            {
                dumps.push((dump_name(work.manifest, part.component, alone), source));
            }
            _ => files.push(part),
        }
    }
    let compressed = files.is_empty() && dumps.iter().all(|(_, source)| !source.is_own());
    let level = if compressed { GZIP_LEVEL_COMPRESSED } else { GZIP_LEVEL };
    let failed = |error| write_error(LABEL, error);
    let mut tar = TarWriter::new(GzWriter::new(out, level, work.options.threads).map_err(failed)?, LABEL);
    let mut done = Done::default();
    for (name, source) in dumps {
        let of_dump = append_dump(work, &mut tar, &name, &source)?;
        done.files += of_dump.files;
        done.bytes = done.bytes.saturating_add(of_dump.bytes);
    }
    if !files.is_empty() {
        let of_files = append_files(work, &mut tar, &files)?;
        done.files += of_files.files;
        done.bytes = done.bytes.saturating_add(of_files.bytes);
    }
    tar.finish()?.finish().map_err(failed)?;
    Ok(done)
}

fn append_dump<W: Write>(work: &Work<'_>, tar: &mut TarWriter<W>, name: &str, source: &Source<'_>) -> Result<Done> {
    let staging = work.options.staging;
    let failed = |error| Error::target(staging, error);
    let path = RelativePath::from_components([name.as_bytes().to_vec()])
        .map_err(|problem| Error::Refused(format!("{name:?} cannot be a file's name: {problem}")))?;
    let spool = tempfile::Builder::new().prefix("snaphold-dump-").tempfile_in(staging).map_err(failed)?;
    // From here on the file has no name: nothing is left behind, however this ends.
    let mut writer = BufWriter::with_capacity(BUFFER_LEN, spool.into_file());
    let mut counted = Counting { out: &mut writer, written: 0, progress: work.progress };
    let done = write_source(work, source, name, &mut counted)?;
    let mut file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
    let len = file.stream_position().map_err(failed)?;
    file.rewind().map_err(failed)?;
    let metadata = Metadata {
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime_ns: work.manifest.created_at_ns.div_euclid(1_000_000_000).saturating_mul(1_000_000_000),
        xattrs: Vec::new(),
    };
    tar.append(&path, &metadata, &MemberKind::File { len }, |out| {
        let mut buffer = vec![0; BUFFER_LEN];
        let mut input = file.take(len);
        loop {
            let len = input.read(&mut buffer).map_err(|error| read_error(name, error))?;
            match buffer.get(..len) {
                None | Some([]) => return Ok(()),
                Some(bytes) => out.write_all(bytes).map_err(|error| write_error(LABEL, error))?,
            }
        }
    })?;
    Ok(done)
}

/// Counts what is written, and fails once the work is to stop.
struct Counting<'a> {
    out: &'a mut dyn Write,
    written: u64,
    progress: &'a dyn Progress,
}

impl Write for Counting<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.progress.go_on().map_err(io::Error::other)?;
        let len = self.out.write(buf)?;
        self.written += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
