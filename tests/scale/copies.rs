//! The copies of manifests and ledger records: used, never believed, and of no need.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use snaphold::format::ledger::{Deletion, DeletionCause, LedgerRecord, SnapshotState};
use snaphold::format::manifest::Manifest;
use snaphold::repo::{ManifestsView, snapshot_topic};

use crate::support::*;

/// A repository with so many snapshots, each with a record.
fn filled(count: usize) -> Place {
    let place = Place::new();
    let tree = place.path("tree");
    fs::create_dir(&tree).unwrap();
    for number in 0..count {
        fs::write(tree.join("file"), noise(number as u64, 500)).unwrap();
        place.take(&tree);
    }
    for (number, manifest) in (0..).zip(place.repo.manifests().unwrap().manifests) {
        let snapshot = manifest.manifest.id;
        let deleted = Deletion { at_ns: number, cause: DeletionCause::User, purge_after_ns: i64::MAX };
        let state = SnapshotState { snapshot, deleted: Some(deleted), hold_until_ns: None };
        place.repo.append_ledger(&snapshot_topic(&snapshot), None, &LedgerRecord::Snapshot(state)).unwrap();
    }
    place
}

fn copies(place: &Place, kind: &str) -> PathBuf {
    place.path("index").join(format!("copies-{kind}"))
}

fn objects(place: &Place, kind: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(place.path("repository").join(kind)).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 0x10;
    fs::write(file, bytes).unwrap();
}

fn plain(view: ManifestsView) -> Vec<Manifest> {
    assert!(view.damaged.is_empty(), "{:?}", view.damaged);
    view.manifests.into_iter().map(|stored| stored.manifest).collect()
}

type Records = BTreeMap<String, (u32, LedgerRecord)>;

/// What is there: as it is stored, and as the copies say.
fn both(place: &Place) -> [(Vec<Manifest>, Records); 2] {
    let records = |view: snaphold::repo::LedgerView| -> Records {
        assert!(view.damaged.is_empty(), "{:?}", view.damaged);
        view.newest.into_iter().map(|(topic, revision)| (topic, (revision.number, revision.record))).collect()
    };
    let repo = &place.repo;
    [
        (plain(repo.manifests().unwrap()), records(repo.ledger().unwrap())),
        (plain(repo.manifests_by_copies().unwrap()), records(repo.ledger_by_copies().unwrap())),
    ]
}

fn assert_same(place: &Place, count: usize, when: &str) {
    let [stored, copied] = both(place);
    assert_eq!((stored.0.len(), stored.1.len()), (count, count), "{when}");
    assert!(stored == copied, "{when}");
}

#[test]
fn what_is_listed_is_read_by_its_copy_and_what_is_not_listed_is_not_there() {
    let place = filled(5);
    for when in ["there are no copies", "there are copies"] {
        assert_same(&place, 5, when);
    }
    // The stored objects are damaged, as long as before: whoever reads copies does not see it, whoever reads them does.
    for kind in ["snapshots", "ledger"] {
        flip(&objects(&place, kind)[2], 70);
    }
    assert_eq!(place.repo.manifests().unwrap().damaged.len(), 1);
    assert_eq!(place.repo.ledger().unwrap().damaged.len(), 1);
    assert_eq!(plain(place.repo.manifests_by_copies().unwrap()).len(), 5);
    assert_eq!(place.repo.ledger_by_copies().unwrap().newest.len(), 5);
    for kind in ["snapshots", "ledger"] {
        fs::remove_file(&objects(&place, kind)[2]).unwrap();
    }
    assert_same(&place, 4, "objects were removed");
}

#[test]
fn copies_that_are_cut_changed_or_another_repositorys_do_no_harm() {
    let place = filled(3);
    both(&place);
    for kind in ["snapshots", "ledger"] {
        let file = copies(&place, kind);
        let good = fs::read(&file).unwrap();
        let ours = |bytes: &[u8], when: &str| {
            fs::write(&file, bytes).unwrap();
            for again in ["", ", and again"] {
                assert_same(&place, 3, &format!("{kind} {when}{again}"));
            }
            assert!(fs::metadata(&file).unwrap().len() <= 2 * good.len() as u64, "{kind} {when}: it grew");
        };
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            ours(&bytes, &format!("with byte {at} changed"));
        }
        for len in (0..good.len()).step_by(7) {
            ours(&good[..len], &format!("cut to {len} bytes"));
        }
        ours(&[&good[..], &[3; 40]].concat(), "with something behind the end");
        ours(&[good.clone(), good[8..].to_vec()].concat(), "twice");
        ours(&vec![0xff; 3 << 20], "of other bytes");
        let other = filled(3);
        both(&other);
        ours(&fs::read(copies(&other, kind)).unwrap(), "of another repository");
        fs::remove_file(&file).unwrap();
        assert_same(&place, 3, "removed");
        assert_eq!(fs::metadata(&file).unwrap().len(), good.len() as u64, "they were made anew");
    }
}

/// A record's bytes under another record's name must not become that one's state.
#[test]
fn a_copy_under_another_name_is_not_believed() {
    let place = filled(2);
    both(&place);
    let file = copies(&place, "ledger");
    let text = fs::read(&file).unwrap();
    let names: Vec<Vec<u8>> =
        objects(&place, "ledger").iter().map(|path| path.file_name().unwrap().as_encoded_bytes().to_vec()).collect();
    let place_of = |name: &[u8]| text.windows(name.len()).position(|window| window == name).unwrap();
    let (a, b) = (place_of(&names[0]), place_of(&names[1]));
    let mut swapped = text.clone();
    swapped[a..a + names[0].len()].copy_from_slice(&names[1]);
    swapped[b..b + names[1].len()].copy_from_slice(&names[0]);
    assert_ne!(swapped, text);
    fs::write(&file, swapped).unwrap();
    assert_same(&place, 2, "two names were exchanged");
}

#[test]
fn copies_of_what_is_gone_are_dropped() {
    let place = filled(12);
    both(&place);
    let before = fs::metadata(copies(&place, "snapshots")).unwrap().len();
    for file in objects(&place, "snapshots").iter().skip(2) {
        fs::remove_file(file).unwrap();
    }
    assert_eq!(plain(place.repo.manifests_by_copies().unwrap()).len(), 2);
    assert!(fs::metadata(copies(&place, "snapshots")).unwrap().len() < before / 3);
}
