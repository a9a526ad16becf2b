//! Reading and appending ledger records.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::format::ledger::LedgerRecord;
use crate::format::object::{self, ObjectTag};
use crate::format::{decode, encode};
use crate::id::SnapshotId;
use crate::storage::{Listed, ObjectKind, ObjectName, PutOutcome};

use super::{Repository, names};

/// The newest revision of a topic.
#[derive(Debug, Clone)]
pub struct Revision {
    /// Its number; the next one is one more.
    pub number: u32,
    /// What it says.
    pub record: LedgerRecord,
}

/// What was found in the ledger.
#[derive(Debug, Default)]
pub struct LedgerView {
    /// Each topic's newest revision.
    pub newest: BTreeMap<String, Revision>,
    /// Revisions that newer ones replaced.
    pub superseded: Vec<ObjectName>,
    /// Records that cannot be read. A topic whose newest record is damaged is not in `newest`.
    pub damaged: Vec<(ObjectName, Error)>,
}

/// The topic of a snapshot's state.
pub fn snapshot_topic(id: &SnapshotId) -> String {
    format!("5{id}")
}

/// What the topics of drills begin with; a snapshot's id follows.
pub const PROOF_TOPIC: &str = "6";

/// The topic of a snapshot's last drill.
pub fn proof_topic(id: &SnapshotId) -> String {
    format!("{PROOF_TOPIC}{id}")
}

/// The topic of what garbage collection has removed.
pub const PURGED_TOPIC: &str = "7";

/// The topic and the number of a revision's object.
pub fn ledger_topic(name: &ObjectName) -> Option<(&str, u32)> {
    let (topic, number) = name.leaf().split_once('.')?;
    Some((topic, number.parse().ok()?))
}

fn split(name: &ObjectName) -> Option<(String, u32)> {
    ledger_topic(name).map(|(topic, number)| (topic.to_string(), number))
}

impl Repository {
    /// The topic of an instance's definition.
    pub fn instance_topic(&self, name: &str) -> String {
        self.topic_of('1', name)
    }

    /// The topic of what an instance's policy had done.
    pub fn schedule_topic(&self, instance: &str) -> String {
        self.topic_of('2', instance)
    }

    /// The topic of the restores over an instance.
    pub fn restore_topic(&self, instance: &str) -> String {
        self.topic_of('3', instance)
    }

    fn topic_of(&self, first: char, name: &str) -> String {
        let tag = self.keys.name_tag(name.as_bytes());
        tag.iter().fold(String::from(first), |topic, byte| format!("{topic}{byte:02x}"))
    }

    /// Reads the newest revision of every topic, as it is stored now.
    pub fn ledger(&self) -> Result<LedgerView> {
        self.ledger_read(|newest| {
            let read = newest.into_par_iter().map(|listed| {
                let record = self.ledger_record(&listed.name);
                (listed.name, record)
            });
            read.collect()
        })
    }

    /// Reads the newest revision of every topic, as it was stored: by its copy beside the index where there is one.
    pub fn ledger_by_copies(&self) -> Result<LedgerView> {
        self.ledger_read(|newest| {
            self.open_by_copies(ObjectKind::Ledger, newest, |name, bytes| self.open_record(name, bytes))
        })
    }

    fn ledger_read(
        &self,
        read: impl FnOnce(Vec<Listed>) -> Vec<(ObjectName, Result<LedgerRecord>)>,
    ) -> Result<LedgerView> {
        let mut newest: HashMap<String, (u32, Listed)> = HashMap::new();
        let mut view = LedgerView::default();
        for listed in self.storage.list(ObjectKind::Ledger)? {
            let Some((topic, number)) = split(&listed.name) else { continue };
            match newest.entry(topic) {
                Entry::Vacant(place) => _ = place.insert((number, listed)),
                Entry::Occupied(mut place) if number > place.get().0 => {
                    view.superseded.push(place.insert((number, listed)).1.name);
                }
                Entry::Occupied(place) if number < place.get().0 => view.superseded.push(listed.name),
                Entry::Occupied(_) => {}
            }
        }
        for (name, record) in read(newest.into_values().map(|(_, listed)| listed).collect()) {
            let Some((topic, number)) = split(&name) else { continue };
            match record {
                Ok(record) => {
                    view.newest.insert(topic, Revision { number, record });
                }
                Err(Error::NotFound(_)) => {}
                Err(error @ (Error::Damaged { .. } | Error::Unsupported { .. })) => view.damaged.push((name, error)),
                Err(error) => return Err(error),
            }
        }
        Ok(view)
    }

    /// Reads one record.
    pub fn ledger_record(&self, name: &ObjectName) -> Result<LedgerRecord> {
        self.open_record(name, &self.storage.get(name)?)
    }

    fn open_record(&self, name: &ObjectName, bytes: &[u8]) -> Result<LedgerRecord> {
        object::open(&self.keys, ObjectTag::Ledger, &name.path(), bytes)
            .and_then(|plain| decode(&plain))
            .map_err(|error| error.of(name))
    }

    /// Appends revision `after + 1` (or 1) of a topic. Somebody who was quicker makes it `Error::Busy`.
    pub fn append_ledger(&self, topic: &str, after: Option<u32>, record: &LedgerRecord) -> Result<()> {
        let name = names::ledger(topic, after.map_or(1, |number| number.saturating_add(1)));
        let bytes = object::seal(&self.keys, ObjectTag::Ledger, &name.path(), self.salt(), &encode(record))
            .map_err(|error| error.of(&name))?;
        match self.storage.put_if_absent(&name, &bytes)? {
            PutOutcome::Created => Ok(()),
            PutOutcome::Existed => {
                Err(Error::Busy("somebody else changed the same thing at the same moment; look and try again".into()))
            }
        }
    }
}
