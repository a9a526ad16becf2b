//! Jobs: asked for, worked off by workers of any server that shares the catalog, taken back from workers that died.
//!
//! A job ends once. Its worker names itself and its attempt with every word (see the catalog's jobs), and what it did is
//! in the repository before the catalog says that the job is done. So a job whose worker dies at any moment is begun
//! again by another, which finds out from the repository how far it had come (see [`super::work`]).

mod mirror;
mod name;
mod progress;
mod recovery;
mod worker;

use std::sync::Arc;

use tokio::sync::{Notify, broadcast};

use crate::error::{Error, Result};

use super::catalog::{Catalog, Job, NewJob};
use super::work::JobSpec;

pub use mirror::{blocking, mirror, mirror_account, next_due};
pub use recovery::take_back;
pub use worker::{Bench, Workers};

/// Events that a slow listener may lag behind before it misses some.
const EVENTS_KEPT: usize = 1024;
/// How often a job may be begun. Whatever ends a worker so often will end the next one too.
const ATTEMPTS_MAX: i64 = 8;

/// Where jobs are asked for.
#[derive(Debug, Clone)]
pub struct Jobs {
    catalog: Catalog,
    events: broadcast::Sender<Arc<Job>>,
    /// Wakes workers of this process.
    bell: Arc<Notify>,
}

/// Who asks for a job.
#[derive(Debug, Clone)]
pub struct Asker<'a> {
    /// `token:t…`, `user:u…`, `scheduler`.
    pub actor: &'a str,
    /// The request.
    pub request_id: Option<&'a str>,
}

impl Jobs {
    /// Jobs in a catalog.
    pub fn new(catalog: Catalog) -> Self {
        Self { catalog, events: broadcast::channel(EVENTS_KEPT).0, bell: Arc::new(Notify::new()) }
    }

    /// Queues a job. The snapshot that it will take is listed as in progress from now on.
    pub async fn submit(&self, account: &str, spec: &JobSpec, asker: &Asker<'_>) -> Result<Job> {
        if let JobSpec::Snapshot(snapshot) = spec {
            let about = (snapshot.instance.as_str(), "on_demand", snapshot.description.as_deref());
            self.catalog.begin_snapshot(account, &snapshot.snapshot, about.0, about.1, about.2).await?;
        }
        if let JobSpec::Load(load) = spec {
            let about = (load.instance.as_str(), "load", load.description.as_deref());
            self.catalog.begin_snapshot(account, &load.snapshot, about.0, about.1, about.2).await?;
        }
        let text = serde_json::to_string(spec)
            .map_err(|error| Error::Failed(format!("the job cannot be written as JSON: {error}")))?;
        let new = NewJob {
            account: account.to_string(),
            kind: spec.kind(),
            instance: spec.instance().map(str::to_string),
            snapshot: spec.snapshot().map(str::to_string),
            is_exclusive: spec.writes_instance(),
            spec: text,
            attempts_max: if spec.is_repeatable() { ATTEMPTS_MAX } else { 1 },
            created_by: asker.actor.to_string(),
            request_id: asker.request_id.map(str::to_string),
        };
        let job = self.catalog.add_job(&new).await?;
        self.tell(job.clone());
        self.bell.notify_one();
        Ok(job)
    }

    /// Calls a job off.
    pub async fn cancel(&self, account: &str, id: &str) -> Result<Job> {
        let job = self.catalog.cancel_job(account, id).await?;
        if job.state.is_over() {
            if let (Some(snapshot), true) = (&job.snapshot, matches!(job.kind.as_str(), "snapshot" | "load")) {
                self.catalog.fail_snapshot(account, snapshot, "it was cancelled").await?;
            }
            self.tell(job.clone());
        }
        Ok(job)
    }

    /// Tells of each change of a job that happens in this process. Those of other servers are in the catalog alone.
    pub fn events(&self) -> broadcast::Receiver<Arc<Job>> {
        self.events.subscribe()
    }

    fn tell(&self, job: Job) {
        // Nobody may be listening.
        let _ = self.events.send(Arc::new(job));
    }
}
