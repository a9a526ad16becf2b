//! Many packs taken in at once: the index knows what it would know had they come one by one.

use std::fs;
use std::path::Path;

use snaphold::codec::BlockCodec;
use snaphold::format::pack::{BlockEntry, ChunkEntry, Footer, Form, PackKind};
use snaphold::id::{ChunkId, PackId, RepoId};
use snaphold::ops::Silent;
use snaphold::ops::verify::{ReadData, VerifyOptions, verify};
use snaphold::repo::{Index, Slot};

use crate::support::*;

fn id(number: u64) -> ChunkId {
    ChunkId(noise(number, 20).try_into().unwrap())
}

fn pack_id(number: u64) -> PackId {
    PackId(noise(!number, 32).try_into().unwrap())
}

/// Packs that share chunks: full in one, a delta in another, and in the first one twice.
fn footers() -> Vec<(PackId, Footer)> {
    let full = |number| ChunkEntry { id: id(number), payload_len: 100, form: Form::Full };
    let delta = |number, base| ChunkEntry {
        id: id(number),
        payload_len: 10,
        form: Form::Delta { base: id(base), plain_len: 100 },
    };
    let packs = (0..40u64).map(|pack| {
        let mut chunks: Vec<ChunkEntry> = (0..50).map(|at| full(pack * 50 + at)).collect();
        chunks.extend((0..10).map(|at| delta(pack * 50 + 60 + at, at)));
        chunks.extend([full(3), delta(5000 + pack % 3, 7)]);
        let block = BlockEntry { codec: BlockCodec::Zstd, plain_len: 1, sealed_len: 1, chunks: chunks.len() as u32 };
        (pack_id(pack), Footer { blocks: vec![block], chunks })
    });
    packs.collect()
}

type Known = (PackId, u32, Option<ChunkId>);

fn open(folder: &Path) -> Index {
    Index::open(folder, RepoId([3; 16])).unwrap().0
}

/// Everything that an index says about some chunks, with packs by their names.
fn said(index: &Index) -> Vec<(u64, Option<PackId>, Vec<Known>)> {
    let pack = |slot: &Slot| index.pack(slot.pack).unwrap().id;
    (0..5100)
        .map(|number| {
            let first = index.get(&[id(number)]).unwrap()[0];
            let places = index.places(&id(number)).unwrap();
            assert_eq!(first, places.first().copied());
            let places = places.iter().map(|slot| (pack(slot), slot.slot, slot.base)).collect();
            (number, first.as_ref().map(pack), places)
        })
        .collect()
}

#[test]
fn at_once_is_as_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let (one_by_one, at_once) = (open(&dir.path().join("a")), open(&dir.path().join("b")));
    let (before, bulk) = footers().into_iter().partition::<Vec<_>, _>(|(pack, _)| pack.0[0] < 30);
    assert!(!before.is_empty() && bulk.len() > 20);
    for (pack, footer) in before.iter().chain(&bulk) {
        one_by_one.insert(*pack, PackKind::Data, 1000, footer).unwrap();
    }
    for (pack, footer) in &before {
        at_once.insert(*pack, PackKind::Data, 1000, footer).unwrap();
    }
    let mut taking = at_once.bulk(bulk.len()).unwrap().unwrap();
    for (pack, footer) in &bulk {
        taking.add(*pack, PackKind::Data, 1000, footer).unwrap();
    }
    taking.finish().unwrap();
    let expected = said(&one_by_one);
    assert!(expected.iter().filter(|(.., places)| places.len() > 1).count() > 100);
    assert!(said(&at_once) == expected);
    at_once.flush().unwrap();
    drop(at_once);
    let again = open(&dir.path().join("b"));
    assert!(said(&again) == expected, "after it was opened again");
    assert!(!dir.path().join("b/bulk").exists());
    // Forgotten packs take their places along, wherever these came from.
    for (index, (pack, footer)) in
        [&again, &one_by_one].into_iter().flat_map(|index| bulk.iter().map(move |p| (index, p)))
    {
        index.forget(pack, Some(footer)).unwrap();
    }
    assert!(said(&again) == said(&one_by_one));
    assert_eq!(again.packs().len(), before.len());
}

#[test]
fn what_was_not_finished_is_not_there_and_its_numbers_are_not_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let packs = footers();
    let index = open(dir.path());
    let mut taking = index.bulk(packs.len()).unwrap().unwrap();
    for (pack, footer) in &packs {
        taking.add(*pack, PackKind::Data, 1000, footer).unwrap();
    }
    drop(taking);
    assert!(index.packs().is_empty());
    assert!(said(&index).iter().all(|(_, first, places)| first.is_none() && places.is_empty()));
    drop(index);
    let index = open(dir.path());
    let (pack, footer) = &packs[0];
    let info = index.insert(*pack, PackKind::Data, 1000, footer).unwrap();
    assert!(info.number as usize >= packs.len(), "number {} was given before", info.number);
}

/// The real thing: more packs than are taken in one by one, and every chunk is found again.
#[test]
fn an_index_of_many_packs_is_made_anew() {
    let place = Place::new();
    let tree = place.path("tree");
    fs::create_dir(&tree).unwrap();
    for number in 0..140 {
        fs::write(tree.join("file"), noise(number, 3000)).unwrap();
        place.take(&tree);
    }
    assert!(place.packs().len() > 256, "{} packs", place.packs().len());
    let known = place.reader().index().packs().len();
    let opened = place.repo.rebuild_index().unwrap();
    assert_eq!(opened.reader.index().packs().len(), known);
    drop(opened);
    let report = verify(&place.repo, VerifyOptions { read_data: ReadData::All }, &Silent).unwrap();
    assert!(report.ok, "{:?}", report.errors);
    assert_eq!(report.snapshots, 140);
}
