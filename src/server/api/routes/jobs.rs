//! Jobs, and what happens to them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use crate::server::actions::Desk;
use crate::server::actions::jobs::{self, Job, Jobs, ListJobs};
use crate::server::actions::page::Paging;
use crate::server::api::events;
use crate::server::api::extract::{Params, Search, Who};
use crate::server::api::problem::Answer;

use super::kind::Routes;
use super::snapshots::word;

pub fn routes() -> Routes {
    Routes::new()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(cancel))
        .routes(routes!(job_events))
        .routes(routes!(all_events))
}

/// A job's status.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum JobStatus {
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

/// What a job does.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum JobKind {
    Snapshot,
    Load,
    Restore,
    Undo,
    Resume,
    Abort,
    Export,
    Clone,
    Delete,
    Gc,
    Verify,
    Drill,
    Check,
    Policy,
}

/// Which jobs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct List {
    /// In this status.
    #[param(inline)]
    status: Option<JobStatus>,
    /// Of this kind.
    #[param(inline)]
    kind: Option<JobKind>,
    /// About this instance, by id or name.
    instance: Option<String>,
    /// About this snapshot.
    snapshot: Option<String>,
    /// Jobs on a page.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// The account's jobs, newest first
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", params(List),
    responses((status = 200, description = "A page of them", body = Jobs)))]
async fn list(State(desk): State<Arc<Desk>>, Who(who): Who, Search(query): Search<List>) -> Answer<Json<Jobs>> {
    let request = ListJobs {
        status: query.status.as_ref().and_then(word),
        kind: query.kind.as_ref().and_then(word),
        instance: query.instance,
        snapshot: query.snapshot,
        paging: Paging { limit: query.limit, cursor: query.cursor },
    };
    Ok(Json(jobs::list(&desk, &who, request).await?))
}

/// One job
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs",
    params(("id" = String, Path, description = "The job's id")),
    responses((status = 200, description = "The job", body = Job)))]
async fn get(State(desk): State<Arc<Desk>>, Who(who): Who, Params(id): Params<String>) -> Answer<Json<Job>> {
    Ok(Json(jobs::get(&desk, &who, &id).await?))
}

/// Call a job off
///
/// What waits ends at once, what runs is asked to stop.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", tag = "jobs",
    params(("id" = String, Path, description = "The job's id")),
    responses((status = 200, description = "As it is now", body = Job)))]
async fn cancel(State(desk): State<Arc<Desk>>, Who(who): Who, Params(id): Params<String>) -> Answer<Json<Job>> {
    Ok(Json(jobs::cancel(&desk, &who, &id).await?))
}

/// What happens to a job, until it is over
///
/// Server-sent events `job`, each with the job as it is then. The first comes at once.
#[utoipa::path(get, path = "/v1/jobs/{id}/events", tag = "jobs",
    params(("id" = String, Path, description = "The job's id")),
    responses((status = 200, description = "A stream of events", content_type = "text/event-stream", body = String)))]
async fn job_events(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
) -> Answer<impl IntoResponse> {
    let job = jobs::find(&desk, &who, &id).await?;
    Ok(events::of_job(desk, who, job))
}

/// What happens to the account's jobs
///
/// Server-sent events `job`, each with a job as it is then. With `Last-Event-ID`, what changed since then comes first.
#[utoipa::path(get, path = "/v1/events", tag = "jobs",
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen")),
    responses((status = 200, description = "A stream of events", content_type = "text/event-stream", body = String)))]
async fn all_events(State(desk): State<Arc<Desk>>, Who(who): Who, headers: HeaderMap) -> Answer<impl IntoResponse> {
    events::of_account(desk, who, &headers).await
}
