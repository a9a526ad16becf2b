//! Workers: each claims a job, does its work on a thread of its own, and says how far it is meanwhile.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval};
use tracing::Instrument;

use crate::error::{Error, ErrorKind, Result};
use crate::service::Service;

use super::super::catalog::{Catalog, Ending, Job};
use super::super::tenants::Tenants;
use super::super::work::{Done, JobSpec, Means, aftermath, perform};
use super::mirror::{blocking, mirror, next_due};
use super::name::WorkerName;
use super::progress::{JobProgress, Reached};
use super::{Jobs, recovery};

/// How often the catalog is asked for jobs when nobody rings.
const POLL: Duration = Duration::from_millis(500);
/// How often a running job's row is brought up to date.
const BEAT: Duration = Duration::from_millis(500);
/// A job that found its repository busy is tried again after this, times its attempt.
const BUSY_WAIT_US: i64 = 5_000_000;

/// What workers work with.
#[derive(Clone)]
pub struct Bench {
    /// The catalog.
    pub catalog: Catalog,
    /// The accounts' repositories.
    pub tenants: Arc<Tenants>,
    /// Where jobs come from.
    pub jobs: Jobs,
    /// The folder of finished exports.
    pub exports: PathBuf,
    /// The folder of complete uploads.
    pub uploads: PathBuf,
    /// How many of an account's jobs run at once.
    pub jobs_per_account: i64,
    /// A job not heard of for so long is taken from its worker, microseconds.
    pub silence_us: i64,
}

/// The workers of this process.
pub struct Workers {
    running: JoinSet<()>,
    stop: watch::Sender<Stop>,
    beaten_us: Arc<AtomicI64>,
}

/// How far stopping is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Stop {
    /// Not at all.
    No,
    /// No job is begun any more.
    NoMore,
    /// Jobs that run are put back.
    Now,
}

impl Workers {
    /// Starts `count` workers, and what takes jobs back from those that died.
    pub fn start(bench: &Bench, count: usize) -> Self {
        let (stop, stopping) = watch::channel(Stop::No);
        let beaten_us = Arc::new(AtomicI64::new(bench.catalog.now_us()));
        let mut running = JoinSet::new();
        for number in 0..count {
            running.spawn(work(bench.clone(), number, stopping.clone(), beaten_us.clone()));
        }
        running.spawn(take_back(bench.clone(), stopping));
        Self { running, stop, beaten_us }
    }

    /// When a worker last asked for a job, or said that it is at one; microseconds since 1970 (UTC).
    pub fn beaten_us(&self) -> Arc<AtomicI64> {
        self.beaten_us.clone()
    }

    /// Stops them: jobs that run have `patience` to end, then they are put back into the queue.
    pub async fn stop(mut self, patience: Duration) {
        self.stop.send_replace(Stop::NoMore);
        let all = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, all).await.is_err() {
            self.stop.send_replace(Stop::Now);
            while self.running.join_next().await.is_some() {}
        }
    }
}

/// Waits until stopping has come so far, or its sender is gone.
async fn reaches(stopping: &mut watch::Receiver<Stop>, at: Stop) {
    let _ = stopping.wait_for(|stop| *stop >= at).await.map(drop);
}

async fn take_back(bench: Bench, mut stopping: watch::Receiver<Stop>) {
    let every = Duration::from_micros(u64::try_from(bench.silence_us / 3).unwrap_or(1_000_000)).max(POLL);
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = reaches(&mut stopping, Stop::NoMore) => return,
        }
        match recovery::take_back(&bench.catalog, bench.silence_us).await {
            Ok(0) => {}
            Ok(_) => bench.jobs.bell.notify_waiters(),
            Err(error) => tracing::error!("cannot look for jobs whose worker died: {error}"),
        }
    }
}

async fn work(bench: Bench, number: usize, mut stopping: watch::Receiver<Stop>, beaten_us: Arc<AtomicI64>) {
    let process = bench.catalog.surroundings().processes.identity();
    let Ok(name) = serde_json::to_string(&WorkerName { process, number }) else { return };
    while *stopping.borrow() == Stop::No {
        beaten_us.store(bench.catalog.now_us(), Ordering::Relaxed);
        match bench.step(&name, &mut stopping, &beaten_us).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::error!("a worker cannot go on: {error}"),
        }
        tokio::select! {
            () = bench.jobs.bell.notified() => {}
            () = tokio::time::sleep(POLL) => {}
            () = reaches(&mut stopping, Stop::NoMore) => {}
        }
    }
}

impl Bench {
    /// Claims a job and does it, to its end. Returns whether there was one.
    pub async fn run_one(&self, worker: &str) -> Result<bool> {
        let (_stop, mut stopping) = watch::channel(Stop::No);
        self.step(worker, &mut stopping, &AtomicI64::new(0)).await
    }

    async fn step(&self, worker: &str, stopping: &mut watch::Receiver<Stop>, beaten_us: &AtomicI64) -> Result<bool> {
        let Some(job) = self.catalog.claim_job(worker, self.jobs_per_account).await? else { return Ok(false) };
        let request = job.request_id.as_deref().unwrap_or("");
        let span = tracing::info_span!("job", job = %job.id, account = %job.account, kind = %job.kind, request);
        self.run(job, stopping, beaten_us).instrument(span).await?;
        Ok(true)
    }

    async fn run(&self, job: Job, stopping: &mut watch::Receiver<Stop>, beaten_us: &AtomicI64) -> Result<()> {
        tracing::info!(attempt = job.attempt, instance = job.instance.as_deref(), "begun");
        self.jobs.tell(job.clone());
        let (service, spec) = match self.prepare(&job).await {
            Ok(prepared) => prepared,
            Err(error) => return self.end(&job, None, Err(error)).await,
        };
        let progress = Arc::new(JobProgress::default());
        let mut handle = self.begin(&job, &service, &spec, &progress);
        let mut ticks = interval(BEAT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told: Option<Reached> = None;
        let mut is_put_back = false;
        let outcome = loop {
            tokio::select! {
                outcome = &mut handle => {
                    break outcome.unwrap_or_else(|error| Err(Error::Failed(format!("the job ended unexpectedly: {error}"))));
                }
                () = reaches(stopping, Stop::Now), if !is_put_back => {
                    is_put_back = true;
                    progress.stop();
                }
                _ = ticks.tick() => {
                    beaten_us.store(self.catalog.now_us(), Ordering::Relaxed);
                    self.beat(&job, &progress, &mut told).await;
                }
            }
        };
        if is_put_back && matches!(outcome, Err(Error::Cancelled)) && !self.is_cancelled(&job).await? {
            tracing::info!("put back: the server stops");
            return self.catalog.requeue_job(&job, self.catalog.now_us()).await.map(drop);
        }
        self.end(&job, Some((&service, &spec)), outcome).await
    }

    async fn is_cancelled(&self, job: &Job) -> Result<bool> {
        Ok(self.catalog.job(&job.account, &job.id).await?.cancel_requested)
    }

    async fn prepare(&self, job: &Job) -> Result<(Arc<Service>, JobSpec)> {
        let spec: JobSpec = serde_json::from_str(&job.spec)
            .map_err(|error| Error::Failed(format!("this version cannot do what the job says: {error}")))?;
        let account = self.catalog.account(&job.account).await?;
        let sealed = account
            .sealed_secret
            .ok_or_else(|| Error::Refused("the account's key was destroyed, and its data with it".into()))?;
        let tenants = self.tenants.clone();
        let service = blocking(move || tenants.service(&account.id, &sealed)).await?;
        Ok((service, spec))
    }

    fn begin(
        &self,
        job: &Job,
        service: &Arc<Service>,
        spec: &JobSpec,
        progress: &Arc<JobProgress>,
    ) -> JoinHandle<Result<Done>> {
        let (service, spec, progress) = (service.clone(), spec.clone(), progress.clone());
        let (exports, uploads) = (self.exports.clone(), self.uploads.clone());
        let attempt = u32::try_from(job.attempt).unwrap_or(u32::MAX);
        let span = tracing::Span::current();
        tokio::task::spawn_blocking(move || {
            let _entered = span.enter();
            let means =
                Means { service: &service, exports: &exports, uploads: &uploads, progress: &*progress, attempt };
            perform(&spec, &means)
        })
    }

    /// Tells the catalog how far a job is, and hears whether it is to stop. A catalog that does not answer for a moment
    /// stops nothing.
    async fn beat(&self, job: &Job, progress: &JobProgress, told: &mut Option<Reached>) {
        let reached = progress.reached();
        match self.catalog.beat(job, reached.stage, reached.done, reached.total).await {
            Ok((is_ours, is_stopped)) => {
                if is_stopped {
                    progress.stop();
                }
                if !is_ours {
                    tracing::warn!("another worker has taken it");
                    return;
                }
            }
            Err(error) => return tracing::warn!("cannot say how far it is: {error}"),
        }
        if told.as_ref() != Some(&reached) {
            let stage = reached.stage.map(str::to_string);
            self.jobs.tell(Job { stage, bytes_done: reached.done, bytes_total: reached.total, ..job.clone() });
            *told = Some(reached);
        }
    }

    /// Enters what came of a job: what is different first, then that it is over.
    async fn end(&self, job: &Job, begun: Option<(&Arc<Service>, &JobSpec)>, outcome: Result<Done>) -> Result<()> {
        if let (Err(error), true) = (&outcome, job.attempt < job.attempts_max)
            && error.kind() == ErrorKind::Busy
        {
            tracing::info!("put off: {error}");
            let later = self.catalog.now_us().saturating_add(BUSY_WAIT_US.saturating_mul(job.attempt));
            return self.catalog.requeue_job(job, later).await.map(drop);
        }
        let (ending, done) = match outcome {
            Ok(done) => (Ending::Succeeded(done.result.clone()), Some(done)),
            Err(error) => {
                let done = match begun {
                    Some((service, spec)) => Self::aftermath(service, spec).await,
                    None => None,
                };
                let ending = match error {
                    Error::Cancelled => Ending::Cancelled,
                    error => Ending::Failed(error.kind().as_str().to_string(), error.to_string()),
                };
                (ending, done)
            }
        };
        let now = self.catalog.job(&job.account, &job.id).await?;
        if now.worker != job.worker || now.attempt != job.attempt {
            tracing::warn!("another worker has it: what came of it here does not count");
            return Ok(());
        }
        if let Some(done) = &done {
            mirror(&self.catalog, &job.account, done).await?;
        }
        self.settle(job, begun, &ending).await?;
        if self.catalog.end_job(job, &ending).await? {
            tell_ending(&ending);
            self.jobs.tell(self.catalog.job(&job.account, &job.id).await?);
            // What waited for this one may begin.
            self.jobs.bell.notify_one();
        }
        Ok(())
    }

    async fn aftermath(service: &Arc<Service>, spec: &JobSpec) -> Option<Done> {
        let (service, spec) = (service.clone(), spec.clone());
        let looked = blocking(move || aftermath(&spec, &service));
        looked.await.inspect_err(|error| tracing::warn!("cannot look what is left of it: {error}")).ok()
    }

    /// What the catalog alone knows of a job that ends.
    async fn settle(&self, job: &Job, begun: Option<(&Arc<Service>, &JobSpec)>, ending: &Ending) -> Result<()> {
        let reason = match ending {
            Ending::Succeeded(_) => None,
            Ending::Failed(_, message) => Some(message.as_str()),
            Ending::Cancelled => Some("it was cancelled"),
        };
        if let (Some(reason), Some(snapshot)) = (reason, &job.snapshot) {
            self.catalog.fail_snapshot(&job.account, snapshot, reason).await?;
        }
        let Some((service, spec)) = begun else { return Ok(()) };
        if let (Ending::Succeeded(result), JobSpec::Export(export)) = (ending, spec) {
            let text = |field: &str| result.get(field).and_then(|value| value.as_str()).unwrap_or_default().to_string();
            let bytes = result.get("bytes").and_then(serde_json::Value::as_i64).unwrap_or_default();
            self.catalog.finish_export(&export.export, &text("file"), bytes, &text("blake3")).await?;
        }
        if let (Ending::Succeeded(_), JobSpec::Load(load)) = (ending, spec) {
            let length = self.catalog.upload(&job.account, &load.upload).await.map(|upload| upload.received);
            self.catalog.set_upload(&load.upload, length.unwrap_or_default(), "used").await?;
        }
        if let Some(instance) = spec.instance() {
            next_due(&self.catalog, service, &job.account, instance).await?;
        }
        Ok(())
    }
}

fn tell_ending(ending: &Ending) {
    match ending {
        Ending::Succeeded(_) => tracing::info!("succeeded"),
        Ending::Failed(kind, message) => tracing::warn!(kind, "failed: {message}"),
        Ending::Cancelled => tracing::info!("cancelled"),
    }
}
