//! The power goes between any two steps on the disk: what was acknowledged is there whole, what was not is whole or absent.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use snaphold::error::{Error, Result};
use snaphold::storage::{
    Dropped, FileSystem, LocalFolder, ObjectKind, ObjectName, PutOutcome, SimulatedFiles, Storage,
};

const ROOT: &str = "/mnt/repository";
const SEEDS: u64 = 12;

#[derive(Clone)]
enum Step {
    Put(ObjectName, Vec<u8>),
    Delete(ObjectName),
}

fn name(kind: ObjectKind, leaf: &str) -> ObjectName {
    ObjectName::new(kind, leaf).unwrap()
}

/// New folders of packs, folders that are there, several kinds, a name that exists, deletion, and a name that comes back
/// with other bytes.
fn steps() -> Vec<Step> {
    let put = |kind, leaf: &str, len: usize| Step::Put(name(kind, leaf), vec![b'0' + (len % 10) as u8; len]);
    use ObjectKind::{Config, Ledger, Pack, Snapshot};
    vec![
        put(Config, "config", 300),
        put(Pack, "ab01", 5000),
        put(Pack, "ab02", 2001),
        put(Pack, "cd01", 700),
        put(Snapshot, "s1", 90),
        put(Pack, "ab01", 5000),
        Step::Delete(name(Pack, "ab02")),
        put(Ledger, "empty", 0),
        put(Snapshot, "s2", 95),
        Step::Delete(name(Snapshot, "s1")),
        put(Pack, "ab02", 1303),
        put(Snapshot, "s1", 91),
        Step::Delete(name(Pack, "cd01")),
        put(Pack, "ef01", 64),
    ]
}

/// What may be found under a name: one state once a step was acknowledged, two while one is under way.
type Allowed = BTreeMap<ObjectName, Vec<Option<Vec<u8>>>>;

/// Creates the repository and takes the steps until one fails. `None` where not even the repository was created.
fn run(files: &SimulatedFiles) -> Option<Allowed> {
    let storage = LocalFolder::create_on(files.clone(), ROOT).ok()?;
    let mut allowed = Allowed::new();
    for step in steps() {
        let name = match &step {
            Step::Put(name, _) | Step::Delete(name) => name,
        };
        let before = allowed.get(name).and_then(|states| states[0].clone());
        let (outcome, after) = match &step {
            Step::Put(name, bytes) => {
                (storage.put_if_absent(name, bytes).map(drop), Some(before.clone().unwrap_or(bytes.clone())))
            }
            Step::Delete(name) => (storage.delete(name), None),
        };
        let done = outcome.is_ok();
        allowed.insert(name.clone(), if done { vec![after] } else { vec![before, after] });
        if !done {
            break;
        }
    }
    Some(allowed)
}

fn found(storage: &dyn Storage, name: &ObjectName) -> Result<Option<Vec<u8>>> {
    match storage.get(name) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

/// What is wrong with a disk as a crash left it.
fn violations(image: &SimulatedFiles, allowed: &Allowed) -> Vec<String> {
    let storage = match LocalFolder::open_on(image.clone(), ROOT) {
        Ok(storage) => storage,
        Err(error) => return vec![error.to_string()],
    };
    let mut wrong = Vec::new();
    for (name, states) in allowed {
        match found(&storage, name) {
            Ok(state) if states.contains(&state) => {}
            Ok(state) => wrong.push(format!("{name}: found {:?} bytes", state.map(|bytes| bytes.len()))),
            Err(error) => wrong.push(error.to_string()),
        }
    }
    for kind in ObjectKind::ALL {
        match storage.list(kind) {
            Ok(listed) => {
                let there = allowed.keys().filter(|name| name.kind() == kind);
                let there = there.filter(|name| matches!(found(&storage, name), Ok(Some(_)))).count();
                if listed.len() != there || listed.iter().any(|object| !allowed.contains_key(&object.name)) {
                    wrong.push(format!("{} lists {} objects of {there}", kind.folder(), listed.len()));
                }
            }
            Err(error) => wrong.push(error.to_string()),
        }
    }
    wrong
}

/// The repository goes on working: what is there is whole, and everything can be put and deleted.
fn works_on(image: &SimulatedFiles) {
    let storage = LocalFolder::open_on(image.clone(), ROOT).unwrap();
    storage.sweep_temporaries().unwrap();
    assert_eq!(storage.sweep_temporaries().unwrap(), 0);
    for step in steps() {
        match step {
            Step::Put(name, bytes) => drop(storage.put_if_absent(&name, &bytes).unwrap()),
            Step::Delete(name) => storage.delete(&name).unwrap(),
        }
    }
}

fn disk() -> SimulatedFiles {
    let files = SimulatedFiles::new();
    // A folder of the user's, long there.
    files.create_folder(Path::new("/mnt")).unwrap();
    files.sync_folder(Path::new("/")).unwrap();
    files
}

/// Crashes after every change, in several ways each. How many images were looked at, and what was wrong with them.
fn crash_everywhere(prepare: impl Fn(&SimulatedFiles)) -> (u64, Vec<String>) {
    let whole = disk();
    prepare(&whole);
    assert!(run(&whole).is_some_and(|allowed| allowed.values().all(|states| states.len() == 1)));
    let (mut images, mut wrong) = (0, Vec::new());
    for stop in disk().changes()..=whole.changes() {
        for seed in 0..SEEDS {
            let files = disk();
            prepare(&files);
            files.stop_after(stop);
            let allowed = run(&files);
            let image = files.crash(stop * 1000 + seed);
            images += 1;
            match allowed {
                Some(allowed) => {
                    let found = violations(&image, &allowed);
                    if found.is_empty() {
                        works_on(&image);
                    }
                    wrong.extend(found.iter().map(|what| format!("stop {stop}, seed {seed}: {what}")));
                }
                // Nothing was promised; but whoever tries again must get there.
                None => drop(LocalFolder::create_on(image, ROOT).unwrap()),
            }
        }
    }
    (images, wrong)
}

#[test]
fn what_was_acknowledged_is_there_whole_after_a_crash_anywhere() {
    let (images, wrong) = crash_everywhere(|_| {});
    assert!(wrong.is_empty(), "{} violations, first {:?}", wrong.len(), wrong.first());
    assert!(images > 800, "only {images} images");
}

#[test]
fn the_same_holds_where_there_are_no_hard_links() {
    let (_, wrong) = crash_everywhere(SimulatedFiles::refuse_links);
    assert!(wrong.is_empty(), "{} violations, first {:?}", wrong.len(), wrong.first());
}

/// Negative controls: each fsync that is taken away alone is missed.
#[test]
fn without_any_one_of_the_fsyncs_the_harness_finds_a_loss() {
    let folders = ["/mnt", ROOT, "packs", "packs/ab", "packs/cd", "snapshots", "ledger", "config"];
    let each = folders.map(|folder| Dropped::Folder(Path::new(ROOT).join(folder)));
    for dropped in [Dropped::Files, Dropped::Folders].into_iter().chain(each) {
        let (_, wrong) = crash_everywhere(|files| files.drop_syncs(dropped.clone()));
        assert!(!wrong.is_empty(), "{dropped:?} went unnoticed");
    }
}

/// A writer dies at every step of a put, and another one puts the same object and is told that it is there. In how many
/// images of a crash after that it is not, and how often the second writer met what the first had left.
fn losses_of_a_second_writer(object: &ObjectName, dropped: Dropped) -> (u64, u64) {
    let (mut losses, mut met_existing) = (0, 0);
    for step in 1..=8 {
        let files = disk();
        let first = LocalFolder::create_on(files.clone(), ROOT).unwrap();
        files.fail_change(files.changes() + step, ErrorKind::Other);
        let died = first.put_if_absent(object, b"the bytes").is_err();
        files.fail_change(0, ErrorKind::Other);
        files.drop_syncs(dropped.clone());
        let second = LocalFolder::open_on(files.clone(), ROOT).unwrap();
        let outcome = second.put_if_absent(object, b"the bytes").unwrap();
        met_existing += u64::from(died && outcome == PutOutcome::Existed);
        for seed in 0..50 {
            let image = LocalFolder::open_on(files.crash(seed), ROOT).unwrap();
            losses += u64::from(found(&image, object).ok().flatten().is_none_or(|bytes| bytes != b"the bytes"));
        }
    }
    (losses, met_existing)
}

/// A writer may die between making a name visible and making it durable. Whoever finds the object there builds on it, so
/// it must be durable when `Existed` is said.
#[test]
fn an_object_that_another_writer_left_half_done_is_durable_once_it_is_said_to_exist() {
    let places = [(ObjectKind::Pack, vec!["packs", "packs/ab"]), (ObjectKind::Snapshot, vec!["snapshots"])];
    for (kind, folders) in places {
        let object = name(kind, "ab01");
        let (losses, met_existing) = losses_of_a_second_writer(&object, Dropped::Nothing);
        assert_eq!(losses, 0, "{object}");
        assert!(met_existing > 0, "no failure left {object} visible: the test shows nothing");
        // Negative control: without the second writer's fsyncs it is lost.
        for folder in folders {
            let (losses, _) = losses_of_a_second_writer(&object, Dropped::Folder(Path::new(ROOT).join(folder)));
            assert!(losses > 0, "{object} needs no fsync of {folder}");
        }
    }
}
