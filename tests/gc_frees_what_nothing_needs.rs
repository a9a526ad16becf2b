//! What only deleted snapshots held is freed, all else stays, and where something is wrong nothing goes.

mod store;

use std::sync::atomic::{AtomicU64, Ordering};

use snaphold::error::{Error, ErrorKind};
use snaphold::format::ledger::{LedgerRecord, SnapshotState};
use snaphold::ops::Silent;
use snaphold::ops::gc::{GcOptions, collect};
use snaphold::repo::{PURGED_TOPIC, ledger_topic, snapshot_topic};
use snaphold::storage::{Action, FaultyStorage, MemoryStorage, ObjectKind, Storage};
use store::*;

/// Three versions of a database file, a dump and a few small files.
fn versions() -> [Files; 3] {
    let mut database = noise(1, 6 << 20);
    let mut dump = text(2, 3 << 20);
    let mut versions = [Files::new(), Files::new(), Files::new()];
    for (number, version) in versions.iter_mut().enumerate() {
        touch_pages(&mut database, 7, number as u8);
        dump.extend(text(10 + number as u64, 1 << 20));
        *version = files([
            ("base/1.db", database.clone()),
            ("dump.sql", dump.clone()),
            ("only/this", noise(100 + number as u64, 2 << 20)),
            ("zeros", vec![0; 3 << 20]),
            ("small", text(number as u64, 1000)),
        ]);
    }
    versions
}

/// Of the ledger nothing is left but what was removed on purpose.
fn assert_only_notes(place: &Place) {
    let left = place.storage.list(ObjectKind::Ledger).unwrap();
    let notes = left.iter().filter(|listed| ledger_topic(&listed.name).is_some_and(|(topic, _)| topic == PURGED_TOPIC));
    assert!(notes.count() == left.len() && !left.is_empty(), "{left:?}");
}

#[test]
fn two_of_three_snapshots_go_and_leave_what_the_third_needs() {
    for kept in 0..3 {
        let place = Place::new(MemoryStorage::new(), kept);
        let repo = place.open();
        let versions = versions();
        let mut ids = Vec::new();
        for version in &versions {
            ids.push(take(&repo, ids.last().copied(), version).unwrap());
        }
        let before = place.stored_bytes();
        for (number, id) in ids.iter().enumerate() {
            if number != kept as usize {
                delete(&repo, *id).unwrap();
            }
        }
        let report = gc(&repo).unwrap();
        assert_eq!((report.snapshots_purged, report.packs_waiting, report.dry_run), (2, 0, false));
        let after = place.stored_bytes();
        assert_eq!(report.bytes_freed.abs_diff(before - after) / 4096, 0, "{report:?}: {before} to {after}");

        let alone = Place::new(MemoryStorage::new(), 100 + kept);
        take(&alone.open(), None, &versions[kept as usize]).unwrap();
        let ideal = alone.stored_bytes();
        assert!(after <= ideal + ideal / 10, "{after} bytes are left where {ideal} would do");
        assert_sound(&repo);
        assert_eq!(read_back(&repo, ids[kept as usize]).unwrap(), versions[kept as usize]);
        assert_eq!(snapshots(&repo), [ids[kept as usize]].into());
        let again = gc_full(&repo).unwrap();
        assert_eq!((again.packs_deleted, again.bytes_freed), (0, 0), "a second run finds nothing: {again:?}");
    }
}

#[test]
fn a_base_stays_while_a_delta_needs_it() {
    let place = Place::new(MemoryStorage::new(), 1);
    let repo = place.open();
    let mut database = noise(1, 8 << 20);
    let old = files([("a.db", database.clone())]);
    let first = take(&repo, None, &old).unwrap();
    touch_pages(&mut database, 2, 1);
    let new = files([("a.db", database)]);
    let second = take(&repo, Some(first), &new).unwrap();
    let packed = place.stored_bytes();
    delete(&repo, first).unwrap();
    gc(&repo).unwrap();
    assert_sound(&repo);
    assert_eq!(read_back(&repo, second).unwrap(), new);
    assert!(place.stored_bytes() <= packed, "the bases are needed, and so are the deltas");
    delete(&repo, second).unwrap();
    gc(&repo).unwrap();
    assert_eq!(place.count(ObjectKind::Pack), 0);
    assert_only_notes(&place);
}

#[test]
fn where_nothing_was_deleted_nothing_is_touched() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    let place = Place::new(storage.clone(), 1);
    let repo = place.open();
    take(&repo, None, &versions()[0]).unwrap();
    let before = storage.operations() as usize;
    let report = gc(&repo).unwrap();
    assert_eq!((report.bytes_freed, report.packs_deleted), (0, 0));
    let log = storage.log().split_off(before);
    let changes: Vec<_> = log
        .iter()
        .filter(|operation| matches!(operation.action, Action::Put | Action::Delete))
        .filter(|operation| !operation.object.starts_with("writers/"))
        .collect();
    assert!(changes.is_empty(), "{changes:?}");
    let pack_reads = log.iter().filter(|operation| operation.action == Action::GetRange).count();
    assert_eq!(pack_reads, 0, "what is kept costs nothing");
}

#[test]
fn a_dry_run_tells_and_changes_nothing() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    let place = Place::new(storage.clone(), 1);
    let repo = place.open();
    let versions = versions();
    let first = take(&repo, None, &versions[0]).unwrap();
    let second = take(&repo, Some(first), &versions[1]).unwrap();
    delete(&repo, first).unwrap();
    let before = storage.operations() as usize;
    let told = collect(&repo, &GcOptions { dry_run: true, ..GcOptions::default() }, &Silent).unwrap();
    let log = storage.log().split_off(before);
    assert!(!log.iter().any(|operation| matches!(operation.action, Action::Put | Action::Delete)), "{log:?}");
    assert!(told.dry_run && told.snapshots_purged == 1 && told.bytes_freed > 1_900_000, "{told:?}");
    assert_eq!(snapshots(&repo), [first, second].into());
    let done = gc(&repo).unwrap();
    assert!(told.bytes_freed.abs_diff(done.bytes_freed) < done.bytes_freed / 20, "{told:?} {done:?}");
    assert_eq!((told.packs_deleted, told.packs_rewritten), (done.packs_deleted, done.packs_rewritten));
}

#[test]
fn grace_time_and_holds_keep_a_snapshot() {
    let place = Place::new(MemoryStorage::new(), 1);
    let repo = place.open();
    let ids: Vec<_> = (0..3).map(|seed| take(&repo, None, &files([("a", noise(seed, 100_000))])).unwrap()).collect();
    delete_after(&repo, ids[0], 100 * SECOND, None).unwrap();
    delete_after(&repo, ids[1], 0, Some(repo.now_ns() + 200 * SECOND)).unwrap();
    assert_eq!(gc(&repo).unwrap().snapshots_purged, 0);
    place.machine.pass(101 * SECOND);
    assert_eq!(gc(&repo).unwrap().snapshots_purged, 1);
    assert_eq!(snapshots(&repo), [ids[1], ids[2]].into());
    place.machine.pass(100 * SECOND);
    assert_eq!(gc(&repo).unwrap().snapshots_purged, 1);
    assert_eq!(snapshots(&repo), [ids[2]].into());
    assert_sound(&repo);
}

#[test]
fn who_undeletes_at_the_last_moment_keeps_the_snapshot_and_who_is_late_is_told() {
    let place = Place::new(MemoryStorage::new(), 1);
    let repo = place.open();
    let id = take(&repo, None, &files([("a", noise(1, 100_000))])).unwrap();
    delete(&repo, id).unwrap();
    let topic = snapshot_topic(&id);
    // Gc read revision 1; before it claims the snapshot, somebody appends revision 2.
    let undeleted = SnapshotState { snapshot: id, deleted: None, hold_until_ns: None };
    repo.append_ledger(&topic, Some(1), &LedgerRecord::Snapshot(undeleted.clone())).unwrap();
    gc(&repo).unwrap();
    assert_eq!(snapshots(&repo), [id].into());
    // A gc that was stopped after its claim: what looks deleted long ago cannot come back.
    delete(&repo, id).unwrap();
    let storage = FaultyStorage::new(place.storage.clone());
    let stopped = open(std::sync::Arc::new(storage.clone()), &place.index("other"), &place.machine).unwrap();
    storage.fail_nth(Action::Delete, 1, snaphold::storage::Fault::Io);
    assert!(gc(&stopped).is_err());
    let state = repo.ledger().unwrap().newest[&topic].clone();
    let LedgerRecord::Snapshot(state) = state.record else { panic!() };
    assert!(state.deleted.unwrap().is_claimed(), "{state:?}");
    assert_eq!(gc(&repo).unwrap().snapshots_purged, 1);
    assert_eq!(place.count(ObjectKind::Pack), 0);
    assert_only_notes(&place);
}

#[test]
fn a_run_that_was_stopped_after_the_purge_is_finished_by_the_next() {
    let place = Place::new(MemoryStorage::new(), 1);
    let repo = place.open();
    let id = take(&repo, None, &files([("a", noise(1, 100_000))])).unwrap();
    delete(&repo, id).unwrap();
    let storage = FaultyStorage::new(place.storage.clone());
    let stopped = open(std::sync::Arc::new(storage.clone()), &place.index("other"), &place.machine).unwrap();
    // The registration, the note, the claim, and then the packs are condemned.
    storage.fail_nth(Action::Put, 4, snaphold::storage::Fault::Full);
    assert!(gc(&stopped).is_err());
    assert!(snapshots(&repo).is_empty() && place.count(ObjectKind::Pack) > 0);
    gc(&repo).unwrap();
    assert_eq!(place.count(ObjectKind::Pack), 0);
    assert_only_notes(&place);
}

#[test]
fn garbage_worth_little_stays_and_is_told() {
    let place = Place::new(MemoryStorage::new(), 1);
    let repo = place.open();
    let kept = take(&repo, None, &files([("a", noise(1, 8 << 20))])).unwrap();
    let tiny = {
        let mut session = Session::begin(&repo, None).unwrap();
        // One pack with both: much that stays and little that goes.
        let both = session.store(&files([("big", noise(2, 8 << 20)), ("tiny", noise(3, 100_000))])).unwrap();
        session.commit(&both).unwrap()
    };
    let second = take(&repo, None, &files([("big", noise(2, 8 << 20))])).unwrap();
    delete(&repo, tiny).unwrap();
    let report = gc(&repo).unwrap();
    assert!((90_000..200_000).contains(&report.bytes_dead_left), "{report:?}");
    let all = GcOptions { full: true, dead_share: 0.0, ..GcOptions::default() };
    let report = collect(&repo, &all, &Silent).unwrap();
    assert!(report.bytes_dead_left == 0 && report.bytes_freed >= 90_000, "{report:?}");
    assert_sound(&repo);
    assert_eq!(read_back(&repo, second).unwrap()["big"], noise(2, 8 << 20));
    assert_eq!(read_back(&repo, kept).unwrap()["a"], noise(1, 8 << 20));
}

/// A delta that is garbage and left in its pack must not lose its base: somebody may store the same bytes again.
#[test]
fn a_garbage_delta_never_stays_without_its_base() {
    let place = Place::new(MemoryStorage::new(), 1);
    let repo = place.open();
    let mut page = noise(1, 16_384);
    let base = take(&repo, None, &files([("p.db", page.clone())])).unwrap();
    touch_pages(&mut page, 1, 1);
    // Its one delta lies in a pack of 8 MiB that is kept, and is far under the threshold.
    let changed = files([("p.db", page.clone()), ("big", noise(2, 8 << 20))]);
    let delta = take(&repo, Some(base), &changed).unwrap();
    let big = take(&repo, None, &files([("big", noise(2, 8 << 20))])).unwrap();
    delete(&repo, base).unwrap();
    delete(&repo, delta).unwrap();
    gc(&repo).unwrap();
    assert_sound(&repo);
    let again = take(&repo, None, &changed).unwrap();
    assert_sound(&repo);
    assert_eq!(read_back(&repo, again).unwrap(), changed);
    assert_eq!(read_back(&repo, big).unwrap()["big"], noise(2, 8 << 20));
}

#[test]
fn many_small_packs_become_few() {
    let place = Place::new(MemoryStorage::new(), 1);
    let repo = place.open();
    let mut database = noise(1, 256 * 1024);
    let mut taken = Vec::new();
    for number in 0..70 {
        touch_pages(&mut database, 3, number);
        let version = files([("a.db", database.clone()), ("log", text(u64::from(number), 20_000))]);
        taken.push((take(&repo, taken.last().map(|(id, _)| *id), &version).unwrap(), version));
    }
    assert!(place.count(ObjectKind::Pack) >= 140);
    let report = gc(&repo).unwrap();
    assert!(report.packs_rewritten >= 140, "{report:?}");
    assert!(place.count(ObjectKind::Pack) <= 4, "{}", place.count(ObjectKind::Pack));
    assert_sound(&repo);
    for (id, version) in &taken {
        assert_eq!(read_back(&repo, *id).unwrap(), *version);
    }
    assert_eq!(gc_full(&repo).unwrap().packs_deleted, 0);
}

#[test]
fn what_a_failed_session_left_is_found_when_it_is_looked_for() {
    let place = Place::new(MemoryStorage::new(), 1);
    let repo = place.open();
    let kept = take(&repo, None, &files([("a", noise(1, 200_000))])).unwrap();
    let before = place.stored_bytes();
    let mut session = Session::begin(&repo, None).unwrap();
    session.store(&files([("b", noise(2, 3 << 20))])).unwrap();
    drop(session);
    assert!(gc_full(&repo).unwrap().bytes_freed > 3 << 20);
    assert!(place.stored_bytes() <= before);
    assert_eq!(read_back(&repo, kept).unwrap()["a"], noise(1, 200_000));
}

#[test]
fn temporaries_are_swept_where_nobody_writes() {
    let place = Place::new(MemoryStorage::new(), 1);
    let repo = place.open();
    let swept = AtomicU64::new(0);
    let sweep = || Ok(swept.fetch_add(1, Ordering::SeqCst));
    let options = GcOptions { sweep_temporaries: Some(&sweep), ..GcOptions::default() };
    let other = place.open_with("other");
    let session = Session::begin(&other, None).unwrap();
    collect(&repo, &options, &Silent).unwrap();
    assert_eq!(swept.load(Ordering::SeqCst), 0);
    drop(session);
    collect(&repo, &options, &Silent).unwrap();
    assert_eq!(swept.load(Ordering::SeqCst), 1);
    collect(&repo, &GcOptions { dry_run: true, ..options }, &Silent).unwrap();
    assert_eq!(swept.load(Ordering::SeqCst), 1);
}

/// Flips a byte in the middle of an object.
fn flip(storage: &MemoryStorage, kind: ObjectKind, which: impl Fn(u64) -> bool) {
    let listed = storage.list(kind).unwrap().into_iter().find(|listed| which(listed.size)).unwrap();
    let mut bytes = storage.get(&listed.name).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    storage.overwrite(&listed.name, &bytes);
}

#[test]
fn where_a_snapshot_is_damaged_no_pack_goes() {
    for kind in [ObjectKind::Snapshot, ObjectKind::Pack] {
        let storage = MemoryStorage::new();
        let place = Place::new(storage.clone(), 1);
        let repo = place.open();
        let gone = take(&repo, None, &files([("a", noise(1, 3 << 20))])).unwrap();
        take(&repo, None, &files([("b", noise(2, 100_000))])).unwrap();
        // The folder listings of the second snapshot, which no other one shares.
        let packs = place.count(ObjectKind::Pack);
        delete(&repo, gone).unwrap();
        drop(repo);
        let second = place.open().manifests().unwrap().manifests[1].name.clone();
        if kind == ObjectKind::Snapshot {
            let mut bytes = storage.get(&second).unwrap();
            bytes[100] ^= 1;
            storage.overwrite(&second, &bytes);
        } else {
            flip(&storage, kind, |size| size < 2000);
            flip(&storage, kind, |size| size < 2000);
            std::fs::remove_dir_all(place.index("main")).unwrap();
            let packs = storage.list(ObjectKind::Pack).unwrap();
            for listed in packs.iter().filter(|listed| listed.size < 2000) {
                storage.overwrite(&listed.name, b"nothing of a pack");
            }
        }
        let error = gc(&place.open()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        assert!(error.to_string().contains("no data was removed"), "{error}");
        assert_eq!(place.count(ObjectKind::Pack), packs);
    }
}

#[test]
fn a_listing_that_fails_stops_it_before_anything_is_lost() {
    let mut n = 1;
    loop {
        let place = Place::new(MemoryStorage::new(), 1);
        let versions = versions();
        let repo = place.open();
        let first = take(&repo, None, &versions[0]).unwrap();
        let second = take(&repo, Some(first), &versions[1]).unwrap();
        delete(&repo, first).unwrap();
        drop(repo);
        let storage = FaultyStorage::new(place.storage.clone());
        let repo = open(std::sync::Arc::new(storage.clone()), &place.index("main"), &place.machine).unwrap();
        storage.fail_nth(Action::List, n, snaphold::storage::Fault::Io);
        let outcome = gc(&repo);
        drop(repo);
        let repo = place.open();
        assert_eq!(read_back(&repo, second).unwrap(), versions[1], "listing {n}");
        assert_sound(&repo);
        match outcome {
            Ok(_) => break,
            Err(Error::Storage { .. }) => n += 1,
            Err(error) => panic!("listing {n}: {error}"),
        }
    }
    assert!(n > 10, "there are more listings than {n}");
}

#[test]
fn a_pack_whose_footer_cannot_be_read_stays() {
    let storage = MemoryStorage::new();
    let place = Place::new(storage.clone(), 1);
    let repo = place.open();
    let gone = take(&repo, None, &files([("a", noise(1, 3 << 20))])).unwrap();
    let kept = take(&repo, None, &files([("b", noise(2, 100_000))])).unwrap();
    delete(&repo, gone).unwrap();
    let big = storage.list(ObjectKind::Pack).unwrap().into_iter().find(|listed| listed.size > 2 << 20).unwrap();
    let mut bytes = storage.get(&big.name).unwrap();
    let at = bytes.len() - 40;
    bytes[at] ^= 1;
    storage.overwrite(&big.name, &bytes);
    for index in ["main", "fresh"] {
        gc_full(&place.open_with(index)).unwrap();
        assert_eq!(storage.get(&big.name).unwrap(), bytes, "nobody knows what it holds");
    }
    assert_eq!(read_back(&repo, kept).unwrap()["b"], noise(2, 100_000));
}
