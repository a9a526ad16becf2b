//! Snapshots and instances as they are shown: the objects that `--json` prints.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::format::ledger::{DeletionCause, Proof, SnapshotState};
use crate::format::manifest::{Component, InstanceRecord, Manifest, Origin, Outcome};
use crate::format::tree::{Node, Summary};
use crate::repo::{FoundWriter, Work, WriterRecord};
use crate::source::kind::Check;

use super::duration::format_duration;
use super::policy::Policy;

/// A snapshot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SnapshotView {
    /// Its id, 16 hexadecimal digits.
    pub id: String,
    /// Its instance.
    pub instance: String,
    /// `on_demand`, `scheduled`, `load` or `safety`.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// `in_progress`, `completed`, `failed` or `deleting`.
    pub status: Cow<'static, str>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it was complete or had failed.
    pub finished_at: Option<Timestamp>,
    /// When it may be deleted by itself.
    pub expires_at: Option<Timestamp>,
    /// The user's words.
    pub description: Option<String>,
    /// It is not deleted before this time.
    pub hold_until: Option<Timestamp>,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// `user` or `expired`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_by: Option<Cow<'static, str>>,
    /// Its data may go from this time on.
    pub purge_after: Option<Timestamp>,
    /// Regular files.
    pub files: u64,
    /// Folders.
    pub directories: u64,
    /// Plain bytes of its files.
    pub bytes_total: u64,
    /// Bytes read from the source.
    pub bytes_read: u64,
    /// Plain bytes of new chunks.
    pub bytes_new: u64,
    /// Bytes added to the repository.
    pub bytes_stored: u64,
    /// New chunks.
    pub chunks_new: u64,
    /// New chunks that are stored as deltas.
    pub chunks_delta: u64,
    /// Files that could not be read and are missing in it.
    pub unreadable: u64,
    /// What it was captured from, for people.
    pub origin: Option<String>,
    /// The snapshot it was compared with.
    pub parent: Option<String>,
    /// For a safety snapshot: what was to be restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_restore_of: Option<String>,
    /// Its components, where it has others than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<ComponentView>,
    /// What its last drill showed; absent where none was held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<ProofView>,
}

/// One component of a snapshot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ComponentView {
    /// Its name.
    pub name: String,
    /// What it was captured from, for people.
    pub origin: String,
    /// Plain bytes of its files.
    pub bytes_total: u64,
}

/// What a drill showed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProofView {
    /// Whether all checks came out well.
    pub proven: bool,
    /// When it was held.
    pub at: Timestamp,
    /// What was looked at.
    pub checks: Vec<Check>,
}

impl ComponentView {
    fn of(component: &Component) -> Self {
        Self {
            name: component.name.clone(),
            origin: describe(&component.origin),
            bytes_total: summary(std::slice::from_ref(component)).bytes,
        }
    }
}

impl ProofView {
    /// As the ledger has it.
    pub fn of(proof: &Proof) -> Self {
        let check =
            |(name, ok, detail): &(String, bool, String)| Check { name: name.clone(), ok: *ok, detail: detail.clone() };
        let checks = proof.checks.iter().map(check).collect();
        Self { proven: proof.proven, at: timestamp(proof.at_ns), checks }
    }
}

/// A time from nanoseconds since 1970; out of range gives the nearest end.
pub fn timestamp(nanoseconds: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or(Timestamp::MAX)
}

/// Totals over components. What a manifest declares may be anything: what is too much stays the most there is.
pub fn summary(components: &[Component]) -> Summary {
    let mut total = Summary::default();
    for component in components {
        if let Node::Directory { summary, .. } = &component.root.node {
            total.files = total.files.saturating_add(summary.files);
            total.directories = total.directories.saturating_add(summary.directories);
            total.others = total.others.saturating_add(summary.others);
            total.bytes = total.bytes.saturating_add(summary.bytes);
        }
    }
    total
}

fn describe(origin: &Origin) -> String {
    match origin {
        Origin::Files => "files".to_string(),
        Origin::Sqlite { version } => format!("SQLite {version}"),
        Origin::Loaded { form, .. } => form.describe(),
        Origin::Database(database) => {
            let mode = if database.mode.is_empty() { String::new() } else { format!(", {}", database.mode) };
            format!("{} {}{mode}", database.system, database.version)
        }
    }
}

impl SnapshotView {
    /// A stored snapshot with what may have changed since.
    pub fn of(manifest: &Manifest, state: Option<&SnapshotState>) -> Self {
        let deletion = state.and_then(|state| state.deleted);
        let (components, reason): (&[Component], _) = match &manifest.outcome {
            Outcome::Completed { components } => (components, None),
            Outcome::Failed { reason } => (&[], Some(reason.clone())),
        };
        let summary = summary(components);
        let status = match (&deletion, &reason) {
            (Some(_), _) => "deleting",
            (None, Some(_)) => "failed",
            (None, None) => "completed",
        };
        Self {
            id: manifest.id.to_string(),
            instance: manifest.instance.clone(),
            kind: manifest.kind.as_str().into(),
            status: status.into(),
            reason,
            created_at: timestamp(manifest.created_at_ns),
            finished_at: Some(timestamp(manifest.finished_at_ns)),
            expires_at: manifest.expires_at_ns.map(timestamp),
            description: manifest.description.clone(),
            hold_until: state.and_then(|state| state.hold_until_ns).map(timestamp),
            deleted_at: deletion.map(|deletion| timestamp(deletion.at_ns)),
            deleted_by: deletion.map(|deletion| match deletion.cause {
                DeletionCause::User => "user".into(),
                DeletionCause::Expired => "expired".into(),
            }),
            purge_after: deletion.map(|deletion| timestamp(deletion.purge_after_ns)),
            files: summary.files,
            directories: summary.directories,
            bytes_total: summary.bytes,
            bytes_read: manifest.cost.bytes_read,
            bytes_new: manifest.cost.bytes_new,
            bytes_stored: manifest.cost.bytes_stored,
            chunks_new: manifest.cost.chunks_new,
            chunks_delta: manifest.cost.chunks_delta,
            unreadable: components.iter().map(|component| component.unreadable).fold(0, u64::saturating_add),
            origin: match components {
                [] => None,
                [component] => Some(describe(&component.origin)),
                several => Some(format!("an environment of {}", several.len())),
            },
            parent: manifest.parent.map(|parent| parent.to_string()),
            before_restore_of: manifest.before_restore_of.map(|id| id.to_string()),
            components: if components.len() > 1 {
                components.iter().map(ComponentView::of).collect()
            } else {
                Vec::new()
            },
            proof: None,
        }
    }

    /// A snapshot that is being taken, or that was when its process ended.
    pub fn of_writer(writer: &FoundWriter) -> Option<Self> {
        let WriterRecord { began_at_ns, work: Work::Snapshot { id, instance, kind }, .. } = writer.record.as_ref()?
        else {
            return None;
        };
        let (status, reason) = match writer.may_be_alive() {
            true => ("in_progress", None),
            false => ("failed", Some("it was interrupted".to_string())),
        };
        Some(Self {
            id: id.to_string(),
            instance: instance.clone(),
            kind: kind.as_str().into(),
            status: status.into(),
            reason,
            created_at: timestamp(*began_at_ns),
            finished_at: None,
            expires_at: None,
            description: None,
            hold_until: None,
            deleted_at: None,
            deleted_by: None,
            purge_after: None,
            files: 0,
            directories: 0,
            bytes_total: 0,
            bytes_read: 0,
            bytes_new: 0,
            bytes_stored: 0,
            chunks_new: 0,
            chunks_delta: 0,
            unreadable: 0,
            origin: None,
            parent: None,
            before_restore_of: None,
            components: Vec::new(),
            proof: None,
        })
    }
}

/// An instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstanceView {
    /// Its name.
    pub name: String,
    /// Its source; `None`: it lives in the repository alone.
    pub source: Option<String>,
    /// Its plan.
    pub plan: String,
    /// Its own retention, as a duration.
    pub retain: Option<String>,
    /// The user's words.
    pub description: Option<String>,
    /// Whether every file is read each time.
    pub always_read: bool,
    /// Its settings by name; secrets are only named.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// Its own policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// How far a restore over it is that is not over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfinished_restore: Option<Cow<'static, str>>,
    /// When it was defined.
    pub created_at: Option<Timestamp>,
    /// Whether a definition is there, or only snapshots. A service shows only those that are defined, and does not say it.
    #[serde(default = "yes")]
    pub defined: bool,
    /// Completed snapshots that are not deleted.
    pub snapshots: u64,
    /// When the newest of them was taken.
    pub latest: Option<Timestamp>,
}

fn yes() -> bool {
    true
}

impl InstanceView {
    /// An instance and what is known of its snapshots.
    pub fn of(name: &str, record: Option<&InstanceRecord>, snapshots: u64, latest: Option<Timestamp>) -> Self {
        Self {
            name: name.to_string(),
            source: record.and_then(|record| record.source.clone()),
            plan: record.map_or_else(|| super::plan::DEFAULT_PLAN.to_string(), |record| record.plan.clone()),
            retain: record.and_then(|record| record.retain_ns).map(format_duration),
            description: record.and_then(|record| record.description.clone()),
            always_read: record.is_some_and(|record| record.always_read),
            settings: BTreeMap::new(),
            policy: None,
            unfinished_restore: None,
            created_at: record.map(|record| timestamp(record.created_at_ns)),
            defined: record.is_some(),
            snapshots,
            latest,
        }
    }
}
