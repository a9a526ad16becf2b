//! Writers and garbage collection at the same time: whatever is acknowledged can be read, whoever was first.

mod store;

use std::sync::{Arc, Mutex};

use snaphold::error::{ErrorKind, Result};
use snaphold::format::pack::PackKind;
use snaphold::id::SnapshotId;
use snaphold::ops::capture::commit_copy;
use snaphold::repo::pack_name;
use snaphold::storage::{Listed, MemoryStorage, ObjectKind, ObjectName, PutOutcome, Storage};
use store::*;

type Hook = Box<dyn FnOnce() + Send>;

/// Calls a hook once, right before or after an object of a kind is put.
#[derive(Clone, Default)]
struct Hooked {
    inner: MemoryStorage,
    before: Arc<Mutex<Option<(ObjectKind, Hook)>>>,
    after: Arc<Mutex<Option<(ObjectKind, Hook)>>>,
}

impl std::fmt::Debug for Hooked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hooked")
    }
}

impl Hooked {
    fn before_put(&self, kind: ObjectKind, hook: impl FnOnce() + Send + 'static) {
        *self.before.lock().unwrap() = Some((kind, Box::new(hook)));
    }

    fn after_put(&self, kind: ObjectKind, hook: impl FnOnce() + Send + 'static) {
        *self.after.lock().unwrap() = Some((kind, Box::new(hook)));
    }

    fn run(slot: &Mutex<Option<(ObjectKind, Hook)>>, kind: ObjectKind) {
        let hook = {
            let mut slot = slot.lock().unwrap();
            if slot.as_ref().is_some_and(|(of, _)| *of == kind) { slot.take() } else { None }
        };
        if let Some((_, hook)) = hook {
            hook();
        }
    }
}

impl Storage for Hooked {
    fn put_if_absent(&self, name: &ObjectName, bytes: &[u8]) -> Result<PutOutcome> {
        Self::run(&self.before, name.kind());
        let outcome = self.inner.put_if_absent(name, bytes);
        Self::run(&self.after, name.kind());
        outcome
    }

    fn get(&self, name: &ObjectName) -> Result<Vec<u8>> {
        self.inner.get(name)
    }

    fn get_range(&self, name: &ObjectName, offset: u64, len: usize) -> Result<Vec<u8>> {
        self.inner.get_range(name, offset, len)
    }

    fn list(&self, kind: ObjectKind) -> Result<Vec<Listed>> {
        self.inner.list(kind)
    }

    fn delete(&self, name: &ObjectName) -> Result<()> {
        self.inner.delete(name)
    }

    fn size(&self, name: &ObjectName) -> Result<u64> {
        self.inner.size(name)
    }

    fn location(&self) -> String {
        "hooked".into()
    }
}

fn shared() -> Files {
    files([("shared", noise(1, 3 << 20)), ("s.db", noise(2, 1 << 20))])
}

/// A snapshot of [`shared`] that is deleted, so that the next gc wants its packs.
fn deleted_snapshot(place: &Place) -> SnapshotId {
    let repo = place.open();
    let id = take(&repo, None, &shared()).unwrap();
    delete(&repo, id).unwrap();
    id
}

#[test]
fn a_writer_that_began_before_keeps_what_it_counts_on() {
    let place = Place::new(MemoryStorage::new(), 1);
    deleted_snapshot(&place);
    let other = place.open_with("other");
    let mut session = Session::begin(&other, None).unwrap();
    let manifest = session.store(&shared()).unwrap();
    let packs = place.count(ObjectKind::Pack);
    let repo = place.open();
    let report = gc(&repo).unwrap();
    assert!(report.packs_waiting > 0 && report.packs_deleted == 0, "{report:?}");
    assert_eq!(place.count(ObjectKind::Pack), packs);
    let id = session.commit(&manifest).unwrap();
    // Readable while condemned, and after.
    assert_eq!(read_back(&repo, id).unwrap(), shared());
    gc(&repo).unwrap();
    assert_eq!(place.count(ObjectKind::Condemned), 0);
    assert_sound(&repo);
    for index in ["main", "other", "fresh"] {
        assert_eq!(read_back(&place.open_with(index), id).unwrap(), shared(), "{index}");
    }
}

#[test]
fn however_often_gc_runs_it_waits_for_the_same_writer() {
    let place = Place::new(MemoryStorage::new(), 1);
    deleted_snapshot(&place);
    let other = place.open_with("other");
    let mut session = Session::begin(&other, None).unwrap();
    let manifest = session.store(&shared()).unwrap();
    let repo = place.open();
    let waiting = gc(&repo).unwrap().packs_waiting;
    for _ in 0..3 {
        let report = gc_full(&repo).unwrap();
        assert_eq!((report.packs_waiting, report.packs_deleted), (waiting, 0));
    }
    let id = session.commit(&manifest).unwrap();
    gc(&repo).unwrap();
    assert_sound(&repo);
    assert_eq!(read_back(&repo, id).unwrap(), shared());
}

/// The control for the tests above: without the wait the same steps lose data, and it is seen.
#[test]
fn removing_at_once_would_lose_data_and_is_noticed() {
    let place = Place::new(MemoryStorage::new(), 1);
    deleted_snapshot(&place);
    let other = place.open_with("other");
    let mut session = Session::begin(&other, None).unwrap();
    let manifest = session.store(&shared()).unwrap();
    place.machine.kill(other.surroundings());
    gc(&place.open()).unwrap();
    let id = session.commit(&manifest).unwrap();
    let repo = place.open();
    assert_eq!(read_back(&repo, id).unwrap_err().kind(), ErrorKind::Damaged);
    let report = verify_structure(&repo);
    assert!(!report.ok && report.errors.iter().any(|error| error.snapshots == [id.to_string()]), "{report:?}");
}

#[test]
fn a_writer_that_begins_after_does_not_count_on_what_is_condemned() {
    let place = Place::new(MemoryStorage::new(), 1);
    deleted_snapshot(&place);
    let (first, second) = (place.open_with("first"), place.open_with("second"));
    let waited_for = Session::begin(&first, None).unwrap();
    let repo = place.open();
    assert!(gc(&repo).unwrap().packs_waiting > 0);
    let mut session = Session::begin(&second, None).unwrap();
    let manifest = session.store(&shared()).unwrap();
    drop(waited_for);
    let report = gc(&repo).unwrap();
    assert!(report.packs_deleted > 0 && place.count(ObjectKind::Condemned) == 0, "{report:?}");
    let id = session.commit(&manifest).unwrap();
    assert_sound(&repo);
    assert_eq!(read_back(&repo, id).unwrap(), shared());
}

/// A base that only a condemned pack holds is no base: gc does not wait for who began later.
#[test]
fn a_writer_that_begins_after_makes_no_delta_against_what_is_condemned() {
    let place = Place::new(MemoryStorage::new(), 1);
    let parent = deleted_snapshot(&place);
    let (first, second) = (place.open_with("first"), place.open_with("second"));
    let waited_for = Session::begin(&first, None).unwrap();
    // Its parent is gone by the time of gc's purge, but it has read it.
    let mut late = Session::begin(&second, Some(parent)).unwrap();
    drop(late.lease.take());
    drop(late.writer.take());
    let repo = place.open();
    assert!(gc(&repo).unwrap().packs_waiting > 0);
    let mut session = Session::begin(&second, None).unwrap();
    session.parent = late.parent.take();
    let mut changed = shared();
    touch_pages(changed.get_mut("s.db").unwrap(), 1, 9);
    let manifest = session.store(&changed).unwrap();
    drop(waited_for);
    assert!(gc(&repo).unwrap().packs_deleted > 0);
    let id = session.commit(&manifest).unwrap();
    assert_sound(&repo);
    assert_eq!(read_back(&repo, id).unwrap(), changed);
}

/// Nor is a chunk known that is a delta in a pack that stays, with its base in one that goes.
#[test]
fn a_writer_that_begins_after_does_not_count_on_a_delta_whose_base_is_condemned() {
    let place = Place::new(MemoryStorage::new(), 1);
    let repo = place.open();
    let old = files([("s.db", noise(2, 1 << 20))]);
    let mut new = old.clone();
    touch_pages(new.get_mut("s.db").unwrap(), 1, 9);
    let base = take(&repo, None, &old).unwrap();
    let mut both = new.clone();
    both.insert("big".into(), noise(5, 8 << 20));
    let delta = take(&repo, Some(base), &both).unwrap();
    take(&repo, None, &files([("big", noise(5, 8 << 20))])).unwrap();
    // The pack of the base is condemned by hand, as gc would: alone.
    let smallest = |kind| {
        let packs = place.open().open_index().unwrap().reader.index().packs();
        packs.into_iter().filter(|info| info.kind == kind).min_by_key(|info| info.number).unwrap()
    };
    let of_base = smallest(PackKind::Data);
    let record = repo.condemn(vec![of_base.id]).unwrap();
    repo.condemned_waits(&record, Vec::new()).unwrap();
    let second = place.open_with("second");
    let mut session = Session::begin(&second, None).unwrap();
    let manifest = session.store(&new).unwrap();
    delete(&repo, base).unwrap();
    delete(&repo, delta).unwrap();
    gc(&repo).unwrap();
    assert!(!place.storage.list(ObjectKind::Pack).unwrap().iter().any(|l| l.name.leaf() == of_base.id.to_string()));
    let id = session.commit(&manifest).unwrap();
    assert_sound(&place.open());
    assert_eq!(read_back(&place.open(), id).unwrap(), new);
}

#[test]
fn who_commits_while_gc_looks_is_seen_before_anything_goes() {
    let storage = Hooked::default();
    let place = Place::new(storage.clone(), 1);
    deleted_snapshot(&place);
    let (path, machine) = (place.index("other"), place.machine.clone());
    let committed: Arc<Mutex<Option<SnapshotId>>> = Arc::default();
    let result = committed.clone();
    let inner: Arc<dyn Storage> = Arc::new(storage.inner.clone());
    // Gc has marked, and is about to condemn: a whole snapshot of the very same data is taken.
    storage.before_put(ObjectKind::Condemned, move || {
        let other = open(inner, &path, &machine).unwrap();
        *result.lock().unwrap() = Some(take(&other, None, &shared()).unwrap());
    });
    let repo = place.open();
    let report = gc(&repo).unwrap();
    let id = committed.lock().unwrap().expect("the hook ran");
    assert!(report.packs_waiting == 0 && report.bytes_rewritten > 3 << 20, "it was stored again: {report:?}");
    assert_sound(&repo);
    for index in ["main", "other", "fresh"] {
        assert_eq!(read_back(&place.open_with(index), id).unwrap(), shared());
    }
}

#[test]
fn who_begins_while_gc_looks_is_waited_for_or_knows() {
    for after in [false, true] {
        let storage = Hooked::default();
        let place = Place::new(storage.clone(), 1);
        deleted_snapshot(&place);
        let inner: Arc<dyn Storage> = Arc::new(storage.inner.clone());
        let other: &'static _ = Box::leak(Box::new(open(inner, &place.index("other"), &place.machine).unwrap()));
        let begun: Arc<Mutex<Option<(Session<'static>, snaphold::format::manifest::Manifest)>>> = Arc::default();
        let result = begun.clone();
        let begin = move || {
            let mut session = Session::begin(other, None).unwrap();
            let manifest = session.store(&shared()).unwrap();
            *result.lock().unwrap() = Some((session, manifest));
        };
        if after {
            storage.after_put(ObjectKind::Condemned, begin);
        } else {
            storage.before_put(ObjectKind::Condemned, begin);
        }
        let repo = place.open();
        let report = gc(&repo).unwrap();
        let (session, manifest) = begun.lock().unwrap().take().expect("the hook ran");
        assert!(report.packs_waiting > 0, "{report:?}");
        let id = session.commit(&manifest).unwrap();
        assert_eq!(read_back(&repo, id).unwrap(), shared());
        gc(&repo).unwrap();
        assert_eq!(place.count(ObjectKind::Condemned), 0);
        assert_sound(&repo);
        assert_eq!(read_back(&repo, id).unwrap(), shared(), "began after the record: {after}");
    }
}

/// A copy of a snapshot stores nothing, and so counts on all that the original has.
#[test]
fn a_copy_is_whole_or_fails_when_gc_takes_the_original_away() {
    for condemned_before in [false, true] {
        let storage = Hooked::default();
        let place = Place::new(storage.clone(), 1);
        let original = if condemned_before {
            // It counts on packs that were condemned while it was taken.
            deleted_snapshot(&place);
            let other = place.open_with("other");
            let mut session = Session::begin(&other, None).unwrap();
            let manifest = session.store(&shared()).unwrap();
            assert!(gc(&place.open()).unwrap().packs_waiting > 0);
            session.commit(&manifest).unwrap()
        } else {
            take(&place.open(), None, &shared()).unwrap()
        };
        let repo = place.open();
        delete(&repo, original).unwrap();
        let manifests = repo.manifests().unwrap().manifests;
        let mut copy = manifests.into_iter().map(|stored| stored.manifest).find(|m| m.id == original).unwrap();
        (copy.parent, copy.id) = (Some(original), SnapshotId([9; 8]));
        let inner: Arc<dyn Storage> = Arc::new(storage.inner.clone());
        let (path, machine) = (place.index("gc"), place.machine.clone());
        storage.before_put(ObjectKind::Snapshot, move || {
            gc(&open(inner, &path, &machine).unwrap()).unwrap();
        });
        let committed = commit_copy(&repo, copy);
        assert_eq!(committed.map(|stored| stored.manifest.id).unwrap_err().kind(), ErrorKind::NotFound);
        for _ in 0..2 {
            gc_full(&repo).unwrap();
        }
        assert_sound(&repo);
        assert!(snapshots(&repo).is_empty());
    }
}

#[test]
fn a_long_session_s_packs_are_left_alone_before_it_commits() {
    let place = Place::new(MemoryStorage::new(), 1);
    deleted_snapshot(&place);
    let other = place.open_with("other");
    let mut session = Session::begin(&other, None).unwrap();
    let long = files([("long", noise(7, 2 << 20))]);
    let manifest = session.store(&long).unwrap();
    let repo = place.open();
    let report = snaphold::ops::gc::collect(
        &repo,
        &snaphold::ops::gc::GcOptions { full: true, ..Default::default() },
        &snaphold::ops::Silent,
    )
    .unwrap();
    assert!(report.packs_waiting > 0, "what the purged snapshot held: {report:?}");
    let condemned = repo.condemned().unwrap().pack_set();
    let id = session.commit(&manifest).unwrap();
    // The next snapshot of the same data stores nothing of it again.
    let before = place.stored_bytes();
    take(&other, None, &long).unwrap();
    assert!(place.stored_bytes() - before < 10_000, "{} bytes more", place.stored_bytes() - before);
    let report = gc(&repo).unwrap();
    assert_eq!((report.packs_deleted as usize, report.packs_rewritten), (condemned.len(), 0), "{report:?}");
    assert_sound(&repo);
    assert_eq!(read_back(&repo, id).unwrap(), long);
}

#[test]
fn condemned_packs_that_are_needed_again_are_pardoned() {
    let place = Place::new(MemoryStorage::new(), 1);
    deleted_snapshot(&place);
    let other = place.open_with("other");
    let mut session = Session::begin(&other, None).unwrap();
    let manifest = session.store(&shared()).unwrap();
    let repo = place.open();
    assert!(gc(&repo).unwrap().packs_waiting > 0);
    let id = session.commit(&manifest).unwrap();
    let report = gc(&repo).unwrap();
    assert!(report.bytes_rewritten < 1 << 20, "what is whole is kept as it is: {report:?}");
    assert_eq!(read_back(&repo, id).unwrap(), shared());
    assert_sound(&repo);
}

#[test]
fn a_dead_writer_is_not_waited_for_and_its_garbage_goes() {
    let place = Place::new(MemoryStorage::new(), 1);
    let repo = place.open();
    let kept = take(&repo, None, &files([("a", noise(3, 100_000))])).unwrap();
    let before = place.stored_bytes();
    let other = place.open_with("other");
    let mut session = Session::begin(&other, None).unwrap();
    session.store(&shared()).unwrap();
    std::mem::forget(session.lease.take());
    drop(session);
    place.machine.kill(other.surroundings());
    let report = gc(&repo).unwrap();
    assert!(report.bytes_freed > 3 << 20 && report.packs_waiting == 0, "{report:?}");
    assert_eq!(place.count(ObjectKind::Writer), 0);
    assert!(place.stored_bytes() <= before);
    assert_eq!(read_back(&repo, kept).unwrap()["a"], noise(3, 100_000));
}

#[test]
fn two_at_once_are_one_and_one_that_hears_of_it() {
    let storage = Hooked::default();
    let place = Place::new(storage.clone(), 1);
    deleted_snapshot(&place);
    let inner: Arc<dyn Storage> = Arc::new(storage.inner.clone());
    let (path, machine) = (place.index("other"), place.machine.clone());
    let heard: Arc<Mutex<Option<ErrorKind>>> = Arc::default();
    let result = heard.clone();
    storage.before_put(ObjectKind::Condemned, move || {
        let other = open(inner, &path, &machine).unwrap();
        *result.lock().unwrap() = gc(&other).err().map(|error| error.kind());
    });
    gc(&place.open()).unwrap();
    assert_eq!(*heard.lock().unwrap(), Some(ErrorKind::Busy));
    assert_eq!((place.count(ObjectKind::Writer), place.count(ObjectKind::Pack)), (0, 0));
    // One that died does not stand in the way.
    let dead = place.open();
    std::mem::forget(dead.register_exclusive("gc").unwrap());
    assert_eq!(gc(&place.open()).unwrap_err().kind(), ErrorKind::Busy);
    place.machine.kill(dead.surroundings());
    gc(&place.open()).unwrap();
    assert_eq!(place.count(ObjectKind::Writer), 0);
}

/// Two writers stored the same at once; a gc elsewhere keeps the copy that is not the first one of our index.
#[test]
fn a_copy_that_a_gc_elsewhere_kept_is_found_by_an_old_index() {
    let place = Place::new(MemoryStorage::new(), 1);
    let (one, two) = (place.open_with("one"), place.open_with("two"));
    let mut first = Session::begin(&one, None).unwrap();
    let mut second = Session::begin(&two, None).unwrap();
    let manifest = first.store(&shared()).unwrap();
    let id = first.commit(&manifest).unwrap();
    let manifest = second.store(&shared()).unwrap();
    second.commit(&manifest).unwrap();
    let ours = place.open_with("ours");
    let packs = ours.open_index().unwrap().reader.index().packs();
    let copies = packs.iter().filter(|info| packs.iter().filter(|other| other.chunks == info.chunks).count() == 2);
    assert_eq!(copies.clone().count(), 4, "each of the two has a pack of data and one of metadata: {packs:?}");
    // Those that were taken in last come first.
    for kind in [PackKind::Data, PackKind::Meta] {
        let newest = copies.clone().filter(|info| info.kind == kind).max_by_key(|info| info.number).unwrap();
        place.storage.delete(&pack_name(&newest.id)).unwrap();
    }
    for _ in 0..2 {
        assert_eq!(read_back(&ours, id).unwrap(), shared());
    }
    assert_sound(&ours);
}
