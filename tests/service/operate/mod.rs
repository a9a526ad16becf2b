//! Running the service: health, numbers, webhooks, mail, copies of the catalog.

#[path = "../../catalog/world.rs"]
mod clock;
mod copies;
mod health;
mod log;
mod mail;
mod notices;
mod receiver;
mod smtp_server;
mod starts;
mod tls;
mod webhooks;

use std::sync::Arc;

use serde_json::{Value, json};
use snaphold::server::catalog::{Catalog, Ending, Job, NewJob, Webhook};
use snaphold::server::config::{Span, Webhooks};
use snaphold::server::operate::{Deliverer, Event, Metrics, Notices, Notifier, OpenSecret};
use snaphold::service::{InstanceView, Plans, SnapshotView, timestamp};
use tempfile::TempDir;

use clock::World;

pub const SECRET: &[u8] = b"a secret of twenty-four b";
/// The configuration that the tests' webhooks need: their receivers are on this machine.
pub fn private() -> Webhooks {
    Webhooks { allow_private: true, timeout: Span::seconds(2), attempts_max: 4, ..Webhooks::default() }
}

/// A catalog with an account, and a clock that stands until it is moved.
pub struct Office {
    pub world: Arc<World>,
    pub folder: TempDir,
    pub catalog: Catalog,
    pub account: String,
    pub metrics: Metrics,
}

impl Office {
    pub async fn open() -> Self {
        let world = World::new();
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite://{}", folder.path().join("catalog.sqlite").display());
        let catalog = Catalog::open(&url, world.surroundings()).await.unwrap();
        let account = catalog.new_id('a');
        catalog.add_account(&account, "shop", "sealed").await.unwrap();
        let metrics = Metrics::new(world.surroundings());
        Self { world, folder, catalog, account, metrics }
    }

    pub async fn webhook(&self, url: &str, events: &[&str]) -> Webhook {
        let events: Vec<String> = events.iter().map(ToString::to_string).collect();
        self.catalog.add_webhook(&self.account, url, &events, "sealed").await.unwrap()
    }

    pub fn deliverer(&self, config: Webhooks) -> Deliverer {
        let open: OpenSecret = Arc::new(|_| Ok(SECRET.to_vec().into()));
        Deliverer::new(self.catalog.clone(), config, open, self.metrics.clone()).unwrap()
    }

    pub fn notices(&self, notifier: Notifier) -> Notices {
        Notices {
            catalog: self.catalog.clone(),
            plans: Arc::new(Plans::built_in()),
            notifier,
            deliverer: self.deliverer(private()),
            mailer: None,
            metrics: self.metrics.clone(),
            overdue_after: Span::hours(2),
            kept: Span::days(30),
            audit_kept: Span::days(400),
        }
    }

    pub fn notifier(&self) -> Notifier {
        Notifier::new(self.catalog.clone(), None, None)
    }

    /// A job that ended.
    pub async fn ended(&self, kind: &'static str, ending: Ending) -> Job {
        let new = NewJob {
            account: self.account.clone(),
            kind,
            instance: Some("books".into()),
            snapshot: None,
            is_exclusive: true,
            spec: "{}".into(),
            attempts_max: 1,
            created_by: "test".into(),
            request_id: None,
        };
        self.catalog.add_job(&new).await.unwrap();
        self.world.pass(2 * clock::SECOND);
        let job = self.catalog.claim_job("w", 5).await.unwrap().unwrap();
        self.world.pass(3 * clock::SECOND);
        assert!(self.catalog.end_job(&job, &ending).await.unwrap());
        self.catalog.job(&self.account, &job.id).await.unwrap()
    }

    pub async fn instance(&self, name: &str, policy: Option<&str>) {
        let mut view = InstanceView::of(name, None, 0, None);
        view.policy = policy.map(|policy| serde_json::from_str(policy).unwrap());
        self.catalog.put_instance(&self.account, &view).await.unwrap();
    }

    pub async fn snapshot(&self, id: &str, instance: &str) {
        let now = timestamp(self.catalog.now_us() * 1000);
        let view = SnapshotView {
            id: id.into(),
            instance: instance.into(),
            kind: "scheduled".into(),
            status: "completed".into(),
            reason: None,
            created_at: now,
            finished_at: Some(now),
            expires_at: None,
            description: None,
            hold_until: None,
            deleted_at: None,
            deleted_by: None,
            purge_after: None,
            files: 1,
            directories: 1,
            bytes_total: 1000,
            bytes_read: 1000,
            bytes_new: 100,
            bytes_stored: 70,
            chunks_new: 1,
            chunks_delta: 0,
            unreadable: 0,
            origin: None,
            parent: None,
            before_restore_of: None,
            components: Vec::new(),
            proof: None,
        };
        self.catalog.put_snapshot(&self.account, &view).await.unwrap();
    }
}

pub fn completed() -> Ending {
    Ending::Succeeded(json!({"id": "00000000000000aa", "instance": "books", "status": "completed"}))
}

pub fn failed() -> Ending {
    Ending::Failed("failed".into(), "the database <books> does not answer".into())
}

/// The names of the events that a job's end is.
pub fn names(job: &Job) -> Vec<&'static str> {
    Event::of_job(job).iter().map(|event| event.kind.as_str()).collect()
}

pub fn parse(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}
