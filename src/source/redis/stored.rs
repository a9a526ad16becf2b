//! What is done with a stored data set: listed, exported, written into a file.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::container::{Body, open};
use crate::error::{Error, Result};
use crate::ops::Progress;
use crate::source::kind::{Dump, Export, Exported, Holds, Item, Only};
use crate::source::open_file::remove_file;
use crate::source::stored::Stored;

use super::capture::FILE;
use super::rdb::{
    CanonicalReader, Collector, Counts, Entry, Fault, KeyType, Parsed, Visitor, is_like, is_rdb, library_name, parse,
    shown_name,
};

const OBJECT: &str = "the stored data set";

/// A file that the restore sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its length, bytes.
    pub bytes: u64,
    /// The format's version.
    pub version: u32,
    /// What each database holds.
    pub counts: BTreeMap<u64, Counts>,
    /// Whether modules saved anything in it.
    pub has_modules: bool,
}

impl Written {
    fn new(bytes: u64, version: u32, counts: BTreeMap<u64, Counts>, beside: bool) -> Self {
        let has_modules = beside || counts.values().any(|counts| counts.types.contains_key(&KeyType::Module));
        Self { bytes, version, counts, has_modules }
    }
}

/// Lets `visitor` go through a stored data set.
pub fn visit(stored: &Stored<'_>, visitor: &mut dyn Visitor) -> Result<Parsed> {
    let content = stored.file(FILE.as_bytes())?;
    stored.read(&content, |mut reader| parse(&mut reader, visitor).map_err(|fault| fault.named(OBJECT)))
}

/// Counts keys, and makes sure of their order: so none comes twice.
#[derive(Default)]
struct InOrder {
    last: Vec<u8>,
    counts: BTreeMap<u64, Counts>,
    /// Whether a module saved something beside the keys.
    beside: bool,
}

impl Visitor for InOrder {
    fn module(&mut self, _: bool, _: &[u8]) -> Result<(), Fault> {
        self.beside = true;
        Ok(())
    }

    fn key(&mut self, entry: &Entry<'_>) -> Result<(), Fault> {
        let name = shown_name(entry.db, entry.key);
        if self.last >= name {
            return Err(Fault::Bad("its keys are not in order".into()));
        }
        self.last = name;
        self.counts.entry(entry.db).or_default().add(entry);
        Ok(())
    }
}

/// What a stored data set holds, counted again.
pub fn count(stored: &Stored<'_>) -> Result<BTreeMap<u64, Counts>> {
    let mut found = InOrder::default();
    visit(stored, &mut found)?;
    Ok(found.counts)
}

/// Writes a stored data set into the new file `path`, and checks all of it on the way.
pub fn write_stored(stored: &Stored<'_>, path: &Path, progress: &dyn Progress) -> Result<Written> {
    let content = stored.file(FILE.as_bytes())?;
    progress.stage("checking the data set", Some(content.len()));
    let mut found = InOrder::default();
    let mut file = new_file(path)?;
    let parsed = stored.read(&content, |reader| {
        let mut tee = Tee { reader, out: BufWriter::with_capacity(1 << 18, &mut file), progress, failed: None };
        let parsed = parse(&mut tee, &mut found);
        let flushed = tee.out.flush();
        match tee.failed.take().or(flushed.err()) {
            Some(error) => Err(Error::target(path, error)),
            None => parsed.map_err(|fault| fault.named(OBJECT)),
        }
    })?;
    file.sync_all().map_err(|error| Error::target(path, error))?;
    Ok(Written::new(content.len(), parsed.version, found.counts, found.beside))
}

/// Writes what is read to a file too.
struct Tee<'t> {
    reader: &'t mut (dyn Read + Send),
    out: BufWriter<&'t mut File>,
    progress: &'t dyn Progress,
    failed: Option<io::Error>,
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        if let Err(error) = self.out.write_all(buffer.get(..read).unwrap_or_default()) {
            self.failed = Some(error);
            return Err(io::Error::other("the copy cannot be written"));
        }
        self.progress.advance(read as u64);
        Ok(read)
    }
}

/// Writes a dump that a user loads into the new file `path`, in canonical form, and checks all of it on the way.
/// `folder` is for what does not fit into memory.
pub fn write_dump(dump: &Dump<'_>, path: &Path, folder: &Path, progress: &dyn Progress) -> Result<Written> {
    let file = File::open(dump.path).map_err(|error| Error::source(dump.path, error))?;
    let other = |what: &str| Error::Refused(format!("{} is no Redis RDB: {what}", dump.file_name));
    let mut reader = match open(Box::new(file), dump.file_name)?.body {
        Body::Single { reader, .. } => reader,
        Body::Members(_) => return Err(other("it is an archive of several files")),
    };
    progress.stage("checking the dump", None);
    let mut head = Vec::new();
    let begun = (&mut reader).take(5).read_to_end(&mut head);
    begun.map_err(|error| Error::source(dump.file_name, error))?;
    if !is_rdb(&head) {
        return Err(other("it does not begin with REDIS"));
    }
    let mut collector = Collector::new(folder);
    let named = |fault: Fault| fault.named(dump.file_name);
    let parsed = parse(&mut head.as_slice().chain(reader), &mut collector).map_err(named)?;
    let collected = collector.finish(&parsed).map_err(named)?;
    let (version, counts, beside) = (collected.version.max(5), collected.counts.clone(), collected.has_beside());
    let mut canonical = CanonicalReader::new(collected);
    let mut out = new_file(path)?;
    let copied = io::copy(&mut canonical, &mut out);
    if let Some(fault) = canonical.fault() {
        return Err(named(fault));
    }
    let bytes = copied.map_err(|error| Error::target(path, error))?;
    out.sync_all().map_err(|error| Error::target(path, error))?;
    Ok(Written::new(bytes, version, counts, beside))
}

/// A new file that only its owner may read, in the place of one that an earlier try left.
fn new_file(path: &Path) -> Result<File> {
    remove_file(path)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| Error::target(path, error))
}

/// Hands over keys, then functions: by their names that is their order.
pub fn items(stored: &Stored<'_>, visit_item: &mut dyn FnMut(Item) -> Result<()>) -> Result<()> {
    let mut items = Items { visit: visit_item, functions: Vec::new() };
    visit(stored, &mut items)?;
    let mut functions = std::mem::take(&mut items.functions);
    functions.sort_by(|a, b| a.name.cmp(&b.name));
    functions.into_iter().try_for_each(visit_item)
}

struct Items<'v> {
    visit: &'v mut dyn FnMut(Item) -> Result<()>,
    functions: Vec<Item>,
}

impl Visitor for Items<'_> {
    fn function(&mut self, code: &[u8]) -> Result<(), Fault> {
        self.functions.push(Item {
            kind: "function",
            name: format!("function:{}", library_name(code)),
            bytes: code.len() as u64,
            rows: None,
            holds: Holds::Digest(*blake3::hash(code).as_bytes()),
        });
        Ok(())
    }

    fn key(&mut self, entry: &Entry<'_>) -> Result<(), Fault> {
        let mut bytes = Vec::with_capacity(entry.value.len() + entry.key.len() + 16);
        entry.put(&mut bytes);
        let item = Item {
            kind: entry.kind.as_str(),
            name: String::from_utf8_lossy(&shown_name(entry.db, entry.key)).into_owned(),
            bytes: bytes.len() as u64,
            rows: entry.members,
            holds: Holds::Digest(*blake3::hash(&bytes).as_bytes()),
        };
        Ok((self.visit)(item)?)
    }
}

/// Writes a stored data set as an RDB: the stored bytes as they are, or a part of them.
pub fn export(job: &Export<'_>, out: &mut dyn Write) -> Result<Exported> {
    let Some(only) = job.only else {
        let content = job.stored.file(FILE.as_bytes())?;
        job.progress.stage("exporting", Some(content.len()));
        let bytes = job.stored.copy(&content, out, job.progress)?;
        return Ok(Exported { files: 1, bytes });
    };
    let wanted = Wanted::of(only)?;
    job.progress.stage("looking for it", None);
    let mut chosen = Chosen { wanted, found: 0, collector: Collector::new(&job.place.staging) };
    let parsed = visit(job.stored, &mut chosen)?;
    if chosen.found == 0 {
        return Err(Error::NotFound(format!(
            "the snapshot has no {} {:?}; `snaphold snapshot ls` shows the names",
            only.kind, only.name
        )));
    }
    let collected = chosen.collector.finish(&parsed).map_err(|fault| fault.named(OBJECT))?;
    let mut reader = CanonicalReader::new(collected);
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => return Ok(Exported { files: 1, bytes }),
            Ok(read) => read,
            Err(error) => {
                return Err(reader.fault().unwrap_or(Fault::Read(error)).named(OBJECT));
            }
        };
        out.write_all(buffer.get(..read).unwrap_or_default()).map_err(|error| Error::target("the output", error))?;
        bytes += read as u64;
    }
}

/// What `--only` names.
enum Wanted {
    Key(Vec<u8>, Option<KeyType>),
    Keys(Vec<u8>),
    Function(String),
}

impl Wanted {
    fn of(only: Only<'_>) -> Result<Self> {
        let name = only.name.as_bytes().to_vec();
        let kind = super::rdb::TYPES.into_iter().find(|kind| kind.as_str() == only.kind);
        match only.kind {
            "key" => Ok(Wanted::Key(name, None)),
            "keys" => Ok(Wanted::Keys(name)),
            "function" => Ok(Wanted::Function(only.name.strip_prefix("function:").unwrap_or(only.name).to_string())),
            _ if kind.is_some() => Ok(Wanted::Key(name, kind)),
            other => Err(Error::Usage(format!(
                "Redis has no {other}s; say --only key=0:NAME, keys=0:PATTERN* or function=NAME"
            ))),
        }
    }
}

struct Chosen {
    wanted: Wanted,
    found: u64,
    collector: Collector,
}

impl Visitor for Chosen {
    fn aux(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        self.collector.aux(name, value)
    }

    fn function(&mut self, code: &[u8]) -> Result<(), Fault> {
        match &self.wanted {
            Wanted::Function(name) if library_name(code) == *name => {
                self.found += 1;
                self.collector.function(code)
            }
            _ => Ok(()),
        }
    }

    fn key(&mut self, entry: &Entry<'_>) -> Result<(), Fault> {
        let name = shown_name(entry.db, entry.key);
        let is_wanted = match &self.wanted {
            Wanted::Key(wanted, kind) => *wanted == name && kind.is_none_or(|kind| kind == entry.kind),
            Wanted::Keys(pattern) => is_like(&name, pattern),
            Wanted::Function(_) => false,
        };
        if !is_wanted {
            return Ok(());
        }
        self.found += 1;
        self.collector.key(entry)
    }
}
