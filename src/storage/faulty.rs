//! A storage that fails on purpose: the n-th call, calls at random, or every call from one on.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::seeded::Seeded;
use super::{Listed, ObjectKind, ObjectName, PutOutcome, Storage, storage_error};
use crate::error::Result;

/// The calls of [`Storage`] that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// `put_if_absent`.
    Put,
    /// `get`.
    Get,
    /// `get_range`.
    GetRange,
    /// `list`.
    List,
    /// `delete`.
    Delete,
    /// `size`.
    Size,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Action::Put => "put",
            Action::Get | Action::GetRange => "get",
            Action::List => "list",
            Action::Delete => "delete",
            Action::Size => "size",
        }
    }

    fn changes(self) -> bool {
        matches!(self, Action::Put | Action::Delete)
    }
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An I/O error; nothing was done.
    Io,
    /// The storage is full; nothing was done. For a call that stores nothing it is an I/O error.
    Full,
    /// The call was carried out, but its caller hears of a time-out.
    TimedOutButLanded,
}

impl Fault {
    fn error(self, action: Action) -> io::Error {
        match self {
            Fault::Full if action == Action::Put => {
                io::Error::new(io::ErrorKind::StorageFull, "no space is left (injected)")
            }
            Fault::Io | Fault::Full => io::Error::other("input/output error (injected)"),
            Fault::TimedOutButLanded => io::Error::new(io::ErrorKind::TimedOut, "timed out (injected)"),
        }
    }
}

/// A call as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What was called.
    pub action: Action,
    /// The object's path, or the folder that was listed.
    pub object: String,
    /// The fault that the call met; a call on a crashed storage met [`Fault::Io`].
    pub fault: Option<Fault>,
}

#[derive(Debug, Default)]
struct State {
    log: Vec<Operation>,
    /// Faults by the number of the call, counted from 1 over all actions.
    planned: BTreeMap<u64, Fault>,
    /// Faults by the number of calls of one action that are still to come.
    planned_by_action: Vec<(Action, u64, Fault)>,
    random: Option<(Seeded, f64)>,
    crash_at: Option<u64>,
}

impl State {
    /// Counts and logs a call, and decides whether it fails.
    fn next(&mut self, action: Action, object: &str) -> Option<Fault> {
        let number = self.log.len() as u64 + 1;
        let mut fault = self.planned.remove(&number);
        for (_, left, planned) in self.planned_by_action.iter_mut().filter(|(of, ..)| *of == action) {
            *left -= 1;
            if *left == 0 {
                fault = Some(*planned);
            }
        }
        self.planned_by_action.retain(|(_, left, _)| *left > 0);
        if let Some((seeded, probability)) = &mut self.random
            && seeded.chance(*probability)
        {
            fault = Some(match seeded.below(3) {
                0 => Fault::Io,
                1 => Fault::Full,
                _ => Fault::TimedOutButLanded,
            });
        }
        if self.crash_at.is_some_and(|at| number >= at) {
            fault = Some(Fault::Io);
        }
        self.log.push(Operation { action, object: object.to_owned(), fault });
        fault
    }
}

/// Wraps a storage and lets calls fail as a test asks. Clones share the plan, the count and the log.
///
/// Calls are counted from 1, over all actions, since the storage was wrapped.
#[derive(Debug, Clone)]
pub struct FaultyStorage<S> {
    inner: S,
    state: Arc<Mutex<State>>,
}

impl<S: Storage> FaultyStorage<S> {
    /// Wraps `inner`; without further orders nothing fails.
    pub fn new(inner: S) -> Self {
        Self { inner, state: Arc::default() }
    }

    /// Lets call number `n` fail, once.
    pub fn fail_operation(&self, n: u64, fault: Fault) {
        self.state().planned.insert(n, fault);
    }

    /// Lets the `n`-th call of `action` from now fail, once; 1 is the next one.
    pub fn fail_nth(&self, action: Action, n: u64, fault: Fault) {
        self.state().planned_by_action.push((action, n.max(1), fault));
    }

    /// Lets every call fail with `probability` (0.0 to 1.0), in ways that `seed` decides.
    pub fn fail_at_random(&self, seed: u64, probability: f64) {
        self.state().random = Some((Seeded::new(seed), probability));
    }

    /// Lets every call from number `n` on fail, with nothing done: the process or its storage is gone.
    pub fn crash_at(&self, n: u64) {
        self.state().crash_at = Some(n);
    }

    /// Takes back all orders. Count and log go on.
    pub fn heal(&self) {
        let mut state = self.state();
        *state = State { log: std::mem::take(&mut state.log), ..State::default() };
    }

    /// How many calls there were.
    pub fn operations(&self) -> u64 {
        self.state().log.len() as u64
    }

    /// The calls, in order.
    pub fn log(&self) -> Vec<Operation> {
        self.state().log.clone()
    }

    /// The storage inside, past all faults.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call<T>(&self, action: Action, object: String, call: impl FnOnce(&S) -> Result<T>) -> Result<T> {
        let fault = self.state().next(action, &object);
        let Some(fault) = fault else { return call(&self.inner) };
        if fault == Fault::TimedOutButLanded && action.changes() {
            // What it answered is what the caller does not hear.
            let _ = call(&self.inner);
        }
        Err(storage_error(action.as_str(), object, fault.error(action)))
    }
}

impl<S: Storage> Storage for FaultyStorage<S> {
    fn put_if_absent(&self, name: &ObjectName, bytes: &[u8]) -> Result<PutOutcome> {
        self.call(Action::Put, name.path(), |inner| inner.put_if_absent(name, bytes))
    }

    fn get(&self, name: &ObjectName) -> Result<Vec<u8>> {
        self.call(Action::Get, name.path(), |inner| inner.get(name))
    }

    fn get_range(&self, name: &ObjectName, offset: u64, len: usize) -> Result<Vec<u8>> {
        self.call(Action::GetRange, name.path(), |inner| inner.get_range(name, offset, len))
    }

    fn list(&self, kind: ObjectKind) -> Result<Vec<Listed>> {
        self.call(Action::List, kind.folder().to_owned(), |inner| inner.list(kind))
    }

    fn delete(&self, name: &ObjectName) -> Result<()> {
        self.call(Action::Delete, name.path(), |inner| inner.delete(name))
    }

    fn size(&self, name: &ObjectName) -> Result<u64> {
        self.call(Action::Size, name.path(), |inner| inner.size(name))
    }

    fn location(&self) -> String {
        self.inner.location()
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryStorage;
    use super::*;
    use crate::error::Error;

    fn name(leaf: &str) -> ObjectName {
        ObjectName::new(ObjectKind::Ledger, leaf).unwrap()
    }

    fn kind_of<T: std::fmt::Debug>(result: Result<T>) -> io::ErrorKind {
        match result {
            Err(Error::Storage { error, .. }) => error.kind(),
            other => panic!("not a storage error: {other:?}"),
        }
    }

    #[test]
    fn the_call_that_was_named_fails_and_no_other() {
        let storage = FaultyStorage::new(MemoryStorage::new());
        storage.fail_operation(2, Fault::Full);
        assert_eq!(storage.put_if_absent(&name("a"), b"a").unwrap(), PutOutcome::Created);
        assert_eq!(kind_of(storage.put_if_absent(&name("b"), b"b")), io::ErrorKind::StorageFull);
        assert_eq!(storage.put_if_absent(&name("b"), b"b").unwrap(), PutOutcome::Created);
        assert_eq!(storage.operations(), 3);
        let faults: Vec<_> = storage.log().into_iter().map(|operation| operation.fault).collect();
        assert_eq!(faults, [None, Some(Fault::Full), None]);
    }

    #[test]
    fn an_action_is_counted_by_itself() {
        let storage = FaultyStorage::new(MemoryStorage::new());
        storage.fail_nth(Action::List, 2, Fault::Io);
        storage.list(ObjectKind::Ledger).unwrap();
        storage.put_if_absent(&name("a"), b"a").unwrap();
        assert_eq!(kind_of(storage.list(ObjectKind::Ledger)), io::ErrorKind::Other);
        storage.list(ObjectKind::Ledger).unwrap();
    }

    #[test]
    fn what_timed_out_has_landed() {
        let storage = FaultyStorage::new(MemoryStorage::new());
        storage.fail_operation(1, Fault::TimedOutButLanded);
        assert_eq!(kind_of(storage.put_if_absent(&name("a"), b"a")), io::ErrorKind::TimedOut);
        assert_eq!(storage.get(&name("a")).unwrap(), b"a");
        storage.fail_nth(Action::Delete, 1, Fault::TimedOutButLanded);
        assert_eq!(kind_of(storage.delete(&name("a"))), io::ErrorKind::TimedOut);
        assert!(matches!(storage.get(&name("a")), Err(Error::NotFound(_))));
    }

    #[test]
    fn after_a_crash_nothing_works_until_it_is_healed() {
        let storage = FaultyStorage::new(MemoryStorage::new());
        storage.put_if_absent(&name("a"), b"a").unwrap();
        storage.crash_at(2);
        for _ in 0..3 {
            kind_of(storage.get(&name("a")));
            kind_of(storage.put_if_absent(&name("b"), b"b"));
        }
        storage.heal();
        assert_eq!(storage.get(&name("a")).unwrap(), b"a");
        assert!(matches!(storage.size(&name("b")), Err(Error::NotFound(_))));
    }

    #[test]
    fn chance_follows_the_seed() {
        let faults = |seed, probability| {
            let storage = FaultyStorage::new(MemoryStorage::new());
            storage.fail_at_random(seed, probability);
            (0..1000).map(|_| storage.list(ObjectKind::Key).is_err()).collect::<Vec<_>>()
        };
        assert_eq!(faults(7, 0.1), faults(7, 0.1));
        assert_ne!(faults(7, 0.1), faults(8, 0.1));
        let failed = faults(7, 0.1).into_iter().filter(|failed| *failed).count();
        assert!((50..200).contains(&failed), "{failed} of 1000 failed");
        assert!(faults(7, 0.0).iter().all(|failed| !failed) && faults(7, 1.0).iter().all(|failed| *failed));
    }
}
