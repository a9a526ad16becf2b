//! What happened, as it is told to others.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::server::catalog::{Job, JobState, Watched, from_microseconds};

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A snapshot is complete: on demand, scheduled, loaded.
    SnapshotCompleted,
    /// A snapshot was to be taken and could not be.
    SnapshotFailed,
    /// An instance was overwritten with a snapshot.
    RestoreCompleted,
    /// It was to be, and could not be.
    RestoreFailed,
    /// An instance missed a time of its policy.
    InstanceOverdue,
    /// A job of any kind was done.
    JobSucceeded,
    /// A job of any kind failed.
    JobFailed,
    /// A job of any kind was called off.
    JobCancelled,
}

impl EventKind {
    /// All of them.
    pub const ALL: [EventKind; 8] = [
        EventKind::SnapshotCompleted,
        EventKind::SnapshotFailed,
        EventKind::RestoreCompleted,
        EventKind::RestoreFailed,
        EventKind::InstanceOverdue,
        EventKind::JobSucceeded,
        EventKind::JobFailed,
        EventKind::JobCancelled,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::SnapshotCompleted => "snapshot.completed",
            EventKind::SnapshotFailed => "snapshot.failed",
            EventKind::RestoreCompleted => "restore.completed",
            EventKind::RestoreFailed => "restore.failed",
            EventKind::InstanceOverdue => "instance.overdue",
            EventKind::JobSucceeded => "job.succeeded",
            EventKind::JobFailed => "job.failed",
            EventKind::JobCancelled => "job.cancelled",
        }
    }

    /// The event of a name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether a text names an event, or a part of events such as `snapshot.*`.
    pub fn is_meant_by(text: &str) -> bool {
        match text.strip_suffix('*') {
            Some(beginning) => Self::ALL.into_iter().any(|kind| kind.as_str().starts_with(beginning)),
            None => Self::of(text).is_some(),
        }
    }

    /// Whether somebody should get mail about it.
    pub fn is_mailed(self) -> bool {
        match self {
            EventKind::SnapshotFailed
            | EventKind::RestoreCompleted
            | EventKind::RestoreFailed
            | EventKind::InstanceOverdue => true,
            EventKind::SnapshotCompleted | EventKind::JobSucceeded | EventKind::JobFailed | EventKind::JobCancelled => {
                false
            }
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// Tells it from others of its kind: what has the same key is the same event, and is told once.
    pub key: String,
    /// When.
    pub at: Timestamp,
    /// The account's id.
    pub account: String,
    /// The instance's name.
    pub instance: Option<String>,
    /// The snapshot's id.
    pub snapshot: Option<String>,
    /// Why it failed.
    pub reason: Option<String>,
    /// What is told besides: the job, the snapshot.
    pub details: Value,
}

impl Event {
    /// What the end of a job is to others.
    pub fn of_job(job: &Job) -> Vec<Event> {
        let at = from_microseconds(job.finished_us.unwrap_or(job.created_us));
        let shown = job_value(job);
        let event = |kind, snapshot: Option<&Value>| {
            let snapshot_id = snapshot.and_then(id_of).or_else(|| job.snapshot.clone());
            Event {
                kind,
                key: format!("{} {}", job.id, snapshot_id.as_deref().unwrap_or_default()),
                at,
                account: job.account.clone(),
                instance: job.instance.clone(),
                snapshot: snapshot_id,
                reason: job.error.as_ref().map(|(_, message)| message.clone()),
                details: match snapshot {
                    Some(snapshot) => json!({"job": shown, "snapshot": snapshot}),
                    None => json!({"job": shown}),
                },
            }
        };
        let mut events = Vec::new();
        match job.state {
            JobState::Succeeded => {
                let taken = taken_by(job);
                events.extend(taken.into_iter().map(|snapshot| event(EventKind::SnapshotCompleted, Some(snapshot))));
                if is_restore(job) {
                    events.push(event(EventKind::RestoreCompleted, None));
                }
                events.push(event(EventKind::JobSucceeded, None));
            }
            JobState::Failed => {
                match job.kind.as_str() {
                    "snapshot" | "policy" | "load" => events.push(event(EventKind::SnapshotFailed, None)),
                    _ if is_restore(job) => events.push(event(EventKind::RestoreFailed, None)),
                    _ => {}
                }
                events.push(event(EventKind::JobFailed, None));
            }
            JobState::Cancelled => events.push(event(EventKind::JobCancelled, None)),
            JobState::Queued | JobState::Running => {}
        }
        events
    }

    /// An instance missed the time `missed` of its policy.
    pub fn overdue(instance: &Watched, missed: Timestamp, now: Timestamp) -> Event {
        let newest = instance.newest_us.map(from_microseconds);
        let since = newest.map_or("it has no snapshot yet".to_string(), |at| format!("its newest snapshot is of {at}"));
        Event {
            kind: EventKind::InstanceOverdue,
            key: format!("{} {missed}", instance.instance_id),
            at: now,
            account: instance.account.clone(),
            instance: Some(instance.instance.clone()),
            snapshot: None,
            reason: Some(format!("the snapshot that was due at {missed} was not taken; {since}")),
            details: json!({"due_at": missed, "last_good_snapshot_at": newest}),
        }
    }

    /// The body that is posted: `type`, `timestamp` and `data`.
    pub fn body(&self) -> Value {
        let mut data = json!({
            "account": self.account, "instance": self.instance, "snapshot_id": self.snapshot, "reason": self.reason,
        });
        if let (Some(data), Some(details)) = (data.as_object_mut(), self.details.as_object()) {
            data.extend(details.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        json!({"type": self.kind.as_str(), "timestamp": self.at, "data": data})
    }

    /// It in a line, for people.
    pub fn headline(&self) -> String {
        let instance = self.instance.as_deref().unwrap_or("the account");
        match self.kind {
            EventKind::SnapshotCompleted => format!("Snapshot of {instance} completed"),
            EventKind::SnapshotFailed => format!("Snapshot of {instance} failed"),
            EventKind::RestoreCompleted => format!("{instance} was restored"),
            EventKind::RestoreFailed => format!("Restore of {instance} failed"),
            EventKind::InstanceOverdue => format!("{instance} is overdue"),
            EventKind::JobSucceeded => format!("Job for {instance} succeeded"),
            EventKind::JobFailed => format!("Job for {instance} failed"),
            EventKind::JobCancelled => format!("Job for {instance} was cancelled"),
        }
    }
}

/// The snapshots that a job took, as its result shows them.
fn taken_by(job: &Job) -> Vec<&Value> {
    let Some(result) = &job.result else { return Vec::new() };
    let taken = match job.kind.as_str() {
        "snapshot" | "load" => vec![Some(result)],
        "check" => vec![result.get("snapshot")],
        "policy" => {
            let taken = result.get("taken").and_then(Value::as_array);
            taken.into_iter().flatten().map(|taken| taken.get("snapshot")).collect()
        }
        _ => Vec::new(),
    };
    taken.into_iter().flatten().filter(|snapshot| snapshot.is_object()).collect()
}

fn is_restore(job: &Job) -> bool {
    ["restore", "undo", "resume"].contains(&job.kind.as_str())
}

fn id_of(snapshot: &Value) -> Option<String> {
    snapshot.get("id").and_then(Value::as_str).map(str::to_string)
}

fn job_value(job: &Job) -> Value {
    json!({
        "id": job.id,
        "kind": job.kind,
        "status": job.state.as_str(),
        "created_at": from_microseconds(job.created_us),
        "started_at": job.started_us.map(from_microseconds),
        "finished_at": job.finished_us.map(from_microseconds),
        "created_by": job.created_by,
        "error": job.error.as_ref().map(|(kind, message)| json!({"kind": kind, "message": message})),
    })
}
