//! Reading and appending ledger records.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::format::ledger::LedgerRecord;
use crate::format::object::{self, ObjectTag};
use crate::format::{decode, encode};
use crate::id::SnapshotId;
use crate::storage::{ObjectKind, ObjectName, PutOutcome};

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
        let tag = self.keys.name_tag(name.as_bytes());
        tag.iter().fold(String::from("1"), |topic, byte| format!("{topic}{byte:02x}"))
    }

    /// Reads the newest revision of every topic.
    pub fn ledger(&self) -> Result<LedgerView> {
        let mut newest: BTreeMap<String, (u32, ObjectName)> = BTreeMap::new();
        let mut view = LedgerView::default();
        for listed in self.storage.list(ObjectKind::Ledger)? {
            let Some((topic, number)) = split(&listed.name) else { continue };
            let slot = newest.entry(topic).or_insert_with(|| (number, listed.name.clone()));
            if number > slot.0 {
                view.superseded.push(std::mem::replace(slot, (number, listed.name)).1);
            } else if number < slot.0 {
                view.superseded.push(listed.name);
            }
        }
        for (topic, (number, name)) in newest {
            match self.ledger_record(&name) {
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
        let bytes = self.storage.get(name)?;
        object::open(&self.keys, ObjectTag::Ledger, &name.path(), &bytes)
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
