//! Reading chunks: from the index to a pack's footer, to a block, to the plain bytes, each checked on the way.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use crate::codec::{Decompressor, DeltaDecoder};
use crate::crypto::RepoKeys;
use crate::error::{Error, Result};
use crate::format::FormatError;
use crate::format::pack::{BLOCK_HEADER_LEN, Footer, FooterPlace, Form, HEADER_LEN, PackKind, PackOpener, TAIL_LEN};
use crate::id::{ChunkId, PackId};
use crate::limits;
use crate::storage::{ObjectKind, ObjectName, Storage};

use super::index::{Index, Slot};
use super::names;

/// Decoded blocks that are kept, bytes.
const BLOCK_CACHE_BYTES: usize = 64 << 20;
/// Packs whose footers are kept, by their chunks.
const FOOTER_CACHE_CHUNKS: usize = 500_000;

thread_local! {
    static ZSTD: RefCell<Decompressor> = RefCell::default();
    static DELTA: RefCell<DeltaDecoder> = RefCell::default();
}

/// A pack's footer, ready to find chunks by.
pub struct PackContents {
    /// The pack's name.
    pub id: PackId,
    /// What it holds.
    pub footer: Footer,
    opener: PackOpener,
    offsets: Vec<u64>,
    /// For each chunk: its block, and where its payload begins in the block.
    places: Vec<(u32, u32)>,
}

impl PackContents {
    /// Whether it is a pack of data or of metadata.
    pub fn kind(&self) -> PackKind {
        self.opener.kind()
    }

    /// The block of the `slot`-th chunk and where its payload begins in it.
    pub fn place(&self, slot: u32) -> Option<(u32, u32)> {
        self.places.get(slot as usize).copied()
    }
}

/// Where a chunk is, checked against its pack's footer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The pack's number in the index.
    pub pack: u32,
    /// Position in the pack's footer.
    pub slot: u32,
    /// The block's number in the pack.
    pub block: u32,
    /// Where its payload begins in the block's plain bytes.
    pub offset: u32,
    /// Length of its payload.
    pub payload_len: u32,
    /// What the payload is.
    pub form: Form,
}

/// A chunk's payload inside a decoded block.
#[derive(Clone)]
pub struct Payload {
    block: Arc<Vec<u8>>,
    start: usize,
    end: usize,
}

impl std::ops::Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.block.get(self.start..self.end).unwrap_or_default()
    }
}

struct BlockCache {
    blocks: LruCache<(u32, u32), Arc<Vec<u8>>>,
    bytes: usize,
}

struct FooterCache {
    packs: LruCache<u32, Arc<PackContents>>,
    chunks: usize,
}

/// Reads chunks of one repository; shared by threads.
pub struct Reader {
    storage: Arc<dyn Storage>,
    keys: Arc<RepoKeys>,
    index: Arc<Index>,
    footers: Mutex<FooterCache>,
    blocks: Mutex<BlockCache>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reader {
    pub(super) fn new(storage: Arc<dyn Storage>, keys: Arc<RepoKeys>, index: Arc<Index>) -> Self {
        Self {
            storage,
            keys,
            index,
            footers: Mutex::new(FooterCache { packs: LruCache::unbounded(), chunks: 0 }),
            blocks: Mutex::new(BlockCache { blocks: LruCache::unbounded(), bytes: 0 }),
        }
    }

    /// The index it finds chunks by.
    pub fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// What the pack of a number holds.
    pub fn contents(&self, pack: u32) -> Result<Arc<PackContents>> {
        if let Some(contents) = lock(&self.footers).packs.get(&pack) {
            return Ok(contents.clone());
        }
        let info = self
            .index
            .pack(pack)
            .ok_or_else(|| Error::damaged("index", "it names a pack that it does not know; run `snaphold repair`"))?;
        let contents = Arc::new(load_contents(&*self.storage, &self.keys, info.id, info.size)?);
        let mut cache = lock(&self.footers);
        cache.chunks += contents.footer.chunks.len();
        if let Some((_, old)) = cache.packs.push(pack, contents.clone()) {
            cache.chunks -= old.footer.chunks.len();
        }
        while cache.chunks > FOOTER_CACHE_CHUNKS && cache.packs.len() > 1 {
            let Some((_, old)) = cache.packs.pop_lru() else { break };
            cache.chunks -= old.footer.chunks.len();
        }
        Ok(contents)
    }

    /// Where each chunk is; `None` for those that no known pack holds.
    pub fn locate(&self, ids: &[ChunkId]) -> Result<Vec<Option<Place>>> {
        let slots = self.index.get(ids)?;
        let mut last: Option<(u32, Arc<PackContents>)> = None;
        ids.iter()
            .zip(slots)
            .map(|(id, slot)| {
                let Some(slot) = slot else { return Ok(None) };
                let contents = match &last {
                    Some((pack, contents)) if *pack == slot.pack => contents.clone(),
                    _ => self.contents(slot.pack)?,
                };
                last = Some((slot.pack, contents.clone()));
                let wrong = || Error::damaged("index", "it does not fit the packs; run `snaphold repair`");
                let entry = contents.footer.chunks.get(slot.slot as usize).ok_or_else(wrong)?;
                let (block, offset) = contents.place(slot.slot).ok_or_else(wrong)?;
                if entry.id != *id {
                    return Err(wrong());
                }
                Ok(Some(Place {
                    pack: slot.pack,
                    slot: slot.slot,
                    block,
                    offset,
                    payload_len: entry.payload_len,
                    form: entry.form,
                }))
            })
            .collect()
    }

    /// Whether a pack has a chunk where the index says. A pack that cannot be read has nothing.
    pub(super) fn is_at(&self, id: &ChunkId, slot: &Slot) -> bool {
        self.contents(slot.pack)
            .is_ok_and(|contents| contents.footer.chunks.get(slot.slot as usize).is_some_and(|entry| entry.id == *id))
    }

    /// Where a chunk is that a manifest needs: its absence is damage.
    pub fn locate_one(&self, id: &ChunkId) -> Result<Place> {
        let found = self.locate(std::slice::from_ref(id))?;
        found.into_iter().next().flatten().ok_or_else(|| absent(id))
    }

    /// The plain payload of a block, decoded now.
    pub fn decode_block(&self, pack: u32, block: u32) -> Result<Vec<u8>> {
        let contents = self.contents(pack)?;
        self.decode_block_of(&contents, block)
    }

    /// As [`Reader::decode_block`], for a pack whose contents are at hand.
    pub fn decode_block_of(&self, contents: &PackContents, block: u32) -> Result<Vec<u8>> {
        let name = names::pack(&contents.id);
        let wrong = || Error::damaged(&name, "a chunk points to a block that is not there");
        let entry = contents.footer.blocks.get(block as usize).ok_or_else(wrong)?;
        let offset = contents.offsets.get(block as usize).ok_or_else(wrong)?;
        let len = BLOCK_HEADER_LEN + entry.sealed_len as usize;
        let mut sealed = get_range(&*self.storage, &name, *offset, len)?;
        ZSTD.with_borrow_mut(|zstd| contents.opener.block(zstd, u64::from(block), entry, &mut sealed))
            .map_err(|error| error.of(&name))
    }

    /// The plain payload of a block, from the cache where it is there.
    pub fn block(&self, pack: u32, block: u32) -> Result<Arc<Vec<u8>>> {
        if let Some(plain) = lock(&self.blocks).blocks.get(&(pack, block)) {
            return Ok(plain.clone());
        }
        let plain = Arc::new(self.decode_block(pack, block)?);
        let mut cache = lock(&self.blocks);
        cache.bytes += plain.len();
        if let Some((_, old)) = cache.blocks.push((pack, block), plain.clone()) {
            cache.bytes -= old.len();
        }
        while cache.bytes > BLOCK_CACHE_BYTES {
            let Some((_, old)) = cache.blocks.pop_lru() else { break };
            cache.bytes -= old.len();
        }
        Ok(plain)
    }

    /// A chunk's payload: its plain bytes or its delta.
    pub fn payload(&self, place: &Place) -> Result<Payload> {
        let block = self.block(place.pack, place.block)?;
        let start = place.offset as usize;
        let end = start + place.payload_len as usize;
        if end > block.len() {
            return Err(self.damaged(place.pack, "a chunk reaches over the end of its block"));
        }
        Ok(Payload { block, start, end })
    }

    /// The full chunk that a delta against `id` is made with: the chunk itself, or its own base where it is a delta.
    /// `None` where it is not in the repository.
    pub fn base(&self, id: &ChunkId) -> Result<Option<(ChunkId, Payload)>> {
        let Some(place) = self.locate(std::slice::from_ref(id))?.into_iter().next().flatten() else { return Ok(None) };
        match place.form {
            Form::Full => Ok(Some((*id, self.payload(&place)?))),
            Form::Delta { base, .. } => {
                let place = self.locate_one(&base)?;
                if place.form != Form::Full {
                    return Err(self.damaged(place.pack, "the base of a delta is a delta"));
                }
                Ok(Some((base, self.payload(&place)?)))
            }
        }
    }

    /// A chunk's plain bytes, checked against its id.
    pub fn chunk(&self, id: &ChunkId) -> Result<Vec<u8>> {
        let place = self.locate_one(id)?;
        self.chunk_at(id, &place)
    }

    /// As [`Reader::chunk`], for a chunk whose place is at hand.
    pub fn chunk_at(&self, id: &ChunkId, place: &Place) -> Result<Vec<u8>> {
        let payload = self.payload(place)?;
        let plain = match place.form {
            Form::Full => payload.to_vec(),
            Form::Delta { base, plain_len } => {
                let base_place = self.locate_one(&base)?;
                if base_place.form != Form::Full {
                    return Err(self.damaged(place.pack, "the base of a delta is a delta"));
                }
                let base = self.payload(&base_place)?;
                self.apply_delta(place.pack, &base, &payload, plain_len)?
            }
        };
        self.check(id, place.pack, &plain)?;
        Ok(plain)
    }

    /// What a delta of pack number `pack` makes out of `base`.
    pub fn apply_delta(&self, pack: u32, base: &[u8], delta: &[u8], plain_len: u32) -> Result<Vec<u8>> {
        let mut plain = Vec::new();
        self.apply_delta_into(pack, base, delta, plain_len, &mut plain)?;
        Ok(plain)
    }

    /// As [`Reader::apply_delta`], appended to `plain`.
    pub fn apply_delta_into(
        &self,
        pack: u32,
        base: &[u8],
        delta: &[u8],
        plain_len: u32,
        plain: &mut Vec<u8>,
    ) -> Result<()> {
        let len = plain_len as usize;
        if len > limits::BLOCK_MAX {
            return Err(self.damaged(pack, format!("a delta declares {len} bytes")));
        }
        DELTA
            .with_borrow_mut(|decoder| decoder.decode_into(base, delta, len, plain))
            .map_err(|error| self.damaged(pack, error))
    }

    /// The id that a chunk of these bytes has.
    pub fn chunk_id(&self, plain: &[u8]) -> ChunkId {
        self.keys.chunk_id(plain)
    }

    /// Checks that `plain`, read from pack number `pack`, is the chunk `id`.
    pub fn check(&self, id: &ChunkId, pack: u32, plain: &[u8]) -> Result<()> {
        if self.keys.chunk_id(plain) == *id {
            Ok(())
        } else {
            Err(self.damaged(pack, format!("chunk {id} does not have the bytes that its id says")))
        }
    }

    /// Damage in the pack of a number.
    pub fn damaged(&self, pack: u32, detail: impl ToString) -> Error {
        match self.index.pack(pack) {
            Some(info) => Error::damaged(names::pack(&info.id), detail),
            None => Error::damaged("index", detail),
        }
    }
}

/// A chunk that should be in the repository and is in no pack that can be read.
pub fn absent(id: &ChunkId) -> Error {
    Error::damaged(
        format!("chunk {id}"),
        "no readable pack holds it; `snaphold verify` names what is damaged or missing",
    )
}

/// Reads a pack's footer. `size` is the pack's stored length.
pub fn load_contents(storage: &dyn Storage, keys: &RepoKeys, id: PackId, size: u64) -> Result<PackContents> {
    let name = names::pack(&id);
    let minimum = (HEADER_LEN + TAIL_LEN) as u64;
    if !(minimum..=limits::PACK_MAX as u64).contains(&size) {
        return Err(Error::damaged(&name, format!("its length of {size} bytes is impossible")));
    }
    let header = get_range(storage, &name, 0, HEADER_LEN)?;
    let opener = PackOpener::new(keys, &header).map_err(|error| unless_damaged(storage, &name, &id, error))?;
    let tail = get_range(storage, &name, size - TAIL_LEN as u64, TAIL_LEN)?;
    let place = FooterPlace::decode(&tail, size).map_err(|error| error.of(&name))?;
    let end = get_range(storage, &name, place.offset, (size - place.offset) as usize)?;
    let footer = opener.footer(&place, &end).map_err(|error| error.of(&name))?;
    let mut places = Vec::with_capacity(footer.chunks.len());
    let mut chunks = footer.chunks.iter();
    for (number, block) in footer.blocks.iter().enumerate() {
        let mut offset = 0;
        for chunk in chunks.by_ref().take(block.chunks as usize) {
            places.push((number as u32, offset));
            offset += chunk.payload_len;
        }
    }
    let offsets = footer.block_offsets();
    Ok(PackContents { id, footer, opener, offsets, places })
}

/// A pack that seems to be of a newer version may just be damaged there: its name tells.
fn unless_damaged(storage: &dyn Storage, name: &ObjectName, id: &PackId, error: FormatError) -> Error {
    match (error, storage.get(name)) {
        (FormatError::Unsupported(_), Ok(bytes)) if blake3::hash(&bytes).as_bytes() != id.as_bytes() => {
            Error::damaged(name, "its name is not the hash of its bytes")
        }
        (error, _) => error.of(name),
    }
}

/// A range of an object that must be there: its absence is damage, not a user's mistake.
pub(super) fn get_range(storage: &dyn Storage, name: &ObjectName, offset: u64, len: usize) -> Result<Vec<u8>> {
    storage.get_range(name, offset, len).map_err(|error| missing_is_damage(name, error))
}

/// Turns "not found" into damage of the object.
pub(super) fn missing_is_damage(name: &ObjectName, error: Error) -> Error {
    match error {
        Error::NotFound(_) => Error::damaged(name, "it is missing"),
        error => error,
    }
}

/// Names of the packs that are in storage, with their stored lengths.
pub(super) fn stored_packs(storage: &dyn Storage) -> Result<Vec<(PackId, u64)>> {
    let mut seen = HashSet::new();
    Ok(storage
        .list(ObjectKind::Pack)?
        .into_iter()
        .filter_map(|listed| Some((listed.name.leaf().parse::<PackId>().ok()?, listed.size)))
        .filter(|(id, _)| seen.insert(*id))
        .collect())
}
