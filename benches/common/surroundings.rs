//! The world around the library, as the program gives it.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::sync::Arc;

use jiff::Timestamp;
use snaphold::clock::{Clock, Entropy, ProcessIdentity, Processes, Surroundings};
use snaphold::crypto::{Encryption, MasterKey, RepoKeys};
use snaphold::id::RepoId;

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).unwrap();
    }
}

struct ThisProcess;

impl Processes for ThisProcess {
    fn identity(&self) -> ProcessIdentity {
        ProcessIdentity { host: "bench".into(), boot: "bench".into(), pid: std::process::id(), started: 0 }
    }

    fn is_alive(&self, other: &ProcessIdentity) -> Option<bool> {
        Some(*other == self.identity())
    }
}

pub fn real() -> Surroundings {
    Surroundings { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy), processes: Arc::new(ThisProcess) }
}

pub fn keys(encryption: Encryption) -> RepoKeys {
    RepoKeys::derive(&MasterKey::generate(&SystemEntropy), RepoId([1; 16]), encryption)
}
