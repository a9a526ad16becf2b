//! What this process is doing for policies and restores.
//!
//! The ledger notes by which process something is done; another process that finds the note asks whether that one still
//! runs. A process that lives long, as a server does, outlives what it noted: where its work broke off and even that could
//! not be noted, only this tells that nobody is at it any more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Names of what is being done, and by how many: of two that begin one thing the ledger lets one go on.
#[derive(Debug, Clone, Default)]
pub(super) struct Claims(Arc<Mutex<HashMap<String, usize>>>);

/// Something that is being done, until this is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Claims,
    what: String,
}

impl Claims {
    /// Says that this process does `what` from now on.
    pub fn claim(&self, what: String) -> Claim {
        *self.names().entry(what.clone()).or_default() += 1;
        Claim { claims: self.clone(), what }
    }

    /// Whether it does.
    pub fn has(&self, what: &str) -> bool {
        self.names().contains_key(what)
    }

    fn names(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut names = self.claims.names();
        if let Some(count) = names.get_mut(&self.what).map(|count| count.saturating_sub(1)) {
            match count {
                0 => _ = names.remove(&self.what),
                count => _ = names.insert(self.what.clone(), count),
            }
        }
    }
}
