//! Dumps that a user loads: pg_dump's custom format and SQL text, compressed or alone in a tar or not.
//!
//! A dump is gone through to its end before anything is done with it: one that is cut, or of another system, is refused
//! while nothing is touched.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};

use crate::container::{Body, Form, MemberKind, MemberReader, Members, open, read_error};
use crate::error::{Error, Result};
use crate::ops::Progress;
use crate::source::access::Place;
use crate::source::kind::Dump;

use super::archive::{Contents, MAGIC};
use super::blocks::{Block, Blocks};
use super::sql::{Sql, SqlOptions};

const BUFFER: usize = 1 << 18;
/// What tells a dump's system apart, bytes.
const HEAD: u64 = 4096;

/// Texts by which other systems' dumps are known.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"-- MySQL dump", "MySQL"),
    (b"-- MariaDB dump", "MariaDB"),
    (b"/*M!999999", "MariaDB"),
    (b"/*!40101 SET", "MySQL or MariaDB"),
    (b"PRAGMA foreign_keys=", "SQLite"),
    (b"SQLite format 3\0", "SQLite"),
    (b"REDIS0", "Redis"),
];

/// A dump that was looked at.
pub struct Loaded<'d> {
    dump: &'d Dump<'d>,
    /// Its table of contents; `None`: it is SQL text.
    contents: Option<Contents>,
    /// Plain bytes.
    len: u64,
    /// The word that ends what psql may not be told by the text.
    key: String,
}

/// Goes through a dump to its end.
pub fn look_at<'d>(dump: &'d Dump<'d>, place: &Place, progress: &dyn Progress) -> Result<Loaded<'d>> {
    progress.stage("checking the dump", None);
    let name = dump.file_name;
    plain(dump, |input| {
        let mut head = Vec::new();
        let failed = |error| read_error(name, error);
        (&mut *input).take(HEAD).read_to_end(&mut head).map_err(failed)?;
        refuse_foreign(name, &head)?;
        let mut counted = Counted { input: head.as_slice().chain(input), bytes: 0 };
        let contents = match head.starts_with(MAGIC) {
            true => Some(walk_archive(&mut counted, name)?),
            false => {
                Sql::new(BufReader::with_capacity(BUFFER, &mut counted), name).check()?;
                None
            }
        };
        Ok(Loaded { dump, contents, len: counted.bytes, key: place.random_digits(32) })
    })
}

impl Loaded<'_> {
    /// What it holds; `None` where it is SQL text.
    pub fn contents(&self) -> Option<&Contents> {
        self.contents.as_ref()
    }

    /// Plain bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Writes what it holds: an archive, or SQL. With `restricts`, psql obeys no commands of its own in the text.
    pub fn write(&self, restricts: bool, out: &mut dyn Write, progress: &dyn Progress) -> Result<()> {
        let name = self.dump.file_name;
        plain(self.dump, |input| {
            let mut input = BufReader::with_capacity(BUFFER, input);
            if self.contents.is_none() {
                let key = restricts.then_some(self.key.as_str());
                return Sql::new(input, name).write(&SqlOptions { key }, out, progress);
            }
            loop {
                let present = io::BufRead::fill_buf(&mut input).map_err(|error| read_error(name, error))?;
                if present.is_empty() {
                    return Ok(());
                }
                let len = present.len();
                out.write_all(present).map_err(|error| Error::target("pg_restore's input", error))?;
                io::BufRead::consume(&mut input, len);
                progress.advance(len as u64);
            }
        })
    }
}

/// Lets `work` read a dump's plain bytes.
fn plain<R>(dump: &Dump<'_>, work: impl FnOnce(&mut dyn Read) -> Result<R>) -> Result<R> {
    let name = dump.file_name;
    let file = File::open(dump.path).map_err(|error| Error::source(dump.path, error))?;
    let opened = open(Box::new(file), name)?;
    if let Form::Neo4jDump { .. } = opened.form {
        return Err(Error::Refused(format!("{name} is a Neo4j dump; this instance takes dumps of PostgreSQL")));
    }
    let mut members: Box<dyn Members> = match opened.body {
        Body::Single { mut reader, .. } => return work(&mut reader),
        Body::Members(members) => members,
    };
    let refused = |what: &str| Error::Refused(format!("{name} {what}; load one made by pg_dump -Fc, or SQL text"));
    let mut work = Some(work);
    let mut done = None;
    while let Some(member) = members.next_member()? {
        let is_file = matches!(member.kind, MemberKind::File { .. });
        if member.path.file_name() == Some(b"toc.dat") {
            return Err(refused("is of pg_dump's tar or directory format"));
        }
        match (is_file, work.take()) {
            (true, Some(work)) => done = Some(work(&mut MemberReader(&mut *members))?),
            (true, None) => return Err(refused("is an archive of several files")),
            (false, kept) => work = kept,
        }
    }
    done.ok_or_else(|| refused("is an archive without a file"))
}

fn refuse_foreign(name: &str, head: &[u8]) -> Result<()> {
    if head.is_empty() {
        return Err(Error::Refused(format!("{name} is empty: there is nothing to load")));
    }
    let holds = |text: &[u8]| head.windows(text.len()).any(|part| part == text);
    if let Some((_, system)) = FOREIGN.iter().find(|(text, _)| holds(text)) {
        return Err(Error::Refused(format!("{name} is a dump of {system}; this instance takes dumps of PostgreSQL")));
    }
    if head.starts_with(MAGIC) || !head.contains(&0) {
        return Ok(());
    }
    Err(Error::Refused(format!("{name} is neither a dump of pg_dump's custom format nor SQL text")))
}

/// Reads an archive to its end: every entry must have its data, and whole.
fn walk_archive(input: &mut dyn Read, name: &str) -> Result<Contents> {
    let mut input = BufReader::with_capacity(BUFFER, input);
    let contents = Contents::read(&mut input).map_err(|problem| problem.error(name))?;
    let mut blocks = Blocks::new(input, contents.ints, name);
    let mut missing: HashSet<i64> =
        contents.entries.iter().filter(|entry| entry.has_data).map(|entry| entry.dump_id).collect();
    let failed = |error| read_error(name, error);
    while let Some(block) = blocks.next_block().map_err(|problem| problem.error(name))? {
        let (Block::Table(id) | Block::LargeObjects(id)) = block;
        if !missing.remove(&id) {
            return Err(Error::Failed(format!("{name} is corrupt: it has data that it does not list; fetch it again")));
        }
        if let Block::LargeObjects(_) = block {
            while blocks.next_large_object().map_err(|problem| problem.error(name))?.is_some() {
                io::copy(&mut blocks.data(), &mut io::sink()).map_err(failed)?;
            }
        } else {
            io::copy(&mut blocks.data(), &mut io::sink()).map_err(failed)?;
        }
    }
    match missing.len() {
        0 => Ok(contents),
        some => Err(Error::Failed(format!(
            "{name} is cut short: the data of {some} of its entries is missing; fetch it again"
        ))),
    }
}

struct Counted<R> {
    input: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}
