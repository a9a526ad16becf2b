//! Cutting, hashing, recognising runs and kinds of file.

use std::path::Path;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use rayon::prelude::*;
use snaphold::chunk::{PageCutter, StreamChunker, class_of, repeated_byte};
use snaphold::crypto::Encryption;

use crate::data::{self, Kind};
use crate::surroundings;

const LEN: usize = 16 << 20;

#[divan::bench(args = [Kind::Text, Kind::Random, Kind::Pages], sample_count = 20, sample_size = 1)]
fn mincdc(bencher: Bencher<'_, '_>, kind: Kind) {
    stream(bencher, kind, "mincdc");
}

#[divan::bench(args = [Kind::Text, Kind::Random, Kind::Pages], sample_count = 20, sample_size = 1)]
fn fastcdc(bencher: Bencher<'_, '_>, kind: Kind) {
    stream(bencher, kind, "fastcdc");
}

fn stream(bencher: Bencher<'_, '_>, kind: Kind, chunker: &str) {
    let chunker: StreamChunker = chunker.parse().unwrap();
    let data = data::of(kind, LEN);
    bencher.counter(BytesCount::new(LEN)).bench(|| {
        let (mut rest, mut chunks) = (&data[..], 0u64);
        while let Some(len) = chunker.next_cut(rest, true) {
            rest = &rest[len..];
            chunks += 1;
        }
        black_box(chunks)
    });
}

#[divan::bench(sample_count = 20, sample_size = 10)]
fn pages(bencher: Bencher<'_, '_>) {
    let cutter = PageCutter::new(8192, 16 * 1024);
    let data = data::pages(1, LEN);
    bencher.counter(ItemsCount::new(LEN / cutter.chunk_len())).bench(|| {
        let (mut rest, mut chunks) = (&data[..], 0u64);
        while let Some(len) = cutter.next_cut(rest, true) {
            rest = &rest[len..];
            chunks += 1;
        }
        black_box(chunks)
    });
}

/// Ids of chunks of so many KiB, one after the other.
#[divan::bench(args = [8, 16, 64], sample_count = 20, sample_size = 1)]
fn hash(bencher: Bencher<'_, '_>, kib: usize) {
    let keys = surroundings::keys(Encryption::Aes256Gcm);
    let data = data::random(1, LEN);
    bencher.counter(BytesCount::new(LEN)).bench(|| {
        for chunk in data.chunks(kib << 10) {
            black_box(keys.chunk_id(chunk));
        }
    });
}

/// The same by all threads, as the pipeline does it.
#[divan::bench(args = [8, 16, 64], sample_count = 20, sample_size = 1)]
fn hash_side_by_side(bencher: Bencher<'_, '_>, kib: usize) {
    let keys = surroundings::keys(Encryption::Aes256Gcm);
    let data = data::random(1, LEN);
    bencher.counter(BytesCount::new(LEN)).bench(|| {
        data.par_chunks(kib << 10).with_min_len(16).for_each(|chunk| {
            black_box(keys.chunk_id(chunk));
        });
    });
}

#[divan::bench(sample_count = 50, sample_size = 100)]
fn run_of_zeros(bencher: Bencher<'_, '_>) {
    let chunk = vec![0; 16 << 10];
    bencher.counter(BytesCount::of_slice(&chunk)).bench(|| repeated_byte(black_box(&chunk)));
}

#[divan::bench(sample_count = 50, sample_size = 100)]
fn no_run(bencher: Bencher<'_, '_>) {
    let chunk = data::random(1, 16 << 10);
    bencher.counter(ItemsCount::new(1u32)).bench(|| repeated_byte(black_box(&chunk)));
}

#[divan::bench(sample_count = 50, sample_size = 100)]
fn class_of_a_file(bencher: Bencher<'_, '_>) {
    let head = data::text(1, 4096);
    let path = Path::new("linux-6.1/drivers/net/ethernet/intel/ice/ice_main.c");
    bencher.counter(ItemsCount::new(1u32)).bench(|| class_of(black_box(path), black_box(&head), 40_000));
}
