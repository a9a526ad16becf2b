//! Storing chunks: a session that many threads write into, and the threads that build packs.
//!
//! A worker (one for each thread) gathers new chunks into blocks of its own and compresses them; finished blocks go
//! through a bounded channel to the packer, which seals them into packs; a full pack goes to the uploader, which
//! stores it durably, enters it into the index, and only then lets go of the session's claims on its chunks. Nothing
//! is visible until a manifest names it.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, Sender, bounded};
use lru::LruCache;

use crate::clock::Entropy;
use crate::codec::{Compressor, Decompressor, DeltaDecoder, DeltaEncoder, Effort, Habit};
use crate::crypto::RepoKeys;
use crate::error::{Error, Result};
use crate::format::pack::{Block, ChunkEntry, Form, PackBuilder, PackKind};
use crate::id::{ChunkId, PackId};
use crate::limits;
use crate::storage::Storage;

use super::index::{Index, Slot};
use super::names;
use super::reader::Reader;

/// Blocks waiting to be sealed, and packs waiting to be stored: enough to keep both threads busy, few enough to bound memory.
const QUEUED_BLOCKS: usize = 8;
const QUEUED_PACKS: usize = 1;
/// One block in so many is decoded again and compared before it is stored (docs/DESIGN.md: what checking costs).
const BLOCKS_PER_CHECK: u64 = 16;
const CLAIM_SHARDS: usize = 64;
/// Files whose way of being compressed a thread remembers.
const HABITS_KEPT: NonZeroUsize = match NonZeroUsize::new(32) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};

/// Chunks that belong together in blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// File data, whole chunks: in the order of the files.
    Data,
    /// File data, deltas: few bytes each, kept apart so that a restore reads them together.
    Delta,
    /// Recipe nodes and folder listings.
    Meta,
}

impl Lane {
    const ALL: [Lane; 3] = [Lane::Data, Lane::Delta, Lane::Meta];

    /// The longest delta that is still clearly smaller than the chunk itself. Recipe nodes are mostly ids, which do not
    /// compress, so for them it is nearly the whole length; data does, to about half.
    fn delta_limit(self, plain_len: usize) -> usize {
        match self {
            Lane::Data | Lane::Delta => plain_len / 2,
            Lane::Meta => plain_len - plain_len / 8,
        }
    }

    fn pack_kind(self) -> PackKind {
        match self {
            Lane::Data | Lane::Delta => PackKind::Data,
            Lane::Meta => PackKind::Meta,
        }
    }
}

/// What a session has stored so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stored {
    /// Plain bytes of new data chunks.
    pub bytes_new: u64,
    /// Bytes of packs put into storage.
    pub bytes_stored: u64,
    /// New chunks of all lanes.
    pub chunks_new: u64,
    /// How many of them are deltas.
    pub chunks_delta: u64,
}

#[derive(Default)]
struct Counters {
    bytes_new: AtomicU64,
    bytes_stored: AtomicU64,
    chunks_new: AtomicU64,
    chunks_delta: AtomicU64,
    blocks: AtomicU64,
}

/// Chunks that this session stores and the index does not know yet.
struct Claims {
    shards: Vec<Mutex<HashSet<ChunkId>>>,
}

impl Claims {
    fn new() -> Self {
        Self { shards: (0..CLAIM_SHARDS).map(|_| Mutex::default()).collect() }
    }

    fn shard(&self, id: &ChunkId) -> MutexGuard<'_, HashSet<ChunkId>> {
        let [first, ..] = id.as_bytes();
        match self.shards.get(usize::from(*first) % CLAIM_SHARDS) {
            Some(shard) => lock(shard),
            None => unreachable!("there is a shard for every remainder"),
        }
    }

    fn claim(&self, id: &ChunkId) -> bool {
        self.shard(id).insert(*id)
    }

    fn holds(&self, id: &ChunkId) -> bool {
        self.shard(id).contains(id)
    }

    fn release(&self, id: &ChunkId) {
        self.shard(id).remove(id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct LaneBuffer {
    payload: Vec<u8>,
    chunks: Vec<ChunkEntry>,
}

/// One thread's blocks in the making, and the contexts that it uses again and again.
pub struct Worker {
    compressor: Compressor,
    /// What was learnt about compressing each lane of the files that were written last.
    habits: LruCache<(Lane, u64), Habit>,
    file: u64,
    checker: DeltaDecoder,
    scratch: Vec<u8>,
    lanes: [LaneBuffer; 3],
}

impl Worker {
    fn new(effort: Effort) -> Result<Self> {
        Ok(Self {
            compressor: Compressor::new(effort).map_err(|error| Error::Failed(error.to_string()))?,
            habits: LruCache::new(HABITS_KEPT),
            file: 0,
            checker: DeltaDecoder::default(),
            scratch: Vec::new(),
            lanes: Default::default(),
        })
    }

    /// What is stored next is of a large file, which has any number of its own; 0 stands for all small ones.
    pub fn begin_file(&mut self, number: u64) {
        self.file = number;
    }

    fn lane(&mut self, lane: Lane) -> &mut LaneBuffer {
        let [data, delta, meta] = &mut self.lanes;
        match lane {
            Lane::Data => data,
            Lane::Delta => delta,
            Lane::Meta => meta,
        }
    }
}

/// A full chunk that new chunks may be stored as deltas against.
pub struct Base<'a> {
    /// Its id.
    pub id: ChunkId,
    /// Its plain bytes.
    pub bytes: &'a [u8],
}

struct Shared {
    storage: Arc<dyn Storage>,
    keys: Arc<RepoKeys>,
    entropy: Arc<dyn Entropy>,
    index: Arc<Index>,
    claims: Claims,
    counters: Counters,
    failure: Mutex<Option<Error>>,
}

impl Shared {
    /// Keeps the first failure: it is the cause, the others follow from it.
    fn fail(&self, error: Error) {
        lock(&self.failure).get_or_insert(error);
    }

    fn failed(&self) -> Error {
        lock(&self.failure).take().unwrap_or_else(|| Error::Failed("storing chunks was stopped".into()))
    }
}

type QueuedBlock = (PackKind, Block);

struct QueuedPack {
    kind: PackKind,
    builder: PackBuilder,
}

/// A session that stores chunks. Dropping it without [`ChunkWriter::finish`] leaves garbage for gc, and nothing visible.
pub struct ChunkWriter {
    shared: Arc<Shared>,
    reader: Arc<Reader>,
    effort: Effort,
    condemned: HashSet<u32>,
    workers: Mutex<Vec<Worker>>,
    blocks: Option<Sender<QueuedBlock>>,
    threads: Vec<JoinHandle<()>>,
}

impl ChunkWriter {
    /// Begins a session. Chunks whose only place is a pack in `condemned` count as unknown.
    pub(super) fn new(
        storage: Arc<dyn Storage>,
        keys: Arc<RepoKeys>,
        entropy: Arc<dyn Entropy>,
        reader: Arc<Reader>,
        condemned: HashSet<u32>,
        effort: Effort,
    ) -> Self {
        let index = reader.index().clone();
        let shared = Arc::new(Shared {
            storage,
            keys,
            entropy,
            index,
            claims: Claims::new(),
            counters: Counters::default(),
            failure: Mutex::default(),
        });
        let (blocks, incoming) = bounded(QUEUED_BLOCKS);
        let (packs, outgoing) = bounded(QUEUED_PACKS);
        let (packer, uploader) = (shared.clone(), shared.clone());
        let threads = vec![
            std::thread::spawn(move || pack_blocks(&packer, &incoming, &packs)),
            std::thread::spawn(move || upload_packs(&uploader, &outgoing)),
        ];
        Self { shared, reader, effort, condemned, workers: Mutex::default(), blocks: Some(blocks), threads }
    }

    /// Runs `work` with a worker, which no other thread uses meanwhile.
    pub fn with_worker<T>(&self, work: impl FnOnce(&mut Worker) -> Result<T>) -> Result<T> {
        let idle = lock(&self.workers).pop();
        let mut worker = match idle {
            Some(worker) => worker,
            None => Worker::new(self.effort)?,
        };
        let result = work(&mut worker);
        lock(&self.workers).push(worker);
        result
    }

    /// The id of a chunk.
    pub fn chunk_id(&self, plain: &[u8]) -> ChunkId {
        self.shared.keys.chunk_id(plain)
    }

    /// For each chunk, whether it is in the repository or will be when this session is finished. What the index says is
    /// held against the pack's footer: a chunk that counts as known and is not there would be missed by the restore.
    pub fn is_known(&self, ids: &[ChunkId]) -> Result<Vec<bool>> {
        let claimed: Vec<bool> = ids.iter().map(|id| self.shared.claims.holds(id)).collect();
        let slots = self.shared.index.get(ids)?;
        let look_closer = !self.condemned.is_empty() || self.shared.index.doubt().is_some();
        claimed
            .into_iter()
            .zip(ids.iter().zip(slots))
            .map(|(claimed, (id, slot))| match slot {
                _ if claimed => Ok(true),
                Some(_) if look_closer => self.is_there_to_stay(id),
                slot => Ok(slot.is_some_and(|slot| self.reader.is_at(id, &slot))),
            })
            .collect()
    }

    /// Whether a chunk is in a pack that is not condemned, full or with its base in such a pack: this session began
    /// after packs were condemned, so gc does not wait for it before it removes them.
    fn is_there_to_stay(&self, id: &ChunkId) -> Result<bool> {
        let stays = |id: &ChunkId, slot: &Slot| !self.condemned.contains(&slot.pack) && self.reader.is_at(id, slot);
        for slot in self.shared.index.places(id)?.iter().filter(|slot| stays(id, slot)) {
            let Some(base) = slot.base else { return Ok(true) };
            if self.shared.index.places(&base)?.iter().any(|slot| slot.base.is_none() && stays(&base, slot)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a chunk that was found full is held full by a pack that is not condemned. What this session has claimed
    /// does not count: it may become a delta itself.
    fn stays_full(&self, base: &ChunkId) -> Result<bool> {
        if self.condemned.is_empty() && self.shared.index.doubt().is_none() {
            return Ok(true);
        }
        let places = self.shared.index.places(base)?;
        Ok(places.iter().any(|slot| slot.base.is_none() && !self.condemned.contains(&slot.pack)))
    }

    /// Whether packs are condemned: then even a chunk that the parent snapshot refers to must be looked up.
    pub fn has_condemned(&self) -> bool {
        !self.condemned.is_empty()
    }

    /// Stores a chunk that is not known, as a delta against `base` where that is known and the delta clearly smaller.
    /// Does nothing where another thread has just claimed it.
    pub fn store<'b>(
        &self,
        worker: &mut Worker,
        deltas: &mut DeltaEncoder<'b>,
        lane: Lane,
        id: ChunkId,
        plain: &[u8],
        base: Option<Base<'b>>,
    ) -> Result<()> {
        if !self.shared.claims.claim(&id) {
            return Ok(());
        }
        let counters = &self.shared.counters;
        counters.chunks_new.fetch_add(1, Ordering::Relaxed);
        if lane != Lane::Meta {
            counters.bytes_new.fetch_add(plain.len() as u64, Ordering::Relaxed);
        }
        let base = match base {
            Some(base) if base.id != id && self.stays_full(&base.id)? => Some(base),
            _ => None,
        };
        if let Some(base) = base
            && let Some(delta) = checked_delta(worker, deltas, base.bytes, plain, lane.delta_limit(plain.len()))
        {
            counters.chunks_delta.fetch_add(1, Ordering::Relaxed);
            let entry = ChunkEntry {
                id,
                payload_len: delta.len() as u32,
                form: Form::Delta { base: base.id, plain_len: plain.len() as u32 },
            };
            let lane = if lane == Lane::Data { Lane::Delta } else { lane };
            return self.append(worker, lane, entry, &delta);
        }
        let entry = ChunkEntry { id, payload_len: plain.len() as u32, form: Form::Full };
        self.append(worker, lane, entry, plain)
    }

    /// Stores a chunk in the form it already has: what gc does when it moves one to another pack.
    pub fn store_as(&self, worker: &mut Worker, lane: Lane, entry: ChunkEntry, payload: &[u8]) -> Result<()> {
        if !self.shared.claims.claim(&entry.id) {
            return Ok(());
        }
        self.append(worker, lane, entry, payload)
    }

    fn append(&self, worker: &mut Worker, lane: Lane, entry: ChunkEntry, payload: &[u8]) -> Result<()> {
        let buffer = worker.lane(lane);
        if !buffer.payload.is_empty() && buffer.payload.len() + payload.len() > limits::BLOCK_MAX {
            self.close_block(worker, lane)?;
        }
        let buffer = worker.lane(lane);
        buffer.payload.extend_from_slice(payload);
        buffer.chunks.push(entry);
        if buffer.payload.len() >= limits::BLOCK_TARGET {
            self.close_block(worker, lane)?;
        }
        Ok(())
    }

    fn close_block(&self, worker: &mut Worker, lane: Lane) -> Result<()> {
        let buffer = worker.lane(lane);
        if buffer.chunks.is_empty() {
            return Ok(());
        }
        let plain = std::mem::take(&mut buffer.payload);
        let chunks = std::mem::take(&mut buffer.chunks);
        let habit = worker.habits.get_or_insert_mut((lane, worker.file), Habit::default);
        let failed = |error: crate::codec::CodecError| Error::Failed(format!("compressing failed: {error}"));
        let (codec, stored) = worker.compressor.compress(&plain, habit).map_err(failed)?;
        if self.shared.counters.blocks.fetch_add(1, Ordering::Relaxed).is_multiple_of(BLOCKS_PER_CHECK) {
            let again = Decompressor::default().decompress(codec, &stored, plain.len()).map_err(failed)?;
            if again != plain {
                return Err(Error::Failed("a compressed block does not decode to what it was made of".into()));
            }
        }
        let block = Block { codec, plain_len: plain.len() as u32, stored, chunks };
        let sender = self.blocks.as_ref().ok_or_else(|| self.shared.failed())?;
        sender.send((lane.pack_kind(), block)).map_err(|_| self.shared.failed())?;
        let buffer = worker.lane(lane);
        buffer.payload = plain;
        buffer.payload.clear();
        Ok(())
    }

    /// What was stored so far. `bytes_stored` is whole only after [`ChunkWriter::finish`].
    pub fn stored(&self) -> Stored {
        let counters = &self.shared.counters;
        Stored {
            bytes_new: counters.bytes_new.load(Ordering::Relaxed),
            bytes_stored: counters.bytes_stored.load(Ordering::Relaxed),
            chunks_new: counters.chunks_new.load(Ordering::Relaxed),
            chunks_delta: counters.chunks_delta.load(Ordering::Relaxed),
        }
    }

    /// Stores what is still in the making, and waits until all of it is durable.
    pub fn finish(mut self) -> Result<Stored> {
        let mut workers = std::mem::take(&mut *lock(&self.workers)).into_iter();
        if let Some(mut last) = workers.next() {
            for mut worker in workers {
                for lane in Lane::ALL {
                    self.merge(&mut last, &mut worker, lane)?;
                }
            }
            for lane in Lane::ALL {
                self.close_block(&mut last, lane)?;
            }
        }
        self.stop();
        let failure = lock(&self.shared.failure).take();
        match failure {
            Some(error) => Err(error),
            None => {
                self.shared.index.flush()?;
                Ok(self.stored())
            }
        }
    }

    /// Moves what `from` has gathered into `into`, so that a small snapshot ends in one block a lane.
    fn merge(&self, into: &mut Worker, from: &mut Worker, lane: Lane) -> Result<()> {
        let buffer = from.lane(lane);
        let (payload, chunks) = (std::mem::take(&mut buffer.payload), std::mem::take(&mut buffer.chunks));
        let mut rest = payload.as_slice();
        for entry in chunks {
            let (piece, behind) = rest.split_at_checked(entry.payload_len as usize).unwrap_or_default();
            rest = behind;
            self.append(into, lane, entry, piece)?;
        }
        Ok(())
    }

    fn stop(&mut self) {
        self.blocks = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                self.shared.fail(Error::Failed("a thread that stores packs died".into()));
            }
        }
    }
}

impl Drop for ChunkWriter {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The delta of `plain` against `base` where it is at most `limit` bytes long, applied once to see that it gives `plain`.
fn checked_delta<'b>(
    worker: &mut Worker,
    deltas: &mut DeltaEncoder<'b>,
    base: &'b [u8],
    plain: &[u8],
    limit: usize,
) -> Option<Vec<u8>> {
    let delta = deltas.encode(base, plain, limit)?.to_vec();
    worker.scratch.clear();
    worker.checker.decode_into(base, &delta, plain.len(), &mut worker.scratch).ok()?;
    (worker.scratch == plain).then_some(delta)
}

fn pack_blocks(shared: &Shared, blocks: &Receiver<QueuedBlock>, packs: &Sender<QueuedPack>) {
    let begin = |kind| {
        let mut salt = [0; 32];
        shared.entropy.fill(&mut salt);
        PackBuilder::new(&shared.keys, kind, salt)
    };
    let mut open: [Option<PackBuilder>; 2] = [None, None];
    for (kind, block) in blocks {
        let [data, meta] = &mut open;
        let slot = if kind == PackKind::Data { data } else { meta };
        let pushed = match slot.take().map_or_else(|| begin(kind), Ok) {
            Ok(builder) => slot.insert(builder).push(block),
            Err(error) => Err(error),
        };
        if let Err(error) = pushed {
            shared.fail(Error::Failed(error.to_string()));
            return;
        }
        if slot.as_ref().is_some_and(PackBuilder::is_full)
            && let Some(builder) = slot.take()
            && packs.send(QueuedPack { kind, builder }).is_err()
        {
            return;
        }
    }
    for builder in open.into_iter().flatten() {
        if packs.send(QueuedPack { kind: builder.kind(), builder }).is_err() {
            return;
        }
    }
}

fn upload_packs(shared: &Shared, packs: &Receiver<QueuedPack>) {
    for pack in packs {
        if let Err(error) = upload(shared, pack) {
            shared.fail(error);
            return;
        }
    }
}

fn upload(shared: &Shared, pack: QueuedPack) -> Result<()> {
    let (bytes, footer) = pack.builder.finish().map_err(|error| Error::Failed(error.to_string()))?;
    let id = PackId(*blake3::hash(&bytes).as_bytes());
    shared.storage.put_if_absent(&names::pack(&id), &bytes)?;
    shared.counters.bytes_stored.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    shared.index.insert(id, pack.kind, bytes.len() as u64, &footer)?;
    for chunk in &footer.chunks {
        shared.claims.release(&chunk.id);
    }
    Ok(())
}
