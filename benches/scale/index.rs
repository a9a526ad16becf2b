//! An index of many chunks: how long it takes to make from footers, what it takes on disk and in memory, and how fast it
//! answers. Prints one JSON object.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use snaphold::codec::BlockCodec;
use snaphold::format::pack::{BlockEntry, ChunkEntry, Footer, Form, PackKind};
use snaphold::id::{CHUNK_ID_LEN, ChunkId, PackId, RepoId};
use snaphold::repo::Index;

use crate::data::Random;
use crate::memory::{cpu_seconds, resident};

/// As many chunks as a pack of database pages has that compress to about a third.
const PER_PACK: usize = 3000;
/// Ids that the pipeline asks for in one go.
const BATCH: usize = 128;
const BATCHES: usize = 2000;
const REPO: RepoId = RepoId([1; 16]);

fn id(number: usize) -> ChunkId {
    let mut id = [0; CHUNK_ID_LEN];
    Random::new(number as u64).fill(&mut id);
    ChunkId(id)
}

fn pack_id(number: usize) -> PackId {
    let mut id = [0; 32];
    Random::new(!(number as u64)).fill(&mut id);
    PackId(id)
}

/// Every eighth chunk is a delta against one of the pack before, as after some days of a database.
fn footer(first: usize, count: usize) -> Footer {
    let entry = |number: usize| {
        let form = match number % 8 {
            0 if number >= PER_PACK => Form::Delta { base: id(number - PER_PACK + 1), plain_len: 16_384 },
            _ => Form::Full,
        };
        ChunkEntry { id: id(number), payload_len: 16_384, form }
    };
    let block = BlockEntry { codec: BlockCodec::Zstd, plain_len: 16_384, sealed_len: 6000, chunks: count as u32 };
    Footer { blocks: vec![block], chunks: (first..first + count).map(entry).collect() }
}

fn folder_bytes(folder: &Path) -> u64 {
    fs::read_dir(folder).unwrap().filter_map(|entry| entry.unwrap().metadata().ok()).map(|file| file.len()).sum()
}

/// What so much work took.
struct Taken {
    wall: Instant,
    cpu: f64,
}

impl Taken {
    fn begin() -> Self {
        Self { wall: Instant::now(), cpu: cpu_seconds() }
    }

    fn json(&self) -> Value {
        json!({ "wall_s": self.wall.elapsed().as_secs_f64(), "cpu_s": cpu_seconds() - self.cpu })
    }
}

fn ask(index: &Index, known: bool, number: impl Fn(&mut Random) -> usize) -> Value {
    let mut random = Random::new(7);
    let batches: Vec<Vec<ChunkId>> =
        (0..BATCHES).map(|_| (0..BATCH).map(|_| id(number(&mut random))).collect()).collect();
    // Once to fill the caches, as a snapshot that takes longer than a moment finds them.
    for batch in batches.iter().take(BATCHES / 4) {
        index.get(batch).unwrap();
    }
    let (begun, cpu) = (Instant::now(), cpu_seconds());
    for batch in &batches[BATCHES / 4..] {
        assert!(index.get(batch).unwrap().iter().all(|slot| slot.is_some() == known));
    }
    let asked = (BATCHES - BATCHES / 4) * BATCH;
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = cpu_seconds() - cpu;
    json!({
        "per_second": asked as f64 / seconds,
        "microseconds_each": seconds / asked as f64 * 1e6,
        "cpu_microseconds_each": cpu / asked as f64 * 1e6,
    })
}

/// Makes an index of `chunks` chunks in `folder`, and measures that.
pub fn make(folder: &Path, chunks: usize) {
    let mut result = BTreeMap::new();
    let begun = Taken::begin();
    let (index, _) = Index::open(folder, REPO).unwrap();
    let mut bulk = index.bulk(chunks.div_ceil(PER_PACK)).unwrap().unwrap();
    let mut spent_on_footers = 0.0;
    for first in (0..chunks).step_by(PER_PACK) {
        let making = Instant::now();
        let footer = footer(first, PER_PACK.min(chunks - first));
        spent_on_footers += making.elapsed().as_secs_f64();
        bulk.add(pack_id(first), PackKind::Data, 16 << 20, &footer).unwrap();
    }
    bulk.finish().unwrap();
    index.flush().unwrap();
    result.insert("rebuild", begun.json());
    result.insert("rebuild_made_up_footers_s", json!(spent_on_footers));
    result.insert("memory_rebuild", json!(resident().1));
    result.insert("disk_bytes", json!(folder_bytes(folder)));

    // What snapshots add later, pack by pack.
    let more = (chunks / 10).min(2_000_000);
    let begun = Taken::begin();
    for first in (chunks..chunks + more).step_by(PER_PACK) {
        let footer = footer(first, PER_PACK.min(chunks + more - first));
        index.insert(pack_id(first), PackKind::Data, 16 << 20, &footer).unwrap();
    }
    index.flush().unwrap();
    result.insert("added", json!(more));
    result.insert("add", begun.json());
    let begun = Taken::begin();
    drop(index);
    result.insert("close", begun.json());
    result.insert("chunks", json!(chunks));
    println!("{}", json!(result));
}

/// Asks the index that [`make`] has left in `folder`, in a process of its own.
pub fn ask_all(folder: &Path, chunks: usize) {
    let mut result = BTreeMap::new();
    let begun = Taken::begin();
    let (index, _) = Index::open(folder, REPO).unwrap();
    result.insert("open", begun.json());
    result.insert("memory_open", json!(resident().0));
    result.insert("packs", json!(index.packs().len()));
    result.insert("known", ask(&index, true, |random| random.below(chunks)));
    result.insert("unknown", ask(&index, false, |random| (chunks << 8) + random.below(1 << 40)));
    result.insert("memory", json!(resident().0));
    result.insert("memory_peak", json!(resident().1));
    println!("{}", json!(result));
}
