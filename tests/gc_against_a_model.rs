//! Random snapshots, deletions, holds, gcs, long sessions, second machines and crashes, against a plain map of what must
//! be there.

mod store;

use std::collections::BTreeMap;
use std::sync::Arc;

use snaphold::format::manifest::Manifest;
use snaphold::id::SnapshotId;
use snaphold::repo::Repository;
use snaphold::storage::{FaultyStorage, MemoryStorage, ObjectKind, Storage};
use store::*;

struct Snapshot {
    files: Files,
    /// Its deletion was asked for: from now on it may be there or not.
    deleted: bool,
}

struct Open {
    session: Session<'static>,
    manifest: Manifest,
    files: Files,
}

struct World {
    seed: u64,
    state: u64,
    memory: MemoryStorage,
    place: Place,
    model: BTreeMap<SnapshotId, Snapshot>,
    open: Vec<Open>,
    /// Kept for the whole run: sessions borrow from them.
    indexes: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let memory = MemoryStorage::new();
        let place = Place::new(memory.clone(), seed);
        Self { seed, state: seed, memory, place, model: BTreeMap::new(), open: Vec::new(), indexes: 0 }
    }

    fn below(&mut self, bound: usize) -> usize {
        below(&mut self.state, bound)
    }

    fn some_snapshot(&mut self) -> Option<SnapshotId> {
        let count = self.model.len();
        let at = self.below(count);
        self.model.keys().nth(at).copied()
    }

    /// The files of a snapshot with some changes, or new ones. Contents come from a small pool, so that garbage is often
    /// stored again.
    fn some_files(&mut self, parent: Option<SnapshotId>) -> Files {
        let mut files = match parent {
            Some(parent) => self.model[&parent].files.clone(),
            None => Files::new(),
        };
        for _ in 0..1 + self.below(3) {
            let pool = self.below(6) as u64;
            let name = self.below(5);
            match self.below(6) {
                0 => _ = files.insert(format!("f/{name}"), noise(pool, 20_000 + 1000 * pool as usize)),
                1 => _ = files.insert(format!("{name}.db"), noise(100 + pool, 60_000)),
                2 => _ = files.insert(format!("t{name}"), text(pool, 30_000)),
                3 => _ = files.pop_first(),
                _ => {
                    let (step, with) = (1 + self.below(3), 1 + self.below(2) as u8);
                    for (_, bytes) in files.iter_mut().filter(|(name, _)| name.ends_with(".db")) {
                        touch_pages(bytes, step, with);
                    }
                }
            }
        }
        files
    }

    fn parent(&mut self) -> Option<SnapshotId> {
        if self.below(4) == 0 { None } else { self.some_snapshot().filter(|id| self.is_there(id)) }
    }

    fn is_there(&self, id: &SnapshotId) -> bool {
        snapshots(&self.place.open()).contains(id)
    }

    /// The usual machine, or another one with an index of its own.
    fn repo(&mut self) -> Repository {
        match self.below(3) {
            0 => self.place.open_with("other"),
            _ => self.place.open(),
        }
    }

    fn step(&mut self) -> String {
        match self.below(12) {
            0..=3 => {
                let parent = self.parent();
                let files = self.some_files(parent);
                let id = take(&self.repo(), parent, &files).unwrap();
                self.model.insert(id, Snapshot { files, deleted: false });
                format!("take {id} after {parent:?}")
            }
            4 | 5 => {
                let Some(id) = self.some_snapshot().filter(|id| self.is_there(id)) else { return "nothing".into() };
                self.model.get_mut(&id).unwrap().deleted = true;
                let repo = self.repo();
                delete(&repo, id).unwrap();
                format!("delete {id}")
            }
            6 | 7 => {
                let repo = self.repo();
                format!("gc {:?}", gc(&repo).unwrap())
            }
            8 => {
                let repo = self.repo();
                format!("gc full {:?}", gc_full(&repo).unwrap())
            }
            9 => {
                if self.open.len() < 2 {
                    self.begin();
                }
                "begin".into()
            }
            10 => {
                if self.open.is_empty() {
                    return "nothing".into();
                }
                let at = self.below(self.open.len());
                let Open { session, manifest, files } = self.open.swap_remove(at);
                if self.below(3) == 0 {
                    return "abandon".into();
                }
                let id = session.commit(&manifest).unwrap();
                self.model.insert(id, Snapshot { files, deleted: false });
                format!("commit {id}")
            }
            _ => self.crash(),
        }
    }

    fn begin(&mut self) {
        let parent = self.parent();
        let files = self.some_files(parent);
        self.indexes += 1;
        let repo: &'static Repository =
            Box::leak(Box::new(self.place.open_with(&format!("session {}", self.indexes % 3))));
        let mut session = Session::begin(repo, parent).unwrap();
        let manifest = session.store(&files).unwrap();
        self.open.push(Open { session, manifest, files });
    }

    /// Something is cut off in its midst, and its process is gone. Sessions that were open go on.
    fn crash(&mut self) -> String {
        let faulty = FaultyStorage::new(self.memory.clone());
        let storage: Arc<dyn Storage> = Arc::new(faulty.clone());
        let repo = open(storage, &self.place.index("main"), &self.place.machine).unwrap();
        let at = faulty.operations() + 1 + self.below(60) as u64;
        faulty.crash_at(at);
        let what = if self.below(2) == 0 {
            let parent = self.parent();
            let files = self.some_files(parent);
            let taken = take(&repo, parent, &files);
            if let Ok(id) = taken {
                self.model.insert(id, Snapshot { files, deleted: false });
            }
            format!("take {:?}", taken.map_err(|error| error.to_string()))
        } else {
            format!("gc {:?}", gc_full(&repo).map_err(|error| error.to_string()))
        };
        self.place.machine.kill(repo.surroundings());
        format!("crash at {at}: {what}")
    }

    fn check(&mut self, deep: bool) {
        let repo = self.repo();
        if deep {
            assert_sound(&repo);
        }
        let opened = repo.open_index().unwrap();
        let there = snapshots(&repo);
        for (id, snapshot) in &self.model {
            assert!(there.contains(id) || snapshot.deleted, "{id} is lost");
            if there.contains(id) {
                assert!(read_with(&repo, &opened.reader, *id).unwrap() == snapshot.files, "{id} restores wrong");
            }
        }
    }

    fn end(mut self) {
        self.open.clear();
        self.place.machine.kill_all();
        let repo = self.place.open();
        for _ in 0..2 {
            gc_full(&repo).unwrap();
        }
        self.check(true);
        for id in snapshots(&repo) {
            delete(&repo, id).unwrap();
        }
        for _ in 0..2 {
            gc_full(&repo).unwrap();
        }
        let left = [ObjectKind::Pack, ObjectKind::Snapshot, ObjectKind::Writer, ObjectKind::Condemned];
        assert_eq!(left.map(|kind| self.place.count(kind)), [0; 4], "all was deleted");
    }
}

fn run(seed: u64, steps: usize) {
    println!("seed {seed}");
    let mut world = World::new(seed);
    for number in 0..steps {
        let what = world.step();
        println!("seed {} step {number}: {what}", world.seed);
        world.check(number % 5 == 4);
    }
    world.end();
}

#[test]
fn what_must_be_there_is_there() {
    for seed in 1..=6 {
        run(seed, 40);
    }
}

#[test]
#[ignore = "long: 200 seeds of 100 steps"]
fn what_must_be_there_is_there_for_many_seeds() {
    for seed in 1000..1200 {
        run(seed, 100);
    }
}

/// The control: one snapshot's only pack of data is removed behind the back of all.
#[test]
fn a_loss_is_noticed() {
    let mut world = World::new(3);
    let files = files([("a", noise(1, 50_000))]);
    let id = take(&world.place.open(), None, &files).unwrap();
    world.model.insert(id, Snapshot { files, deleted: false });
    world.check(true);
    let packs = world.place.storage.list(ObjectKind::Pack).unwrap();
    world.place.storage.delete(&packs.iter().max_by_key(|listed| listed.size).unwrap().name).unwrap();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.check(false)));
    assert!(outcome.is_err());
}
