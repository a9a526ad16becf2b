//! Files with holes: their content is what a plain reader sees, and the holes are not read.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use snaphold::codec::Effort;
use snaphold::error::Result;
use snaphold::format::tree::Content;
use snaphold::ops::Silent;
use snaphold::ops::capture::{Captured, ContentWriter, RandomRead};
use snaphold::ops::restore::restore_new;
use snaphold::repo::{Condemned, ContentReader};
use snaphold::source::open_file::OpenFile;

use crate::support::*;

/// What a file system answers to the question where a hole is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Answers {
    Truly,
    /// It knows of no holes.
    AllData,
    /// It says that a hole begins at every place, and data too.
    Nonsense,
}

/// A file of zeros with islands, which need not lie apart.
struct Islands {
    len: u64,
    islands: Vec<(u64, Vec<u8>)>,
    answers: Answers,
    /// Where it ends, should it have become shorter.
    ends: u64,
    read: AtomicU64,
}

impl Islands {
    fn new(len: u64, islands: Vec<(u64, Vec<u8>)>, answers: Answers) -> Self {
        Self { len, islands, answers, ends: len, read: AtomicU64::new(0) }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len as usize];
        for (at, island) in &self.islands {
            bytes[*at as usize..][..island.len()].copy_from_slice(island);
        }
        bytes
    }

    fn is_data(&self, at: u64) -> bool {
        self.islands.iter().any(|(start, island)| (*start..start + island.len() as u64).contains(&at))
    }

    /// The next place from `at` on, of those where something begins or ends, that `is` so.
    fn next(&self, at: u64, is: impl Fn(u64) -> bool) -> u64 {
        let edges = self.islands.iter().flat_map(|(start, island)| [*start, start + island.len() as u64]);
        let places = edges.chain([at]).filter(|place| *place >= at && *place < self.len && is(*place));
        places.min().unwrap_or(self.len)
    }
}

impl RandomRead for Islands {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let len = buffer.len().min(self.ends.saturating_sub(offset) as usize);
        self.read.fetch_add(len as u64, Ordering::Relaxed);
        buffer[..len].copy_from_slice(&self.bytes()[offset as usize..][..len]);
        Ok(len)
    }

    fn next_data(&self, offset: u64, _: u64) -> u64 {
        match self.answers {
            Answers::Truly => self.next(offset, |at| self.is_data(at)),
            _ => offset,
        }
    }

    fn next_hole(&self, offset: u64, len: u64) -> u64 {
        match self.answers {
            Answers::Truly => self.next(offset, |at| !self.is_data(at)),
            Answers::AllData => len,
            Answers::Nonsense => offset,
        }
    }
}

/// Stores a file, as a stream and as pages, and gives both contents.
fn store(place: &Place, file: &Islands) -> [Content; 2] {
    let reader = place.reader();
    let writer = place.repo.chunk_writer(&reader, &Condemned::default(), Effort::Fast);
    let config = place.repo.config();
    let contents = ContentWriter::new(&writer, &reader, config.chunker, config.page_target, true);
    let stream = contents.stream_file(file, file.len, "islands", None).unwrap();
    let Captured::Whole(pages) = contents.pages(file, file.len, 8192, None).unwrap() else { panic!("it shrank") };
    writer.finish().unwrap();
    [stream, pages]
}

fn read(place: &Place, content: &Content) -> Vec<u8> {
    ContentReader::new(&place.reader(), content).read_all().unwrap()
}

#[test]
fn a_file_with_holes_is_what_a_plain_reader_sees() {
    let place = Place::new();
    let island = (0u64..12 << 20, 1usize..300_000, any::<u64>());
    let layouts = (prop::collection::vec(island, 0..6), 0u64..4 << 20, 0usize..3);
    let mut runner = TestRunner::new(Config { cases: 24, ..Config::default() });
    let tested = runner.run(&layouts, |(islands, more, answers)| {
        let islands: Vec<_> = islands.into_iter().map(|(at, len, seed)| (at, noise(seed, len))).collect();
        let end = islands.iter().map(|(at, island)| at + island.len() as u64).max().unwrap_or(0);
        let answers = [Answers::Truly, Answers::AllData, Answers::Nonsense][answers];
        let file = Islands::new(end + more, islands, answers);
        for content in store(&place, &file) {
            prop_assert_eq!(content.len(), file.len);
            prop_assert!(read(&place, &content) == file.bytes());
        }
        Ok(())
    });
    tested.unwrap();
}

#[test]
fn long_holes_are_not_read_and_short_ones_do_no_harm() {
    let place = Place::new();
    let islands = vec![(5 << 20, noise(1, 100_000)), ((5 << 20) + 150_000, noise(2, 50_000)), (20 << 20, noise(3, 1))];
    let file = Islands::new(40 << 20, islands.clone(), Answers::Truly);
    let known = place.reader();
    let writer = place.repo.chunk_writer(&known, &Condemned::default(), Effort::Fast);
    let config = place.repo.config();
    let contents = ContentWriter::new(&writer, &known, config.chunker, config.page_target, true);
    contents.stream_file(&file, file.len, "islands", None).unwrap();
    assert_eq!(
        file.read.load(Ordering::Relaxed),
        200_001,
        "the two near islands with what lies between, and the far one"
    );
    // The control: a file system that knows of no holes has all of it read.
    let file = Islands::new(40 << 20, islands, Answers::AllData);
    contents.stream_file(&file, file.len, "islands", None).unwrap();
    assert_eq!(file.read.load(Ordering::Relaxed), 40 << 20);
}

#[test]
fn a_file_that_has_become_shorter_gives_a_shorter_content() {
    let place = Place::new();
    let mut file = Islands::new(8 << 20, vec![(0, noise(1, 3 << 20)), (6 << 20, noise(2, 1 << 20))], Answers::Truly);
    file.ends = 2 << 20;
    let reader = place.reader();
    let writer = place.repo.chunk_writer(&reader, &Condemned::default(), Effort::Fast);
    let config = place.repo.config();
    let contents = ContentWriter::new(&writer, &reader, config.chunker, config.page_target, true);
    let content = contents.stream_file(&file, file.len, "islands", None).unwrap();
    assert_eq!(content.len(), 2 << 20);
}

#[test]
fn behind_the_end_of_a_real_file_there_is_no_hole() {
    let place = Place::new();
    let path = place.path("file");
    let file = File::create_new(&path).unwrap();
    file.set_len(4 << 20).unwrap();
    file.write_all_at(b"x", 1 << 20).unwrap();
    let open = File::open(&path).unwrap();
    let open = OpenFile { file: &open, path: &path };
    assert_eq!(open.next_data(2 << 20, 4 << 20), 4 << 20, "the rest is a hole");
    file.set_len(3 << 20).unwrap();
    assert_eq!(open.next_data(2 << 20, 4 << 20), 2 << 20, "what was cut off is no hole: reading finds its end");
}

#[test]
fn a_sparse_file_is_restored_sparse() {
    let place = Place::new();
    let tree = place.path("tree");
    fs::create_dir(&tree).unwrap();
    for (name, head) in [("stream", &b""[..]), ("pages.db", &b"SQLite format 3\0\x10\0"[..])] {
        let file = File::create_new(tree.join(name)).unwrap();
        file.set_len(3 << 30).unwrap();
        file.write_all_at(head, 0).unwrap();
        file.write_all_at(&noise(7, 100_000), 2 << 30).unwrap();
    }
    let root = place.take(&tree);
    let restored = place.path("restored");
    restore_new(&place.reader(), &root, &restored, &Silent).unwrap();
    for name in ["stream", "pages.db"] {
        let (before, after) = (fs::metadata(tree.join(name)).unwrap(), fs::metadata(restored.join(name)).unwrap());
        assert_eq!(after.len(), 3 << 30);
        assert!(before.blocks() * 512 < 1 << 20, "this file system has no holes: {} blocks", before.blocks());
        assert!(after.blocks() * 512 < 1 << 20, "{name} was restored with {} blocks", after.blocks());
        let mut bytes = vec![0; 100_000];
        File::open(restored.join(name)).unwrap().read_exact_at(&mut bytes, 2 << 30).unwrap();
        assert!(bytes == noise(7, 100_000));
    }
}
