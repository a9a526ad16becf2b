//! What is due becomes jobs: policies, looks at the systems under instances, expiry with gc; and what is over is tidied
//! away. Of all servers that share a catalog one is the scheduler at a time.
//!
//! When an instance is due stands in the catalog, found out from its repository after each change. A due instance gets a
//! `policy` job; whether and what is to be taken then is decided by the job, from the instance's ledger, where slots are
//! claimed: so a slot is taken once, whoever schedules.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::error::Result;
use crate::service::{Cadence, Plans};

use super::catalog::{Catalog, Instance, Lease};
use super::jobs::{Asker, Jobs, blocking};
use super::work::{Gc, JobSpec, Policy, remove_export, remove_upload};

/// The duty's name.
const DUTY: &str = "scheduler";
/// How long the duty is held without being renewed.
const TENURE_US: i64 = 15_000_000;
/// How often it is looked for what is due.
const TICK: Duration = Duration::from_secs(1);
/// Instances that get their job in one round. The rest, still due, gets it in the next.
const ROUND: i64 = 500;
const ASKER: Asker<'static> = Asker { actor: "scheduler", request_id: None };
const HOUR_US: i64 = 3_600_000_000;

/// How often things are seen to, microseconds.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Between two looks at the system under an instance; `None`: never.
    pub check_us: Option<i64>,
    /// Between two collections of garbage of an account.
    pub gc_us: i64,
    /// How long jobs that are over stay listed.
    pub jobs_kept_us: i64,
    /// How long answers to requests with an `Idempotency-Key` are kept.
    pub answers_kept_us: i64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            check_us: Some(HOUR_US),
            gc_us: 24 * HOUR_US,
            jobs_kept_us: 90 * 24 * HOUR_US,
            answers_kept_us: 24 * HOUR_US,
        }
    }
}

/// The scheduler of a server.
#[derive(Clone)]
pub struct Scheduler {
    catalog: Catalog,
    jobs: Jobs,
    pace: Pace,
    plans: Arc<Plans>,
    holder: String,
    exports: PathBuf,
    uploads: PathBuf,
    tidied_us: Arc<AtomicI64>,
}

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// Policy jobs.
    pub policies: usize,
    /// Policy jobs that look at the system first.
    pub checks: usize,
    /// Collections of garbage.
    pub collections: usize,
}

impl Scheduler {
    /// A scheduler. Files of exports and uploads whose time is over go from these two folders.
    pub fn new(catalog: Catalog, jobs: Jobs, pace: Pace, plans: Arc<Plans>, folders: (&Path, &Path)) -> Self {
        let holder = catalog.new_id('s');
        let (exports, uploads) = (folders.0.to_path_buf(), folders.1.to_path_buf());
        Self { catalog, jobs, pace, plans, holder, exports, uploads, tidied_us: Arc::default() }
    }

    /// Schedules for as long as nothing says stop.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            match self.hold().await {
                Ok(Some(_)) => {
                    if let Err(error) = self.round().await {
                        tracing::error!("the scheduler cannot go on: {error}");
                    }
                }
                Ok(None) => {}
                Err(error) => tracing::error!("the scheduler cannot take its duty: {error}"),
            }
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                stopped = stop.wait_for(|stop| *stop) => {
                    drop(stopped);
                    break;
                }
            }
        }
        if let Err(error) = self.catalog.release_lease(DUTY, &self.holder).await {
            tracing::warn!("the scheduler's duty could not be given back: {error}");
        }
    }

    /// Takes or keeps the duty. `None`: another server has it.
    pub async fn hold(&self) -> Result<Option<Lease>> {
        self.catalog.hold_lease(DUTY, &self.holder, TENURE_US).await
    }

    /// Asks for what is due now.
    pub async fn round(&self) -> Result<Round> {
        let now = self.catalog.now_us();
        let mut round = Round::default();
        for instance in self.catalog.due_instances(now, ROUND).await? {
            let spec = JobSpec::Policy(Policy { instance: instance.name, no_check: true });
            self.jobs.submit(&instance.account, &spec, &ASKER).await?;
            round.policies += 1;
        }
        if let Some(every) = self.pace.check_us {
            for instance in self.catalog.unchecked_instances(now.saturating_sub(every), ROUND).await? {
                self.catalog.set_checked(&instance.account, &instance.name).await?;
                if !self.has_cadence(&instance) {
                    continue;
                }
                let spec = JobSpec::Policy(Policy { instance: instance.name, no_check: false });
                self.jobs.submit(&instance.account, &spec, &ASKER).await?;
                round.checks += 1;
            }
        }
        if now.saturating_sub(self.tidied_us.load(Ordering::Relaxed)) >= HOUR_US / 12 {
            self.tidied_us.store(now, Ordering::Relaxed);
            round.collections = self.collect(now).await?;
            self.tidy(now).await?;
        }
        Ok(round)
    }

    /// Whether a snapshot is taken of an instance by itself when it is new, and when its system changes.
    fn has_cadence(&self, instance: &Instance) -> bool {
        let plan = instance.view.get("plan").and_then(|plan| plan.as_str());
        plan.and_then(|plan| self.plans.get(plan).ok()).is_some_and(|plan| plan.cadence != Cadence::None)
    }

    /// Asks for gc of the accounts whose turn it is, and at most hourly of those that have snapshots past their time.
    async fn collect(&self, now: i64) -> Result<usize> {
        let expired = self.catalog.accounts_with_expired(now).await?;
        let mut asked = 0;
        for account in self.catalog.accounts().await? {
            if account.sealed_secret.is_none() || self.catalog.has_open_job(&account.id, "gc").await? {
                continue;
            }
            let every = if expired.contains(&account.id) { HOUR_US.min(self.pace.gc_us) } else { self.pace.gc_us };
            let last = self.catalog.newest_job_us(&account.id, "gc").await?.unwrap_or(account.created_us);
            if now.saturating_sub(last) >= every {
                self.jobs.submit(&account.id, &JobSpec::Gc(Gc::default()), &ASKER).await?;
                asked += 1;
            }
        }
        Ok(asked)
    }

    async fn tidy(&self, now: i64) -> Result<()> {
        self.catalog.forget_ended_sessions().await?;
        self.catalog.forget_answers(now.saturating_sub(self.pace.answers_kept_us)).await?;
        self.catalog.forget_jobs(now.saturating_sub(self.pace.jobs_kept_us)).await?;
        for upload in self.catalog.forget_uploads().await? {
            let uploads = self.uploads.clone();
            warn_of(blocking(move || remove_upload(&uploads, &upload)).await);
        }
        for (export, format) in self.catalog.forget_exports().await? {
            let exports = self.exports.clone();
            warn_of(blocking(move || remove_export(&exports, &export, &format)).await);
        }
        Ok(())
    }
}

fn warn_of(removed: Result<()>) {
    if let Err(error) = removed {
        tracing::warn!("a file whose time is over stays: {error}");
    }
}
