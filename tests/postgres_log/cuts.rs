//! Which images are found, and that the cuts cover whatever is given.

use std::ops::Range;
use std::path::Path;

use proptest::prelude::*;
use snaphold::chunk::{LOG_STRETCH, LogCut, LogCuts, PageHint, StreamChunker, cut_log};
use snaphold::limits::CHUNK_MAX;

use crate::log_writer::{LogWriter, Logged, LoggedImage, MAGICS};
use crate::support::noise;

const PAGE: usize = 8192;
const SEGMENT: usize = 16 << 20;
const START: u64 = 0x7300_0000;

fn cut(log: &[u8]) -> LogCuts {
    cut_log(log, &StreamChunker::default(), None)
}

fn hint(relation: u32, block: u32) -> PageHint {
    PageHint { tablespace: 1663, database: 5, relation, fork: 0, block }
}

fn hints(cuts: &LogCuts) -> Vec<PageHint> {
    cuts.cuts.iter().filter_map(|cut| cut.page).collect()
}

/// What a chunk has without the headers of the log's pages, of which none is at the beginning of a segment.
fn without_headers(log: &[u8], place: &Range<usize>) -> Vec<u8> {
    place.clone().filter(|at| at % PAGE >= 24).map(|at| log[at]).collect()
}

/// The cuts follow each other and cover everything.
fn covers(log: &[u8], found: &LogCuts) {
    let mut end = 0;
    for LogCut { place, .. } in &found.cuts {
        assert_eq!(place.start, end);
        assert!((1..=CHUNK_MAX).contains(&place.len()), "{place:?}");
        end = place.end;
    }
    assert_eq!(end, log.len());
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/postgres").join(name)).unwrap()
}

/// The first 58 pages of a segment that PostgreSQL 15 wrote with segments of 1 MiB: inserts, updates, an index; the
/// last three pages are of the segment's use before.
fn real_log() -> Vec<u8> {
    zstd::decode_all(&fixture("log-15.zst")[..]).unwrap()
}

/// What `pg_waldump --bkp-details` says of it: for each image the offset of its record, table space, database, relation,
/// fork, block and length.
#[test]
fn a_real_log_has_the_images_that_postgresql_sees() {
    const STALE: usize = 55 * PAGE;
    let log = real_log();
    let found = cut(&log);
    covers(&log, &found);
    let list = String::from_utf8(fixture("log-15.list")).unwrap();
    let mut images = found.cuts.iter().filter(|cut| cut.page.is_some());
    for line in list.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<u32>().unwrap();
        if number(6) < 512 {
            continue;
        }
        assert_eq!(words[4], "main");
        let expected =
            PageHint { tablespace: number(1), database: number(2), relation: number(3), fork: 0, block: number(5) };
        let image = images.next().unwrap();
        assert_eq!(image.page, Some(expected), "{line}");
        let record = words[0].parse::<usize>().unwrap();
        assert!((record + 24..record + 200).contains(&image.place.start), "{line}: {image:?}");
        // It begins with the page's header: of 8 KiB, in layout 4.
        let page = without_headers(&log, &image.place);
        assert_eq!(page[18..20], [4, 0x20], "{line}");
        assert!(page.len() >= number(6) as usize);
    }
    let stale: Vec<_> = images.collect();
    assert!(!stale.is_empty() && stale.iter().all(|cut| cut.place.start > STALE), "{stale:?}");
}

#[test]
fn every_version_and_kind_of_record_is_read() {
    let page = noise(1, PAGE);
    for magic in MAGICS {
        let mut log = LogWriter::new(magic, START, SEGMENT);
        let first = Logged::image(5, 1, 10, &page);
        let second =
            Logged { relation: None, number: 11, data: b"what was changed", ..Logged::image(5, 1, 0, &page[..4000]) };
        log.record(&[first, second], &page[..700]);
        let compressed = LoggedImage { bytes: &page[..3000], has_hole: true, is_compressed: true };
        let of_a_map = Logged { fork: 2, ..Logged::image(5, 3, 12, &page) };
        let no_image = Logged { image: None, data: &page[..1000], ..Logged::image(5, 2, 13, &[]) };
        log.record(&[Logged { image: Some(compressed), ..no_image }, no_image, of_a_map], b"");
        log.record(&[], b"a commit");
        log.record(&[Logged::image(5, 4, 14, &page[..100])], b"too short to be worth a chunk");
        log.record(&[Logged::image(5, 5, 15, &page)], &page[..1]);
        let log = log.finish(20 * PAGE);
        let found = cut(&log);
        covers(&log, &found);
        let expected = [hint(1, 10), hint(1, 11), PageHint { fork: 2, ..hint(3, 12) }, hint(5, 15)];
        assert_eq!(hints(&found), expected, "{magic:x}");
        for image in found.cuts.iter().filter(|cut| cut.page.is_some()) {
            let bytes = without_headers(&log, &image.place);
            let len = if image.page == Some(hint(1, 11)) { 4000 } else { PAGE };
            assert_eq!(bytes[..len], page[..len], "{magic:x} {image:?}");
        }
        // A version that is not known is no log.
        let mut other = log;
        for at in (0..other.len()).step_by(PAGE) {
            other[at..at + 2].copy_from_slice(&[0x99, 0xd1]);
        }
        assert_eq!(hints(&cut(&other)), []);
    }
}

#[test]
fn what_follows_an_image_is_in_its_chunk_unless_it_is_long() {
    let page = noise(2, PAGE);
    let mut log = LogWriter::new(MAGICS[5], START, SEGMENT);
    log.record(&[Logged::image(5, 1, 1, &page)], b"");
    for _ in 0..10 {
        log.record(&[], &page[..100]);
    }
    log.record(&[Logged::image(5, 1, 2, &page)], b"");
    for _ in 0..100 {
        log.record(&[], &page[..1000]);
    }
    log.record(&[Logged::image(5, 1, 3, &page)], b"");
    let log = log.finish(64 * PAGE);
    let found = cut(&log);
    covers(&log, &found);
    let at = |number| found.cuts.iter().position(|cut| cut.page == Some(hint(1, number))).unwrap();
    assert_eq!(at(2), at(1) + 1, "{found:?}");
    assert!(found.cuts[at(1)].place.len() > PAGE + 1000 && found.cuts[at(2)].place.len() < PAGE + 100);
    assert!(at(3) > at(2) + 2);
}

#[test]
fn an_image_goes_on_in_the_next_stretch() {
    let page = noise(3, PAGE);
    let mut log = LogWriter::new(MAGICS[8], START, SEGMENT);
    let mut number = 0;
    while log.len() < LOG_STRETCH + 10 * PAGE {
        log.record(&[Logged::image(5, 1, number, &page)], &page[..(number as usize * 37) % 500]);
        number += 1;
    }
    let log = log.finish(LOG_STRETCH + 12 * PAGE);
    let (first, second) = log.split_at(LOG_STRETCH);
    let cuts = cut(first);
    covers(first, &cuts);
    let last = cuts.goes_on.unwrap();
    assert_eq!(hints(&cuts).last(), Some(&last));
    let rest = cut_log(second, &StreamChunker::default(), Some(last));
    covers(second, &rest);
    assert_eq!(hints(&rest)[..2], [last, hint(1, last.block + 1)]);
    // Whoever does not know what goes on cuts at the same places.
    let alone = cut(second);
    assert_eq!(hints(&alone)[0], hint(1, last.block + 1));
    assert!(alone.cuts.iter().map(|cut| &cut.place).eq(rest.cuts.iter().map(|cut| &cut.place)));
}

/// A segment that is used again begins with newer pages, in the middle of whose last record the older ones follow.
#[test]
fn the_older_rest_of_a_segment_is_cut_as_it_was() {
    let page = noise(4, PAGE);
    let made = |start: u64, relation: u32| {
        let mut log = LogWriter::new(MAGICS[5], start, SEGMENT);
        for number in 0..60 {
            log.record(&[Logged::image(5, relation, number, &page)], &page[..number as usize]);
        }
        log.finish(64 * PAGE)
    };
    let (older, newer) = (made(START, 1), made(START + (SEGMENT as u64) * 5, 2));
    let mixed = [&newer[..20 * PAGE], &older[20 * PAGE..]].concat();
    let (before, after) = (cut(&older), cut(&mixed));
    covers(&mixed, &after);
    assert_eq!(hints(&after)[..18], hints(&cut(&newer))[..18]);
    let there = |cuts: &LogCuts| -> Vec<LogCut> {
        cuts.cuts.iter().filter(|cut| cut.page.is_some() && cut.place.start >= 22 * PAGE).cloned().collect()
    };
    assert!(there(&after).len() > 30);
    assert_eq!(there(&after), there(&before));
}

#[test]
fn what_is_no_log_is_cut_as_a_stream() {
    let bytes = noise(5, 300_000);
    let found = cut(&bytes);
    let mut rest = &bytes[..];
    let mut lens = Vec::new();
    while let Some(len) = StreamChunker::default().next_cut(rest, true) {
        lens.push(len);
        rest = &rest[len..];
    }
    assert_eq!(found.cuts.iter().map(|cut| cut.place.len()).collect::<Vec<_>>(), lens);
    assert!(lens.len() > 10 && hints(&found).is_empty());
    assert!(cut(&[]).cuts.is_empty());
}

#[test]
fn hints_name_files() {
    let place = |hint: PageHint| hint.place().map(|(file, at)| (file.to_str().unwrap().to_string(), at));
    let of = |text: &str, at: u64| Some((text.to_string(), at));
    assert_eq!(place(hint(16_384, 3)), of("base/5/16384", 3 * 8192));
    assert_eq!(place(hint(16_384, 131_072)), of("base/5/16384.1", 0));
    assert_eq!(place(hint(16_384, u32::MAX)), of("base/5/16384.32767", (1 << 30) - 8192));
    assert_eq!(place(PageHint { fork: 1, ..hint(7, 1) }), of("base/5/7_fsm", 8192));
    assert_eq!(place(PageHint { fork: 2, ..hint(7, 131_073) }), of("base/5/7_vm.1", 8192));
    assert_eq!(place(PageHint { fork: 3, ..hint(7, 1) }), of("base/5/7_init", 8192));
    assert_eq!(place(PageHint { fork: 4, ..hint(7, 1) }), None);
    assert_eq!(place(PageHint { tablespace: 1664, database: 0, ..hint(1262, 2) }), of("global/1262", 16_384));
    assert_eq!(place(PageHint { tablespace: 16_400, ..hint(7, 1) }), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_damaged_log_is_cut_all_the_same(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..200),
        headers in proptest::collection::vec((0usize..58, 0usize..64, prop_oneof![Just(0u8), Just(0xff), any::<u8>()]), 0..60),
        from in 0usize..20_000,
        len in any::<prop::sample::Index>(),
    ) {
        let mut log = real_log();
        for (at, byte) in edits {
            let at = at.index(log.len());
            log[at] = byte;
        }
        for (page, at, byte) in headers {
            log[page * PAGE + at] = byte;
        }
        let log = &log[from..];
        let log = &log[..len.index(log.len() + 1)];
        let found = cut(log);
        covers(log, &found);
        let again = cut_log(log, &StreamChunker::default(), Some(hint(9, 9)));
        prop_assert!(again.cuts.iter().map(|cut| &cut.place).eq(found.cuts.iter().map(|cut| &cut.place)));
    }
}
