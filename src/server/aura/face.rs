//! What every address of Aura's face works with.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::server::actions::Desk;

/// What Aura's face works with.
#[derive(Clone)]
pub struct Face {
    /// What is done, as by REST.
    pub desk: Arc<Desk>,
    /// What waits for a snapshot.
    pub overwrites: Overwrites,
}

/// Instances that wait for a snapshot of another one: account and id.
#[derive(Clone, Default)]
pub struct Overwrites(Arc<Mutex<HashSet<(String, String)>>>);

impl Overwrites {
    /// Whether an instance does.
    pub fn is_waiting(&self, account: &str, id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&(account.to_string(), id.to_string()))
    }

    /// Enters whether it does.
    pub fn set(&self, account: &str, id: &str, is_waiting: bool) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (account.to_string(), id.to_string());
        if is_waiting {
            waiting.insert(key);
        } else {
            waiting.remove(&key);
        }
    }
}
