//! One suite for every storage: what `Storage` promises, whatever is behind it.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::{Arc, Barrier};

use snaphold::error::Error;
use snaphold::limits;
use snaphold::storage::{
    FaultyStorage, FileSystem, Found, Listed, LocalFolder, MemoryStorage, ObjectKind, ObjectName, PutOutcome,
    RealFiles, SimulatedFiles, Storage,
};

fn name(kind: ObjectKind, leaf: &str) -> ObjectName {
    ObjectName::new(kind, leaf).unwrap()
}

/// Bytes without a pattern that a misplaced range could hide in.
fn bytes(len: usize) -> Vec<u8> {
    (0..len as u64).map(|index| (index.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}

fn assert_not_found<T: std::fmt::Debug>(outcome: Result<T, Error>, name: &ObjectName) {
    match outcome {
        Err(Error::NotFound(message)) => assert!(message.contains(&name.path()), "{message:?} does not name {name}"),
        other => panic!("{name} should not be found: {other:?}"),
    }
}

fn listed(storage: &dyn Storage, kind: ObjectKind) -> BTreeSet<(ObjectName, u64)> {
    let objects = storage.list(kind).unwrap();
    let count = objects.len();
    let set: BTreeSet<_> = objects.into_iter().map(|Listed { name, size }| (name, size)).collect();
    assert_eq!(set.len(), count, "an object is listed twice");
    set
}

mod promises {
    use super::*;

    pub fn what_is_put_is_read_back_in_every_kind(storage: &dyn Storage) {
        for kind in ObjectKind::ALL {
            for len in [0, 1, 511, 512, 4097, 70_000] {
                let (name, bytes) = (name(kind, &format!("ab-{len}")), bytes(len));
                assert_eq!(storage.put_if_absent(&name, &bytes).unwrap(), PutOutcome::Created);
                assert_eq!(storage.get(&name).unwrap(), bytes);
                assert_eq!(storage.size(&name).unwrap(), len as u64);
            }
        }
    }

    pub fn a_name_is_written_once(storage: &dyn Storage) {
        let name = name(ObjectKind::Snapshot, "one");
        assert_eq!(storage.put_if_absent(&name, b"first").unwrap(), PutOutcome::Created);
        assert_eq!(storage.put_if_absent(&name, b"second, longer").unwrap(), PutOutcome::Existed);
        assert_eq!(storage.put_if_absent(&name, b"").unwrap(), PutOutcome::Existed);
        assert_eq!(storage.get(&name).unwrap(), b"first");
        assert_eq!(listed(storage, ObjectKind::Snapshot), [(name, 5)].into());
    }

    pub fn kinds_do_not_share_names(storage: &dyn Storage) {
        for (number, kind) in ObjectKind::ALL.into_iter().enumerate() {
            assert_eq!(storage.put_if_absent(&name(kind, "same"), &[number as u8]).unwrap(), PutOutcome::Created);
        }
        for (number, kind) in ObjectKind::ALL.into_iter().enumerate() {
            assert_eq!(storage.get(&name(kind, "same")).unwrap(), [number as u8]);
            assert_eq!(listed(storage, kind), [(name(kind, "same"), 1)].into());
        }
    }

    pub fn what_is_absent_is_not_found_and_named(storage: &dyn Storage) {
        for kind in ObjectKind::ALL {
            let absent = name(kind, "absent");
            assert_not_found(storage.get(&absent), &absent);
            assert_not_found(storage.get_range(&absent, 0, 0), &absent);
            assert_not_found(storage.get_range(&absent, 7, 9), &absent);
            assert_not_found(storage.size(&absent), &absent);
            assert_not_found(storage.delete(&absent), &absent);
            assert_eq!(listed(storage, kind), BTreeSet::new());
        }
    }

    pub fn ranges_are_exact_and_past_the_end_is_damage(storage: &dyn Storage) {
        let (name, bytes) = (name(ObjectKind::Pack, "ab12"), bytes(10_000));
        storage.put_if_absent(&name, &bytes).unwrap();
        for (offset, len) in [(0, 0), (0, 1), (0, 10_000), (1, 9_999), (4095, 2), (9_999, 1), (10_000, 0)] {
            assert_eq!(storage.get_range(&name, offset as u64, len).unwrap(), bytes[offset..offset + len]);
        }
        let past = [(0, 10_001), (9_999, 2), (10_000, 1), (10_001, 0), (u64::MAX, 1), (u64::MAX, usize::MAX)];
        for (offset, len) in past.into_iter().chain([(1, usize::MAX)]) {
            match storage.get_range(&name, offset, len) {
                Err(Error::Damaged { object, .. }) => assert_eq!(object, name.path()),
                other => panic!("{len} bytes at {offset}: {other:?}"),
            }
        }
    }

    pub fn a_listing_shows_all_of_a_kind_and_nothing_else(storage: &dyn Storage) {
        let mut expected = BTreeSet::new();
        for number in 0..300usize {
            let name = name(ObjectKind::Pack, &format!("{number:04x}"));
            storage.put_if_absent(&name, &bytes(number)).unwrap();
            expected.insert((name, number as u64));
        }
        // The shortest and the longest leaf, and one with every kind of character.
        for leaf in ["0", &"z".repeat(128), "a.b-c.0"] {
            storage.put_if_absent(&name(ObjectKind::Pack, leaf), b"x").unwrap();
            expected.insert((name(ObjectKind::Pack, leaf), 1));
        }
        storage.put_if_absent(&name(ObjectKind::Snapshot, "0001"), b"other").unwrap();
        assert_eq!(listed(storage, ObjectKind::Pack), expected);
    }

    pub fn what_is_deleted_is_gone_and_can_come_back(storage: &dyn Storage) {
        for kind in ObjectKind::ALL {
            let (gone, stays) = (name(kind, "ab-gone"), name(kind, "ab-stays"));
            for object in [&gone, &stays] {
                storage.put_if_absent(object, b"first").unwrap();
            }
            storage.delete(&gone).unwrap();
            assert_not_found(storage.get(&gone), &gone);
            assert_not_found(storage.delete(&gone), &gone);
            assert_eq!(listed(storage, kind), [(stays.clone(), 5)].into());
            assert_eq!(storage.put_if_absent(&gone, b"second").unwrap(), PutOutcome::Created);
            assert_eq!(storage.get(&gone).unwrap(), b"second");
            assert_eq!(storage.get(&stays).unwrap(), b"first");
        }
    }

    pub fn of_many_writers_of_one_name_one_creates_it(storage: &dyn Storage) {
        const WRITERS: usize = 12;
        let contents = |writer: usize| vec![writer as u8; 1000 + writer];
        for round in 0..20 {
            let kind = if round % 2 == 0 { ObjectKind::Pack } else { ObjectKind::Snapshot };
            let name = name(kind, &format!("{round:02}-race"));
            let start = Barrier::new(WRITERS);
            let write = |writer: usize| {
                start.wait();
                let outcome = storage.put_if_absent(&name, &contents(writer)).unwrap();
                // Whoever won, it is there and whole from here on.
                let seen = storage.get(&name).unwrap();
                assert_eq!(seen, contents(seen[0] as usize));
                outcome
            };
            let outcomes: Vec<PutOutcome> = std::thread::scope(|scope| {
                let write = &write;
                let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || write(writer))).collect();
                writers.into_iter().map(|writer| writer.join().unwrap()).collect()
            });
            let winners: Vec<usize> = (0..WRITERS).filter(|&writer| outcomes[writer] == PutOutcome::Created).collect();
            assert_eq!(winners.len(), 1, "{winners:?} were told that they created {name}");
            assert_eq!(storage.get(&name).unwrap(), contents(winners[0]));
        }
    }

    pub fn of_many_deleters_of_one_name_one_succeeds(storage: &dyn Storage) {
        let name = name(ObjectKind::Ledger, "race");
        storage.put_if_absent(&name, b"x").unwrap();
        let deleted = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| storage.delete(&name))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).filter(Result::is_ok).count()
        });
        assert_eq!(deleted, 1);
    }

    pub fn a_large_object_is_one_object(storage: &dyn Storage) {
        let (name, bytes) = (name(ObjectKind::Pack, "ff-large"), bytes(limits::PACK_TARGET + 12_345));
        storage.put_if_absent(&name, &bytes).unwrap();
        assert!(storage.get(&name).unwrap() == bytes, "the large object came back otherwise");
        let tail = storage.get_range(&name, bytes.len() as u64 - 64, 64).unwrap();
        assert_eq!(tail, bytes[bytes.len() - 64..]);
    }

    pub fn what_no_reader_would_accept_is_not_stored(storage: &dyn Storage) {
        let name = name(ObjectKind::Ledger, "too-long");
        let too_long = vec![0; limits::SMALL_OBJECT_MAX + 1];
        assert!(matches!(storage.put_if_absent(&name, &too_long), Err(Error::Failed(_))));
        assert_not_found(storage.size(&name), &name);
        storage.put_if_absent(&name, &too_long[1..]).unwrap();
        assert_eq!(storage.get(&name).unwrap().len(), limits::SMALL_OBJECT_MAX);
    }
}

/// Storages, each with what must live as long as it.
mod storages {
    use super::*;

    pub fn memory() -> (impl Storage, ()) {
        (MemoryStorage::new(), ())
    }

    pub fn local_folder() -> (impl Storage, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (LocalFolder::create(folder.path().join("repository")).unwrap(), folder)
    }

    pub fn local_folder_without_hard_links() -> (impl Storage, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (LocalFolder::create_on(WithoutLinks, folder.path()).unwrap(), folder)
    }

    pub fn local_folder_on_simulated_files() -> (impl Storage, ()) {
        (LocalFolder::create_on(SimulatedFiles::new(), "/repository").unwrap(), ())
    }

    pub fn faulty_with_no_faults() -> (impl Storage, ()) {
        (FaultyStorage::new(MemoryStorage::new()), ())
    }

    pub fn shared_by_pointer() -> (impl Storage, ()) {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        (storage, ())
    }
}

macro_rules! suite {
    ([$($storage:ident)*] $promises:tt) => { $( suite!(@one $storage $promises); )* };
    (@one $storage:ident [$($promise:ident)*]) => {
        mod $storage {
            $( #[test] fn $promise() {
                let (storage, _keep) = super::storages::$storage();
                super::promises::$promise(&storage);
            } )*
        }
    };
}

suite!(
    [
        memory
        local_folder
        local_folder_without_hard_links
        local_folder_on_simulated_files
        faulty_with_no_faults
        shared_by_pointer
    ]
    [
        what_is_put_is_read_back_in_every_kind
        a_name_is_written_once
        kinds_do_not_share_names
        what_is_absent_is_not_found_and_named
        ranges_are_exact_and_past_the_end_is_damage
        a_listing_shows_all_of_a_kind_and_nothing_else
        what_is_deleted_is_gone_and_can_come_back
        of_many_writers_of_one_name_one_creates_it
        of_many_deleters_of_one_name_one_succeeds
        a_large_object_is_one_object
        what_no_reader_would_accept_is_not_stored
    ]
);

/// Negative control: the suite sees a storage that replaces what is there.
#[test]
#[should_panic(expected = "left: Created")]
fn the_suite_fails_a_storage_that_overwrites() {
    promises::a_name_is_written_once(&Overwriting(MemoryStorage::new()));
}

#[test]
#[should_panic(expected = "were told that they created")]
fn the_suite_fails_a_storage_with_several_winners() {
    promises::of_many_writers_of_one_name_one_creates_it(&Overwriting(MemoryStorage::new()));
}

#[derive(Debug)]
struct Overwriting(MemoryStorage);

impl Storage for Overwriting {
    fn put_if_absent(&self, name: &ObjectName, bytes: &[u8]) -> Result<PutOutcome, Error> {
        self.0.overwrite(name, bytes);
        Ok(PutOutcome::Created)
    }
    fn get(&self, name: &ObjectName) -> Result<Vec<u8>, Error> {
        self.0.get(name)
    }
    fn get_range(&self, name: &ObjectName, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
        self.0.get_range(name, offset, len)
    }
    fn list(&self, kind: ObjectKind) -> Result<Vec<Listed>, Error> {
        self.0.list(kind)
    }
    fn delete(&self, name: &ObjectName) -> Result<(), Error> {
        self.0.delete(name)
    }
    fn size(&self, name: &ObjectName) -> Result<u64, Error> {
        self.0.size(name)
    }
    fn location(&self) -> String {
        self.0.location()
    }
}

/// Real files on a file system that has no hard links.
#[derive(Debug)]
struct WithoutLinks;

impl FileSystem for WithoutLinks {
    type Written = <RealFiles as FileSystem>::Written;

    fn create_file(&self, path: &Path, bytes: &[u8]) -> io::Result<Self::Written> {
        RealFiles.create_file(path, bytes)
    }
    fn sync_file(&self, file: Self::Written) -> io::Result<()> {
        RealFiles.sync_file(file)
    }
    fn link(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Err(rustix::io::Errno::PERM.into())
    }
    fn rename_no_replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealFiles.rename_no_replace(from, to)
    }
    fn unlink(&self, path: &Path) -> io::Result<()> {
        RealFiles.unlink(path)
    }
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        RealFiles.create_folder(path)
    }
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        RealFiles.sync_folder(path)
    }
    fn read(&self, path: &Path, most: usize) -> io::Result<Vec<u8>> {
        RealFiles.read(path, most)
    }
    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        RealFiles.read_at(path, offset, len)
    }
    fn list_folder(&self, path: &Path) -> io::Result<Vec<Found>> {
        RealFiles.list_folder(path)
    }
    fn is_folder(&self, path: &Path) -> io::Result<bool> {
        RealFiles.is_folder(path)
    }
    fn length(&self, path: &Path) -> io::Result<u64> {
        RealFiles.length(path)
    }
}
