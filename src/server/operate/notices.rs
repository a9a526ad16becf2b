//! What goes on beside the jobs: how they ended is told, instances that are late are found, webhooks and mail go out.
//!
//! Each process does so. What is told is entered once, and what goes out is one process's at a time (see the catalog), so
//! none of them is the only one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::error::Result;
use crate::server::catalog::Catalog;
use crate::server::config::Span;
use crate::service::Plans;

use super::events::Event;
use super::mail::Mailer;
use super::metrics::Metrics;
use super::notify::Notifier;
use super::overdue::look_for_overdue;
use super::webhook::Deliverer;

/// How often it is looked for what is to be told.
const TICK: Duration = Duration::from_secs(1);
/// How often it is looked for late instances, and for what was told long ago, microseconds.
const LOOK_US: i64 = 60_000_000;
/// Jobs that are told of in one round.
const ROUND: i64 = 200;
/// The duty of looking for late instances: one process at a time.
const DUTY: &str = "overdue";

/// Tells others.
pub struct Notices {
    /// The catalog.
    pub catalog: Catalog,
    /// The plans that there are.
    pub plans: Arc<Plans>,
    /// Enters what is to be told.
    pub notifier: Notifier,
    /// Posts to webhooks.
    pub deliverer: Deliverer,
    /// Sends mail; `None`: there is no mail server.
    pub mailer: Option<Arc<Mailer>>,
    /// Counts.
    pub metrics: Metrics,
    /// How late an instance may be.
    pub overdue_after: Span,
    /// How long what was told is kept.
    pub kept: Span,
    /// How long audit entries are kept.
    pub audit_kept: Span,
}

impl Notices {
    /// Goes on until it is told to stop.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let holder = self.catalog.new_id('o');
        let mut looked_us = i64::MIN;
        loop {
            let mut is_more = false;
            for outcome in [self.tell_ended().await, self.deliverer.deliver_due().await, self.send_mail().await] {
                match outcome {
                    Ok(count) => is_more |= count > 0,
                    Err(error) => tracing::error!("what happened cannot be told: {error}"),
                }
            }
            let now = self.catalog.now_us();
            if now.saturating_sub(looked_us) >= LOOK_US || now < looked_us {
                looked_us = now;
                if let Err(error) = self.look(&holder).await {
                    tracing::error!("it cannot be found out which instances are late: {error}");
                }
            }
            let pause = if is_more { Duration::ZERO } else { TICK };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                stopped = stop.wait_for(|stop| *stop) => {
                    drop(stopped);
                    return;
                }
            }
        }
    }

    /// Tells how jobs ended of which nobody was told. Returns how many there were. What ends it in between is told again
    /// by the next round, as the same event.
    pub async fn tell_ended(&self) -> Result<usize> {
        let jobs = self.catalog.untold_jobs(ROUND).await?;
        for job in &jobs {
            for event in Event::of_job(job) {
                self.notifier.tell(&event).await?;
            }
            if self.catalog.set_told(&job.id).await? {
                let began = job.started_us.unwrap_or(job.created_us);
                let ended = job.finished_us.unwrap_or(began);
                let (waited, ran) = (began.saturating_sub(job.created_us), ended.saturating_sub(began));
                self.metrics.job_ended(&job.kind, job.state.as_str(), waited, ran);
            }
        }
        Ok(jobs.len())
    }

    async fn send_mail(&self) -> Result<usize> {
        match &self.mailer {
            Some(mailer) => mailer.send_due().await,
            None => Ok(0),
        }
    }

    async fn look(&self, holder: &str) -> Result<()> {
        if self.catalog.hold_lease(DUTY, holder, 2 * LOOK_US).await?.is_none() {
            return Ok(());
        }
        look_for_overdue(&self.catalog, &self.plans, self.overdue_after, &self.notifier).await?;
        let before_us = |kept: Span| self.catalog.now_us().saturating_sub(kept.as_us());
        self.catalog.forget_notices(before_us(self.kept)).await?;
        self.catalog.forget_audit(before_us(self.audit_kept)).await.map(drop)
    }
}
