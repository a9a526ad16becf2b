//! Who is writing, and who is deleting: registrations in storage.
//!
//! A writer registers before it looks at the condemned packs; gc condemns before it looks at the writers. So either
//! the writer sees that a pack is condemned and does not count on it, or gc sees the writer and waits for it. No clock
//! is part of the argument.

use serde::{Deserialize, Serialize};

use crate::clock::ProcessIdentity;
use crate::error::{Error, Result};
use crate::format::manifest::SnapshotType;
use crate::format::object::{self, ObjectTag};
use crate::format::{decode, encode};
use crate::id::{SnapshotId, WriterId};
use crate::storage::{ObjectKind, ObjectName, PROBE_PREFIX, PutOutcome};

use super::{Repository, names};

/// A session that may write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterRecord {
    /// Its process.
    pub process: ProcessIdentity,
    /// When it began, nanoseconds since 1970 (UTC).
    pub began_at_ns: i64,
    /// What it does.
    pub work: Work,
}

/// What a registered session does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// Takes a snapshot.
    Snapshot {
        /// The id that it will have.
        id: SnapshotId,
        /// Of which instance.
        instance: String,
        /// Why.
        kind: SnapshotType,
    },
    /// Deletes: garbage collection or repair; the text says which.
    Exclusive(String),
}

/// A registration as it was found.
#[derive(Debug, Clone)]
pub struct FoundWriter {
    /// The object.
    pub name: ObjectName,
    /// What it says; `None` where it cannot be read.
    pub record: Option<WriterRecord>,
    /// Whether its process still runs; `None` where that cannot be known from here.
    pub alive: Option<bool>,
}

impl FoundWriter {
    /// Whether the writer must be counted as writing.
    pub fn may_be_alive(&self) -> bool {
        self.alive != Some(false)
    }

    /// Whether it is one that deletes. Told by the name, so that one that cannot be read is known too.
    pub fn is_exclusive(&self) -> bool {
        self.name.leaf().starts_with("exclusive")
    }
}

fn in_use(found: &FoundWriter) -> Error {
    let who = match &found.record {
        Some(WriterRecord { process, work: Work::Exclusive(what), .. }) => format!("{what} by process {}", process.pid),
        _ => format!("another process, registered as {},", found.name),
    };
    Error::Busy(format!("the repository is in use: {who} is running; try again later"))
}

/// A registration that ends when this is dropped.
#[derive(Debug)]
pub struct Lease<'r> {
    repository: &'r Repository,
    name: ObjectName,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        // One that cannot be removed is found dead by the next gc, which removes it.
        let _ = self.repository.storage.delete(&self.name);
    }
}

impl Lease<'_> {
    /// The registration's object.
    pub fn name(&self) -> &ObjectName {
        &self.name
    }
}

impl Repository {
    /// Registers a session that writes.
    pub fn register(&self, work: Work) -> Result<Lease<'_>> {
        let name = names::writer(&WriterId(self.random()));
        match self.put_writer(&name, work)? {
            PutOutcome::Created => Ok(Lease { repository: self, name }),
            PutOutcome::Existed => Err(Error::Busy("two writers chose one name; try again".into())),
        }
    }

    /// Registers the one session that deletes. It puts its registration and then looks for others: of two who do so at
    /// once at least one sees the other and gives way, so never two go on. Those whose process is gone are removed.
    pub fn register_exclusive(&self, what: &str) -> Result<Lease<'_>> {
        let name = names::exclusive(&WriterId(self.random()));
        if self.put_writer(&name, Work::Exclusive(what.to_string()))? == PutOutcome::Existed {
            return Err(Error::Busy("two sessions chose one name; try again".into()));
        }
        let lease = Lease { repository: self, name };
        for found in self.writers()? {
            if found.name == lease.name || !found.is_exclusive() {
                continue;
            }
            if found.may_be_alive() {
                return Err(in_use(&found));
            }
            match self.storage.delete(&found.name) {
                Ok(()) | Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(lease)
    }

    fn put_writer(&self, name: &ObjectName, work: Work) -> Result<PutOutcome> {
        let record = WriterRecord { process: self.surroundings.processes.identity(), began_at_ns: self.now_ns(), work };
        let bytes = object::seal(&self.keys, ObjectTag::Writer, &name.path(), self.salt(), &encode(&record))
            .map_err(|error| error.of(name))?;
        self.storage.put_if_absent(name, &bytes)
    }

    /// All registered writers.
    pub fn writers(&self) -> Result<Vec<FoundWriter>> {
        let mut writers = Vec::new();
        // `check-storage` leaves probes of this kind where it is stopped.
        let listed = self.storage.list(ObjectKind::Writer)?;
        for listed in listed.into_iter().filter(|listed| !listed.name.leaf().starts_with(PROBE_PREFIX)) {
            writers.extend(self.found_writer(listed.name)?);
        }
        Ok(writers)
    }

    /// Removes the registrations of processes that are known to be gone. Returns how many there were.
    pub fn remove_dead_writers(&self) -> Result<u64> {
        let mut removed = 0;
        for writer in self.writers()?.into_iter().filter(|writer| !writer.may_be_alive()) {
            match self.storage.delete(&writer.name) {
                Ok(()) => removed += 1,
                Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(removed)
    }

    fn found_writer(&self, name: ObjectName) -> Result<Option<FoundWriter>> {
        let bytes = match self.storage.get(&name) {
            Ok(bytes) => bytes,
            Err(Error::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let record: Option<WriterRecord> =
            object::open(&self.keys, ObjectTag::Writer, &name.path(), &bytes).and_then(|plain| decode(&plain)).ok();
        let alive = record.as_ref().and_then(|record| self.surroundings.processes.is_alive(&record.process));
        Ok(Some(FoundWriter { name, record, alive }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Computed from docs/FORMAT.md by an independent program.
    #[test]
    fn the_bytes_of_a_registration_are_frozen() {
        let process = ProcessIdentity { host: "h".into(), boot: "b".into(), pid: 4711, started: 1 << 33 };
        let id = SnapshotId([1, 2, 3, 4, 5, 6, 7, 8]);
        let began_at_ns = 1_700_000_000_123_456_789;
        let record = |work| WriterRecord { process: process.clone(), began_at_ns, work };
        let start = "01680162fb6712fd0000000002000000fd2a9a0b7bfc392f2f";
        let snapshot = record(Work::Snapshot { id, instance: "shop".into(), kind: SnapshotType::Load });
        let exclusive = record(Work::Exclusive("gc".into()));
        for (record, rest) in [(snapshot, "0001020304050607080473686f7002"), (exclusive, "01026763")] {
            let bytes = encode(&record);
            assert_eq!(hex(&bytes), format!("{start}{rest}"));
            assert_eq!(decode::<WriterRecord>(&bytes).unwrap(), record);
        }
    }
}
