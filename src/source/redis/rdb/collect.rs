//! All that is in an RDB, in order.

use std::collections::BTreeMap;
use std::path::Path;

use super::sort::{Sorted, Sorter};
use super::value::{KeyType, TYPES};
use super::{Entry, Fault, Parsed, Visitor, name};

/// What a database holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Keys.
    pub keys: u64,
    /// Keys that expire.
    pub expiring: u64,
    /// Keys of each type.
    pub types: BTreeMap<KeyType, u64>,
}

impl Counts {
    /// Counts a key.
    pub fn add(&mut self, entry: &Entry<'_>) {
        self.keys += 1;
        self.expiring += u64::from(entry.expires_ms.is_some());
        *self.types.entry(entry.kind).or_default() += 1;
    }

    /// In a line: `12 keys, 3 of them expire: 10 string, 2 hash`.
    pub fn to_line(&self) -> String {
        let types: Vec<String> = TYPES
            .iter()
            .filter_map(|kind| self.types.get(kind).map(|count| format!("{count} {}", kind.as_str())))
            .collect();
        format!("{} keys, {} of them expire: {}", self.keys, self.expiring, types.join(", "))
    }
}

/// Takes the parts of an RDB and puts them in order.
pub struct Collector {
    sorter: Sorter,
    aux: Vec<(Vec<u8>, Vec<u8>)>,
    functions: Vec<Vec<u8>>,
    before: Vec<Vec<u8>>,
    after: Vec<Vec<u8>>,
    counts: BTreeMap<u64, Counts>,
    name: Vec<u8>,
}

/// What an RDB holds, in order.
pub struct Collected {
    pub(super) sorted: Sorted,
    pub(super) aux: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) functions: Vec<Vec<u8>>,
    pub(super) before: Vec<Vec<u8>>,
    pub(super) after: Vec<Vec<u8>>,
    /// What each database holds; those that hold nothing are not among them.
    pub counts: BTreeMap<u64, Counts>,
    /// The format's version.
    pub version: u32,
    /// Whether the sum was right.
    pub checksum: super::Checksum,
}

impl Collected {
    /// Whether modules saved something beside the keys.
    pub fn has_beside(&self) -> bool {
        !self.before.is_empty() || !self.after.is_empty()
    }
}

impl Collector {
    /// What does not fit into memory goes into a file in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self {
            sorter: Sorter::new(folder),
            aux: Vec::new(),
            functions: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            counts: BTreeMap::new(),
            name: Vec::new(),
        }
    }

    /// All of it.
    pub fn finish(mut self, parsed: &Parsed) -> Result<Collected, Fault> {
        self.aux.sort();
        self.functions.sort();
        Ok(Collected {
            sorted: self.sorter.finish()?,
            aux: self.aux,
            functions: self.functions,
            before: self.before,
            after: self.after,
            counts: self.counts,
            version: parsed.version,
            checksum: parsed.checksum,
        })
    }
}

impl Visitor for Collector {
    /// Who wrote it is kept. When, with how much memory, and as whose replica would make each snapshot another.
    fn aux(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        if [&b"redis-ver"[..], b"redis-bits"].contains(&name) && self.aux.iter().all(|(known, _)| known != name) {
            self.aux.push((name.to_vec(), value.to_vec()));
        }
        Ok(())
    }

    fn function(&mut self, code: &[u8]) -> Result<(), Fault> {
        self.functions.push(code.to_vec());
        Ok(())
    }

    fn module(&mut self, before_keys: bool, bytes: &[u8]) -> Result<(), Fault> {
        if before_keys { &mut self.before } else { &mut self.after }.push(bytes.to_vec());
        Ok(())
    }

    fn key(&mut self, entry: &Entry<'_>) -> Result<(), Fault> {
        // A collection that is empty is no key: servers of some versions wrote them by mistake, and loading skips them.
        if entry.members == Some(0) && entry.kind != KeyType::Stream {
            return Ok(());
        }
        self.counts.entry(entry.db).or_default().add(entry);
        let mut shown = std::mem::take(&mut self.name);
        shown.clear();
        name::put_shown_name(entry.db, entry.key, &mut shown);
        let pushed = self.sorter.push(&shown, entry.db, |out| entry.put(out));
        self.name = shown;
        pushed
    }
}
