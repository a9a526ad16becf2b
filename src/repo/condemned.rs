//! Packs that are to be removed: durable records, read by every writer before it counts on a chunk.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::format::object::{self, ObjectTag};
use crate::format::{decode, encode};
use crate::id::{PackId, WriterId};
use crate::storage::{ObjectKind, ObjectName};

use super::{Repository, names};

/// One decision of gc.
#[derive(Debug, Clone, Default)]
pub struct CondemnedRecord {
    /// The packs to be removed.
    pub packs: Vec<PackId>,
    /// The writers that were there when it was decided; `None` where gc was stopped before it had looked.
    pub waits_for: Option<Vec<String>>,
}

/// All packs that are to be removed.
#[derive(Debug, Clone, Default)]
pub struct Condemned {
    /// The decisions.
    pub records: BTreeMap<WriterId, CondemnedRecord>,
}

#[derive(Serialize, Deserialize)]
enum Stored {
    Packs(Vec<PackId>),
    Waits(Vec<String>),
}

impl Condemned {
    /// Every condemned pack.
    pub fn packs(&self) -> impl Iterator<Item = &PackId> {
        self.records.values().flat_map(|record| &record.packs)
    }

    /// Every condemned pack, as a set.
    pub fn pack_set(&self) -> HashSet<PackId> {
        self.packs().copied().collect()
    }
}

impl Repository {
    /// Reads all records. One that cannot be read is an error: a writer may not count on packs that it names.
    pub fn condemned(&self) -> Result<Condemned> {
        let mut condemned = Condemned::default();
        for listed in self.storage.list(ObjectKind::Condemned)? {
            let name = listed.name;
            let Some(id) = name.leaf().split('.').next().and_then(|id| id.parse::<WriterId>().ok()) else { continue };
            let bytes = match self.storage.get(&name) {
                Ok(bytes) => bytes,
                Err(Error::NotFound(_)) => continue,
                Err(error) => return Err(error),
            };
            let stored: Stored = object::open(&self.keys, ObjectTag::Condemned, &name.path(), &bytes)
                .and_then(|plain| decode(&plain))
                .map_err(|error| error.of(&name))?;
            let record = condemned.records.entry(id).or_default();
            match stored {
                Stored::Packs(packs) => record.packs = packs,
                Stored::Waits(waits) => record.waits_for = Some(waits),
            }
        }
        Ok(condemned)
    }

    /// Decides, durably, that packs are to be removed.
    pub fn condemn(&self, packs: Vec<PackId>) -> Result<WriterId> {
        let id = WriterId(self.random());
        self.put_condemned(&names::condemned(&id), &Stored::Packs(packs))?;
        Ok(id)
    }

    /// Records which writers the removal waits for.
    pub fn condemned_waits(&self, id: &WriterId, writers: Vec<String>) -> Result<()> {
        self.put_condemned(&names::condemned_waits(id), &Stored::Waits(writers))
    }

    /// Removes a decision whose packs are gone: the waits first, so that what is left is never less strict.
    pub fn forget_condemned(&self, id: &WriterId) -> Result<()> {
        for name in [names::condemned_waits(id), names::condemned(id)] {
            match self.storage.delete(&name) {
                Ok(()) | Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn put_condemned(&self, name: &ObjectName, stored: &Stored) -> Result<()> {
        let bytes = object::seal(&self.keys, ObjectTag::Condemned, &name.path(), self.salt(), &encode(stored))
            .map_err(|error| error.of(name))?;
        self.storage.put_if_absent(name, &bytes)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed from docs/FORMAT.md by an independent program.
    #[test]
    fn the_bytes_of_a_decision_are_frozen() {
        let packs = encode(&Stored::Packs(vec![PackId([1; 32]), PackId([2; 32])]));
        assert_eq!(packs, [vec![0, 2], vec![1; 32], vec![2; 32]].concat());
        let waits = encode(&Stored::Waits(vec!["ab".into(), "cd".into()]));
        assert_eq!(waits, [&[1, 2, 2][..], b"ab", &[2], b"cd"].concat());
        assert!(matches!(decode(&packs), Ok(Stored::Packs(packs)) if packs == [PackId([1; 32]), PackId([2; 32])]));
        assert!(matches!(decode(&waits), Ok(Stored::Waits(names)) if names == ["ab", "cd"]));
    }
}
