//! The process or the power goes at every step of snapshot, delete and gc: what was acknowledged is there and whole, and
//! the next gc leaves no garbage behind.

mod store;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use snaphold::crypto::Encryption;
use snaphold::error::Result;
use snaphold::id::SnapshotId;
use snaphold::repo::{InitOptions, Repository};
use snaphold::storage::{
    Dropped, Fault, FaultyStorage, LocalFolder, MemoryStorage, ObjectKind, SimulatedFiles, Storage,
};
use store::*;

const ROOT: &str = "/mnt/repository";

/// What users were told.
#[derive(Default)]
struct Told {
    committed: BTreeMap<SnapshotId, Files>,
    /// Whose deletion was asked for, acknowledged or not.
    deleted: Vec<SnapshotId>,
    finished: bool,
}

fn versions() -> [Files; 3] {
    let mut database = noise(1, 150_000);
    std::array::from_fn(|number| {
        touch_pages(&mut database, 3, number as u8);
        files([
            ("d/base.db", database.clone()),
            ("own", noise(50 + number as u64, 30_000)),
            ("text", text(7, 20_000 + number * 5000)),
            ("zeros", vec![0; 100_000]),
        ])
    })
}

type Take = fn(&Repository, Option<SnapshotId>, &Files) -> Result<SnapshotId>;

/// Three snapshots, two deletions and two gcs, until something fails.
fn flow(storage: &Arc<dyn Storage>, index: &Path, machine: &Machine, take: Take, told: &mut Told) -> Result<()> {
    let [first, second, third] = versions();
    let open = || open(storage.clone(), index, machine);
    let commit = |told: &mut Told, parent, files: Files| -> Result<SnapshotId> {
        let id = take(&open()?, parent, &files)?;
        told.committed.insert(id, files);
        Ok(id)
    };
    let one = commit(told, None, first)?;
    let two = commit(told, Some(one), second)?;
    told.deleted.push(one);
    delete(&open()?, one)?;
    gc(&open()?)?;
    let three = commit(told, Some(two), third)?;
    told.deleted.push(two);
    delete(&open()?, two)?;
    gc_full(&open()?)?;
    read_back(&open()?, three)?;
    told.finished = true;
    Ok(())
}

/// Checks a repository after a crash. The text says what is wrong.
fn check(storage: &Arc<dyn Storage>, index: &Path, machine: &Machine, told: &Told) -> Result<(), String> {
    machine.kill_all();
    let repo = open(storage.clone(), index, machine).map_err(|error| format!("it does not open: {error}"))?;
    let whole = |when: &str| {
        let report = verify(&repo);
        if !report.ok {
            return Err(format!("{when} verify says {:?}", report.errors));
        }
        let there = snapshots(&repo);
        let opened = repo.open_index().map_err(|error| error.to_string())?;
        for id in told.committed.keys() {
            if !there.contains(id) && !told.deleted.contains(id) {
                return Err(format!("{when} snapshot {id} is lost"));
            }
        }
        for id in there {
            let read = read_with(&repo, &opened.reader, id)
                .map_err(|error| format!("{when} {id} does not restore: {error}"))?;
            if told.committed.get(&id).is_some_and(|files| *files != read) {
                return Err(format!("{when} {id} restores wrong"));
            }
        }
        Ok(())
    };
    whole("after the crash")?;
    for _ in 0..2 {
        gc_full(&repo).map_err(|error| format!("gc fails: {error}"))?;
    }
    whole("after gc")?;
    assert_no_delta_without_base(&repo);
    let left = [ObjectKind::Writer, ObjectKind::Condemned].map(|kind| storage.list(kind).unwrap().len());
    if left != [0, 0] {
        return Err(format!("registrations and condemned records are left: {left:?}"));
    }
    let packs: u64 = storage.list(ObjectKind::Pack).unwrap().iter().map(|listed| listed.size).sum();
    let ideal = ideal(&repo);
    if packs > ideal + ideal / 10 + 2000 {
        return Err(format!("{packs} bytes of packs are left where {ideal} would do"));
    }
    Ok(())
}

/// Bytes of packs that the same snapshots take in a repository of their own.
fn ideal(repo: &Repository) -> u64 {
    static KNOWN: Mutex<BTreeMap<Vec<Files>, u64>> = Mutex::new(BTreeMap::new());
    let opened = repo.open_index().unwrap();
    let manifests = repo.manifests().unwrap().manifests;
    let all: Vec<Files> =
        manifests.iter().map(|stored| read_with(repo, &opened.reader, stored.manifest.id).unwrap()).collect();
    *KNOWN.lock().unwrap().entry(all).or_insert_with_key(|all| {
        let place = Place::new(MemoryStorage::new(), 99);
        let alone = place.open();
        let mut last = None;
        for files in all {
            last = Some(take(&alone, last, files).unwrap());
        }
        place.storage.list(ObjectKind::Pack).unwrap().iter().map(|listed| listed.size).sum()
    })
}

fn init(storage: Arc<dyn Storage>, index: &Path, machine: &Machine) -> Result<Repository> {
    let options = InitOptions { encryption: Encryption::None, chunker: Default::default() };
    Repository::create(storage, index, machine.process(), options, None)
}

/// Runs the flow with a crash at every operation of the storage in turn. `landed`: the last operation before the crash
/// was carried out, and nobody heard of it. Returns what went wrong, one line each, and how many crashes there were.
fn crash_everywhere(take: Take, landed: bool, step: u64) -> (Vec<String>, u64) {
    let mut wrong = Vec::new();
    let mut crashes = 0;
    for n in (1..).step_by(step as usize) {
        let machine = Machine::new(1);
        let folder = scratch();
        let index = folder.path().join("index");
        let memory = MemoryStorage::new();
        drop(init(Arc::new(memory.clone()), &index, &machine).unwrap());
        let faulty = FaultyStorage::new(memory.clone());
        if landed {
            faulty.fail_operation(n, Fault::TimedOutButLanded);
            faulty.crash_at(n + 1);
        } else {
            faulty.crash_at(n);
        }
        let mut told = Told::default();
        let storage: Arc<dyn Storage> = Arc::new(faulty.clone());
        let outcome = flow(&storage, &index, &machine, take, &mut told);
        assert_eq!(outcome.is_ok(), told.finished);
        if told.finished {
            assert!(faulty.operations() < n);
            break;
        }
        crashes += 1;
        // With the index that was there, and without one.
        let index = if n % 2 == 0 { index } else { folder.path().join("fresh") };
        let storage: Arc<dyn Storage> = Arc::new(memory);
        if let Err(what) = check(&storage, &index, &machine, &told) {
            wrong.push(format!("operation {n} ({:?}): {what}", faulty.log().get(n as usize - 1)));
        }
    }
    (wrong, crashes)
}

#[test]
fn the_process_is_gone_at_any_operation() {
    let (wrong, crashes) = crash_everywhere(take, false, 1);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(crashes > 100, "only {crashes} crashes");
}

#[test]
fn the_process_is_gone_after_any_operation_that_nobody_heard_of() {
    let (wrong, crashes) = crash_everywhere(take, true, 1);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(crashes > 100, "only {crashes} crashes");
}

/// The control: a manifest that is put before its packs are.
#[test]
fn a_commit_before_its_time_is_noticed() {
    fn hasty(repo: &Repository, parent: Option<SnapshotId>, files: &Files) -> Result<SnapshotId> {
        let mut session = Session::begin(repo, parent)?;
        let (manifest, writer) = session.store_unfinished(files)?;
        let id = session.commit(&manifest)?;
        writer.finish()?;
        Ok(id)
    }
    let (wrong, _) = crash_everywhere(hasty, false, 1);
    assert!(wrong.iter().any(|what| what.contains("verify says")), "{wrong:#?}");
}

/// The control for what is left: a session that never takes back its claim on space.
#[test]
fn garbage_that_stays_is_noticed() {
    let machine = Machine::new(1);
    let folder = scratch();
    let index = folder.path().join("index");
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    drop(init(storage.clone(), &index, &machine).unwrap());
    let mut told = Told::default();
    flow(&storage, &index, &machine, take, &mut told).unwrap();
    check(&storage, &index, &machine, &told).unwrap();
    let repo = open(storage.clone(), &index, &machine).unwrap();
    let id = take(&repo, None, &files([("garbage", noise(9, 300_000))])).unwrap();
    let unknown = repo.manifests().unwrap().manifests.into_iter().find(|stored| stored.manifest.id == id).unwrap();
    storage.delete(&unknown.name).unwrap();
    let bytes: u64 = storage.list(ObjectKind::Pack).unwrap().iter().map(|listed| listed.size).sum();
    assert!(bytes > ideal(&repo) + 200_000, "what is left is seen to be too much");
}

/// The power goes: what was not synchronised is lost, torn or kept, as a seed decides.
fn power_cuts(dropped: &Dropped, first: u64, step: u64, seeds: u64) -> (Vec<String>, u64) {
    let mut wrong = Vec::new();
    let mut images = 0;
    for n in (first..).step_by(step as usize) {
        let machine = Machine::new(1);
        let folder = scratch();
        let index = folder.path().join("index");
        let files = SimulatedFiles::new();
        let local = LocalFolder::create_on(files.clone(), ROOT).unwrap();
        let storage: Arc<dyn Storage> = Arc::new(local);
        drop(init(storage.clone(), &index, &machine).unwrap());
        files.drop_syncs(dropped.clone());
        files.stop_after(files.changes() + n);
        let mut told = Told::default();
        let _ = flow(&storage, &index, &machine, take, &mut told);
        for seed in 0..seeds {
            images += 1;
            let image = files.crash(seed * 7919 + n);
            let storage: Arc<dyn Storage> = Arc::new(LocalFolder::open_on(image, ROOT).unwrap());
            // The index is on a disk of its own: what it knows may be ahead.
            let copy = folder.path().join(format!("copy-{seed}"));
            if (n / step + seed).is_multiple_of(2) {
                copy_folder(&index, &copy);
            }
            if let Err(what) = check(&storage, &copy, &machine, &told) {
                wrong.push(format!("change {n}, seed {seed}: {what}"));
            }
        }
        if told.finished {
            break;
        }
    }
    (wrong, images)
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).into_iter().flatten() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn the_power_goes_at_any_change_of_the_disk() {
    let (wrong, images) = power_cuts(&Dropped::Nothing, 1, 1, 1);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(images > 100, "only {images} images");
}

#[test]
#[ignore = "long: every change of the disk, 40 images of each"]
fn the_power_goes_at_every_change_of_the_disk_in_many_ways() {
    let (wrong, images) = power_cuts(&Dropped::Nothing, 1, 1, 40);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(images > 5000, "only {images} images");
}

/// The control: a disk that says it has synchronised and has not.
#[test]
fn syncs_that_are_left_out_are_noticed() {
    for dropped in [Dropped::Files, Dropped::Folders] {
        let (wrong, _) = power_cuts(&dropped, 60, 60, 2);
        assert!(!wrong.is_empty(), "{dropped:?}");
    }
}
