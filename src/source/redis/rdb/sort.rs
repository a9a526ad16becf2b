//! Keys put in order, however many there are: runs that fit into memory are sorted and written to one file, then merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rayon::slice::ParallelSliceMut;

use super::{Fault, bad};
use crate::error::Error;

/// What a run may take, bytes of names and entries. A record that is larger is a run of its own.
const RUN: usize = 96 << 20;
/// Most records in a run: each takes 32 bytes beside its own.
const RUN_RECORDS: usize = 1 << 20;
/// What is read of a run at a time, bytes.
const WINDOW: usize = 64 << 10;
/// Lengths before each record: name, database, entry.
const HEAD: usize = 4 + 8 + 8;

/// A key on its way.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its name, which decides its place.
    pub name: Vec<u8>,
    /// The database's number.
    pub db: u64,
    /// What stands in the RDB.
    pub entry: Vec<u8>,
}

/// Where a record is in the arena.
#[derive(Clone, Copy)]
struct Place {
    begin: usize,
    name_len: u32,
    db: u64,
    end: usize,
}

/// Takes records in any order.
pub struct Sorter {
    folder: PathBuf,
    arena: Vec<u8>,
    places: Vec<Place>,
    spill: Option<Spill>,
    run_len: usize,
}

struct Spill {
    file: BufWriter<File>,
    /// Where each run ends; it begins where the one before ends.
    ends: Vec<u64>,
    at: u64,
}

impl Sorter {
    /// Runs that do not fit into memory go into a file without a name in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self::with_run(folder, RUN)
    }

    /// With runs of `run_len` bytes.
    pub fn with_run(folder: &Path, run_len: usize) -> Self {
        Self { folder: folder.to_path_buf(), arena: Vec::new(), places: Vec::new(), spill: None, run_len }
    }

    /// Takes a record; `entry` appends it.
    pub fn push(&mut self, name: &[u8], db: u64, entry: impl FnOnce(&mut Vec<u8>)) -> Result<(), Fault> {
        let begin = self.arena.len();
        self.arena.extend_from_slice(name);
        entry(&mut self.arena);
        let name_len = u32::try_from(name.len()).map_err(|_| Fault::Bad("a key is too long".into()))?;
        self.places.push(Place { begin, name_len, db, end: self.arena.len() });
        if self.arena.len() >= self.run_len || self.places.len() >= RUN_RECORDS {
            self.spill()?;
        }
        Ok(())
    }

    fn sort(&mut self) {
        let arena = &self.arena;
        let name = |place: &Place| arena.get(place.begin..place.begin + place.name_len as usize).unwrap_or_default();
        self.places.par_sort_unstable_by(|a, b| name(a).cmp(name(b)));
    }

    fn spill(&mut self) -> Result<(), Fault> {
        self.sort();
        if self.spill.is_none() {
            // It has a name for a moment only.
            let file = tempfile::Builder::new().prefix("snaphold-redis-").tempfile_in(&self.folder);
            let (file, _) = file.map_err(|error| Error::target(&self.folder, error))?.into_parts();
            self.spill = Some(Spill { file: BufWriter::with_capacity(1 << 20, file), ends: Vec::new(), at: 0 });
        }
        let Some(spill) = &mut self.spill else { return Ok(()) };
        for place in &self.places {
            let record = self.arena.get(place.begin..place.end).unwrap_or_default();
            let entry_len = (record.len() - place.name_len as usize) as u64;
            let written = spill
                .file
                .write_all(&place.name_len.to_le_bytes())
                .and_then(|()| spill.file.write_all(&place.db.to_le_bytes()))
                .and_then(|()| spill.file.write_all(&entry_len.to_le_bytes()))
                .and_then(|()| spill.file.write_all(record));
            written.map_err(|error| Error::target(&self.folder, error))?;
            spill.at += (HEAD + record.len()) as u64;
        }
        spill.ends.push(spill.at);
        self.places.clear();
        self.arena.clear();
        self.arena.shrink_to(2 * self.run_len);
        Ok(())
    }

    /// All of them, in order.
    pub fn finish(mut self) -> Result<Sorted, Fault> {
        self.sort();
        let mut runs = Vec::new();
        let mut file = None;
        if let Some(spill) = self.spill.take() {
            let opened = spill.file.into_inner().map_err(|error| Error::target(&self.folder, error.into_error()))?;
            let mut at = 0;
            for end in spill.ends {
                runs.push(Run { at, end, window: Vec::new(), used: 0 });
                at = end;
            }
            file = Some(opened);
        }
        let memory = Memory { arena: self.arena, places: self.places, next: 0 };
        let mut sorted = Sorted { folder: self.folder, file, runs, memory, heap: BinaryHeap::new(), last: Vec::new() };
        for run in 0..=sorted.runs.len() {
            sorted.advance(run)?;
        }
        Ok(sorted)
    }
}

struct Run {
    at: u64,
    end: u64,
    window: Vec<u8>,
    used: usize,
}

impl Run {
    /// The next `len` bytes, appended to `out`.
    fn take(&mut self, file: &File, len: usize, out: &mut Vec<u8>) -> std::io::Result<()> {
        let mut left = len;
        while left > 0 {
            if self.used == self.window.len() {
                let wanted =
                    usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(WINDOW.max(left.min(1 << 20)));
                if wanted == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                self.window.resize(wanted, 0);
                file.read_exact_at(&mut self.window, self.at)?;
                self.at += wanted as u64;
                self.used = 0;
            }
            let present = self.window.get(self.used..).unwrap_or_default();
            let taken = present.get(..left.min(present.len())).unwrap_or_default();
            out.extend_from_slice(taken);
            self.used += taken.len();
            left -= taken.len();
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.at == self.end && self.used == self.window.len()
    }

    fn record(&mut self, file: &File) -> std::io::Result<Record> {
        let mut head = Vec::with_capacity(HEAD);
        self.take(file, HEAD, &mut head)?;
        let word = |from: usize| head.get(from..).and_then(|rest| rest.first_chunk::<8>()).copied().unwrap_or_default();
        let name_len = head.first_chunk::<4>().copied().unwrap_or_default();
        let (name_len, entry_len) = (u32::from_le_bytes(name_len), u64::from_le_bytes(word(12)));
        let mut record = Record { db: u64::from_le_bytes(word(4)), ..Record::default() };
        self.take(file, name_len as usize, &mut record.name)?;
        self.take(file, usize::try_from(entry_len).unwrap_or(usize::MAX), &mut record.entry)?;
        Ok(record)
    }
}

/// The last run, which needs no file.
struct Memory {
    arena: Vec<u8>,
    places: Vec<Place>,
    next: usize,
}

impl Memory {
    fn record(&mut self) -> Option<Record> {
        let place = *self.places.get(self.next)?;
        self.next += 1;
        let middle = place.begin + place.name_len as usize;
        let part = |from, to| self.arena.get(from..to).unwrap_or_default().to_vec();
        Some(Record { name: part(place.begin, middle), db: place.db, entry: part(middle, place.end) })
    }
}

/// The first record of a run; ordered by name.
struct First(Record, usize);

impl PartialEq for First {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for First {}

impl PartialOrd for First {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for First {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.name.cmp(&other.0.name)
    }
}

/// Gives records in the order of their names.
pub struct Sorted {
    folder: PathBuf,
    file: Option<File>,
    runs: Vec<Run>,
    memory: Memory,
    heap: BinaryHeap<Reverse<First>>,
    last: Vec<u8>,
}

impl Sorted {
    /// Brings up the next record of a run; the one behind the last is that in memory.
    fn advance(&mut self, number: usize) -> Result<(), Fault> {
        let record = match (self.runs.get_mut(number), &self.file) {
            (Some(run), _) if run.is_over() => None,
            (Some(run), Some(file)) => Some(run.record(file).map_err(|error| Error::source(&self.folder, error))?),
            _ => self.memory.record(),
        };
        if let Some(record) = record {
            self.heap.push(Reverse(First(record, number)));
        }
        Ok(())
    }

    /// The next record. A name that comes twice is refused: a server would not survive it.
    pub fn next(&mut self) -> Result<Option<Record>, Fault> {
        let Some(Reverse(First(record, number))) = self.heap.pop() else { return Ok(None) };
        self.advance(number)?;
        if self.last == record.name {
            let shown: String = String::from_utf8_lossy(&record.name).chars().take(80).collect();
            return bad(format!("the key {shown} is in it twice"));
        }
        self.last.clone_from(&record.name);
        Ok(Some(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(run_len: usize, names: &[String]) -> Result<Vec<String>, Fault> {
        let dir = tempfile::Builder::new().tempdir().unwrap();
        let mut sorter = Sorter::with_run(dir.path(), run_len);
        for name in names {
            sorter.push(name.as_bytes(), 7, |out| out.extend(name.repeat(3).bytes()))?;
        }
        let mut sorted = sorter.finish()?;
        let mut found = Vec::new();
        while let Some(record) = sorted.next()? {
            let name = String::from_utf8(record.name).unwrap();
            assert_eq!((record.db, record.entry), (7, name.repeat(3).into_bytes()));
            found.push(name);
        }
        Ok(found)
    }

    #[test]
    fn whatever_fits_into_memory_the_order_is_the_same() {
        let names: Vec<String> = (0..5000_u64).map(|n| format!("0:{}", n.wrapping_mul(0x9e37_79b9) % 65_537)).collect();
        let mut expected = names.clone();
        expected.sort();
        for run_len in [1, 100, 10_000, 1 << 20] {
            assert_eq!(sorted(run_len, &names).unwrap(), expected);
        }
    }

    #[test]
    fn a_name_that_comes_twice_is_refused() {
        for run_len in [1, 1 << 20] {
            let fault = sorted(run_len, &["0:b".into(), "0:a".into(), "0:b".into()]).unwrap_err();
            assert!(matches!(&fault, Fault::Bad(detail) if detail.contains("0:b is in it twice")), "{fault:?}");
        }
        assert!(sorted(1, &[]).unwrap().is_empty());
    }
}
