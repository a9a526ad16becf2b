//! How far a running job is: told by the work, read by its worker.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::ops::Progress;

/// Nothing is known of how much there is to do.
const UNKNOWN: i64 = -1;

/// Kept in memory between two heart-beats.
#[derive(Debug, Default)]
pub(super) struct JobProgress {
    stage: Mutex<Option<&'static str>>,
    done: AtomicI64,
    total: AtomicI64,
    is_stopped: AtomicBool,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reached {
    pub stage: Option<&'static str>,
    pub done: i64,
    pub total: Option<i64>,
}

impl JobProgress {
    /// Asks the work to stop.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// How far it is now.
    pub fn reached(&self) -> Reached {
        let stage = *self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let total = self.total.load(Ordering::Relaxed);
        Reached {
            stage,
            done: self.done.load(Ordering::Relaxed),
            total: Some(total).filter(|total| stage.is_some() && *total != UNKNOWN),
        }
    }
}

impl Progress for JobProgress {
    fn stage(&self, name: &'static str, total: Option<u64>) {
        let total = total.map_or(UNKNOWN, |total| i64::try_from(total).unwrap_or(i64::MAX));
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        *stage = Some(name);
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    fn advance(&self, bytes: u64) {
        self.done.fetch_add(i64::try_from(bytes).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    fn notice(&self, line: &str) {
        tracing::info!(target: "snaphold::job", "{line}");
    }

    fn is_cancelled(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }
}
