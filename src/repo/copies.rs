//! Copies of small objects, one file for each kind beside the index: ten thousand manifests are then read in one go, and
//! not one by one.
//!
//! Derived, and never believed. A copy counts only for an object that storage lists now, with that length, and only where
//! it opens under that object's name: a manifest's is the hash of its bytes, a ledger record's is authenticated with it.
//! What may be known from a copy is therefore what was stored. That the stored object has been damaged since is not seen
//! by a copy: gc, verify and repair read what is stored.
//!
//! The file: a magic text, then for each object the lengths of leaf and bytes, the leaf, the bytes. It may be cut short, or
//! hold anything: what does not open is passed over, and dropped when the file is written anew.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use rayon::prelude::*;

use crate::error::Result;
use crate::limits;
use crate::storage::{Listed, ObjectKind, ObjectName};

use super::Repository;

const MAGIC: &[u8; 8] = b"SNAPCPY1";
const LEAF_MAX: usize = 128;
/// What an entry takes besides the object's bytes, at most.
const ENTRY_EXTRA: u64 = 5 + LEAF_MAX as u64;
/// Entries that nobody wants are left until they are this share of the file.
const STALE_SHARE: usize = 4;

/// What was read of an object: by its copy, or from storage, and then with the bytes to copy.
struct Seen<T> {
    name: ObjectName,
    result: Result<T>,
    to_copy: Option<Vec<u8>>,
    from_copy: bool,
}

impl Repository {
    /// Opens objects of one kind, by their copies where `open` accepts these, else as they are stored; and copies what
    /// was not copied yet.
    pub(super) fn open_by_copies<T: Send>(
        &self,
        kind: ObjectKind,
        listed: Vec<Listed>,
        open: impl Fn(&ObjectName, &[u8]) -> Result<T> + Sync,
    ) -> Vec<(ObjectName, Result<T>)> {
        let place = self.copies_path(kind);
        let kept = Kept::read(&place, &listed).unwrap_or_default();
        let seen: Vec<Seen<T>> = listed
            .into_par_iter()
            .map(|Listed { name, size }| {
                let copy = kept.copies.get(name.leaf()).filter(|range| range.len() as u64 == size);
                let copy = copy.and_then(|range| kept.bytes.get(range.clone()));
                if let Some(Ok(result)) = copy.map(|bytes| open(&name, bytes)) {
                    return Seen { name, result: Ok(result), to_copy: None, from_copy: true };
                }
                match self.storage.get(&name) {
                    Ok(bytes) => {
                        let result = open(&name, &bytes);
                        let to_copy = result.is_ok().then_some(bytes);
                        Seen { name, result, to_copy, from_copy: false }
                    }
                    Err(error) => Seen { name, result: Err(error), to_copy: None, from_copy: false },
                }
            })
            .collect();
        // A copy that cannot be kept costs a read the next time, and nothing else.
        let _ = kept.bring_up_to_date(&place, &seen);
        seen.into_iter().map(|seen| (seen.name, seen.result)).collect()
    }

    fn copies_path(&self, kind: ObjectKind) -> PathBuf {
        self.index_dir.join(format!("copies-{}", kind.folder()))
    }
}

/// The file as it was found.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    /// Where the copy of a leaf is in `bytes`.
    copies: HashMap<String, std::ops::Range<usize>>,
    /// Entries, doubles too.
    entries: usize,
    /// Whether it can be added to.
    is_whole: bool,
}

impl Kept {
    /// Reads it, unless it is much longer than copies of all that is `listed` would be.
    fn read(place: &PathBuf, listed: &[Listed]) -> io::Result<Self> {
        let mut file = File::open(place)?;
        let most: u64 = listed.iter().map(|listed| listed.size.saturating_add(ENTRY_EXTRA)).sum();
        let len = file.metadata()?.len();
        if len > most.saturating_mul(3).saturating_add(1 << 20) {
            return Ok(Self::default());
        }
        let mut bytes = Vec::with_capacity(len as usize);
        Read::by_ref(&mut file).take(len).read_to_end(&mut bytes)?;
        Ok(Self::parse(bytes))
    }

    fn parse(bytes: Vec<u8>) -> Self {
        let (mut copies, mut entries) = (HashMap::new(), 0);
        let mut at = MAGIC.len();
        if bytes.get(..at) != Some(MAGIC) {
            return Self::default();
        }
        while let Some((leaf, range)) = entry(&bytes, at) {
            at = range.end;
            copies.insert(leaf, range);
            entries += 1;
        }
        let is_whole = at == bytes.len();
        Self { bytes, copies, entries, is_whole }
    }

    /// Adds what was not copied yet, or writes the file anew where too much in it is of no use.
    fn bring_up_to_date<T>(&self, place: &PathBuf, seen: &[Seen<T>]) -> io::Result<()> {
        let used = seen.iter().filter(|seen| seen.from_copy).count();
        let stale = self.entries.saturating_sub(used);
        let new = || seen.iter().filter_map(|seen| Some((seen.name.leaf(), seen.to_copy.as_deref()?)));
        if self.is_whole && stale <= self.entries / STALE_SHARE {
            let mut added = Vec::new();
            new().for_each(|(leaf, bytes)| put_entry(&mut added, leaf, bytes));
            if added.is_empty() {
                return Ok(());
            }
            // One write: what another process adds at the same time comes before it or behind it.
            return OpenOptions::new().append(true).open(place)?.write_all(&added);
        }
        let old = seen.iter().filter(|seen| seen.from_copy).filter_map(|seen| {
            let leaf = seen.name.leaf();
            Some((leaf, self.bytes.get(self.copies.get(leaf)?.clone())?))
        });
        let mut all = MAGIC.to_vec();
        old.chain(new()).for_each(|(leaf, bytes)| put_entry(&mut all, leaf, bytes));
        if all.len() == MAGIC.len() && self.entries == 0 {
            return Ok(());
        }
        let beside = place.with_extension("new");
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?.write_all(&all)?;
        fs::rename(&beside, place)
    }
}

/// The entry that begins at `at`: the leaf, and where its bytes are; `None` where there is no whole one.
fn entry(bytes: &[u8], at: usize) -> Option<(String, std::ops::Range<usize>)> {
    let (&leaf_len, rest) = bytes.get(at..)?.split_first()?;
    let (len, rest) = rest.split_first_chunk()?;
    let (leaf_len, len) = (usize::from(leaf_len), u32::from_le_bytes(*len) as usize);
    if len > limits::SMALL_OBJECT_MAX || rest.len() < leaf_len + len {
        return None;
    }
    let leaf = String::from_utf8(rest.get(..leaf_len)?.to_vec()).ok()?;
    let start = at + 5 + leaf_len;
    Some((leaf, start..start + len))
}

fn put_entry(into: &mut Vec<u8>, leaf: &str, bytes: &[u8]) {
    // A leaf has at most 128 bytes, an object 16 MiB.
    into.push(leaf.len() as u8);
    into.extend((bytes.len() as u32).to_le_bytes());
    into.extend(leaf.as_bytes());
    into.extend(bytes);
}
