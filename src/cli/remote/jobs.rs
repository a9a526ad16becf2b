//! Jobs of a service: waited for, looked at, called off.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use snaphold::error::{Error, Result};
use snaphold::ops::Progress;
use snaphold::server::actions::jobs::{Job, Jobs};

use super::Remote;
use super::client::of_kind;
use crate::cli::progress::Teller;

/// Pauses between two looks at a job.
const FIRST_PAUSE: Duration = Duration::from_millis(40);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// A service that is away is waited for: it may be started anew, and its jobs go on then.
const PATIENCE: Duration = Duration::from_secs(300);

/// An answer that names a job.
#[derive(Deserialize)]
pub struct Started {
    pub job: Job,
}

impl Remote {
    /// Starts a job, waits for its end, and gives what came of it.
    pub fn run<T: DeserializeOwned>(&self, path: &[&str], body: &Value, teller: &Teller) -> Result<T> {
        let Started { job } = self.client.post(path, body)?;
        self.result(job, teller)
    }

    /// Waits for a job's end, and gives what came of it.
    pub fn result<T: DeserializeOwned>(&self, job: Job, teller: &Teller) -> Result<T> {
        let job = self.ended(job, teller)?;
        let id = job.id.clone();
        serde_json::from_value(outcome(job)?.unwrap_or(Value::Null))
            .map_err(|error| Error::Failed(format!("job {id} is done, and its result cannot be read: {error}")))
    }

    /// Waits for a job's end.
    pub fn ended(&self, mut job: Job, teller: &Teller) -> Result<Job> {
        self.waiting.set(Some(job.id.clone()));
        let (mut pause, mut away_since) = (FIRST_PAUSE, None);
        while !job.is_over() {
            if let (Some(stage), "running") = (&job.stage, job.status.as_str()) {
                let number = |bytes: i64| u64::try_from(bytes).unwrap_or_default();
                teller.reached(stage, number(job.bytes_done), job.bytes_total.map(number));
            }
            sleep(pause);
            pause = (pause * 3 / 2).min(PAUSE_MAX);
            job = match self.client.get(&["jobs", &job.id], &[]) {
                Ok(job) => {
                    away_since = None;
                    job
                }
                Err(error @ Error::Failed(_)) => {
                    if away_since.is_none() {
                        teller.notice(&format!("{error}; it is waited for"));
                    }
                    if away_since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                        return Err(error);
                    }
                    job
                }
                Err(error) => return Err(error),
            };
        }
        teller.done();
        self.waiting.set(None);
        Ok(job)
    }

    /// A job as it is now.
    pub fn job(&self, id: &str) -> Result<Job> {
        self.client.get(&["jobs", id], &[])
    }

    /// The newest jobs, at most so many.
    pub fn jobs(&self, query: &[(&str, &str)], limit: usize) -> Result<Vec<Job>> {
        self.pages(&["jobs"], query, limit, |page: Jobs| (page.jobs, page.next))
    }

    /// Calls a job off.
    pub fn cancel_job(&self, id: &str) -> Result<Job> {
        self.client.post(&["jobs", id, "cancel"], &json!({}))
    }

    /// The records of a list, page by page, until there are so many.
    pub fn pages<P: DeserializeOwned, T>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        limit: usize,
        parts: impl Fn(P) -> (Vec<T>, Option<String>),
    ) -> Result<Vec<T>> {
        let (mut records, mut cursor): (Vec<T>, Option<String>) = (Vec::new(), None);
        loop {
            let page_len = limit.saturating_sub(records.len()).min(PAGE).to_string();
            let mut asked = query.to_vec();
            asked.push(("limit", &page_len));
            asked.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let (page, next) = parts(self.client.get(path, &asked)?);
            records.extend(page);
            match next {
                Some(next) if records.len() < limit => cursor = Some(next),
                _ => return Ok(records),
            }
        }
    }
}

/// Records on a page.
const PAGE: usize = 500;

/// What came of a job that is over; an error where it failed.
pub fn outcome(job: Job) -> Result<Option<Value>> {
    match (job.status.as_str(), job.error) {
        ("succeeded", _) => Ok(job.result),
        ("cancelled", _) => Err(Error::Cancelled),
        (_, Some(error)) => Err(of_kind(&error.kind, error.message)),
        (status, None) => Err(Error::Failed(format!("job {} is {status}, and does not say why", job.id))),
    }
}
