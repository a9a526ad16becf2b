//! The index: is a chunk known? In batches of 128, as the pipeline asks.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use snaphold::codec::BlockCodec;
use snaphold::format::pack::{BlockEntry, ChunkEntry, Footer, Form, PackKind};
use snaphold::id::{CHUNK_ID_LEN, ChunkId, PackId, RepoId};
use snaphold::repo::Index;
use tempfile::TempDir;

use crate::data::Random;

const PER_PACK: usize = 4000;
const BATCH: usize = 128;
/// Batches in a sample.
const BATCHES: usize = 64;
const SIZES: [usize; 2] = [100_000, 1_000_000];

fn id(number: usize) -> ChunkId {
    let mut id = [0; CHUNK_ID_LEN];
    Random::new(number as u64).fill(&mut id);
    ChunkId(id)
}

fn footer(first: usize, count: usize) -> Footer {
    let chunks =
        (first..first + count).map(|number| ChunkEntry { id: id(number), payload_len: 16_384, form: Form::Full });
    let block = BlockEntry { codec: BlockCodec::Zstd, plain_len: 16_384, sealed_len: 6000, chunks: count as u32 };
    Footer { blocks: vec![block], chunks: chunks.collect() }
}

fn pack_id(number: usize) -> PackId {
    let mut id = [0; 32];
    Random::new(!(number as u64)).fill(&mut id);
    PackId(id)
}

fn fill(index: &Index, chunks: usize) {
    for first in (0..chunks).step_by(PER_PACK) {
        let footer = footer(first, PER_PACK.min(chunks - first));
        index.insert(pack_id(first), PackKind::Data, 16 << 20, &footer).unwrap();
    }
    index.flush().unwrap();
}

/// An index of so many chunks: made once.
fn index(chunks: usize) -> &'static Index {
    static MADE: OnceLock<Mutex<BTreeMap<usize, &'static Index>>> = OnceLock::new();
    let mut made = MADE.get_or_init(Mutex::default).lock().unwrap();
    made.entry(chunks).or_insert_with(|| {
        // Files that are open stay readable: the folder may go when the process does.
        let folder: &'static TempDir = Box::leak(Box::new(tempfile::tempdir().unwrap()));
        let (index, _) = Index::open(folder.path(), RepoId([1; 16])).unwrap();
        fill(&index, chunks);
        Box::leak(Box::new(index))
    })
}

fn ask(bencher: Bencher<'_, '_>, chunks: usize, number: impl Fn(&mut Random, usize) -> usize + Sync, known: bool) {
    let index = index(chunks);
    let mut random = Random::new(7);
    bencher
        .counter(ItemsCount::new(BATCH * BATCHES))
        .with_inputs(|| -> Vec<Vec<ChunkId>> {
            let mut batch = || (0..BATCH).map(|at| id(number(&mut random, at))).collect();
            (0..BATCHES).map(|_| batch()).collect()
        })
        .bench_local_refs(|batches| {
            for batch in batches {
                let found = index.get(batch).unwrap();
                assert!(found.iter().all(|slot| slot.is_some() == known));
                black_box(found);
            }
        });
}

/// Chunks that are there, from anywhere.
#[divan::bench(args = SIZES, sample_count = 20, sample_size = 1)]
fn hit(bencher: Bencher<'_, '_>, chunks: usize) {
    ask(bencher, chunks, |random, _| random.below(chunks), true);
}

/// Chunks that are not there.
#[divan::bench(args = SIZES, sample_count = 20, sample_size = 1)]
fn miss(bencher: Bencher<'_, '_>, chunks: usize) {
    ask(bencher, chunks, |random, _| chunks + random.below(1 << 40), false);
}

/// Taking in the packs of so many chunks, from their footers to the disk.
#[divan::bench(args = [100_000], sample_count = 5, sample_size = 1)]
fn take_in(bencher: Bencher<'_, '_>, chunks: usize) {
    bencher.counter(ItemsCount::new(chunks)).with_inputs(|| tempfile::tempdir().unwrap()).bench_refs(|folder| {
        let (index, _) = Index::open(folder.path(), RepoId([1; 16])).unwrap();
        fill(&index, chunks);
    });
}
