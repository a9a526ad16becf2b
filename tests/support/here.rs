//! The clock, the randomness and the process of whoever runs the test.

use std::sync::Arc;

use jiff::Timestamp;
use snaphold::clock::{Clock, Entropy, ProcessIdentity, Processes, Surroundings};

struct Here;

impl Clock for Here {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

impl Entropy for Here {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).unwrap();
    }
}

impl Processes for Here {
    fn identity(&self) -> ProcessIdentity {
        ProcessIdentity { host: "the test".into(), boot: "1".into(), pid: std::process::id(), started: 1 }
    }

    fn is_alive(&self, other: &ProcessIdentity) -> Option<bool> {
        // Of another process of this machine, such as a server that the test started, nothing is known.
        (*other == self.identity()).then_some(true)
    }
}

pub fn surroundings() -> Surroundings {
    let here = Arc::new(Here);
    Surroundings { clock: here.clone(), entropy: here.clone(), processes: here }
}
