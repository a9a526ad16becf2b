//! A clock that stands until it is moved, and random bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jiff::Timestamp;
use snaphold::clock::{Clock, Entropy, ProcessIdentity, Processes, Surroundings};

pub const SECOND: i64 = 1_000_000;

pub struct World {
    now_us: AtomicI64,
    drawn: AtomicU64,
}

impl World {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { now_us: AtomicI64::new(1_800_000_000 * SECOND), drawn: AtomicU64::new(0) })
    }

    pub fn pass(&self, us: i64) {
        self.now_us.fetch_add(us, Ordering::SeqCst);
    }

    pub fn surroundings(self: &Arc<Self>) -> Surroundings {
        Surroundings { clock: self.clone(), entropy: self.clone(), processes: self.clone() }
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.now_us.load(Ordering::SeqCst)).unwrap()
    }
}

impl Entropy for World {
    fn fill(&self, bytes: &mut [u8]) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.drawn.fetch_add(1, Ordering::SeqCst).to_le_bytes());
        hasher.finalize_xof().fill(bytes);
    }
}

impl Processes for World {
    fn identity(&self) -> ProcessIdentity {
        ProcessIdentity { host: "test".into(), boot: "1".into(), pid: 1, started: 1 }
    }

    fn is_alive(&self, _: &ProcessIdentity) -> Option<bool> {
        None
    }
}
