//! A storage that fails says so, leaves nothing half done, and does not go on after a lost write.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use snaphold::clock::Entropy;
use snaphold::error::Error;
use snaphold::storage::{
    Action, Fault, FaultyStorage, FileSystem, Listed, LocalFolder, MemoryStorage, ObjectKind, ObjectName, PROBE_PREFIX,
    PutOutcome, SimulatedFiles, Storage, check_storage,
};

const ROOT: &str = "/repository";

fn name(kind: ObjectKind, leaf: &str) -> ObjectName {
    ObjectName::new(kind, leaf).unwrap()
}

fn storage_error<T: std::fmt::Debug>(outcome: Result<T, Error>) -> (String, io::Error) {
    match outcome {
        Err(Error::Storage { object, error, .. }) => (object, error),
        other => panic!("not an error of the storage: {other:?}"),
    }
}

fn simulated() -> (SimulatedFiles, LocalFolder<SimulatedFiles>) {
    let files = SimulatedFiles::new();
    let storage = LocalFolder::create_on(files.clone(), ROOT).unwrap();
    (files, storage)
}

fn temporaries(files: &SimulatedFiles) -> usize {
    files.list_folder(&Path::new(ROOT).join("tmp")).unwrap().len()
}

/// The steps of a put into a folder that is there: create, fsync, link, unlink, fsync of the folder.
const CREATE: u64 = 1;
const SYNC_FILE: u64 = 2;
const LINK: u64 = 3;
const SYNC_FOLDER: u64 = 5;

#[test]
fn a_full_disk_is_told_as_such_and_leaves_nothing() {
    for step in [CREATE, LINK] {
        let (files, storage) = simulated();
        let object = name(ObjectKind::Snapshot, "s1");
        files.fail_change(files.changes() + step, ErrorKind::StorageFull);
        let (named, error) = storage_error(storage.put_if_absent(&object, b"bytes"));
        assert_eq!((named, error.kind()), (object.path(), ErrorKind::StorageFull));
        assert_eq!(temporaries(&files), 0);
        assert!(matches!(storage.get(&object), Err(Error::NotFound(_))));
        assert!(storage.list(ObjectKind::Snapshot).unwrap().is_empty());
        // With space there again the same storage goes on.
        assert_eq!(storage.put_if_absent(&object, b"bytes").unwrap(), PutOutcome::Created);
    }
}

#[test]
fn after_a_failed_fsync_nothing_more_is_written() {
    for step in [SYNC_FILE, SYNC_FOLDER] {
        let (files, storage) = simulated();
        let (before, object) = (name(ObjectKind::Snapshot, "before"), name(ObjectKind::Snapshot, "s1"));
        storage.put_if_absent(&before, b"bytes").unwrap();
        files.fail_change(files.changes() + step, ErrorKind::Other);
        storage_error(storage.put_if_absent(&object, b"bytes"));
        assert_eq!(temporaries(&files), 0);

        let changes = files.changes();
        let (_, error) = storage_error(storage.put_if_absent(&object, b"bytes"));
        let message = error.to_string();
        assert!(message.contains("fsync failed") && message.contains("reopen the repository and verify"), "{message}");
        storage_error(storage.put_if_absent(&name(ObjectKind::Pack, "ab01"), b"other"));
        storage_error(storage.delete(&before));
        assert_eq!(files.changes(), changes, "a poisoned storage still changed the disk");

        assert_eq!(storage.get(&before).unwrap(), b"bytes");
        let reopened = LocalFolder::open_on(files.clone(), ROOT).unwrap();
        reopened.delete(&before).unwrap();
    }
}

#[test]
fn a_delete_whose_fsync_fails_is_not_acknowledged() {
    let (files, storage) = simulated();
    let object = name(ObjectKind::Ledger, "l1");
    storage.put_if_absent(&object, b"bytes").unwrap();
    files.fail_change(files.changes() + 2, ErrorKind::Other);
    storage_error(storage.delete(&object));
    let (_, error) = storage_error(storage.put_if_absent(&object, b"bytes"));
    assert!(error.to_string().contains("verify"), "{error}");
}

#[test]
fn a_listing_that_cannot_be_made_whole_is_an_error() {
    let (files, storage) = simulated();
    for leaf in ["ab01", "cd01", "ef01"] {
        storage.put_if_absent(&name(ObjectKind::Pack, leaf), b"bytes").unwrap();
    }
    assert_eq!(storage.list(ObjectKind::Pack).unwrap().len(), 3);
    files.make_unreadable(format!("{ROOT}/packs/cd"));
    assert_eq!(storage_error(storage.list(ObjectKind::Pack)).0, "packs/cd");
    files.make_unreadable(format!("{ROOT}/snapshots"));
    assert_eq!(storage_error(storage.list(ObjectKind::Snapshot)).0, "snapshots");

    let faulty = FaultyStorage::new(MemoryStorage::new());
    faulty.fail_nth(Action::List, 1, Fault::Io);
    assert_eq!(storage_error(faulty.list(ObjectKind::Pack)).0, "packs");
}

/// A disk that is not mounted must not look like a repository whose snapshots were deleted.
#[test]
fn a_missing_folder_is_neither_an_empty_list_nor_a_missing_object() {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalFolder::create(folder.path()).unwrap();
    let object = name(ObjectKind::Snapshot, "s1");
    storage.put_if_absent(&object, b"bytes").unwrap();
    fs::remove_dir_all(folder.path().join("snapshots")).unwrap();
    storage_error(storage.list(ObjectKind::Snapshot));
    storage_error(storage.get(&object));
    storage_error(storage.get_range(&object, 0, 1));
    storage_error(storage.size(&object));
    storage_error(storage.delete(&object));
    storage_error(storage.put_if_absent(&object, b"bytes"));
    assert!(!folder.path().join("snapshots").exists());
}

#[test]
fn stray_names_in_the_folders_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let storage = LocalFolder::create(root).unwrap();
    let (pack, snapshot) = (name(ObjectKind::Pack, "ab01"), name(ObjectKind::Snapshot, "s1"));
    for object in [&pack, &snapshot] {
        storage.put_if_absent(object, b"bytes").unwrap();
    }
    for stray in ["snapshots/s1~", "snapshots/.s1.swp", "snapshots/S1", "packs/stray", "packs/ab/#x#", "packs/ab/cd01"]
    {
        fs::write(root.join(stray), b"stray").unwrap();
    }
    for stray in ["snapshots/folder", "packs/ab/abf0", "packs/lost+found", "packs/zz/deeper"] {
        fs::create_dir_all(root.join(stray)).unwrap();
    }
    std::os::unix::fs::symlink("nowhere", root.join("snapshots/dangling")).unwrap();
    use std::os::unix::ffi::OsStrExt;
    fs::write(root.join("snapshots").join(std::ffi::OsStr::from_bytes(b"\xff\xfe")), b"stray").unwrap();
    assert_eq!(storage.list(ObjectKind::Pack).unwrap(), [Listed { name: pack, size: 5 }]);
    assert_eq!(storage.list(ObjectKind::Snapshot).unwrap(), [Listed { name: snapshot, size: 5 }]);
}

#[test]
fn sweeping_takes_what_writers_left_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalFolder::create(folder.path()).unwrap();
    let object = name(ObjectKind::Snapshot, "s1");
    storage.put_if_absent(&object, b"bytes").unwrap();
    fs::write(folder.path().join("tmp/put-1-0-ab01"), b"half").unwrap();
    fs::write(folder.path().join("tmp/thesis.txt"), b"the user's").unwrap();
    assert_eq!(storage.sweep_temporaries().unwrap(), 1);
    assert!(folder.path().join("tmp/thesis.txt").exists());
    assert_eq!(storage.get(&object).unwrap(), b"bytes");
    // Somebody's cleaning job took the folder away: it is made anew.
    fs::remove_dir_all(folder.path().join("tmp")).unwrap();
    assert_eq!(storage.sweep_temporaries().unwrap(), 0);
    storage.put_if_absent(&name(ObjectKind::Snapshot, "s2"), b"bytes").unwrap();
}

/// The name of a temporary file that another process left, with the same process id, does not stop a writer.
#[test]
fn a_temporary_name_that_is_taken_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalFolder::create(folder.path()).unwrap();
    let taken = folder.path().join(format!("tmp/put-{}-0-s1", std::process::id()));
    fs::write(&taken, b"another's").unwrap();
    let object = name(ObjectKind::Snapshot, "s1");
    storage.put_if_absent(&object, b"bytes").unwrap();
    assert_eq!(storage.get(&object).unwrap(), b"bytes");
    assert_eq!(fs::read(taken).unwrap(), b"another's");
}

#[test]
fn only_an_empty_folder_becomes_a_repository() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    assert!(matches!(LocalFolder::open(at("absent")), Err(Error::NotFound(_))));
    assert!(!at("absent").exists());

    LocalFolder::create(at("deep/er/new")).unwrap();
    LocalFolder::open(at("deep/er/new")).unwrap();
    // As an interrupted `create` leaves it.
    fs::remove_dir(at("deep/er/new/packs")).unwrap();
    let storage = LocalFolder::create(at("deep/er/new")).unwrap();
    storage.put_if_absent(&name(ObjectKind::Config, "config"), b"bytes").unwrap();
    assert!(matches!(LocalFolder::create(at("deep/er/new")), Err(Error::Refused(_))));

    for occupied in ["file", "packs/x", "tmp/mine", "keys/x"] {
        let root = at(&format!("occupied-{}", occupied.replace('/', "-")));
        fs::create_dir_all(root.join(occupied).parent().unwrap()).unwrap();
        fs::write(root.join(occupied), b"the user's").unwrap();
        let before = fs::read_dir(&root).unwrap().count();
        assert!(matches!(LocalFolder::create(&root), Err(Error::Refused(_))), "{occupied}");
        assert_eq!(fs::read_dir(&root).unwrap().count(), before);
    }
    fs::write(at("plain"), b"x").unwrap();
    storage_error(LocalFolder::create(at("plain")));
    assert!(matches!(LocalFolder::open(at("plain")), Err(Error::NotFound(_))));
}

#[test]
fn a_file_that_is_longer_than_any_object_is_damage_and_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalFolder::create(folder.path()).unwrap();
    fs::File::create(folder.path().join("snapshots/s1")).unwrap().set_len(1 << 40).unwrap();
    assert!(matches!(storage.get(&name(ObjectKind::Snapshot, "s1")), Err(Error::Damaged { .. })));
}

/// One way each of breaking a promise, over a storage that keeps them all.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Breach {
    None,
    EveryoneWins,
    LastWriterWins,
    ReadsShort,
    RangesShifted,
    ShortRanges,
    ListingMisses,
    DeleteForgets,
    NotFoundIsEmpty,
}

#[derive(Debug)]
struct Breaching(MemoryStorage, Breach);

impl Storage for Breaching {
    fn put_if_absent(&self, name: &ObjectName, bytes: &[u8]) -> Result<PutOutcome, Error> {
        let outcome = self.0.put_if_absent(name, bytes)?;
        if self.1 == Breach::LastWriterWins {
            self.0.overwrite(name, bytes);
        }
        Ok(if self.1 == Breach::EveryoneWins { PutOutcome::Created } else { outcome })
    }
    fn get(&self, name: &ObjectName) -> Result<Vec<u8>, Error> {
        match self.0.get(name) {
            Ok(mut bytes) => {
                bytes.truncate(bytes.len() - usize::from(self.1 == Breach::ReadsShort && bytes.len() > 65_536));
                Ok(bytes)
            }
            Err(Error::NotFound(_)) if self.1 == Breach::NotFoundIsEmpty => Ok(Vec::new()),
            other => other,
        }
    }
    fn get_range(&self, name: &ObjectName, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
        match self.1 {
            Breach::RangesShifted if offset == 65_535 => self.0.get_range(name, offset - 1, len),
            Breach::ShortRanges => {
                let len = len.min(self.0.size(name)?.saturating_sub(offset) as usize);
                self.0.get_range(name, offset, len)
            }
            _ => self.0.get_range(name, offset, len),
        }
    }
    fn list(&self, kind: ObjectKind) -> Result<Vec<Listed>, Error> {
        let mut listed = self.0.list(kind)?;
        if self.1 == Breach::ListingMisses {
            listed.retain(|object| !object.name.leaf().ends_with("list-7"));
        }
        Ok(listed)
    }
    fn delete(&self, name: &ObjectName) -> Result<(), Error> {
        if self.1 == Breach::DeleteForgets {
            return self.0.size(name).map(drop);
        }
        self.0.delete(name)
    }
    fn size(&self, name: &ObjectName) -> Result<u64, Error> {
        self.0.size(name)
    }
    fn location(&self) -> String {
        self.0.location()
    }
}

struct Fixed;

impl Entropy for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0x5a);
    }
}

fn failed_checks(storage: &dyn Storage) -> Vec<&'static str> {
    let checks = check_storage(storage, &Fixed).unwrap();
    checks.into_iter().filter(|check| !check.ok).map(|check| check.name).collect()
}

#[test]
fn check_storage_finds_each_broken_promise_and_no_other() {
    const RACE: &str = "create-if-absent has one winner";
    const WHOLE: &str = "what was written is read back whole";
    const RANGES: &str = "ranges are exact";
    const LISTED: &str = "a listing shows what was written";
    const DELETED: &str = "what was deleted is gone";
    const REMOVED: &str = "the probes were removed";
    let expected: [(Breach, &[&str]); 9] = [
        (Breach::None, &[]),
        (Breach::EveryoneWins, &[RACE]),
        (Breach::LastWriterWins, &[RACE]),
        (Breach::ReadsShort, &[WHOLE]),
        (Breach::RangesShifted, &[RANGES]),
        (Breach::ShortRanges, &[RANGES]),
        (Breach::ListingMisses, &[LISTED]),
        (Breach::DeleteForgets, &[DELETED, REMOVED]),
        (Breach::NotFoundIsEmpty, &[DELETED]),
    ];
    for (breach, failed) in expected {
        let storage = Breaching(MemoryStorage::new(), breach);
        assert_eq!(failed_checks(&storage), failed, "{breach:?}");
        if breach != Breach::DeleteForgets {
            assert!(storage.0.list(ObjectKind::Writer).unwrap().is_empty(), "{breach:?} left probes");
        }
    }
}

#[test]
fn check_storage_passes_on_a_folder_and_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalFolder::create(folder.path()).unwrap();
    let writer = name(ObjectKind::Writer, "0a");
    storage.put_if_absent(&writer, b"bytes").unwrap();
    assert_eq!(failed_checks(&storage), [""; 0]);
    assert_eq!(storage.list(ObjectKind::Writer).unwrap(), [Listed { name: writer, size: 5 }]);
}

#[test]
fn check_storage_reports_a_storage_that_fails_in_the_middle() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    storage.fail_nth(Action::Put, 140, Fault::Full);
    let failed: Vec<_> = check_storage(&storage, &Fixed).unwrap().into_iter().filter(|check| !check.ok).collect();
    assert_eq!(failed.len(), 1);
    assert!(failed[0].detail.contains("no space is left"), "{failed:?}");
    assert!(storage.log().iter().all(|call| call.action == Action::List || call.object.contains(PROBE_PREFIX)));

    storage.fail_nth(Action::List, 1, Fault::Io);
    storage_error(check_storage(&storage, &Fixed));
}
