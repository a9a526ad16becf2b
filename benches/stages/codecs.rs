//! Compressing, deltas, sealing.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use snaphold::codec::{Compressor, Decompressor, DeltaDecoder, DeltaEncoder, Effort, Habit};
use snaphold::crypto::Encryption;

use crate::data::{self, Kind};
use crate::notes::note;
use crate::surroundings;

const BLOCK: usize = 512 << 10;
const CHUNK: usize = 16 << 10;
const CHUNKS: usize = 256;

const BLOCKS: [(Kind, Effort); 7] = [
    (Kind::Text, Effort::Fast),
    (Kind::Text, Effort::Default),
    (Kind::Text, Effort::Best),
    (Kind::Pages, Effort::Fast),
    (Kind::Pages, Effort::Default),
    (Kind::Pages, Effort::Best),
    (Kind::Random, Effort::Default),
];

#[divan::bench(args = BLOCKS, sample_count = 20, sample_size = 1)]
fn compress(bencher: Bencher<'_, '_>, (kind, effort): (Kind, Effort)) {
    let plain = data::of(kind, BLOCK);
    let mut compressor = Compressor::new(effort).unwrap();
    let mut habit = Habit::default();
    let (_, stored) = compressor.compress(&plain, &mut habit).unwrap();
    note(format!("compress ({kind:?}, {effort:?}): a block of {BLOCK} bytes becomes {}", stored.len()));
    bencher.counter(BytesCount::new(BLOCK)).bench_local(|| compressor.compress(black_box(&plain), &mut habit).unwrap());
}

#[divan::bench(args = BLOCKS, sample_count = 20, sample_size = 4)]
fn decompress(bencher: Bencher<'_, '_>, (kind, effort): (Kind, Effort)) {
    let plain = data::of(kind, BLOCK);
    let (codec, stored) = Compressor::new(effort).unwrap().compress(&plain, &mut Habit::default()).unwrap();
    let mut decompressor = Decompressor::default();
    bencher
        .counter(BytesCount::new(BLOCK))
        .bench_local(|| decompressor.decompress(codec, black_box(&stored), BLOCK).unwrap());
}

/// Chunks of a database file before and after a day: one row of each was updated.
fn versions(kind: Kind) -> (Vec<u8>, Vec<u8>) {
    let before = data::of(kind, CHUNK * CHUNKS);
    let mut after = before.clone();
    for (number, chunk) in after.chunks_mut(CHUNK).enumerate() {
        match kind {
            Kind::Text => data::update_text(number as u64, chunk, 2),
            _ => data::update_pages(number as u64, chunk, 1),
        }
    }
    (before, after)
}

#[divan::bench(args = [Kind::Pages, Kind::Text], sample_count = 20, sample_size = 1)]
fn delta_encode(bencher: Bencher<'_, '_>, kind: Kind) {
    let (before, after) = versions(kind);
    let mut encoder = DeltaEncoder::default();
    let pairs = || before.chunks(CHUNK).zip(after.chunks(CHUNK));
    let total: usize = pairs().map(|(base, target)| encoder.encode(base, target, usize::MAX).unwrap().len()).sum();
    note(format!("delta_encode {kind:?}: a delta of {CHUNK} bytes has {} on average", total / CHUNKS));
    bencher.counter(BytesCount::new(CHUNK * CHUNKS)).bench_local(|| {
        for (base, target) in pairs() {
            black_box(encoder.encode(base, target, CHUNK / 2).unwrap());
        }
    });
}

#[divan::bench(args = [Kind::Pages, Kind::Text], sample_count = 20, sample_size = 1)]
fn delta_decode(bencher: Bencher<'_, '_>, kind: Kind) {
    let (before, after) = versions(kind);
    let mut encoder = DeltaEncoder::default();
    let pairs = before.chunks(CHUNK).zip(after.chunks(CHUNK));
    let deltas: Vec<(&[u8], Vec<u8>)> =
        pairs.map(|(base, target)| (base, encoder.encode(base, target, usize::MAX).unwrap().to_vec())).collect();
    let mut decoder = DeltaDecoder::default();
    let mut out = Vec::with_capacity(CHUNK);
    bencher.counter(BytesCount::new(CHUNK * CHUNKS)).bench_local(|| {
        for (base, delta) in &deltas {
            out.clear();
            decoder.decode_into(base, delta, CHUNK, &mut out).unwrap();
            black_box(&out);
        }
    });
}

#[divan::bench(args = [Encryption::Aes256Gcm, Encryption::None], sample_count = 50, sample_size = 4)]
fn seal(bencher: Bencher<'_, '_>, encryption: Encryption) {
    let sealer = surroundings::keys(encryption).pack_sealer(&[2; 32]).unwrap();
    let plain = data::random(1, BLOCK);
    bencher
        .counter(BytesCount::new(BLOCK))
        .with_inputs(|| {
            let mut with_room = Vec::with_capacity(BLOCK + 16);
            with_room.extend_from_slice(&plain);
            with_room
        })
        .bench_values(|plain| sealer.seal(0, b"header", plain).unwrap());
}

#[divan::bench(args = [Encryption::Aes256Gcm, Encryption::None], sample_count = 50, sample_size = 4)]
fn open(bencher: Bencher<'_, '_>, encryption: Encryption) {
    let sealer = surroundings::keys(encryption).pack_sealer(&[2; 32]).unwrap();
    let sealed = sealer.seal(0, b"header", data::random(1, BLOCK)).unwrap();
    bencher
        .counter(BytesCount::new(BLOCK))
        .with_inputs(|| sealed.clone())
        .bench_refs(|sealed| sealer.open_in_place(0, b"header", sealed).unwrap());
}
