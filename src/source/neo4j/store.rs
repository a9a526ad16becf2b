//! What a store's own files say: its format, the kernel that it was written by, and whether it was closed properly.
//!
//! Read from stores of 3.5, 4.0, 4.4, 5.0 and 5.26. `neostore` is a row of records of nine bytes: one that says whether
//! the record is in use, and a number of eight. Up to 4.4 the fifth of them is the format's name, letters from the low
//! end on, behind their count (`SF4.3.0`). From 5.0 on the numbers from the sixth on hold a store id, in which come, each
//! behind its length, the engine's name (`record`) and the format's (`aligned`), then two bytes of version.
//!
//! `checkpoint.N` has a header, then records of one length, each with a checksum: the kernel's version, the kind of record,
//! then up to which log and which byte of it all is in the store.

use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

const METADATA_FILE: &str = "neostore";
const RECORD_LEN: usize = 9;
/// Records of `neostore` that are looked at.
const RECORDS: usize = 12;
const FORMAT_NAME_FIELD: usize = 4;
const STORE_ID_FIELDS: std::ops::Range<usize> = 7..11;
/// A checkpoint file is small; more of it is not read.
const CHECKPOINTS_MAX: u64 = 64 << 20;

/// Checkpoints by their file's own version (its first byte): the length of its header and of a record, and whether
/// numbers in it stand with their high end first.
const CHECKPOINT_LAYOUTS: [(u8, usize, usize, bool); 3] =
    [(7, 64, 192, true), (8, 128, 232, false), (9, 128, 232, false)];

/// The format of a store's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// The record format, from Neo4j 5 on: `aligned` is Community's, the others are Enterprise's or older.
    Record {
        /// `aligned`, `standard`, `high_limit`, `multiversion`.
        flavour: String,
        /// Its version.
        version: (u8, u8),
    },
    /// The record format before Neo4j 5: `SF4.3.0` (4.3 and 4.4), `SF4.0.0`, `v0.A.9` (3.5).
    Before5(String),
    /// The block format of Neo4j Enterprise.
    Block,
    /// A store whose format is not known here.
    Unknown,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Format::Record { flavour, version: (major, minor) } => write!(f, "record-{flavour}-{major}.{minor}"),
            Format::Before5(name) => f.write_str(name),
            Format::Block => f.write_str("block"),
            Format::Unknown => f.write_str("unknown"),
        }
    }
}

/// What is known of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreInfo {
    /// Its format.
    pub format: Format,
    /// The version of the kernel that made its last checkpoint, as Neo4j numbers them; from 4.2 on.
    pub kernel: Option<u8>,
    /// Whether nothing is in the logs that is not in the store, as when Neo4j has closed it; `None` where that cannot be
    /// told. Else Neo4j recovers the store from its logs when it opens it.
    pub closed: Option<bool>,
}

/// The number of a kernel's version, with the first Neo4j that has it, as 5.26 lists them.
const KERNELS: [(u8, u32, u32); 20] = [
    (1, 4, 0),
    (2, 4, 2),
    (3, 4, 3),
    (4, 4, 4),
    (5, 5, 0),
    (6, 5, 7),
    (7, 5, 8),
    (8, 5, 9),
    (9, 5, 10),
    (10, 5, 11),
    (11, 5, 12),
    (12, 5, 13),
    (13, 5, 14),
    (14, 5, 15),
    (15, 5, 18),
    (16, 5, 19),
    (17, 5, 20),
    (18, 5, 22),
    (19, 5, 23),
    (20, 5, 25),
];

/// Looks at a store in two folders. Errors: [`Error::Refused`] where there is none.
pub fn inspect(store: &Path, logs: &Path) -> Result<StoreInfo> {
    let format = format_of(store)?.ok_or_else(|| {
        Error::Refused(format!(
            "{} is no Neo4j store: it has no {METADATA_FILE} with nodes, and no files of the block format",
            store.display()
        ))
    })?;
    let (kernel, closed) = match last_checkpoint(logs)? {
        Some(checkpoint) => (Some(checkpoint.kernel), is_end(logs, &checkpoint)?),
        None => (None, None),
    };
    Ok(StoreInfo { format, kernel, closed })
}

fn format_of(store: &Path) -> Result<Option<Format>> {
    let is_file = |name: &str| store.join(name).is_file();
    if is_file(METADATA_FILE) && is_file("neostore.nodestore.db") {
        let path = store.join(METADATA_FILE);
        let mut head = Vec::new();
        File::open(&path)
            .and_then(|file| file.take((RECORDS * RECORD_LEN) as u64).read_to_end(&mut head))
            .map_err(|error| Error::source(&path, error))?;
        return Ok(Some(record_format(&head)));
    }
    let is_block = |name: &str| name.starts_with("block.") && name.ends_with(".db");
    Ok(names_in(store)?.iter().any(|name| is_block(name)).then_some(Format::Block))
}

fn names_in(folder: &Path) -> Result<Vec<String>> {
    let failed = |error| Error::source(folder, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

fn record_format(head: &[u8]) -> Format {
    let field = |number: usize| head.get(number * RECORD_LEN + 1..(number + 1) * RECORD_LEN);
    let id: Vec<u8> = STORE_ID_FIELDS.filter_map(field).flatten().copied().collect();
    // The first byte belongs to what comes before.
    if let Some(format) = id.get(1..).and_then(store_id_format) {
        return format;
    }
    match field(FORMAT_NAME_FIELD).and_then(|number| number.split_last()) {
        Some((len, letters)) if (1..=7).contains(len) => {
            let letters: Vec<u8> = letters.iter().rev().take(usize::from(*len)).copied().collect();
            match String::from_utf8(letters) {
                Ok(name) if name.bytes().all(|byte| byte.is_ascii_graphic()) => Format::Before5(name),
                _ => Format::Unknown,
            }
        }
        _ => Format::Unknown,
    }
}

fn store_id_format(bytes: &[u8]) -> Option<Format> {
    let text = |bytes: &[u8]| {
        let (len, rest) = bytes.split_first()?;
        let (text, rest) = rest.split_at_checked(usize::from(*len))?;
        let is_word = !text.is_empty() && text.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'_');
        is_word.then(|| (String::from_utf8_lossy(text).into_owned(), rest.to_vec()))
    };
    let (engine, rest) = text(bytes)?;
    let (flavour, rest) = text(&rest)?;
    let version = (*rest.first()?, *rest.get(1)?);
    (engine == "record").then_some(Format::Record { flavour, version })
}

/// A record of `checkpoint.N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Checkpoint {
    kernel: u8,
    /// The number of the log, and the byte of it, that what follows begins at.
    log: u64,
    at: u64,
}

/// Files `<prefix>N` in a folder, with their numbers, sorted.
fn numbered(folder: &Path, prefix: &str) -> Result<Vec<(u64, PathBuf)>> {
    let number = |name: &str| name.strip_prefix(prefix)?.parse::<u64>().ok();
    let mut files: Vec<(u64, PathBuf)> =
        names_in(folder)?.into_iter().filter_map(|name| Some((number(&name)?, folder.join(&name)))).collect();
    files.sort_unstable();
    Ok(files)
}

fn last_checkpoint(logs: &Path) -> Result<Option<Checkpoint>> {
    if !logs.is_dir() {
        return Ok(None);
    }
    for (_, path) in numbered(logs, "checkpoint.")?.iter().rev() {
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(CHECKPOINTS_MAX).read_to_end(&mut bytes))
            .map_err(|error| Error::source(path, error))?;
        if let Some(found) = last_record(&bytes) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn last_record(bytes: &[u8]) -> Option<Checkpoint> {
    let version = *bytes.first()?;
    let (_, header, len, high_first) = CHECKPOINT_LAYOUTS.into_iter().find(|(known, ..)| *known == version)?;
    // The file is made longer than it needs to be: what follows the last record is zeros.
    let last = bytes.get(header..)?.chunks_exact(len).take_while(|record| record.first() != Some(&0)).last()?;
    let number = |at: usize| {
        let bytes = last.get(at..at + 8)?.try_into().ok()?;
        Some(if high_first { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    };
    Some(Checkpoint { kernel: *last.first()?, log: number(2)?, at: number(10)? })
}

/// Whether nothing follows a checkpoint in the logs: there is no later log, and zeros, or nothing, in this one.
fn is_end(logs: &Path, checkpoint: &Checkpoint) -> Result<Option<bool>> {
    let files = numbered(logs, "neostore.transaction.db.")?;
    if files.last().is_none_or(|(number, _)| *number < checkpoint.log) {
        return Ok(None);
    }
    let Some((_, path)) = files.last().filter(|(number, _)| *number == checkpoint.log) else { return Ok(Some(false)) };
    let mut follows = [0; 16];
    let failed = |error| Error::source(path, error);
    let file = File::open(path).map_err(failed)?;
    let read = file.read_at(&mut follows, checkpoint.at).map_err(failed)?;
    Ok(Some(follows.iter().take(read).all(|byte| *byte == 0)))
}

/// Whether Neo4j of `version` (`5.26.30`, `2025.01.0`) can open a store; what has to be done first, if anything. In words,
/// why not.
pub fn readable(info: &StoreInfo, version: &str, is_enterprise: bool) -> Result<Option<String>, String> {
    let mut numbers = version.split('.').map_while(|part| part.parse::<u32>().ok());
    let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else {
        return Ok(Some(format!("whether Neo4j {version} can open a store of format {} is not known", info.format)));
    };
    if let Some((_, needs_major, needs_minor)) =
        info.kernel.and_then(|kernel| KERNELS.into_iter().find(|(known, ..)| *known == kernel))
        && (needs_major, needs_minor) > (major, minor)
    {
        return Err(format!(
            "the store was written by Neo4j {needs_major}.{needs_minor} or newer, and this is Neo4j {version}, which cannot open it"
        ));
    }
    if info.kernel.is_some_and(|kernel| kernel > 20) && major <= 5 {
        return Err(format!("the store was written by a newer Neo4j than {version}, which cannot open it"));
    }
    let needs_enterprise = |what: &str| match is_enterprise {
        true => Ok(None),
        false => Err(format!("the store has the {what} format, which only Neo4j Enterprise opens")),
    };
    match &info.format {
        Format::Record { .. } if major < 5 => {
            Err(format!("the store is of Neo4j 5 ({}), and this is Neo4j {version}, which cannot open it", info.format))
        }
        Format::Record { flavour, .. } if flavour == "high_limit" || flavour == "multiversion" => {
            needs_enterprise(flavour)
        }
        Format::Block if major < 5 => Err(format!("Neo4j {version} has no block format")),
        Format::Block => needs_enterprise("block"),
        Format::Record { .. } => Ok(None),
        Format::Before5(name) => before_5(name, (major, minor), version),
        Format::Unknown => {
            Ok(Some("the store's format is not known; whether Neo4j opens it shows when it does".into()))
        }
    }
}

fn before_5(name: &str, (major, minor): (u32, u32), version: &str) -> Result<Option<String>, String> {
    let is_4_3 = name.ends_with("4.3.0");
    match (major, is_4_3) {
        (4, true) if minor < 3 => Err(format!("the store is of Neo4j 4.3 or 4.4, and this is Neo4j {version}")),
        (4, true) => Ok(None),
        (4, false) => Ok(Some(format!(
            "the store's format is {name}: Neo4j {version} upgrades it when it opens it with dbms.allow_upgrade=true"
        ))),
        (3, _) if name.starts_with('v') => Ok(None),
        (3, _) => Err(format!("the store is of Neo4j 4 ({name}), and this is Neo4j {version}")),
        (_, true) => Ok(Some(format!(
            "the store is of Neo4j 4.4: before Neo4j {version} opens it, run `neo4j-admin database migrate`"
        ))),
        (_, false) => Err(format!(
            "the store's format is {name}, of a Neo4j before 4.3, and Neo4j {version} cannot open it; load it into Neo4j 4.4 with dbms.allow_upgrade=true, and take a dump there"
        )),
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
