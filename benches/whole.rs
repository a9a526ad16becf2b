//! Snapshot and restore whole, on a tree of small texts, database files and a dump.
//!
//! docs/BENCHMARKS.md has what they gave.

#[path = "common/data.rs"]
mod data;
#[path = "common/notes.rs"]
mod notes;
#[path = "common/surroundings.rs"]
mod surroundings;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use divan::Bencher;
use divan::counter::BytesCount;
use snaphold::chunk::StreamChunker;
use snaphold::crypto::{Encryption, Secret};
use snaphold::ops::Silent;
use snaphold::ops::restore::restore_new;
use snaphold::repo::{InitOptions, Repository};
use snaphold::service::{InstanceSpec, Plans, Service, SnapshotView, TakeOptions};
use snaphold::storage::LocalFolder;
use tempfile::TempDir;

const SMALL_FILES: usize = 2000;
const DATABASE_FILES: usize = 4;
const DATABASE_FILE: usize = 16 << 20;
const DUMP: usize = 48 << 20;

fn main() {
    divan::main();
    notes::print();
}

/// A tree, a repository and a place to restore to; all of it goes with this.
struct Place {
    folder: TempDir,
    service: Service,
    bytes: u64,
}

impl Place {
    fn new(always_read: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        let bytes = make_tree(&tree);
        let storage = Arc::new(LocalFolder::create(folder.path().join("repository")).unwrap());
        let options = InitOptions { encryption: Encryption::Aes256Gcm, chunker: StreamChunker::default() };
        // A key file: a passphrase's price would be paid in every round.
        let secret = Secret::KeyFile(vec![7; 64].into());
        let index = folder.path().join("index");
        let surroundings = surroundings::real();
        let repo = Repository::create(storage, &index, surroundings, options, Some((&secret, "bench"))).unwrap();
        let service = Service::new(repo, Plans::built_in(), folder.path().to_path_buf(), Default::default(), None);
        let spec = InstanceSpec {
            source: Some(Some(format!("files:{}", tree.display()))),
            always_read: Some(always_read),
            ..InstanceSpec::default()
        };
        service.add_instance("tree", spec).unwrap();
        Self { folder, service, bytes }
    }

    fn tree(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    fn take(&self) -> SnapshotView {
        self.service.take("tree", TakeOptions::default(), &Silent).unwrap()
    }

    fn restore(&self, to: &Path) {
        let reader = self.service.repo().open_index().unwrap().reader;
        let catalog = self.service.catalog().unwrap();
        let component = &catalog.resolve("latest").unwrap().components().unwrap()[0];
        restore_new(&reader, &component.root, to, &Silent).unwrap();
    }
}

fn make_tree(tree: &Path) -> u64 {
    let mut random = data::Random::new(9);
    let mut bytes = 0;
    let mut put = |path: &str, data: &[u8]| {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, data).unwrap();
        bytes += data.len() as u64;
    };
    for number in 0..SMALL_FILES {
        let len = 500 + random.below(20_000);
        put(&format!("source/{}/{number}.c", number / 50), &data::text(number as u64, len));
    }
    for number in 0..DATABASE_FILES {
        put(&format!("base/5/{}", 16_384 + number), &data::pages(number as u64, DATABASE_FILE));
    }
    put("dump.sql", &data::text(77, DUMP));
    bytes
}

/// Updates rows in 1 % of the database's pages and of the dump's chunks, and writes 1 % of the small files anew.
fn change_tree(tree: &Path, seed: u64) {
    let change = |path: PathBuf, how: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(&path).unwrap();
        how(&mut bytes);
        fs::write(path, bytes).unwrap();
    };
    for number in 0..DATABASE_FILES {
        let updates = DATABASE_FILE / data::PAGE / 100;
        change(tree.join(format!("base/5/{}", 16_384 + number)), &|file| {
            data::update_pages(seed * 10 + number as u64, file, updates);
        });
    }
    change(tree.join("dump.sql"), &|file| data::update_text(seed, file, DUMP / (16 << 10) / 100));
    for number in (seed as usize % 100..SMALL_FILES).step_by(100) {
        let text = data::text(seed * 10_000 + number as u64, 10_000);
        change(tree.join(format!("source/{}/{number}.c", number / 50)), &|file| file.clone_from(&text));
    }
}

fn tell(what: &str, view: &SnapshotView) {
    notes::note(format!(
        "{what}: {} bytes in {} files; read {}, new {}, stored {}; {} chunks new, {} of them deltas",
        view.bytes_total,
        view.files,
        view.bytes_read,
        view.bytes_new,
        view.bytes_stored,
        view.chunks_new,
        view.chunks_delta
    ));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn first_snapshot(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(|| Place::new(false)).input_counter(|place| BytesCount::new(place.bytes)).bench_local_refs(
        |place| {
            tell("first_snapshot", &place.take());
        },
    );
}

/// Nothing changed: with times and inodes believed, and with every file read again.
#[divan::bench(args = [false, true], sample_count = 10, sample_size = 1)]
fn unchanged(bencher: Bencher<'_, '_>, always_read: bool) {
    let place = Place::new(always_read);
    place.take();
    // Files that were written just before they are read are read once more.
    tell("unchanged", &place.take());
    bencher.counter(BytesCount::new(place.bytes)).bench_local(|| place.take());
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn one_percent_changed(bencher: Bencher<'_, '_>) {
    let place = Place::new(false);
    place.take();
    place.take();
    let mut seed = 0;
    bencher
        .counter(BytesCount::new(place.bytes))
        .with_inputs(|| {
            seed += 1;
            change_tree(&place.tree(), seed);
            seed
        })
        .bench_local_values(|seed| {
            let view = place.take();
            if seed == 2 {
                tell("one_percent_changed", &view);
            }
        });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn restore(bencher: Bencher<'_, '_>) {
    let place = Place::new(false);
    place.take();
    let mut number = 0;
    bencher
        .counter(BytesCount::new(place.bytes))
        .with_inputs(|| {
            let _ = fs::remove_dir_all(place.folder.path().join(format!("restored-{number}")));
            number += 1;
            place.folder.path().join(format!("restored-{number}"))
        })
        .bench_local_values(|to| place.restore(&to));
}
