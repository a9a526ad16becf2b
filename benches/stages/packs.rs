//! Packs and recipes, from bytes to a folder and back.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use snaphold::codec::{BlockCodec, Decompressor};
use snaphold::crypto::{Encryption, RepoKeys};
use snaphold::format::pack::{
    BLOCK_HEADER_LEN, Block, ChunkEntry, Footer, FooterPlace, Form, PackBuilder, PackKind, PackOpener, TAIL_LEN,
};
use snaphold::format::recipe::{RecipeNode, Reference};
use snaphold::id::{CHUNK_ID_LEN, ChunkId, PackId};
use snaphold::repo::pack_name;
use snaphold::storage::{LocalFolder, Storage};

use crate::data::{self, Random};
use crate::surroundings;

const PACK: usize = 16 << 20;
const BLOCK: usize = 512 << 10;
const CHUNK: usize = 16 << 10;

fn some_id(random: &mut Random) -> ChunkId {
    let mut id = [0; CHUNK_ID_LEN];
    random.fill(&mut id);
    ChunkId(id)
}

fn blocks() -> Vec<Block> {
    let mut random = Random::new(3);
    let block = |stored: &[u8]| {
        let entry =
            |chunk: &[u8]| ChunkEntry { id: some_id(&mut random), payload_len: chunk.len() as u32, form: Form::Full };
        let chunks = stored.chunks(CHUNK).map(entry).collect();
        Block { codec: BlockCodec::Plain, plain_len: stored.len() as u32, stored: stored.to_vec(), chunks }
    };
    data::random(1, PACK).chunks(BLOCK).map(block).collect()
}

fn built(keys: &RepoKeys, blocks: Vec<Block>) -> (Vec<u8>, Footer) {
    let mut builder = PackBuilder::new(keys, PackKind::Data, [4; 32]).unwrap();
    blocks.into_iter().for_each(|block| builder.push(block).unwrap());
    builder.finish().unwrap()
}

/// Sealing 32 blocks into a pack of 16 MiB, and its name.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn build(bencher: Bencher<'_, '_>) {
    let keys = surroundings::keys(Encryption::Aes256Gcm);
    bencher.counter(BytesCount::new(PACK)).with_inputs(blocks).bench_values(|blocks| {
        let (bytes, footer) = built(&keys, blocks);
        (PackId(*blake3::hash(&bytes).as_bytes()), bytes, footer)
    });
}

/// Header, tail and footer of a pack of 1,024 chunks.
#[divan::bench(sample_count = 50)]
fn read_footer(bencher: Bencher<'_, '_>) {
    let keys = surroundings::keys(Encryption::Aes256Gcm);
    let (pack, footer) = built(&keys, blocks());
    bencher.counter(ItemsCount::new(footer.chunks.len())).bench(|| {
        let opener = PackOpener::new(&keys, &pack[..48]).unwrap();
        let place = FooterPlace::decode(&pack[pack.len() - TAIL_LEN..], pack.len() as u64).unwrap();
        opener.footer(&place, &pack[place.offset as usize..]).unwrap()
    });
}

/// Opening every block of a pack.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn open_blocks(bencher: Bencher<'_, '_>) {
    let keys = surroundings::keys(Encryption::Aes256Gcm);
    let (pack, footer) = built(&keys, blocks());
    let opener = PackOpener::new(&keys, &pack[..48]).unwrap();
    let offsets = footer.block_offsets();
    let mut zstd = Decompressor::default();
    bencher.counter(BytesCount::new(PACK)).with_inputs(|| pack.clone()).bench_local_refs(|pack| {
        for (number, (offset, entry)) in offsets.iter().zip(&footer.blocks).enumerate() {
            let sealed = &mut pack[*offset as usize..][..BLOCK_HEADER_LEN + entry.sealed_len as usize];
            black_box(opener.block(&mut zstd, number as u64, entry, sealed).unwrap());
        }
    });
}

fn node() -> RecipeNode {
    let mut random = Random::new(5);
    let child = |_| Reference::Chunk { id: some_id(&mut random), len: 8192 + random.below(16_384) as u64 };
    RecipeNode { references: (0..128).map(child).collect() }
}

#[divan::bench(sample_count = 50)]
fn recipe_node_encode(bencher: Bencher<'_, '_>) {
    let node = node();
    bencher.counter(ItemsCount::new(128u32)).bench(|| black_box(&node).encode());
}

#[divan::bench(sample_count = 50)]
fn recipe_node_decode(bencher: Bencher<'_, '_>) {
    let bytes = node().encode();
    bencher.counter(ItemsCount::new(128u32)).bench(|| RecipeNode::decode(black_box(&bytes)).unwrap());
}

/// A pack into a folder, durable.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn put(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalFolder::create(folder.path().join("repository")).unwrap();
    let pack = data::random(1, PACK);
    let mut number = 0u8;
    bencher
        .counter(BytesCount::new(PACK))
        .with_inputs(|| {
            number += 1;
            pack_name(&PackId([number; 32]))
        })
        .bench_local_values(|name| {
            storage.put_if_absent(&name, &pack).unwrap();
        });
}

/// A block out of a pack in a folder, from the page cache.
#[divan::bench(sample_count = 50)]
fn get_range(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalFolder::create(folder.path().join("repository")).unwrap();
    let name = pack_name(&PackId([1; 32]));
    storage.put_if_absent(&name, &data::random(1, PACK)).unwrap();
    bencher.counter(BytesCount::new(BLOCK)).bench(|| storage.get_range(&name, 1 << 20, BLOCK).unwrap());
}
