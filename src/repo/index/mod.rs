//! The index: which pack holds a chunk. Derived: everything in it can be read again from the packs' footers.
//!
//! It is never trusted for what matters: a place that it gives is checked against the pack's own authenticated footer
//! before a chunk counts as known or is read. It lives in RocksDB, so that its memory stays bounded however large the
//! repository grows. One process writes it; others read it and keep what they add in memory, to be taken over from
//! the packs by the next one that writes.
//!
//! Keys: `c` + chunk id → for each pack that holds the chunk its number, the slot and a delta's base; `p` + pack id → [`PackInfo`]; `m` → [`Meta`]; `n` → the next
//! pack's number; `s` + path → nothing: a manifest or ledger record that was there; `d` → that chunks of snapshots may be
//! missing, with the packs that are known to be lost. A place is added to a chunk's without reading those it has: they are
//! brought together when they are asked for, or when RocksDB compacts.

mod bulk;
mod slot;
mod tuning;

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rocksdb::{
    ColumnFamilyDescriptor, DB, DBPinnableSlice, DEFAULT_COLUMN_FAMILY_NAME, Direction, IteratorMode, Options,
    WriteBatch,
};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::format::pack::{ChunkEntry, Footer, Form, PackKind};
use crate::format::{decode, encode};
use crate::id::{CHUNK_ID_LEN, ChunkId, HASH_LEN, PackId, RepoId};

pub use bulk::Bulk;
pub use slot::Slot;

/// Changed whenever the keys or values are: an index of another version is made anew.
const VERSION: u32 = 4;
/// How often it is tried again to read beside a writer.
const OPEN_TRIES: u32 = 100;
/// The file that is locked while an index is being opened.
const TURN: &str = "OPENING";

/// A pack as the index knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackInfo {
    /// A small number for the pack, never used again in the life of an index.
    pub number: u32,
    /// The pack's name.
    pub id: PackId,
    /// What it holds.
    pub kind: PackKind,
    /// Stored length, bytes.
    pub size: u64,
    /// How many chunks it holds.
    pub chunks: u32,
}

#[derive(Serialize, Deserialize)]
struct Meta {
    version: u32,
    repo: RepoId,
}

#[derive(Default)]
struct PackTable {
    by_number: HashMap<u32, PackInfo>,
    by_id: HashMap<PackId, u32>,
    next: u32,
}

/// How an index was found when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// There, and of this repository.
    Usable,
    /// Not there.
    Absent,
    /// There and not to be used; it was put away and begun anew. The text says why.
    Unusable(String),
}

/// The index of one repository, opened.
pub struct Index {
    db: DB,
    writable: bool,
    packs: RwLock<PackTable>,
    doubt: RwLock<Option<Vec<PackId>>>,
    /// What this process added while another one writes the index.
    overlay: RwLock<HashMap<ChunkId, Slot>>,
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

fn failed(error: rocksdb::Error) -> Error {
    Error::damaged("index", format!("{error}; `snaphold repair` makes it anew"))
}

impl Index {
    /// Opens the index in `dir`, making it where it is absent or not to be used. Where another process writes it, it
    /// is opened for reading.
    pub fn open(dir: &Path, repo: RepoId) -> Result<(Self, Found)> {
        // A reader that comes while the writer flushes or closes may find files gone, or nothing yet: a moment later it
        // reads the index, or is the one that writes it.
        let mut tries = OPEN_TRIES;
        loop {
            match Self::open_once(dir, repo) {
                Err(Error::Busy(_)) if tries > 0 => tries -= 1,
                opened => return opened,
            }
        }
    }

    fn open_once(dir: &Path, repo: RepoId) -> Result<(Self, Found)> {
        let existed = dir.join("CURRENT").exists();
        std::fs::create_dir_all(dir).map_err(|error| storage_error("create", dir, error))?;
        let _turn = turn_to_open(dir);
        let why = match Self::try_open(dir, repo) {
            Ok(Some(index)) => return Ok((index, if existed { Found::Usable } else { Found::Absent })),
            Ok(None) => "it belongs to another repository or to another version of snaphold".to_string(),
            Err(error) if is_locked(&error) => return Self::open_beside_writer(dir, repo),
            Err(error) => error.to_string(),
        };
        match DB::destroy(&Options::default(), dir) {
            Err(error) if is_locked(&error) => return Self::open_beside_writer(dir, repo),
            destroyed => destroyed.map_err(failed)?,
        }
        Self::remove(dir)?;
        std::fs::create_dir_all(dir).map_err(|error| storage_error("create", dir, error))?;
        match Self::try_open(dir, repo).map_err(failed)? {
            Some(index) => Ok((index, Found::Unusable(why))),
            None => Err(Error::damaged("index", "it cannot be made anew")),
        }
    }

    /// Removes the index in `dir`, for `repair`.
    pub fn remove(dir: &Path) -> Result<()> {
        match std::fs::remove_dir_all(dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(storage_error("remove", dir, error)),
            _ => Ok(()),
        }
    }

    fn try_open(dir: &Path, repo: RepoId) -> Result<Option<Self>, rocksdb::Error> {
        let db = DB::open_cf_descriptors(&tuning::options(false), dir, families(false))?;
        match db.get(b"m")? {
            Some(meta) if !is_of(&meta, repo) => return Ok(None),
            Some(_) => {}
            None => {
                if db.iterator(IteratorMode::Start).next().is_some() {
                    return Ok(None);
                }
                let mut batch = WriteBatch::default();
                batch.put(b"d", encode(&Vec::<PackId>::new()));
                batch.put(b"m", encode(&Meta { version: VERSION, repo }));
                db.write(batch)?;
            }
        }
        Self::with_packs(db, true).map(Some)
    }

    fn open_beside_writer(dir: &Path, repo: RepoId) -> Result<(Self, Found)> {
        let busy =
            |detail: String| Error::Busy(format!("the repository's index is in use by another process: {detail}"));
        let db = DB::open_cf_descriptors_read_only(&tuning::options(true), dir, families(true), false)
            .map_err(|error| busy(error.to_string()))?;
        match db.get(b"m").map_err(failed)? {
            Some(meta) if is_of(&meta, repo) => {}
            _ => return Err(busy("it is being made; try again".into())),
        }
        Ok((Self::with_packs(db, false).map_err(failed)?, Found::Usable))
    }

    fn with_packs(db: DB, writable: bool) -> Result<Self, rocksdb::Error> {
        let mut table = PackTable::default();
        for item in db.iterator(IteratorMode::From(b"p", Direction::Forward)) {
            let (key, value) = item?;
            if key.first() != Some(&b'p') {
                break;
            }
            if let Ok(info) = decode::<PackInfo>(&value) {
                table.next = table.next.max(info.number.saturating_add(1));
                table.by_id.insert(info.id, info.number);
                table.by_number.insert(info.number, info);
            }
        }
        if let Some(next) = db.get(b"n")?.and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes) {
            table.next = table.next.max(next);
        }
        let doubt = db.get(b"d")?.map(|lost| decode(&lost).unwrap_or_default());
        Ok(Self { db, writable, packs: RwLock::new(table), doubt: RwLock::new(doubt), overlay: RwLock::default() })
    }

    /// Whether this process is the one that writes the index.
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// Whether chunks that snapshots refer to may be missing: packs were lost, or the index was made anew and never
    /// knew what there once was. `Some` lists the packs known to be lost. It lasts until all snapshots were walked
    /// and found whole ([`Index::set_doubt`]), however often the index is opened meanwhile.
    pub fn doubt(&self) -> Option<Vec<PackId>> {
        read(&self.doubt).clone()
    }

    /// Raises the doubt, or with `None` takes it away. Durable with the next [`Index::flush`], and before anything
    /// that is changed later.
    pub fn set_doubt(&self, lost: Option<Vec<PackId>>) -> Result<()> {
        let mut doubt = write(&self.doubt);
        if self.writable && *doubt != lost {
            let mut batch = WriteBatch::default();
            match &lost {
                Some(lost) => batch.put(b"d", encode(lost)),
                None => batch.delete(b"d"),
            }
            self.db.write_without_wal(batch).map_err(failed)?;
        }
        *doubt = lost;
        Ok(())
    }

    /// Manifests and ledger records that were there when the index was opened, or that were put since: who removes one
    /// by accident is found out by this memory alone.
    pub fn remembered(&self) -> Result<Vec<String>> {
        let mut paths = Vec::new();
        for item in self.db.iterator(IteratorMode::From(b"s", Direction::Forward)) {
            let (key, _) = item.map_err(failed)?;
            let Some((b's', path)) = key.split_first() else { break };
            paths.extend(String::from_utf8(path.to_vec()));
        }
        Ok(paths)
    }

    /// Remembers an object, by its path. Call it after a manifest was committed.
    pub fn remember(&self, path: &str) -> Result<()> {
        self.write_one(|batch| batch.put([b"s", path.as_bytes()].concat(), b""))
    }

    /// Forgets an object that is removed on purpose.
    pub fn forget_object(&self, path: &str) -> Result<()> {
        self.write_one(|batch| batch.delete([b"s", path.as_bytes()].concat()))
    }

    /// A change that the next open makes again where a crash loses it.
    fn write_one(&self, change: impl FnOnce(&mut WriteBatch)) -> Result<()> {
        let mut batch = WriteBatch::default();
        change(&mut batch);
        if self.writable { self.db.write_without_wal(batch).map_err(failed) } else { Ok(()) }
    }

    /// All packs it knows.
    pub fn packs(&self) -> Vec<PackInfo> {
        read(&self.packs).by_number.values().copied().collect()
    }

    /// The pack of a number, while it is known.
    pub fn pack(&self, number: u32) -> Option<PackInfo> {
        read(&self.packs).by_number.get(&number).copied()
    }

    /// The pack of a name, while it is known.
    pub fn pack_named(&self, id: &PackId) -> Option<PackInfo> {
        let table = read(&self.packs);
        table.by_id.get(id).and_then(|number| table.by_number.get(number)).copied()
    }

    /// The places of chunks as they are stored, by the order of `sorted`.
    fn stored(&self, sorted: &[[u8; CHUNK_ID_LEN + 1]]) -> Result<Vec<Option<DBPinnableSlice<'_>>>> {
        let Some(family) = self.db.cf_handle(DEFAULT_COLUMN_FAMILY_NAME) else {
            return Err(Error::damaged("index", "it has no entries; `snaphold repair` makes it anew"));
        };
        let found = self.db.batched_multi_get_cf(family, sorted, true);
        found.into_iter().map(|value| value.map_err(failed)).collect()
    }

    /// Where each chunk is, as far as is known: one place, though several packs may hold it.
    pub fn get(&self, ids: &[ChunkId]) -> Result<Vec<Option<Slot>>> {
        let mut places: Vec<Option<Slot>> = {
            let table = read(&self.packs);
            let overlay = read(&self.overlay);
            let known = |slot: &Slot| table.by_number.contains_key(&slot.pack);
            ids.iter().map(|id| overlay.get(id).copied().filter(known)).collect()
        };
        let mut wanted: Vec<(ChunkId, usize)> = (0usize..)
            .zip(ids.iter().zip(&places))
            .filter_map(|(at, (id, place))| place.is_none().then_some((*id, at)))
            .collect();
        wanted.sort_unstable();
        let keys: Vec<_> = wanted.iter().map(|(id, _)| chunk_key(id)).collect();
        let found = self.stored(&keys)?;
        let table = read(&self.packs);
        for ((_, at), value) in wanted.iter().zip(found) {
            let Some(value) = value else { continue };
            let known = Slot::decode_all(&value).filter(|slot| table.by_number.contains_key(&slot.pack));
            if let Some(place) = places.get_mut(*at) {
                *place = known.min_by_key(Slot::rank);
            }
        }
        Ok(places)
    }

    /// Every place where a chunk is, the one that [`Index::get`] gives first.
    pub fn places(&self, id: &ChunkId) -> Result<Vec<Slot>> {
        let stored = self.db.get(chunk_key(id)).map_err(failed)?.unwrap_or_default();
        let mut places: Vec<Slot> = Slot::decode_all(&stored).collect();
        places.extend(read(&self.overlay).get(id));
        let table = read(&self.packs);
        places.retain(|slot| table.by_number.contains_key(&slot.pack));
        places.sort_unstable_by_key(Slot::rank);
        Ok(places)
    }

    /// Takes a pack in.
    pub fn insert(&self, id: PackId, kind: PackKind, size: u64, footer: &Footer) -> Result<PackInfo> {
        let mut table = write(&self.packs);
        let info = PackInfo { number: table.next, id, kind, size, chunks: footer.chunks.len() as u32 };
        table.next += 1;
        if self.writable {
            let mut batch = WriteBatch::default();
            let mut place = Vec::new();
            for (slot, chunk) in (0u32..).zip(&footer.chunks) {
                place.clear();
                place_of(info.number, slot, chunk).encode_into(&mut place);
                batch.merge(chunk_key(&chunk.id), &place);
            }
            batch.put(pack_key(&id), encode(&info));
            batch.put(b"n", table.next.to_le_bytes());
            self.db.write_without_wal(batch).map_err(failed)?;
        }
        table.by_id.insert(id, info.number);
        table.by_number.insert(info.number, info);
        drop(table);
        if !self.writable {
            self.lay_over(info.number, footer)?;
        }
        Ok(info)
    }

    /// Keeps the chunks of a pack in memory, where another process writes the index: each one's best place.
    fn lay_over(&self, number: u32, footer: &Footer) -> Result<()> {
        let ids: Vec<ChunkId> = footer.chunks.iter().map(|chunk| chunk.id).collect();
        let known = self.get(&ids)?;
        let mut overlay = write(&self.overlay);
        for ((slot, chunk), known) in (0u32..).zip(&footer.chunks).zip(known) {
            let place = place_of(number, slot, chunk);
            if known.is_none_or(|known| place.rank() < known.rank()) {
                overlay.insert(chunk.id, place);
            }
        }
        Ok(())
    }

    /// Forgets a pack: from now on none of its chunks is known by it. With its `footer` the entries go too; without
    /// one they stay behind, pointing to a pack that is no longer known, which counts as absent. Durable with the next
    /// [`Index::flush`].
    pub fn forget(&self, id: &PackId, footer: Option<&Footer>) -> Result<()> {
        let mut table = write(&self.packs);
        let Some(number) = table.by_id.remove(id) else { return Ok(()) };
        table.by_number.remove(&number);
        drop(table);
        if !self.writable {
            return Ok(());
        }
        let mut batch = WriteBatch::default();
        batch.delete(pack_key(id));
        let mut ids: Vec<ChunkId> =
            footer.map(|footer| footer.chunks.iter().map(|chunk| chunk.id).collect()).unwrap_or_default();
        ids.sort_unstable();
        ids.dedup();
        let keys: Vec<_> = ids.iter().map(chunk_key).collect();
        let table = read(&self.packs);
        for (key, stored) in keys.iter().zip(self.stored(&keys)?) {
            let Some(stored) = stored else { continue };
            let mut left = Vec::new();
            let places = Slot::decode_all(&stored).filter(|slot| table.by_number.contains_key(&slot.pack));
            places.for_each(|slot| slot.encode_into(&mut left));
            if left.is_empty() {
                batch.delete(key);
            } else {
                batch.put(key, left);
            }
        }
        drop(table);
        self.db.write_without_wal(batch).map_err(failed)?;
        Ok(())
    }

    /// Makes everything so far durable. Until then a crash loses the latest packs' entries as a whole, and the next
    /// open takes them in again.
    pub fn flush(&self) -> Result<()> {
        if self.writable { self.db.flush().map_err(failed) } else { Ok(()) }
    }
}

/// One process at a time opens an index: RocksDB puts its old log files away before it takes its lock, and of two that do
/// so at once one fails for a file that the other has removed. Held until it is dropped; `None` where there are no locks.
fn turn_to_open(dir: &Path) -> Option<File> {
    let file = File::create(dir.join(TURN)).ok()?;
    flock(&file, FlockOperation::LockExclusive).ok()?;
    Some(file)
}

fn is_of(meta: &[u8], repo: RepoId) -> bool {
    decode::<Meta>(meta).is_ok_and(|meta| meta.version == VERSION && meta.repo == repo)
}

fn is_locked(error: &rocksdb::Error) -> bool {
    let text = error.to_string();
    text.contains("lock file") || text.contains("LOCK")
}

fn storage_error(action: &'static str, dir: &Path, error: std::io::Error) -> Error {
    Error::Storage { action, object: format!("index at {}", dir.display()), error }
}

fn chunk_key(id: &ChunkId) -> [u8; CHUNK_ID_LEN + 1] {
    let mut key = [b'c'; CHUNK_ID_LEN + 1];
    key[1..].copy_from_slice(id.as_bytes());
    key
}

fn place_of(pack: u32, slot: u32, chunk: &ChunkEntry) -> Slot {
    let base = match chunk.form {
        Form::Full => None,
        Form::Delta { base, .. } => Some(base),
    };
    Slot { pack, slot, base }
}

fn families(read_only: bool) -> [ColumnFamilyDescriptor; 1] {
    [ColumnFamilyDescriptor::new(DEFAULT_COLUMN_FAMILY_NAME, tuning::options(read_only))]
}

fn pack_key(id: &PackId) -> [u8; HASH_LEN + 1] {
    let mut key = [b'p'; HASH_LEN + 1];
    key[1..].copy_from_slice(id.as_bytes());
    key
}
