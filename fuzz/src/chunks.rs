//! Cutting and sniffing.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use snaphold::chunk::{
    Cutting, PageCutter, PageHint, StreamChunker, cut_log, cutting_of, page_chunk_len, repeated_byte,
};
use snaphold::limits::{CHUNK_MAX, CHUNK_MIN};

use super::fixed::{Input, mixed};

/// The longest stream that is made.
const STREAM_MAX: usize = 256 * 1024;

/// Parameters, then a recipe for a stream: a stream that a fuzzer wrote byte by byte would never reach a cut.
pub fn chunker(data: &[u8]) -> bool {
    let mut input = Input(data);
    let (min, average, max) = (sized(input.u16()), sized(input.u16()), sized(input.u16()));
    let chunker = match input.u8() % 4 {
        0 => StreamChunker::default(),
        1 => StreamChunker::FastCdc { min, average, max },
        2 => StreamChunker::MinCdc { min, max },
        _ => StreamChunker::FastCdc { min: 4096, average: 16_384, max: 65_536 },
    };
    let (page_size, target) = (input.u32(), input.u32());
    let stream = made_stream(input);
    let valid = chunker.validate().is_ok();
    if valid {
        assert!(chunker.min_len() >= CHUNK_MIN && chunker.max_len() <= CHUNK_MAX);
    }
    let max = if valid { chunker.max_len() } else { CHUNK_MAX };
    cuts_are_sound(
        &stream,
        max,
        |data, at_end| chunker.next_cut(data, at_end),
        |len| !valid || len >= chunker.min_len(),
    );
    let pages = PageCutter::new(page_size, target);
    assert_eq!(pages.chunk_len(), page_chunk_len(page_size, target));
    assert!((1..=CHUNK_MAX).contains(&pages.chunk_len()));
    if pages.chunk_len() >= 512 {
        cuts_are_sound(
            &stream,
            pages.chunk_len(),
            |data, at_end| pages.next_cut(data, at_end),
            |len| len == pages.chunk_len(),
        );
    }
    for piece in [&stream[..], &stream[..stream.len() / 2], &stream[stream.len() / 2..]] {
        let run = piece.first().copied().filter(|first| piece.iter().all(|byte| byte == first));
        assert_eq!(repeated_byte(piece), run);
    }
    valid
}

/// A length around those that chunkers take.
fn sized(word: u16) -> u32 {
    u32::from(word) * 2
}

fn made_stream(mut input: Input<'_>) -> Vec<u8> {
    let mut stream: Vec<u8> = Vec::new();
    while !input.0.is_empty() && stream.len() < STREAM_MAX {
        let (what, len, seed) = (input.u8(), usize::from(input.u8()) * 128 + 1, input.u8());
        match what % 4 {
            0 => stream.resize(stream.len() + len, seed),
            1 => {
                let state = u64::from(seed) << 32;
                stream.extend((0..len as u64).map(|at| mixed(state + at) as u8));
            }
            2 => {
                let from = usize::from(seed) * stream.len() / 256;
                let to = (from + len).min(stream.len());
                stream.extend_from_within(from..to);
            }
            _ => stream.extend_from_slice(input.bytes(len.min(64))),
        }
    }
    stream.truncate(STREAM_MAX);
    stream
}

/// Cuts cover the stream, are within limits, and do not depend on how much of the stream is at hand.
fn cuts_are_sound(
    stream: &[u8],
    max: usize,
    cut: impl Fn(&[u8], bool) -> Option<usize>,
    long_enough: impl Fn(usize) -> bool,
) {
    assert_eq!(cut(&[], true), None);
    assert_eq!(cut(&[], false), None);
    let mut rest = stream;
    while let Some(len) = cut(rest, true) {
        assert!(len >= 1 && len <= max && len <= rest.len(), "{len} of {}", rest.len());
        assert!(long_enough(len) || len == rest.len(), "{len} of {}", rest.len());
        let window = &rest[..max.min(rest.len())];
        match cut(window, false) {
            Some(same) => assert_eq!(same, len),
            None => assert!(window.len() < max, "no cut in {max} bytes"),
        }
        for shorter in [1, len / 2, len.saturating_sub(1), len] {
            if let Some(same) = cut(&rest[..shorter], false) {
                assert_eq!(same, len, "with {shorter} bytes at hand");
            }
        }
        rest = &rest[len..];
    }
    assert!(rest.is_empty());
}

/// A file's length, path and head.
pub fn class(data: &[u8]) -> bool {
    let mut input = Input(data);
    let len = input.u64();
    let path_len = usize::from(input.u8());
    let path = Path::new(OsStr::from_bytes(input.bytes(path_len)));
    let head = input.0;
    match cutting_of(path, head, len) {
        Cutting::Stream => false,
        Cutting::Log => true,
        Cutting::Page { page_size } => {
            assert!(page_size.is_power_of_two() && (512..=65_536).contains(&page_size), "{page_size}");
            true
        }
    }
}

/// A stretch of a log. It is accepted where an image is found in it.
pub fn log(data: &[u8]) -> bool {
    let chunker = StreamChunker::default();
    let found = cut_log(data, &chunker, None);
    let mut end = 0;
    for cut in &found.cuts {
        assert_eq!(cut.place.start, end);
        assert!((1..=CHUNK_MAX).contains(&cut.place.len()), "{}", cut.place.len());
        end = cut.place.end;
    }
    assert_eq!(end, data.len());
    // What is said to go on from before names a page and moves no cut.
    let before = PageHint { tablespace: 1663, database: 5, relation: 16_384, fork: 0, block: 7 };
    let again = cut_log(data, &chunker, Some(before));
    assert!(again.cuts.iter().map(|cut| &cut.place).eq(found.cuts.iter().map(|cut| &cut.place)));
    found.cuts.iter().filter_map(|cut| cut.page.as_ref()?.place()).count() > 0
}
