//! What a component's dump is made of, and writing it.

use std::io::Write;

use crate::container::{DumpEntry, Form, MemberKind, RelativePath, write_dump, write_error};
use crate::error::{Error, Result};
use crate::format::manifest::{Component, Origin};
use crate::format::tree::{Content, Entry, Node};
use crate::ops::walk::listing;
use crate::repo::{Reader, read_ahead};

use super::neo4j::{Store, find_store, plan};
use super::options::{Dumps, ExportFormat};
use super::work::{Done, Work, copy_present};

/// zstd's level in Neo4j dumps: its default, as the database's own tool has it.
const ZSTD_LEVEL: i32 = 3;

/// What a dump is made of.
pub enum Source<'a> {
    /// A Neo4j store.
    Neo4j(Store),
    /// A database that the caller's sources write.
    Own(&'a Component),
    /// A single file that was loaded, which is itself a dump of something.
    Single(RelativePath, Content),
}

impl Source<'_> {
    /// Whether the caller's sources write it.
    pub fn is_own(&self) -> bool {
        matches!(self, Source::Own(_))
    }

    /// Whether it is a single file that was loaded.
    pub fn is_single(&self) -> bool {
        matches!(self, Source::Single(..))
    }
}

/// What the component's dump is made of; in words, why it has none. `dumps` writes what is a source's own.
pub fn source_of<'a>(
    reader: &Reader,
    component: &'a Component,
    format: ExportFormat,
    dumps: Option<&dyn Dumps>,
) -> Result<Result<Source<'a>, String>> {
    let root = &component.root;
    let own = dumps.map_or(Ok(None), |dumps| dumps.available(component, format))?;
    if let Some(own) = own {
        return Ok(own.map(|()| Source::Own(component)));
    }
    if format == ExportFormat::Sql {
        return Ok(Err("it is no SQL database".into()));
    }
    Ok(match &component.origin {
        Origin::Loaded { form: Form::Neo4jDump { .. }, .. } => {
            Ok(Source::Neo4j(Store { folders: vec![root.clone()], of_server: false }))
        }
        Origin::Sqlite { .. } => Err("the text dump of a SQLite database cannot be made here".into()),
        Origin::Loaded { form: Form::Single { .. }, .. } => {
            only_file(reader, root)?.map(|(path, content)| Source::Single(path, content))
        }
        Origin::Loaded { form: Form::Tar { .. }, .. } | Origin::Files | Origin::Database(_) => {
            find_store(reader, root)?.map(Source::Neo4j)
        }
    })
}

fn only_file(reader: &Reader, root: &Entry) -> Result<Result<(RelativePath, Content), String>> {
    let mut entries = listing(reader, &RelativePath::default(), root)?.entries.into_iter();
    Ok(match (entries.next(), entries.next()) {
        (Some(Entry { name, node: Node::File { content, .. }, .. }), None) => {
            RelativePath::from_components([name]).map(|path| (path, content)).map_err(|problem| problem.to_string())
        }
        _ => Err("it does not hold exactly one file".into()),
    })
}

/// Writes the dump, which messages call `name`.
pub fn write_source(work: &Work<'_>, source: &Source<'_>, name: &str, out: &mut dyn Write) -> Result<Done> {
    match source {
        Source::Neo4j(store) => neo4j(work, store, name, out),
        Source::Single(path, content) => {
            work.progress.stage("exporting", Some(content.len()));
            copy(work, path, content, &mut |bytes| out.write_all(bytes).map_err(|error| write_error(name, error)))
        }
        Source::Own(component) => own(work, component, out),
    }
}

fn neo4j(work: &Work<'_>, store: &Store, name: &str, out: &mut dyn Write) -> Result<Done> {
    let plan = plan(work.reader, store)?;
    work.progress.stage("exporting", Some(plan.bytes()));
    let threads = u32::try_from(work.options.threads).unwrap_or(u32::MAX);
    let is_file = |entry: &&DumpEntry<Content>| matches!(entry.kind, MemberKind::File { .. });
    let contents = plan.entries().filter(is_file).map(|entry| Ok(((), entry.source.clone())));
    read_ahead(work.reader, contents, |stream| {
        write_dump(out, name, &plan, work.options.neo4j_format.into(), ZSTD_LEVEL, threads, |entry, out| {
            stream.next_content()?;
            copy_present(work, stream, &entry.path, &mut |bytes| {
                out.write_all(bytes).map_err(|error| write_error(name, error))
            })
        })
        .map(drop)
    })?;
    Ok(Done { files: plan.files(), bytes: plan.bytes() })
}

fn own(work: &Work<'_>, component: &Component, out: &mut dyn Write) -> Result<Done> {
    let dumps = work.options.dumps.ok_or_else(|| Error::Refused("the database's dump cannot be made here".into()))?;
    // In a `.tar.gz` too it is the dump that is written.
    let format = if work.options.format == ExportFormat::Sql { ExportFormat::Sql } else { ExportFormat::Dump };
    let (files, bytes) = dumps.write(component, format, work.options.item.as_ref(), out)?;
    Ok(Done { files, bytes })
}

fn copy(
    work: &Work<'_>,
    path: &RelativePath,
    content: &Content,
    out: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<Done> {
    read_ahead(work.reader, std::iter::once(Ok(((), content.clone()))), |stream| {
        stream.next_content()?;
        copy_present(work, stream, path, out)
    })?;
    Ok(Done { files: 1, bytes: content.len() })
}
