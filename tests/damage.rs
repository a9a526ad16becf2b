//! The damage matrix: every kind of object × flipped, cut, grown, removed, swapped × place. Verify names each, nothing
//! panics, no snapshot that is not named restores wrong, and repair makes the best of it.

mod store;

use std::collections::BTreeMap;
use std::path::Path;

use snaphold::error::ErrorKind;
use snaphold::format::manifest::SnapshotType;
use snaphold::format::pack::{ChunkEntry, Footer, Form, PackKind};
use snaphold::id::{PackId, SnapshotId};
use snaphold::ops::Silent;
use snaphold::ops::repair::repair;
use snaphold::ops::verify::VerifyReport;
use snaphold::repo::{Repository, Work, pack_name};
use snaphold::storage::{MemoryStorage, ObjectKind, ObjectName, Storage};
use store::*;

/// A repository with something of every kind, and the index that belongs to it.
struct Original {
    storage: MemoryStorage,
    place: Place,
    versions: BTreeMap<SnapshotId, Files>,
    kinds: BTreeMap<ObjectName, &'static str>,
}

fn original() -> Original {
    let storage = MemoryStorage::new();
    let place = Place::new(storage.clone(), 1);
    let repo = place.open();
    let mut database = noise(1, 200_000);
    let mut versions = BTreeMap::new();
    let mut last = None;
    for number in 0..3u8 {
        touch_pages(&mut database, 3, number);
        let mut version = files([
            ("d/base.db", database.clone()),
            ("dump.sql", text(3, 60_000 + usize::from(number) * 9000)),
            ("own", noise(50 + u64::from(number), 30_000)),
        ]);
        for file in 0..200 {
            version.insert(format!("many/{file:03}"), text(file, 150));
        }
        let id = take(&repo, last, &version).unwrap();
        versions.insert(id, version);
        last = Some(id);
    }
    let ids: Vec<SnapshotId> = versions.keys().copied().collect();
    delete_after(&repo, ids[0], 1000 * SECOND, None).unwrap();
    delete_after(&repo, ids[1], 1000 * SECOND, Some(repo.now_ns() + 1_000_000 * SECOND)).unwrap();
    let record = repo.condemn(vec![PackId([7; 32])]).unwrap();
    repo.condemned_waits(&record, vec!["somebody".into()]).unwrap();
    let work = Work::Snapshot { id: SnapshotId([1; 8]), instance: "i".into(), kind: SnapshotType::Safety };
    std::mem::forget(repo.register(work).unwrap());
    // The index has seen everything.
    let opened = repo.open_index().unwrap();
    let mut kinds = BTreeMap::new();
    for kind in ObjectKind::ALL {
        for listed in storage.list(kind).unwrap() {
            kinds.insert(listed.name, kind.folder());
        }
    }
    for info in opened.reader.index().packs() {
        let kind = if info.kind == PackKind::Meta { "metadata packs" } else { "data packs" };
        kinds.insert(pack_name(&info.id), kind);
    }
    drop((opened, repo));
    Original { storage, place, versions, kinds }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

impl Original {
    /// A copy of the repository, and of the index where it is to survive.
    fn copy(&self, with_index: bool) -> (MemoryStorage, Place) {
        let storage = MemoryStorage::new();
        for name in self.kinds.keys() {
            storage.overwrite(name, &self.storage.get(name).unwrap());
        }
        let place = Place::around(storage.clone(), self.place.machine.clone());
        if with_index {
            copy_folder(&self.place.index("main"), &place.index("main"));
        }
        (storage, place)
    }

    fn of(&self, kind: &str) -> Vec<ObjectName> {
        self.kinds.iter().filter(|(_, of)| **of == kind).map(|(name, _)| name.clone()).collect()
    }

    /// Every snapshot restores as it was or fails; those that `report` does not name restore.
    fn check_restores(&self, repo: &Repository, report: &VerifyReport, what: &str) {
        for (id, version) in &self.versions {
            let named = report.errors.iter().any(|error| error.snapshots.contains(&id.to_string()));
            match read_back(repo, *id) {
                Ok(files) => assert_eq!(files, *version, "{what}: snapshot {id} restores wrong"),
                Err(error) if error.kind() == ErrorKind::Damaged => {
                    assert!(named, "{what}: {id} does not restore ({error}) and is not named: {report:#?}")
                }
                // Its manifest is what is damaged or gone.
                Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{what}"),
            }
        }
    }

    /// Damages a copy, and looks whether verify names all of `names`.
    fn try_damage(&self, names: &[&ObjectName], with_index: bool, what: &str, damage: impl Fn(&MemoryStorage)) {
        let (storage, place) = self.copy(with_index);
        damage(&storage);
        let repo = match open(place.storage.clone(), &place.index("main"), &place.machine) {
            Ok(repo) => repo,
            Err(error) => panic!("{what}: one damaged object keeps the repository from being opened: {error}"),
        };
        let report = verify(&repo);
        assert!(!report.ok, "{what}: not noticed");
        for name in names {
            let named = report.errors.iter().any(|error| error.object == name.path());
            assert!(named, "{what}: {name} is not named in {:#?}", report.errors);
        }
        // Asked again it says the same, though the index was brought up to date meanwhile.
        let again = verify(&repo);
        for name in names {
            assert!(again.errors.iter().any(|error| error.object == name.path()), "{what}: {name} is named only once");
        }
        self.check_restores(&repo, &report, what);
    }
}

/// Places in an object of `len` bytes: the ends of everything that is laid out, and some between.
fn places(len: usize, some: usize) -> Vec<usize> {
    let mut places: Vec<usize> = [0, 1, 7, 8, 9, 10, 11, 12, 15, 16, 20, 24, 47, 48, 49, 52, 56, 60, 63, 64, 70].into();
    places.extend((0..some).map(|part| len * part / some));
    places.extend([1, 2, 8, 9, 12, 16, 17, 20, 24, 25, 30, 40, 41, 64].map(|back| len.saturating_sub(back)));
    places.retain(|at| *at < len);
    places.sort_unstable();
    places.dedup();
    places
}

fn flips(kind: &str, some: usize) {
    let original = original();
    for name in original.of(kind) {
        let bytes = original.storage.get(&name).unwrap();
        for (number, at) in places(bytes.len(), some).into_iter().enumerate() {
            let what = format!("{name} with byte {at} of {} flipped", bytes.len());
            original.try_damage(&[&name], number % 2 == 0, &what, |storage| {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << (at % 8);
                storage.overwrite(&name, &bytes);
            });
        }
    }
}

#[test]
fn flipped_configs_and_keys() {
    flips("config", 20);
    flips("keys", 20);
}

#[test]
fn flipped_manifests() {
    flips("snapshots", 20);
}

#[test]
fn flipped_ledger_records() {
    flips("ledger", 10);
}

#[test]
fn flipped_registrations_and_condemned_records() {
    flips("writers", 10);
    flips("condemned", 10);
}

#[test]
fn flipped_data_packs() {
    flips("data packs", 20);
}

#[test]
fn flipped_metadata_packs() {
    flips("metadata packs", 20);
}

#[test]
fn cut_and_grown_objects() {
    let original = original();
    for name in original.kinds.keys() {
        let bytes = original.storage.get(name).unwrap();
        for (number, len) in [0, 1, 30, bytes.len() / 2, bytes.len() - 1].into_iter().enumerate() {
            let what = format!("{name} cut to {len} of {} bytes", bytes.len());
            original.try_damage(&[name], number % 2 == 0, &what, |storage| storage.overwrite(name, &bytes[..len]));
        }
        original.try_damage(&[name], true, &format!("{name} with a byte more"), |storage| {
            storage.overwrite(name, &[bytes.as_slice(), &[0]].concat());
        });
    }
}

/// What is gone is missed where something else tells that it was there: its other copy, a reference, the index.
#[test]
fn removed_objects() {
    let original = original();
    for (name, kind) in &original.kinds {
        let remove = |storage: &MemoryStorage| storage.delete(name).unwrap();
        match *kind {
            "config" | "keys" => {
                for with_index in [true, false] {
                    original.try_damage(&[name], with_index, &format!("{name} removed"), remove);
                }
            }
            "writers" | "condemned" => {}
            "data packs" | "metadata packs" => {
                original.try_damage(&[name], true, &format!("{name} removed"), remove);
                // Without the index nothing knows the pack's name; the chunks are missed all the same.
                let (storage, place) = original.copy(false);
                remove(&storage);
                let report = verify(&place.open());
                assert!(report.errors.iter().any(|error| error.object.starts_with("chunk ")), "{report:#?}");
                original.check_restores(&place.open(), &report, "without the index");
            }
            _ => original.try_damage(&[name], true, &format!("{name} removed"), remove),
        }
    }
}

/// Two objects with each other's bytes: of one kind, and of different kinds. Copies of one another are not told apart.
#[test]
fn swapped_objects() {
    let original = original();
    let names: Vec<&ObjectName> = original.kinds.keys().collect();
    let mut state = 5;
    let mut pairs: Vec<(&ObjectName, &ObjectName)> = names.windows(2).map(|pair| (pair[0], pair[1])).collect();
    for _ in 0..40 {
        pairs.push((names[below(&mut state, names.len())], names[below(&mut state, names.len())]));
    }
    for (number, (one, other)) in pairs.into_iter().enumerate() {
        let (first, second) = (original.storage.get(one).unwrap(), original.storage.get(other).unwrap());
        let pair_of_copies = one.kind() == other.kind() && matches!(one.kind(), ObjectKind::Config | ObjectKind::Key);
        if first == second || pair_of_copies {
            continue;
        }
        original.try_damage(&[one, other], number % 2 == 0, &format!("{one} and {other} swapped"), |storage| {
            storage.overwrite(one, &second);
            storage.overwrite(other, &first);
        });
    }
}

#[test]
fn without_damage_there_is_nothing_to_name() {
    let original = original();
    for with_index in [true, false] {
        let (_, place) = original.copy(with_index);
        let report = verify(&place.open());
        assert!(report.ok && report.errors.is_empty(), "{report:#?}");
        assert_eq!((report.snapshots, report.packs), (3, report.packs_read));
        assert!(report.chunks > 30 && report.bytes_read > 200_000, "{report:?}");
    }
}

/// After repair: no object is named any more but what cannot be made again, what can be read is read as it was, and the
/// next snapshot of the same data makes the damaged snapshots whole.
#[test]
fn repair_makes_the_best_of_it_and_discards_nothing() {
    let original = original();
    let last = *original.versions.keys().last().unwrap();
    let newest = place_order(&original);
    for (name, kind) in original.kinds.iter().filter(|(_, kind)| kind.ends_with("packs")) {
        let bytes = original.storage.get(name).unwrap();
        for at in [20, 60, bytes.len() / 3, bytes.len() / 2, bytes.len() - 50, bytes.len() - 3] {
            let (storage, place) = original.copy(at % 2 == 0);
            let mut bad = bytes.clone();
            bad[at] ^= 4;
            storage.overwrite(name, &bad);
            let what = format!("{name} ({kind}) with byte {at} of {} flipped", bytes.len());
            place.machine.kill_all();
            let repo = place.open();
            let report = repair(&repo, &Silent).unwrap();
            assert!(report.packs_put_aside.contains(&format!("{name}.damaged")), "{what}: {report:?}");
            let aside = ObjectName::new(ObjectKind::Pack, format!("{}.damaged", name.leaf())).unwrap();
            assert_eq!(storage.get(&aside).unwrap(), bad, "{what}: nothing is thrown away");
            let after = verify(&repo);
            assert!(after.errors.iter().all(|error| error.object.starts_with("chunk")), "{what}: {:#?}", after.errors);
            for (id, version) in &original.versions {
                let damaged = report.snapshots_damaged.contains(&id.to_string());
                match read_back(&repo, *id) {
                    Ok(files) => assert!(files == *version && !damaged, "{what}"),
                    Err(error) => assert!(error.kind() == ErrorKind::Damaged && damaged, "{what}: {error}"),
                }
            }
            // All three versions again, without a parent: what was lost is stored again.
            for id in &newest {
                let version = &original.versions[id];
                let again = take(&repo, None, version).unwrap();
                assert_eq!(read_back(&repo, again).unwrap(), *version, "{what}");
            }
            let report = repair(&repo, &Silent).unwrap();
            assert!(report.packs_put_aside.is_empty(), "{what}");
            assert_sound(&repo);
            assert_eq!(read_back(&repo, last).unwrap(), original.versions[&last], "{what}: healed");
            gc_full(&repo).unwrap();
            assert_sound(&repo);
        }
    }
}

fn place_order(original: &Original) -> Vec<SnapshotId> {
    let repo = original.place.open();
    repo.manifests().unwrap().manifests.iter().map(|stored| stored.manifest.id).collect()
}

#[test]
fn repair_restores_copies_and_makes_the_index_anew() {
    let original = original();
    for kind in ["config", "keys"] {
        for name in original.of(kind) {
            for removed in [true, false] {
                let (storage, place) = original.copy(true);
                if removed {
                    storage.delete(&name).unwrap();
                } else {
                    storage.overwrite(&name, b"something else");
                }
                place.machine.kill_all();
                let repo = place.open();
                assert_eq!(repair(&repo, &Silent).unwrap().copies_restored, [name.path()]);
                assert_eq!(storage.get(&name).unwrap(), original.storage.get(&name).unwrap());
                assert_sound(&repo);
            }
        }
    }
    let (_, place) = original.copy(true);
    place.machine.kill_all();
    for entry in std::fs::read_dir(place.index("main")).unwrap() {
        std::fs::write(entry.unwrap().path(), b"rubbish").unwrap();
    }
    let repo = place.open();
    repair(&repo, &Silent).unwrap();
    assert_sound(&repo);
    for (id, version) in &original.versions {
        assert_eq!(read_back(&repo, *id).unwrap(), *version);
    }
}

/// The doubt about what is missing outlives the session that noticed: else the next snapshot would count on it.
#[test]
fn what_was_lost_is_not_counted_on_by_a_later_session() {
    let original = original();
    let last = *place_order(&original).last().unwrap();
    for name in original.of("data packs") {
        for fresh in [false, true] {
            let (storage, place) = original.copy(!fresh);
            place.machine.kill_all();
            storage.delete(&name).unwrap();
            for _ in 0..2 {
                let opened = place.open().open_index().unwrap();
                assert!(!opened.is_whole());
                assert!(fresh || !opened.missing.is_empty());
            }
            let repo = place.open();
            let again = take(&repo, Some(last), &original.versions[&last]).unwrap();
            assert_eq!(read_back(&repo, again).unwrap(), original.versions[&last], "{name} fresh {fresh}");
        }
    }
}

/// An index may be wrong in what it says of packs that are there, and in what packs it names.
#[test]
fn what_a_wrong_index_says_is_stored_is_stored_again() {
    for is_named in [true, false] {
        let place = Place::new(MemoryStorage::new(), 7);
        let repo = place.open();
        take(&repo, None, &files([("other", noise(1, 30_000))])).unwrap();
        let new = noise(2, 5000);
        let mut session = Session::begin(&repo, None).unwrap();
        let index = session.opened.reader.index().clone();
        let pack = if is_named { index.packs()[0].id } else { PackId([9; 32]) };
        let id = session.writer.as_ref().unwrap().chunk_id(&new);
        let chunks = vec![ChunkEntry { id, payload_len: 5000, form: Form::Full }];
        index.insert(pack, PackKind::Data, 1000, &Footer { blocks: Vec::new(), chunks }).unwrap();
        assert!(index.get(&[id]).unwrap()[0].is_some(), "the index says that it is there");
        let new = files([("new", new)]);
        let manifest = session.store(&new).unwrap();
        let id = session.commit(&manifest).unwrap();
        // Another machine, with an index that is made of what is there.
        let elsewhere = place.open_with("elsewhere");
        assert_sound(&elsewhere);
        assert_eq!(read_back(&elsewhere, id).unwrap(), new);
    }
}
