//! The world that the targets run in: keys, clock and randomness that never change, a repository in memory, and a reader
//! of inputs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use snaphold::chunk::StreamChunker;
use snaphold::clock::{Clock, Entropy, ProcessIdentity, Processes, Surroundings};
use snaphold::crypto::{Encryption, MasterKey, RepoKeys};
use snaphold::id::RepoId;
use snaphold::repo::{InitOptions, Reader, Repository};
use snaphold::service::{Plans, Service};
use snaphold::storage::MemoryStorage;

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_700_000_000).unwrap()
    }
}

/// SplitMix64, from one seed: nothing here is secret.
pub struct FixedEntropy(AtomicU64);

impl FixedEntropy {
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Entropy for FixedEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            let at = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            part.copy_from_slice(&mixed(at).to_le_bytes()[..part.len()]);
        }
    }
}

/// SplitMix64's output for a state.
pub fn mixed(state: u64) -> u64 {
    let mut mixed = state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

struct NoProcesses;

impl Processes for NoProcesses {
    fn identity(&self) -> ProcessIdentity {
        ProcessIdentity { host: "fuzz".into(), boot: "fuzz".into(), pid: 1, started: 1 }
    }

    fn is_alive(&self, other: &ProcessIdentity) -> Option<bool> {
        (other.host == "fuzz").then_some(other.pid == 1)
    }
}

/// The repository of the targets' keys.
pub const REPO: RepoId = RepoId([7; 16]);

/// The same keys in every run.
pub fn keys(encryption: Encryption) -> &'static Arc<RepoKeys> {
    static KEYS: OnceLock<[Arc<RepoKeys>; 2]> = OnceLock::new();
    let of = |encryption| {
        let master = MasterKey::generate(&FixedEntropy::new(1));
        Arc::new(RepoKeys::derive(&master, REPO, encryption))
    };
    let [sealed, plain] = KEYS.get_or_init(|| [of(Encryption::Aes256Gcm), of(Encryption::None)]);
    match encryption {
        Encryption::Aes256Gcm => sealed,
        Encryption::None => plain,
    }
}

/// A repository in memory without encryption and without snapshots, and what looks into it.
pub struct World {
    pub storage: MemoryStorage,
    pub service: Service,
    pub reader: Arc<Reader>,
}

/// The one world of this process. One body at a time has it; each leaves it as it was.
pub fn world() -> MutexGuard<'static, World> {
    static WORLD: OnceLock<Mutex<World>> = OnceLock::new();
    WORLD.get_or_init(|| Mutex::new(new_world())).lock().unwrap_or_else(PoisonError::into_inner)
}

fn new_world() -> World {
    let surroundings = Surroundings {
        clock: Arc::new(FixedClock),
        entropy: Arc::new(FixedEntropy::new(2)),
        processes: Arc::new(NoProcesses),
    };
    let storage = MemoryStorage::new();
    let options = InitOptions { encryption: Encryption::None, chunker: StreamChunker::default() };
    let index = tempfile::tempdir().unwrap();
    let repo = Repository::create(Arc::new(storage.clone()), index.path(), surroundings, options, None).unwrap();
    // The index stays empty and is never written again, so its folder need not outlive the opening: a process that
    // the fuzzer ends leaves nothing behind.
    let reader = repo.open_index().unwrap().reader;
    drop(index);
    let service = Service::new(repo, Plans::built_in(), std::env::temp_dir(), Default::default(), None);
    World { storage, service, reader }
}

/// Takes an input apart from its beginning on. What is missing reads as zeros.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub fn u8(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or_default()
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let bytes = self.bytes(N);
        array[..bytes.len()].copy_from_slice(bytes);
        array
    }
}
