//! Ending a run early, from another thread.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::error::{Error, Result};
use crate::storage::{Listed, ObjectKind, ObjectName, PutOutcome, Storage};

/// Ends a run: the process that runs is killed with its children, and every step that follows fails.
#[derive(Debug, Default)]
pub struct Stop {
    is_stopped: AtomicBool,
    /// The group of the process that runs. It is taken out before the process is reaped, so it names no other one.
    running: Mutex<Option<Pid>>,
}

impl Stop {
    /// Ends the run that looks at this.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        if let Some(group) = *self.running() {
            // It may have ended by itself just now.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// Fails where the run was ended.
    pub fn check(&self) -> Result<()> {
        match self.is_stopped.load(Ordering::SeqCst) {
            true => Err(Error::Failed("stopped before it was done".into())),
            false => Ok(()),
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Pid>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says which process group runs now. One that began while the run was ended is killed at once.
    pub(super) fn runs(&self, group: Option<Pid>) {
        *self.running() = group;
        if let Some(group) = group
            && self.is_stopped.load(Ordering::SeqCst)
        {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// A storage that fails once the run was ended: so a snapshot or a restore that is under way ends soon.
pub(super) struct StoppableStorage<S> {
    pub inner: S,
    pub stop: Arc<Stop>,
}

impl<S: Storage> fmt::Debug for StoppableStorage<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<S: Storage> Storage for StoppableStorage<S> {
    fn put_if_absent(&self, name: &ObjectName, bytes: &[u8]) -> Result<PutOutcome> {
        self.stop.check()?;
        self.inner.put_if_absent(name, bytes)
    }

    fn get(&self, name: &ObjectName) -> Result<Vec<u8>> {
        self.stop.check()?;
        self.inner.get(name)
    }

    fn get_range(&self, name: &ObjectName, offset: u64, len: usize) -> Result<Vec<u8>> {
        self.stop.check()?;
        self.inner.get_range(name, offset, len)
    }

    fn list(&self, kind: ObjectKind) -> Result<Vec<Listed>> {
        self.stop.check()?;
        self.inner.list(kind)
    }

    fn delete(&self, name: &ObjectName) -> Result<()> {
        self.stop.check()?;
        self.inner.delete(name)
    }

    fn size(&self, name: &ObjectName) -> Result<u64> {
        self.stop.check()?;
        self.inner.size(name)
    }

    fn location(&self) -> String {
        self.inner.location()
    }
}
