//! Jobs: queued, claimed by one worker, beaten for, ended once.
//!
//! A worker claims in one transaction: an account first, whose row it locks (on PostgreSQL those that others hold are
//! skipped), then the account's oldest job that may run. Every later word about a job names the worker and the attempt,
//! and counts only while that worker still has it: who lost a job cannot end it.

use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use crate::error::{Error, Result};

use super::row::{Cursor, Page, Record, get};
use super::{Catalog, failed};

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Waiting for a worker.
    Queued,
    /// A worker is at it.
    Running,
    /// Done.
    Succeeded,
    /// It ended with an error.
    Failed,
    /// It was called off.
    Cancelled,
}

impl JobState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            JobState::Queued => "queued",
            JobState::Running => "running",
            JobState::Succeeded => "succeeded",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more will happen.
    pub fn is_over(self) -> bool {
        !matches!(self, JobState::Queued | JobState::Running)
    }

    fn of(text: &str) -> Result<Self> {
        [JobState::Queued, JobState::Running, JobState::Succeeded, JobState::Failed, JobState::Cancelled]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Error::damaged("the catalog's job", format!("{text:?} is no status")))
    }
}

/// A job.
#[derive(Debug, Clone)]
pub struct Job {
    /// `j` and 16 hexadecimal digits.
    pub id: String,
    /// Its account.
    pub account: String,
    /// `snapshot`, `restore`, …
    pub kind: String,
    /// The instance that it is about, by name.
    pub instance: Option<String>,
    /// The snapshot that it is about or takes.
    pub snapshot: Option<String>,
    /// Where it is.
    pub state: JobState,
    /// What is to be done, as JSON text.
    pub spec: String,
    /// What came of it.
    pub result: Option<Value>,
    /// The kind of its error, and the error's text.
    pub error: Option<(String, String)>,
    /// What it is at, in words.
    pub stage: Option<String>,
    /// Bytes done of this stage.
    pub bytes_done: i64,
    /// Bytes of this stage, where that is known.
    pub bytes_total: Option<i64>,
    /// How often it was begun.
    pub attempt: i64,
    /// How often it may be begun.
    pub attempts_max: i64,
    /// Who has it.
    pub worker: Option<String>,
    /// When its worker was last heard of.
    pub beat_us: Option<i64>,
    /// Whether it was asked to stop.
    pub cancel_requested: bool,
    /// When it was asked for.
    pub created_us: i64,
    /// When it was first begun.
    pub started_us: Option<i64>,
    /// When it ended.
    pub finished_us: Option<i64>,
    /// Who asked for it.
    pub created_by: String,
    /// The request that asked for it.
    pub request_id: Option<String>,
}

impl Record for Job {
    fn read(row: &AnyRow) -> Result<Self> {
        let result: Option<String> = get(row, "result")?;
        let error_kind: Option<String> = get(row, "error_kind")?;
        let error_message: Option<String> = get(row, "error_message")?;
        Ok(Self {
            id: get(row, "id")?,
            account: get(row, "account")?,
            kind: get(row, "kind")?,
            instance: get(row, "instance")?,
            snapshot: get(row, "snapshot")?,
            state: JobState::of(&get::<String>(row, "status")?)?,
            spec: get(row, "spec")?,
            result: result.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            error: error_kind.zip(error_message),
            stage: get(row, "stage")?,
            bytes_done: get(row, "bytes_done")?,
            bytes_total: get(row, "bytes_total")?,
            attempt: get(row, "attempt")?,
            attempts_max: get(row, "attempts_max")?,
            worker: get(row, "worker")?,
            beat_us: get(row, "beat_us")?,
            cancel_requested: get::<i64>(row, "cancel_requested")? != 0,
            created_us: get(row, "created_us")?,
            started_us: get(row, "started_us")?,
            finished_us: get(row, "finished_us")?,
            created_by: get(row, "created_by")?,
            request_id: get(row, "request_id")?,
        })
    }
}

/// A job that is to be done.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its account.
    pub account: String,
    /// `snapshot`, `restore`, …
    pub kind: &'static str,
    /// The instance that it is about, by name.
    pub instance: Option<String>,
    /// The snapshot that it is about or takes.
    pub snapshot: Option<String>,
    /// Whether no other such job of its instance may run beside it.
    pub is_exclusive: bool,
    /// What is to be done, as JSON text.
    pub spec: String,
    /// How often it may be begun.
    pub attempts_max: i64,
    /// Who asks for it.
    pub created_by: String,
    /// The request that asks for it.
    pub request_id: Option<String>,
}

/// How a job ended.
#[derive(Debug, Clone)]
pub enum Ending {
    /// With this result.
    Succeeded(Value),
    /// With an error: its kind, and its text.
    Failed(String, String),
    /// It was called off.
    Cancelled,
}

/// Which jobs are asked for.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// In this status.
    pub status: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// About this instance, by name.
    pub instance: Option<String>,
    /// About this snapshot.
    pub snapshot: Option<String>,
}

/// How much waits.
#[derive(Debug, Clone, Copy, Default)]
pub struct QueueDepth {
    /// Jobs that wait.
    pub queued: i64,
    /// Jobs that run.
    pub running: i64,
    /// Since when the longest waits.
    pub oldest_us: Option<i64>,
}

/// A queued job `j` of the account `a` that may run: under its account's limit, and alone where it must be. One that was
/// begun and whose worker died, a restore perhaps, goes on before anything else is done with its instance.
const MAY_RUN: &str = "j.status = 'queued' AND j.not_before_us <= $1 \
    AND (SELECT COUNT(*) FROM jobs r WHERE r.status = 'running' AND r.account = a.id) < COALESCE(a.jobs_max, $2) \
    AND NOT (j.exclusive = 1 AND EXISTS (SELECT 1 FROM jobs r WHERE r.account = a.id AND r.exclusive = 1 \
             AND r.instance = j.instance \
             AND (r.status = 'running' OR r.status = 'queued' AND r.attempt > 0 AND j.attempt = 0)))";

impl Catalog {
    /// Queues a job.
    pub async fn add_job(&self, job: &NewJob) -> Result<Job> {
        let id = self.new_id('j');
        let now = self.now_us();
        sqlx::query(
            "INSERT INTO jobs (id, account, kind, instance, snapshot, exclusive, status, spec, bytes_done, attempt, \
             attempts_max, cancel_requested, created_us, not_before_us, created_by, request_id) \
             VALUES ($1, $2, $3, $4, $5, $6, 'queued', $7, 0, 0, $8, 0, $9, $9, $10, $11)",
        )
        .bind(&id)
        .bind(&job.account)
        .bind(job.kind)
        .bind(job.instance.clone())
        .bind(job.snapshot.clone())
        .bind(i64::from(job.is_exclusive))
        .bind(&job.spec)
        .bind(job.attempts_max)
        .bind(now)
        .bind(&job.created_by)
        .bind(job.request_id.clone())
        .execute(&self.pool)
        .await
        .map_err(failed)?;
        self.job(&job.account, &id).await
    }

    /// A job of an account.
    pub async fn job(&self, account: &str, id: &str) -> Result<Job> {
        let query = sqlx::query("SELECT * FROM jobs WHERE account = $1 AND id = $2").bind(account).bind(id);
        let row = query.fetch_optional(&self.pool).await.map_err(failed)?;
        Job::one(row)?.ok_or_else(|| Error::NotFound(format!("there is no job {id:?}")))
    }

    /// A page of an account's jobs, newest first.
    pub async fn jobs(
        &self,
        account: &str,
        filter: &JobFilter,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Job>> {
        let mut clauses = vec!["account = $1".to_string()];
        let mut words = vec![account.to_string()];
        let texts = [
            ("status", &filter.status),
            ("kind", &filter.kind),
            ("instance", &filter.instance),
            ("snapshot", &filter.snapshot),
        ];
        for (column, text) in texts {
            if let Some(text) = text {
                words.push(text.clone());
                clauses.push(format!("{column} = ${}", words.len()));
            }
        }
        if after.is_some() {
            clauses.push(format!("(created_us, id) < (${}, ${})", words.len() + 1, words.len() + 2));
        }
        let sql = format!(
            "SELECT * FROM jobs WHERE {} ORDER BY created_us DESC, id DESC LIMIT {}",
            clauses.join(" AND "),
            limit.saturating_add(1)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for word in words {
            query = query.bind(word);
        }
        if let Some(cursor) = after {
            query = query.bind(cursor.at).bind(cursor.id.clone());
        }
        let rows = query.fetch_all(&self.pool).await.map_err(failed)?;
        Ok(Page::of(Job::all(rows)?, limit, |last| Cursor { at: last.created_us, id: last.id.clone() }))
    }

    /// Gives `worker` a job: of the account that has the fewest running, the one that has waited longest. `per_account` is
    /// how many of an account's jobs may run at once, where the account says nothing itself.
    pub async fn claim_job(&self, worker: &str, per_account: i64) -> Result<Option<Job>> {
        let mut transaction = self.begin().await?;
        // After the wait for the lock: whoever had it may have ended a job meanwhile, and this one begins after that.
        let now = self.now_us();
        let lock = if self.is_postgres { " FOR UPDATE OF a SKIP LOCKED" } else { "" };
        let account = format!(
            "SELECT a.id FROM accounts a WHERE EXISTS (SELECT 1 FROM jobs j WHERE j.account = a.id AND {MAY_RUN}) \
             ORDER BY (SELECT COUNT(*) FROM jobs r WHERE r.status = 'running' AND r.account = a.id), \
                      (SELECT MIN(q.created_us) FROM jobs q WHERE q.status = 'queued' AND q.account = a.id), a.id \
             LIMIT 1{lock}"
        );
        let query = sqlx::query(AssertSqlSafe(account)).bind(now).bind(per_account);
        let Some(row) = query.fetch_optional(&mut *transaction).await.map_err(failed)? else { return Ok(None) };
        let account: String = get(&row, "id")?;
        let job = format!(
            "UPDATE jobs SET status = 'running', worker = $3, beat_us = $1, started_us = COALESCE(started_us, $1), \
             attempt = attempt + 1, stage = NULL, bytes_done = 0, bytes_total = NULL \
             WHERE id = (SELECT j.id FROM jobs j JOIN accounts a ON a.id = j.account WHERE a.id = $4 AND {MAY_RUN} \
                         ORDER BY j.created_us, j.id LIMIT 1) RETURNING *"
        );
        let query = sqlx::query(AssertSqlSafe(job)).bind(now).bind(per_account).bind(worker).bind(account);
        let job = Job::one(query.fetch_optional(&mut *transaction).await.map_err(failed)?)?;
        transaction.commit().await.map_err(failed)?;
        Ok(job)
    }

    /// Says that the worker of a job is alive, and how far it is. Returns whether it is still its own, and whether it is to
    /// stop.
    pub async fn beat(&self, job: &Job, stage: Option<&str>, done: i64, total: Option<i64>) -> Result<(bool, bool)> {
        let query = sqlx::query(
            "UPDATE jobs SET beat_us = $4, stage = $5, bytes_done = $6, bytes_total = $7 \
             WHERE id = $1 AND worker = $2 AND attempt = $3 AND status = 'running' RETURNING cancel_requested",
        );
        let query = query.bind(&job.id).bind(job.worker.clone()).bind(job.attempt).bind(self.now_us());
        let query = query.bind(stage.map(str::to_string)).bind(done).bind(total);
        let row = query.fetch_optional(&self.pool).await.map_err(failed)?;
        match row {
            Some(row) => Ok((true, get::<i64>(&row, "cancel_requested")? != 0)),
            None => Ok((false, true)),
        }
    }

    /// Ends a job. Returns whether it was still its worker's.
    pub async fn end_job(&self, job: &Job, ending: &Ending) -> Result<bool> {
        let (status, result, kind, message) = match ending {
            Ending::Succeeded(result) => (JobState::Succeeded, Some(result.to_string()), None, None),
            Ending::Failed(kind, message) => (JobState::Failed, None, Some(kind.clone()), Some(message.clone())),
            Ending::Cancelled => (JobState::Cancelled, None, None, None),
        };
        let query = sqlx::query(
            "UPDATE jobs SET status = $4, result = $5, error_kind = $6, error_message = $7, finished_us = $8, beat_us = $8 \
             WHERE id = $1 AND worker = $2 AND attempt = $3 AND status = 'running'",
        );
        let query = query.bind(&job.id).bind(job.worker.clone()).bind(job.attempt).bind(status.as_str());
        let query = query.bind(result).bind(kind).bind(message).bind(self.now_us());
        let done = query.execute(&self.pool).await.map_err(failed)?;
        Ok(done.rows_affected() > 0)
    }

    /// Puts a job back into the queue, to be begun no earlier than `not_before_us`. Returns whether it was still its worker's.
    pub async fn requeue_job(&self, job: &Job, not_before_us: i64) -> Result<bool> {
        let query = sqlx::query(
            "UPDATE jobs SET status = 'queued', worker = NULL, not_before_us = $4 \
             WHERE id = $1 AND worker = $2 AND attempt = $3 AND status = 'running'",
        );
        let query = query.bind(&job.id).bind(job.worker.clone()).bind(job.attempt).bind(not_before_us);
        let done = query.execute(&self.pool).await.map_err(failed)?;
        Ok(done.rows_affected() > 0)
    }

    /// All jobs that run.
    pub async fn running_jobs(&self) -> Result<Vec<Job>> {
        let query = sqlx::query("SELECT * FROM jobs WHERE status = 'running' ORDER BY created_us");
        Job::all(query.fetch_all(&self.pool).await.map_err(failed)?)
    }

    /// Calls a job off: at once where it waits, else by asking its worker. Returns the job as it is then.
    pub async fn cancel_job(&self, account: &str, id: &str) -> Result<Job> {
        let query = sqlx::query(
            "UPDATE jobs SET cancel_requested = 1, \
             finished_us = CASE WHEN status = 'queued' THEN $3 ELSE finished_us END, \
             status = CASE WHEN status = 'queued' THEN 'cancelled' ELSE status END \
             WHERE account = $1 AND id = $2 AND status IN ('queued', 'running')",
        );
        let query = query.bind(account).bind(id).bind(self.now_us());
        query.execute(&self.pool).await.map_err(failed)?;
        self.job(account, id).await
    }

    /// An account's jobs that are not over, or ended at or after `since_us`: oldest first, the newest `limit` of them.
    pub async fn jobs_since(&self, account: &str, since_us: i64, limit: i64) -> Result<Vec<Job>> {
        let query = sqlx::query(
            "SELECT * FROM jobs WHERE account = $1 AND status IN ('queued', 'running') \
             UNION ALL SELECT * FROM jobs WHERE account = $1 AND finished_us >= $2 \
             ORDER BY created_us DESC, id DESC LIMIT $3",
        );
        let query = query.bind(account).bind(since_us).bind(limit);
        let mut jobs = Job::all(query.fetch_all(&self.pool).await.map_err(failed)?)?;
        jobs.reverse();
        Ok(jobs)
    }

    /// How much waits.
    pub async fn queue_depth(&self) -> Result<QueueDepth> {
        let query = sqlx::query(
            "SELECT COUNT(CASE WHEN status = 'queued' THEN 1 END) AS queued, \
             COUNT(CASE WHEN status = 'running' THEN 1 END) AS running, \
             MIN(CASE WHEN status = 'queued' THEN created_us END) AS oldest_us \
             FROM jobs WHERE status IN ('queued', 'running')",
        );
        let row = query.fetch_one(&self.pool).await.map_err(failed)?;
        Ok(QueueDepth {
            queued: row.try_get("queued").map_err(failed)?,
            running: row.try_get("running").map_err(failed)?,
            oldest_us: row.try_get("oldest_us").map_err(failed)?,
        })
    }

    /// Whether an account has a job of a kind that waits or runs.
    pub async fn has_open_job(&self, account: &str, kind: &str) -> Result<bool> {
        let query = sqlx::query(
            "SELECT 1 AS found FROM jobs WHERE account = $1 AND kind = $2 AND status IN ('queued', 'running') LIMIT 1",
        );
        Ok(query.bind(account).bind(kind).fetch_optional(&self.pool).await.map_err(failed)?.is_some())
    }

    /// When the newest job of a kind of an account was asked for.
    pub async fn newest_job_us(&self, account: &str, kind: &str) -> Result<Option<i64>> {
        let query = sqlx::query("SELECT MAX(created_us) AS newest FROM jobs WHERE account = $1 AND kind = $2");
        let row = query.bind(account).bind(kind).fetch_one(&self.pool).await.map_err(failed)?;
        row.try_get("newest").map_err(failed)
    }

    /// Jobs that are over and that nobody has told others of, those that ended first first.
    pub async fn untold_jobs(&self, limit: i64) -> Result<Vec<Job>> {
        let query = sqlx::query(
            "SELECT * FROM jobs WHERE told_us IS NULL AND finished_us IS NOT NULL ORDER BY finished_us, id LIMIT $1",
        );
        Job::all(query.bind(limit).fetch_all(&self.pool).await.map_err(failed)?)
    }

    /// Notes that others were told of a job. Of several who note it, one is told so.
    pub async fn set_told(&self, id: &str) -> Result<bool> {
        let query = sqlx::query("UPDATE jobs SET told_us = $2 WHERE id = $1 AND told_us IS NULL");
        let done = query.bind(id).bind(self.now_us()).execute(&self.pool).await.map_err(failed)?;
        Ok(done.rows_affected() > 0)
    }

    /// Forgets jobs that ended before `before_us`.
    pub async fn forget_jobs(&self, before_us: i64) -> Result<u64> {
        let done = sqlx::query("DELETE FROM jobs WHERE finished_us < $1").bind(before_us).execute(&self.pool).await;
        Ok(done.map_err(failed)?.rows_affected())
    }
}
