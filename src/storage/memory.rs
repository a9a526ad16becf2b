//! A storage in memory, for tests and for trying things out. Clones share their objects.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::length_limit;
use super::{Listed, ObjectKind, ObjectName, PutOutcome, Storage, check_length, not_found, too_long, too_short};
use crate::error::Result;

/// Objects in a map that all clones share.
#[derive(Clone, Default)]
pub struct MemoryStorage {
    objects: Arc<Mutex<BTreeMap<ObjectName, Arc<[u8]>>>>,
}

impl MemoryStorage {
    /// An empty storage.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `bytes` where `name` is, whatever is there: what a storage must never do by itself, for tests of damage.
    #[doc(hidden)]
    pub fn overwrite(&self, name: &ObjectName, bytes: &[u8]) {
        self.objects().insert(name.clone(), bytes.into());
    }

    // The map is whole between calls, so a thread that panicked while it held the lock has spoilt nothing.
    fn objects(&self) -> MutexGuard<'_, BTreeMap<ObjectName, Arc<[u8]>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn object(&self, name: &ObjectName) -> Result<Arc<[u8]>> {
        self.objects().get(name).cloned().ok_or_else(|| not_found(name))
    }
}

impl std::fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemoryStorage({} objects)", self.objects().len())
    }
}

impl Storage for MemoryStorage {
    fn put_if_absent(&self, name: &ObjectName, bytes: &[u8]) -> Result<PutOutcome> {
        check_length(name, bytes.len())?;
        match self.objects().entry(name.clone()) {
            Entry::Vacant(vacant) => {
                vacant.insert(bytes.into());
                Ok(PutOutcome::Created)
            }
            Entry::Occupied(_) => Ok(PutOutcome::Existed),
        }
    }

    fn get(&self, name: &ObjectName) -> Result<Vec<u8>> {
        let object = self.object(name)?;
        if object.len() > length_limit(name.kind()) {
            return Err(too_long(name));
        }
        Ok(object.to_vec())
    }

    fn get_range(&self, name: &ObjectName, offset: u64, len: usize) -> Result<Vec<u8>> {
        let object = self.object(name)?;
        let start = usize::try_from(offset).ok();
        let range = start.and_then(|start| object.get(start..start.checked_add(len)?));
        range.map(<[u8]>::to_vec).ok_or_else(|| too_short(name, offset, len))
    }

    fn list(&self, kind: ObjectKind) -> Result<Vec<Listed>> {
        let objects = self.objects();
        let of_kind = objects.iter().filter(|(name, _)| name.kind() == kind);
        Ok(of_kind.map(|(name, bytes)| Listed { name: name.clone(), size: bytes.len() as u64 }).collect())
    }

    fn delete(&self, name: &ObjectName) -> Result<()> {
        self.objects().remove(name).map(drop).ok_or_else(|| not_found(name))
    }

    fn size(&self, name: &ObjectName) -> Result<u64> {
        Ok(self.object(name)?.len() as u64)
    }

    fn location(&self) -> String {
        "memory".to_owned()
    }
}
