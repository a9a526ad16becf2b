//! Server-sent events: jobs as they change.
//!
//! A change that happens in this process comes at once; one of another server's worker is seen by looking again every
//! second. An event's id is the time, so that who comes back gets what changed since.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, stream};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use crate::server::actions::Desk;
use crate::server::actions::jobs::{self, Job};
use crate::server::auth::{Principal, Right};
use crate::server::catalog;

use super::extract::header;
use super::problem::Answer;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// What another server's worker does is seen after so long at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So often a line says that the stream still lives.
const ALIVE_EVERY: Duration = Duration::from_secs(15);
/// A stream ends after so long, so that a token that was revoked does not listen for ever. Clients come back by themselves.
const LOOKS_MAX: u32 = 15 * 60;

/// What a stream has told of each job.
type Told = HashMap<String, String>;

struct Listening {
    desk: Arc<Desk>,
    who: Principal,
    events: Receiver<Arc<catalog::Job>>,
    /// The one job that is watched.
    job: Option<String>,
    /// What is to be told next.
    waiting: Vec<catalog::Job>,
    told: Told,
    looks: u32,
    is_over: bool,
}

/// What happens to one job, until it is over.
pub fn of_job(desk: Arc<Desk>, who: Principal, job: catalog::Job) -> impl IntoResponse {
    let events = desk.jobs.events();
    let id = job.id.clone();
    sse(Listening { desk, who, events, job: Some(id), waiting: vec![job], told: Told::new(), looks: 0, is_over: false })
}

/// What happens to the account's jobs.
pub async fn of_account(desk: Arc<Desk>, who: Principal, headers: &HeaderMap) -> Answer<impl IntoResponse + use<>> {
    desk.need(&who, Right::Read)?;
    // Listened to before it is looked: nothing falls in between.
    let events = desk.jobs.events();
    let now = desk.catalog.now_us();
    let since = header(headers, &LAST_EVENT_ID).and_then(|id| id.parse().ok()).unwrap_or(now);
    let mut waiting = jobs::changed_since(&desk, &who, since).await?;
    waiting.reverse();
    Ok(sse(Listening { desk, who, events, job: None, waiting, told: Told::new(), looks: 0, is_over: false }))
}

fn sse(listening: Listening) -> impl IntoResponse {
    Sse::new(events(listening)).keep_alive(KeepAlive::new().interval(ALIVE_EVERY).text("alive"))
}

fn events(listening: Listening) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(listening, |mut listening| async move {
        let event = listening.next().await?;
        Some((Ok(event), listening))
    })
}

impl Listening {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(job) = self.waiting.pop() {
                if let Some(event) = self.tell(&job) {
                    return Some(event);
                }
                continue;
            }
            if self.is_over || self.looks >= LOOKS_MAX {
                return None;
            }
            match timeout(LOOK_EVERY, self.events.recv()).await {
                Ok(Ok(job)) => self.waiting.extend(self.concerns(&job).then(|| catalog::Job::clone(&job))),
                Ok(Err(RecvError::Closed)) => return None,
                // What was missed, or happened elsewhere, is looked up.
                Ok(Err(RecvError::Lagged(_))) | Err(_) => self.look().await,
            }
        }
    }

    fn concerns(&self, job: &catalog::Job) -> bool {
        self.job.as_ref().is_none_or(|id| *id == job.id) && jobs::may_see(&self.who, job)
    }

    async fn look(&mut self) {
        self.looks += 1;
        let found = match &self.job {
            Some(id) => jobs::find(&self.desk, &self.who, id).await.map(|job| vec![job]),
            None => {
                let since = self.desk.catalog.now_us().saturating_sub(5_000_000);
                jobs::changed_since(&self.desk, &self.who, since).await
            }
        };
        match found {
            Ok(mut jobs) => {
                jobs.reverse();
                self.waiting = jobs;
            }
            Err(_) => self.is_over = true,
        }
    }

    /// An event, unless the same was told before.
    fn tell(&mut self, job: &catalog::Job) -> Option<Event> {
        let shown = Job::of(job);
        let text = serde_json::to_string(&shown).ok()?;
        if self.told.get(&job.id) == Some(&text) {
            return None;
        }
        let id = self.desk.catalog.now_us();
        if shown.is_over() {
            self.is_over = self.job.is_some();
        }
        self.told.insert(job.id.clone(), text.clone());
        Some(Event::default().event("job").id(id.to_string()).data(text))
    }
}
