//! Data folders made of pages and a log with images of them: what a snapshot adds, and that it comes back.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use snaphold::format::tree::{Class, Directory, Entry, Node};
use snaphold::repo::{ContentReader, Reader, read_directory};
use snaphold::source::files::FilesOptions;

use crate::log_writer::{LogWriter, Logged, MAGICS};
use crate::support::{Place, noise};

const PAGE: usize = 8192;
const SEGMENT: usize = 4 << 20;
const PAGES: usize = 400;
const MAGIC: u16 = MAGICS[5];
/// A table of 400 pages, read by segments, and one of 20, read whole.
const LARGE: &str = "base/5/16384";
const SMALL: &str = "base/5/16385";
const ADDED_MAX: u64 = 400_000;

/// A page that differs in some bytes from version to version.
fn page(relation: u32, number: usize, version: u8) -> Vec<u8> {
    let mut page = noise(u64::from(relation) << 32 | number as u64, PAGE);
    page[18..20].copy_from_slice(&[4, 0x20]);
    page[300 + number..316 + number].fill(version);
    page
}

fn relation(number: u32, pages: usize, version: u8) -> Vec<u8> {
    (0..pages).flat_map(|at| page(number, at, version)).collect()
}

/// A segment with images of every page of the small and every second of the large relation, as they are in `version`.
/// `shift` is added to the numbers of the relations: a log that lies.
fn log(version: u8, shift: u32) -> Vec<u8> {
    let mut log = LogWriter::new(MAGIC, u64::from(version) << 32, SEGMENT);
    for number in 0..PAGES / 2 {
        let image = page(16_384, number * 2, version);
        log.record(&[Logged::image(5, 16_384 + shift, number as u32 * 2, &image)], b"a change");
        if number < 20 {
            let image = page(16_385, number, version);
            log.record(&[Logged::image(5, 16_385 + shift, number as u32, &image)], b"a change");
        }
    }
    log.finish(SEGMENT)
}

struct Cluster {
    place: Place,
}

impl Cluster {
    /// A data folder and a first snapshot of it, without a log that has images.
    fn new() -> Self {
        let cluster = Self { place: Place::new() };
        for folder in ["base/5", "global", "pg_wal/archive_status"] {
            fs::create_dir_all(cluster.path(folder)).unwrap();
        }
        cluster.put("PG_VERSION", b"15\n");
        cluster.put("pg_wal/archive_status/000000010000000000000001.done", b"");
        cluster.put(LARGE, &relation(16_384, PAGES, 1));
        cluster.put(SMALL, &relation(16_385, 20, 1));
        cluster
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.place.path("source/data").join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Takes a snapshot, looks that all is in it, and returns how many bytes it added and how many deltas.
    fn take(&self) -> (u64, u64) {
        self.take_with(&FilesOptions::default())
    }

    fn take_with(&self, options: &FilesOptions) -> (u64, u64) {
        let stored = || self.place.packs().iter().map(|pack| pack.metadata().unwrap().len()).sum::<u64>();
        let before = stored();
        let root = self.place.take_with(&self.place.path("source"), options);
        let reader = self.place.reader();
        let files = holds_folder(&reader, &root, &self.place.path("source"));
        assert!(files >= 3, "{files} files");
        (stored() - before, self.place.deltas.load(Ordering::Relaxed))
    }
}

/// Compares a folder with what was stored of it. Returns how many files there are.
fn holds_folder(reader: &Reader, entry: &Entry, folder: &Path) -> usize {
    let Node::Directory { listing, .. } = &entry.node else { panic!("{folder:?} is no folder") };
    let Directory { entries } = read_directory(reader, listing).unwrap();
    assert_eq!(entries.len(), fs::read_dir(folder).unwrap().count());
    assert!(entries.is_sorted_by(|a, b| a.name < b.name));
    let mut files = 0;
    for entry in &entries {
        let path = folder.join(String::from_utf8(entry.name.clone()).unwrap());
        match &entry.node {
            Node::File { content, class, .. } => {
                files += 1;
                assert!(
                    ContentReader::new(reader, content).read_all().unwrap() == fs::read(&path).unwrap(),
                    "{path:?}"
                );
                let is_relation = path.parent().unwrap().ends_with("base/5");
                assert_eq!(matches!(class, Class::Page { .. }), is_relation, "{path:?}");
            }
            _ => files += holds_folder(reader, entry, &path),
        }
    }
    files
}

#[test]
fn images_of_changed_pages_cost_what_changed() {
    let cluster = Cluster::new();
    let (first, _) = cluster.take();
    assert!(first > (PAGES * PAGE) as u64);
    cluster.put(LARGE, &relation(16_384, PAGES, 2));
    cluster.put(SMALL, &relation(16_385, 20, 2));
    cluster.put("pg_wal/000000010000000000000002", &log(2, 0));
    let (added, deltas) = cluster.take();
    assert!(added < ADDED_MAX, "{added} bytes");
    assert!(deltas > (PAGES / 2 + 20 + PAGES / 2) as u64, "{deltas}");
    // Under another name, as when a segment is used again: nothing of it is stored once more.
    fs::rename(cluster.path("pg_wal/000000010000000000000002"), cluster.path("pg_wal/000000010000000000000009"))
        .unwrap();
    let (renamed, _) = cluster.take();
    assert!(renamed < 4_000, "{renamed} bytes");
}

/// The control of the test above: the same log, where it names other relations.
#[test]
fn a_log_that_lies_about_its_images_is_stored_whole() {
    let cluster = Cluster::new();
    cluster.take();
    cluster.put(LARGE, &relation(16_384, PAGES, 2));
    cluster.put(SMALL, &relation(16_385, 20, 2));
    cluster.put("pg_wal/000000010000000000000002", &log(2, 100));
    let (added, _) = cluster.take();
    assert!(added > (PAGES / 2 * PAGE) as u64, "{added} bytes");
    // And one that names the wrong pages of files that are there.
    let cluster = Cluster::new();
    cluster.take();
    cluster.put("pg_wal/000000010000000000000002", &log(2, 1));
    let (added, _) = cluster.take();
    assert!(added > (PAGES / 2 * PAGE) as u64, "{added} bytes");
}

/// A page that was changed in memory alone stands in the log, and its file is as it was.
#[test]
fn images_of_pages_whose_files_did_not_change_are_deltas_too() {
    for options in [FilesOptions::default(), FilesOptions { always_read: true, ..FilesOptions::default() }] {
        let cluster = Cluster::new();
        cluster.take();
        cluster.put("pg_wal/000000010000000000000002", &log(2, 0));
        let (added, deltas) = cluster.take_with(&options);
        assert!(added < ADDED_MAX && deltas >= (PAGES / 2 + 20) as u64, "{added} bytes, {deltas} deltas");
    }
}

/// The second day's pages are deltas: what is made of the third day's images has the first day's pages as its base.
#[test]
fn days_follow_each_other() {
    let cluster = Cluster::new();
    cluster.take();
    for day in 2..6 {
        cluster.put(LARGE, &relation(16_384, PAGES, day));
        cluster.put(SMALL, &relation(16_385, 20, day));
        cluster.put(&format!("pg_wal/00000001000000000000000{day}"), &log(day, 0));
        let (added, _) = cluster.take();
        assert!(added < ADDED_MAX, "day {day}: {added} bytes");
    }
}

#[test]
fn the_first_snapshot_holds_its_log() {
    let cluster = Cluster::new();
    cluster.put("pg_wal/000000010000000000000001", &log(1, 0));
    // Enough that packs are stored before the log is read: then its images may be deltas against pages in them.
    cluster.put("base/5/16390", &relation(16_390, 5_000, 1));
    cluster.take();
    cluster.put(LARGE, &relation(16_384, PAGES, 2));
    cluster.put("pg_wal/000000010000000000000001", &log(2, 0));
    let (added, _) = cluster.take();
    assert!(added < ADDED_MAX, "{added} bytes");
    // The packs alone say that no delta is without its base.
    fs::remove_dir_all(cluster.place.path("index")).unwrap();
    cluster.take_with(&FilesOptions { always_read: true, ..FilesOptions::default() });
}

#[test]
fn whatever_stands_in_the_place_of_a_log_comes_back() {
    let cluster = Cluster::new();
    let whole = log(1, 0);
    let mut broken = whole.clone();
    for at in (0..broken.len()).step_by(1000) {
        broken[at] = 0xff;
    }
    cluster.put("pg_wal/000000010000000000000001", &noise(1, SEGMENT));
    cluster.put("pg_wal/000000010000000000000002", &vec![0; SEGMENT]);
    cluster.put("pg_wal/000000010000000000000003", &broken);
    cluster.put("pg_wal/000000010000000000000004", &whole[..1 << 20]);
    cluster.put("pg_wal/000000010000000000000005", &whole[..SEGMENT / 2 + 100]);
    cluster.put("pg_wal/000000010000000000000006", b"");
    cluster.put("pg_wal/00000002.history", b"1\t0/3000000\tno reason");
    cluster.take();
    cluster.put(
        "pg_wal/000000010000000000000001",
        &broken[PAGE..].iter().copied().chain(noise(2, PAGE)).collect::<Vec<_>>(),
    );
    cluster.put("pg_wal/000000010000000000000003", &whole);
    cluster.take();
    // A log folder that is empty, and one that is no folder.
    fs::rename(cluster.path("pg_wal"), cluster.place.path("elsewhere")).unwrap();
    fs::create_dir(cluster.path("pg_wal")).unwrap();
    cluster.take();
    fs::remove_dir(cluster.path("pg_wal")).unwrap();
    cluster.put("pg_wal", b"a file");
    cluster.take();
}
