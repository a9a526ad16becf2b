//! Manifests: one small object a snapshot. Writing it is the commit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::container::Form;
use crate::id::SnapshotId;

use super::tree::Entry;

/// Why a snapshot was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SnapshotType {
    /// Somebody asked for it.
    OnDemand,
    /// A schedule, a new instance or a change of the system under it asked for it.
    Scheduled,
    /// A dump was loaded.
    Load,
    /// Taken by itself before a restore.
    Safety,
}

impl SnapshotType {
    /// The word used on the command line and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            SnapshotType::OnDemand => "on_demand",
            SnapshotType::Scheduled => "scheduled",
            SnapshotType::Load => "load",
            SnapshotType::Safety => "safety",
        }
    }
}

/// A snapshot of an instance at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this structure: 1.
    pub version: u32,
    /// The snapshot's id.
    pub id: SnapshotId,
    /// The instance's name.
    pub instance: String,
    /// Why it was taken.
    pub kind: SnapshotType,
    /// When it was begun, nanoseconds since 1970 (UTC).
    pub created_at_ns: i64,
    /// When it was complete or had failed.
    pub finished_at_ns: i64,
    /// When it may be deleted by itself; `None`: never.
    pub expires_at_ns: Option<i64>,
    /// The user's words.
    pub description: Option<String>,
    /// The snapshot it was compared with.
    pub parent: Option<SnapshotId>,
    /// For a safety snapshot: the snapshot whose restore it was taken before.
    pub before_restore_of: Option<SnapshotId>,
    /// What came of it.
    pub outcome: Outcome,
    /// What it cost.
    pub cost: Cost,
    /// The version of snaphold that wrote it.
    pub written_by: String,
}

/// What came of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It is complete and can be restored.
    Completed {
        /// The instance's components.
        components: Vec<Component>,
    },
    /// It failed; nothing can be restored from it.
    Failed {
        /// Why.
        reason: String,
    },
}

/// One part of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// Its name; `data` where an instance has just one.
    pub name: String,
    /// What it was captured from.
    pub origin: Origin,
    /// Its files: an entry whose node is a folder, and whose name is empty.
    pub root: Entry,
    /// Files that could not be read and are missing.
    pub unreadable: u64,
}

/// What a component was captured from: what decides how it can be exported and restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// A folder.
    Files,
    /// A SQLite database: the one file in the root, an image made by the backup API.
    Sqlite {
        /// The library that made the image.
        version: String,
    },
    /// A file that was loaded.
    Loaded {
        /// The file's name.
        file_name: String,
        /// What it was.
        form: Form,
    },
    /// A database, captured by its own means.
    Database(DatabaseOrigin),
}

/// What is known of a captured database. `system` decides who can read the component's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseOrigin {
    /// The kind of source: `postgres`, `mariadb`, `redis`, `neo4j`.
    pub system: String,
    /// How it was captured, where there are several ways: `logical`, `physical`. It decides what the files are.
    pub mode: String,
    /// The server's version.
    pub version: String,
    /// The database's name; empty where it is the whole server.
    pub database: String,
    /// What else the kind of source wants to know again. No secrets.
    pub facts: BTreeMap<String, String>,
}

/// What a snapshot cost. Byte counts are plain unless they say stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Bytes read from the source.
    pub bytes_read: u64,
    /// Bytes of data chunks that were not in the repository.
    pub bytes_new: u64,
    /// Bytes added to the repository.
    pub bytes_stored: u64,
    /// Chunks of all kinds that were not in the repository.
    pub chunks_new: u64,
    /// How many of them were stored as deltas.
    pub chunks_delta: u64,
}

/// An instance's definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRecord {
    /// When it was defined, nanoseconds since 1970 (UTC).
    pub created_at_ns: i64,
    /// Its source, as a URL; `None`: it lives in the repository alone.
    pub source: Option<String>,
    /// The plan's name.
    pub plan: String,
    /// Its own retention, nanoseconds; `None`: the plan's.
    pub retain_ns: Option<i64>,
    /// The user's words.
    pub description: Option<String>,
    /// Reads every file of a folder again, even where size, times and inode are as before.
    pub always_read: bool,
}
