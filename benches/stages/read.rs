//! Reading a file that is in the page cache: by pread into a buffer, or mapped.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use rayon::prelude::*;
use snaphold::crypto::{Encryption, RepoKeys};

use crate::{data, surroundings};

const LEN: usize = 128 << 20;
/// What the pipeline reads in one go, and a chunk of it.
const SEGMENT: usize = 2 << 20;
const CHUNK: usize = 16 << 10;

/// What is done with the bytes: next to nothing, or what a snapshot of unchanged data does.
const WITH: [With; 2] = [With::Sum, With::Hash];

#[derive(Debug, Clone, Copy)]
enum With {
    Sum,
    Hash,
}

fn file() -> &'static File {
    static FILE: OnceLock<File> = OnceLock::new();
    FILE.get_or_init(|| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&data::random(1, LEN)).unwrap();
        file
    })
}

fn keys() -> &'static RepoKeys {
    static KEYS: OnceLock<RepoKeys> = OnceLock::new();
    KEYS.get_or_init(|| surroundings::keys(Encryption::Aes256Gcm))
}

fn consume(bytes: &[u8], with: With) -> u64 {
    match with {
        // One load of each cache line: all that reading must do.
        With::Sum => bytes.iter().step_by(64).fold(0, |sum, byte| sum.wrapping_add(u64::from(*byte))),
        With::Hash => {
            let first = |id: snaphold::id::ChunkId| u64::from(id.as_bytes()[0]);
            bytes.chunks(CHUNK).map(|chunk| first(keys().chunk_id(chunk))).fold(0, u64::wrapping_add)
        }
    }
}

fn segments() -> impl IndexedParallelIterator<Item = usize> {
    (0..LEN / SEGMENT).into_par_iter().map(|number| number * SEGMENT)
}

#[divan::bench(args = WITH, sample_count = 20, sample_size = 1)]
fn pread(bencher: Bencher<'_, '_>, with: With) {
    let file = file();
    bencher.counter(BytesCount::new(LEN)).bench(|| {
        let read = |at| {
            let mut buffer = vec![0; SEGMENT];
            file.read_exact_at(&mut buffer, at as u64).unwrap();
            consume(&buffer, with)
        };
        black_box(segments().map(read).reduce(|| 0, u64::wrapping_add))
    });
}

/// The same with one buffer a thread, which is neither made nor cleared again.
#[divan::bench(args = WITH, sample_count = 20, sample_size = 1)]
fn pread_into_one_buffer(bencher: Bencher<'_, '_>, with: With) {
    let file = file();
    bencher.counter(BytesCount::new(LEN)).bench(|| {
        let read = |buffer: &mut Vec<u8>, at| {
            file.read_exact_at(buffer, at as u64).unwrap();
            consume(buffer, with)
        };
        black_box(segments().map_init(|| vec![0; SEGMENT], read).reduce(|| 0, u64::wrapping_add))
    });
}

#[divan::bench(args = WITH, sample_count = 20, sample_size = 1)]
fn mmap(bencher: Bencher<'_, '_>, with: With) {
    let file = file();
    bencher.counter(BytesCount::new(LEN)).bench(|| {
        let mapped = mapped::map(file);
        let read = |at: usize| consume(&mapped[at..at + SEGMENT], with);
        black_box(segments().map(read).reduce(|| 0, u64::wrapping_add))
    });
}

/// The one place with `unsafe`, which the library has none of: mapping is measured here to know what is missed.
mod mapped {
    #![expect(unsafe_code, reason = "a file cannot be mapped without")]

    use std::fs::File;

    use memmap2::Mmap;

    pub fn map(file: &File) -> Mmap {
        // SAFETY: the file has no name and this process alone has it open, so nothing changes or cuts it while it is
        // mapped.
        unsafe { Mmap::map(file) }.unwrap()
    }
}
