//! A database by `pg_dump`: its archive is taken apart while it comes, and each table's data is a file.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufReader, Read};
use std::process::ChildStdout;

use crate::container::read_error;
use crate::error::{Error, Result};
use crate::format::manifest::{Component, DatabaseOrigin, Origin};
use crate::ops::capture::Capture;
use crate::source::kind::Capturing;
use crate::source::members::{MemberStore, plain_metadata};
use crate::source::program::Running;

use super::archive::{Contents, Entry};
use super::blocks::{Block, Blocks};
use super::errors::explain;
use super::names::{CONTENTS, COUNTS, LOGICAL, NAME, data_names, is_large_objects, path_of};
use super::server::Server;

/// What pg_dump's output is called in errors.
const ARCHIVE: &str = "what pg_dump wrote";
/// How long pg_dump waits for a table that somebody else has locked: a lock held longer is a reason to fail.
const LOCK_TIMEOUT: &str = "--lock-wait-timeout=300000";
const BUFFER: usize = 1 << 20;
/// COPY's data ends so in an archive; these are no rows.
const COPY_END: &[u8] = b"\\.\n\n\n";
const COPY_END_LINES: u64 = 3;

/// A `pg_dump` that runs and has fixed its point in time.
pub struct Dumping<'s> {
    server: &'s Server,
    running: Running,
    input: BufReader<ChildStdout>,
    contents: Contents,
}

/// Starts `pg_dump` and waits for its table of contents: it has its transaction, and what others change from now on is
/// not in it.
pub fn begin(server: &Server) -> Result<Dumping<'_>> {
    let version = server.version(&server.database)?;
    let mut command = server.command(&server.tool("pg_dump", &version)?, &server.database);
    command.args(["-Fc", "-Z0", "-w", LOCK_TIMEOUT]);
    let mut running = server.programs.start(command, "pg_dump", server.password.as_ref())?;
    let stdout = running.stdout().ok_or_else(|| Error::Failed("pg_dump has no output".into()))?;
    let mut input = BufReader::with_capacity(BUFFER, stdout);
    match Contents::read(&mut input) {
        Ok(contents) => Ok(Dumping { server, running, input, contents }),
        Err(problem) => {
            // A pg_dump that ended says why; one that still runs wrote something else than an archive.
            drop(input);
            running.finish().map_err(|error| explain(error, &server.shown))?;
            Err(problem.error(ARCHIVE))
        }
    }
}

impl Capturing for Dumping<'_> {
    fn store(self: Box<Self>, capture: &Capture<'_>, name: &str) -> Result<Component> {
        let Dumping { server, running, input, contents } = *self;
        capture.progress.stage("reading", None);
        let mut store = MemberStore::new(capture, name, ARCHIVE);
        let mut blocks = Blocks::new(input, contents.ints, ARCHIVE);
        let stored = store_blocks(&mut store, &contents, &mut blocks);
        drop(blocks);
        // A pg_dump that fails ends its archive too: its own word is the better reason.
        running.finish().map_err(|error| explain(error, &server.shown))?;
        let counts = stored?;
        let listed: String = counts.iter().map(Counted::line).collect();
        let metadata = || plain_metadata(0o600, 0);
        store.file(&path_of(CONTENTS)?, metadata(), &mut contents.bytes.as_slice())?;
        store.file(&path_of(COUNTS)?, metadata(), &mut listed.as_bytes())?;
        let mut digest = blake3::Hasher::new();
        digest.update(&contents.bytes).update(listed.as_bytes());
        let created: Vec<String> = contents.created.iter().map(i64::to_string).collect();
        let tables = contents.of_kind("TABLE").count();
        let facts = BTreeMap::from([
            ("created".to_string(), created.join(" ")),
            ("digest".to_string(), digest.finalize().to_hex().to_string()),
            ("tables".to_string(), tables.to_string()),
            ("rows".to_string(), counts.iter().map(|counted| counted.rows).sum::<u64>().to_string()),
        ]);
        let origin = Origin::Database(DatabaseOrigin {
            system: NAME.into(),
            mode: LOGICAL.into(),
            version: contents.server_version.clone(),
            database: server.database.clone(),
            facts,
        });
        Ok(Component { name: name.to_string(), origin, root: store.finish()?, unreadable: 0 })
    }
}

/// Stores the data of every entry. An entry without its data, or data without its entry, is an error.
fn store_blocks<R: Read + Send>(
    store: &mut MemberStore<'_>,
    contents: &Contents,
    blocks: &mut Blocks<R>,
) -> Result<Vec<Counted>> {
    let names = data_names(contents);
    let entries: HashMap<i64, &Entry> = contents.entries.iter().map(|entry| (entry.dump_id, entry)).collect();
    let mut missing: HashMap<i64, &String> = names.iter().map(|(id, name)| (*id, name)).collect();
    let mut counts = Vec::new();
    while let Some(block) = blocks.next_block().map_err(|problem| problem.error(ARCHIVE))? {
        let (Block::Table(id) | Block::LargeObjects(id)) = block;
        let (Some(name), Some(entry)) = (missing.remove(&id), entries.get(&id)) else {
            return Err(Error::Failed(format!("{ARCHIVE} has data for the entry {id}, which it does not list")));
        };
        match block {
            Block::Table(_) if !is_large_objects(entry) => counts.push(store_data(store, blocks, name)?),
            Block::LargeObjects(_) if is_large_objects(entry) => {
                while let Some(oid) = blocks.next_large_object().map_err(|problem| problem.error(ARCHIVE))? {
                    let mut counted = store_data(store, blocks, &format!("{name}/{oid}"))?;
                    counted.rows = 0;
                    counts.push(counted);
                }
            }
            _ => return Err(Error::Failed(format!("{ARCHIVE} has data of another kind for its entry {id}"))),
        }
    }
    if let Some(name) = missing.values().min() {
        return Err(Error::Failed(format!("{ARCHIVE} ends before {name}")));
    }
    counts.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(counts)
}

fn store_data<R: Read + Send>(store: &mut MemberStore<'_>, blocks: &mut Blocks<R>, name: &str) -> Result<Counted> {
    let mut counting =
        Counting { input: blocks.data(), hasher: blake3::Hasher::new(), lines: 0, bytes: 0, end: Vec::new() };
    // Tables are text whatever they begin with.
    let cutting = |_: &[u8], _: u64| crate::chunk::Cutting::Stream;
    store.file_cut(&path_of(name)?, plain_metadata(0o600, 0), &mut counting, cutting)?;
    // The end may have been asked for by nobody yet: behind it the next block begins.
    io::copy(&mut counting, &mut io::sink()).map_err(|error| read_error(ARCHIVE, error))?;
    Ok(counting.counted(name))
}

/// What is remembered of a file of data.
pub struct Counted {
    /// Its path.
    pub name: String,
    /// Rows of a table.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// BLAKE3 of its bytes, hexadecimal.
    pub digest: String,
}

impl Counted {
    fn line(&self) -> String {
        format!("{}\t{}\t{}\t{}\n", self.name, self.rows, self.bytes, self.digest)
    }

    /// The lines of the file [`COUNTS`]; what is none is passed over.
    pub fn all_of(text: &str) -> Vec<Self> {
        let parse = |line: &str| {
            let mut fields = line.split('\t');
            let name = fields.next()?.to_string();
            let (rows, bytes) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
            Some(Self { name, rows, bytes, digest: fields.next()?.to_string() })
        };
        text.lines().filter_map(parse).collect()
    }
}

/// Counts what passes.
struct Counting<R> {
    input: R,
    hasher: blake3::Hasher,
    lines: u64,
    bytes: u64,
    /// The last few bytes.
    end: Vec<u8>,
}

impl<R> Counting<R> {
    fn counted(self, name: &str) -> Counted {
        let behind_rows = if self.end.ends_with(COPY_END) { COPY_END_LINES } else { 0 };
        let rows = self.lines.saturating_sub(behind_rows);
        let digest = self.hasher.finalize().to_hex().to_string();
        Counted { name: name.to_string(), rows, bytes: self.bytes, digest }
    }
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        self.hasher.update(bytes);
        self.lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.bytes += read as u64;
        self.end.extend(bytes.get(read.saturating_sub(COPY_END.len())..).unwrap_or_default());
        self.end.drain(..self.end.len().saturating_sub(COPY_END.len()));
        Ok(read)
    }
}
