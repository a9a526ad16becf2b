//! What is to be done, as it is stored: JSON that is read again after months, by other versions. Names stay, what is added
//! has a default, and a name that this version does not know is refused rather than passed over.

use serde::{Deserialize, Serialize};

/// A job's work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JobSpec {
    /// Takes a snapshot on demand.
    Snapshot(Snapshot),
    /// Brings an uploaded file into an instance.
    Load(Load),
    /// Overwrites an instance with a snapshot.
    Restore(Restore),
    /// Goes back to the state before an instance's latest restore.
    Undo(Undo),
    /// Completes a restore that was cut short.
    Resume(Resume),
    /// Goes back from a restore that was cut short.
    Abort(Abort),
    /// Turns a snapshot into a file.
    Export(Export),
    /// Makes a new instance from a snapshot.
    Clone(Clone),
    /// Deletes a snapshot, softly.
    Delete(Delete),
    /// Lets go what is over, and frees what nothing needs.
    Gc(Gc),
    /// Checks that every snapshot is whole.
    Verify(Verify),
    /// Restores a snapshot into a throw-away server.
    Drill(Drill),
    /// Looks whether the system under an instance changed, and takes a snapshot where it did.
    Check(Check),
    /// Takes what an instance's policy says is due, and lets go what is over.
    Policy(Policy),
}

/// Takes a snapshot on demand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// The instance.
    pub instance: String,
    /// The id that the snapshot will have, 16 hexadecimal digits.
    pub snapshot: String,
    /// The user's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How long it is kept, nanoseconds; absent: as the instance or its plan says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain_ns: Option<i64>,
    /// Optional components that are captured too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Leave out what cannot be read, and record it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub skip_unreadable: bool,
}

/// Brings an uploaded file into an instance. That the user confirmed is the caller's to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// The instance.
    pub instance: String,
    /// The id that the snapshot of type `load` will have.
    pub snapshot: String,
    /// The upload: the file of this name in the uploads folder.
    pub upload: String,
    /// The file's own name, without a folder.
    pub file_name: String,
    /// Eight hexadecimal digits, chosen for the restore over the instance's source.
    pub run: String,
    /// The user's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How long it is kept, nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain_ns: Option<i64>,
    /// Whether the state that is overwritten is not kept first.
    #[serde(default, skip_serializing_if = "is_false")]
    pub no_safety: bool,
}

/// Overwrites an instance with a snapshot. That the user typed RESTORE is the caller's to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// The instance that is overwritten.
    pub instance: String,
    /// The snapshot.
    pub snapshot: String,
    /// Eight hexadecimal digits, chosen for this restore.
    pub run: String,
    /// One component of the snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// One path of it, with `/` between its parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether the present state is not kept first.
    #[serde(default, skip_serializing_if = "is_false")]
    pub no_safety: bool,
}

/// Goes back to the state before an instance's latest restore. [`super::undo`] makes one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// The instance.
    pub instance: String,
    /// Its safety snapshot, found when the job was made: a job that is repeated must not find its own.
    pub snapshot: String,
    /// Eight hexadecimal digits, chosen for this restore.
    pub run: String,
    /// Whether the present state is not kept first.
    #[serde(default, skip_serializing_if = "is_false")]
    pub no_safety: bool,
}

/// Completes a restore that was cut short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// The instance.
    pub instance: String,
}

/// Goes back from a restore that was cut short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Abort {
    /// The instance.
    pub instance: String,
}

/// Turns a snapshot into the file `EXPORT.FORMAT` in the exports folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// The snapshot.
    pub snapshot: String,
    /// The export's id.
    pub export: String,
    /// `dump`, `sql`, `tar.gz` or `tar`.
    pub format: String,
    /// For Neo4j dumps: `current` or `4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neo4j_format: Option<String>,
    /// One component of the snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// One path of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// One table or key of it: `table=public.accounts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
}

/// Makes a new instance from a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clone {
    /// The snapshot.
    pub snapshot: String,
    /// The new instance's name.
    pub name: String,
    /// The id that the new instance's first snapshot will have.
    pub copy: String,
    /// Where the data goes; absent: the new instance lives in the repository alone. Without a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// How the source is reached and handled.
    #[serde(default)]
    pub settings: CloneSettings,
}

/// How a clone's source is reached and handled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CloneSettings {
    /// The password, sealed by [`Service::seal_text`](crate::service::Service::seal_text).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// A file that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<String>,
    /// Stops the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<String>,
    /// Starts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Run before each snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Run after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The server's data folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_directory: Option<String>,
}

/// Deletes a snapshot, softly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// The snapshot.
    pub snapshot: String,
    /// How long it can be brought back, nanoseconds; absent: as the service says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_ns: Option<i64>,
}

/// Lets go what is over, and frees what nothing needs. What was deleted keeps the grace time that it was given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gc {
    /// Looks for garbage even where nothing says that there is any.
    #[serde(default, skip_serializing_if = "is_false")]
    pub full: bool,
}

/// Checks that every snapshot is whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// Which stored data is read too: `all`, or a part of it, `3/30`; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_data: Option<String>,
}

/// Restores a snapshot into a throw-away server, and looks at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drill {
    /// The snapshot.
    pub snapshot: String,
    /// Only this component: nothing is proven then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// A query that must give something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

/// Looks whether the system under an instance changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The instance.
    pub instance: String,
}

/// Does what an instance's policy says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The instance.
    pub instance: String,
    /// Does not look whether the system under it has changed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub no_check: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl JobSpec {
    /// The kind's name, as it is stored.
    pub fn kind(&self) -> &'static str {
        match self {
            JobSpec::Snapshot(_) => "snapshot",
            JobSpec::Load(_) => "load",
            JobSpec::Restore(_) => "restore",
            JobSpec::Undo(_) => "undo",
            JobSpec::Resume(_) => "resume",
            JobSpec::Abort(_) => "abort",
            JobSpec::Export(_) => "export",
            JobSpec::Clone(_) => "clone",
            JobSpec::Delete(_) => "delete",
            JobSpec::Gc(_) => "gc",
            JobSpec::Verify(_) => "verify",
            JobSpec::Drill(_) => "drill",
            JobSpec::Check(_) => "check",
            JobSpec::Policy(_) => "policy",
        }
    }

    /// The name of the instance that it works on: of a clone the new one's.
    pub fn instance(&self) -> Option<&str> {
        match self {
            JobSpec::Snapshot(Snapshot { instance, .. })
            | JobSpec::Load(Load { instance, .. })
            | JobSpec::Restore(Restore { instance, .. })
            | JobSpec::Undo(Undo { instance, .. })
            | JobSpec::Resume(Resume { instance })
            | JobSpec::Abort(Abort { instance })
            | JobSpec::Clone(Clone { name: instance, .. })
            | JobSpec::Check(Check { instance })
            | JobSpec::Policy(Policy { instance, .. }) => Some(instance),
            JobSpec::Export(_) | JobSpec::Delete(_) | JobSpec::Gc(_) | JobSpec::Verify(_) | JobSpec::Drill(_) => None,
        }
    }

    /// The id of the snapshot that it makes or works on: of a clone the copy's.
    pub fn snapshot(&self) -> Option<&str> {
        match self {
            JobSpec::Snapshot(Snapshot { snapshot, .. })
            | JobSpec::Load(Load { snapshot, .. })
            | JobSpec::Restore(Restore { snapshot, .. })
            | JobSpec::Undo(Undo { snapshot, .. })
            | JobSpec::Export(Export { snapshot, .. })
            | JobSpec::Clone(Clone { copy: snapshot, .. })
            | JobSpec::Delete(Delete { snapshot, .. })
            | JobSpec::Drill(Drill { snapshot, .. }) => Some(snapshot),
            JobSpec::Resume(_)
            | JobSpec::Abort(_)
            | JobSpec::Gc(_)
            | JobSpec::Verify(_)
            | JobSpec::Check(_)
            | JobSpec::Policy(_) => None,
        }
    }

    /// Whether no other such job may work on the same instance meanwhile: it captures or overwrites the source.
    pub fn writes_instance(&self) -> bool {
        match self {
            JobSpec::Snapshot(_)
            | JobSpec::Load(_)
            | JobSpec::Restore(_)
            | JobSpec::Undo(_)
            | JobSpec::Resume(_)
            | JobSpec::Abort(_)
            | JobSpec::Clone(_)
            | JobSpec::Check(_)
            | JobSpec::Policy(_) => true,
            JobSpec::Export(_) | JobSpec::Delete(_) | JobSpec::Gc(_) | JobSpec::Verify(_) | JobSpec::Drill(_) => false,
        }
    }

    /// Whether it may be performed again after its worker died. All may: each finds out what was done, and where it cannot
    /// go on it fails and says why.
    pub fn is_repeatable(&self) -> bool {
        true
    }
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
