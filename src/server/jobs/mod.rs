//! Jobs: taken, called off, watched.

use tokio::sync::broadcast;

use crate::error::{Error, Result};
use crate::server::catalog::{Catalog, Job, NewJob};
use crate::server::work::JobSpec;

/// A job changed.
#[derive(Debug, Clone)]
pub struct JobEvent {
    /// Its account.
    pub account: String,
    /// The job.
    pub job: Job,
}

/// Takes jobs.
#[derive(Debug, Clone)]
pub struct Jobs {
    catalog: Catalog,
    events: broadcast::Sender<JobEvent>,
}

impl Jobs {
    /// Over a catalog.
    pub fn new(catalog: Catalog) -> Self {
        Self { catalog, events: broadcast::channel(1024).0 }
    }

    /// Queues a job.
    pub async fn submit(&self, account: &str, spec: &JobSpec, actor: &str, request_id: Option<&str>) -> Result<Job> {
        let text = serde_json::to_string(spec).map_err(|error| Error::Failed(error.to_string()))?;
        let job = NewJob {
            account: account.to_string(),
            kind: spec.kind(),
            instance: spec.instance().map(str::to_string),
            snapshot: spec.snapshot().map(str::to_string),
            is_exclusive: spec.writes_instance(),
            spec: text,
            attempts_max: 3,
            created_by: actor.to_string(),
            request_id: request_id.map(str::to_string),
        };
        self.catalog.add_job(&job).await
    }

    /// Calls a job off.
    pub async fn cancel(&self, account: &str, id: &str) -> Result<Job> {
        self.catalog.cancel_job(account, id).await
    }

    /// What happens to jobs from now on.
    pub fn events(&self) -> broadcast::Receiver<JobEvent> {
        self.events.subscribe()
    }
}
