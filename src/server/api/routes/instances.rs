//! Instances and their policies.

use std::sync::Arc;

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use utoipa_axum::routes;

use crate::server::actions::Desk;
use crate::server::actions::instances::{self, EditInstance, Instance, Instances, JobAnswer, NewInstance};
use crate::server::actions::policies::{self, Policy, PutPolicy};
use crate::server::actions::restores::{self, Undo};
use crate::server::actions::snapshots::{self, Snapshots, TakeSnapshot, Taking};
use crate::server::api::extract::{Body, IfMatch, Params, Search, Who};
use crate::server::api::problem::Answer;
use crate::server::api::respond::{accepted, created, tagged};

use super::kind::Routes;
use super::snapshots::ListOfInstance;

pub fn routes() -> Routes {
    Routes::new()
        .routes(routes!(list, create))
        .routes(routes!(get, edit, remove))
        .routes(routes!(check))
        .routes(routes!(list_snapshots, take))
        .routes(routes!(undo))
        .routes(routes!(resume))
        .routes(routes!(abort))
        .routes(routes!(policy, put_policy, reset_policy))
}

/// The account's instances
#[utoipa::path(get, path = "/v1/instances", tag = "instances", responses((status = 200, description = "All of them", body = Instances)))]
async fn list(State(desk): State<Arc<Desk>>, Who(who): Who) -> Answer<Json<Instances>> {
    Ok(Json(instances::list(&desk, &who).await?))
}

/// Define an instance
///
/// Its source is reached first, so that what is wrong with it shows now.
#[utoipa::path(post, path = "/v1/instances", tag = "instances", request_body = NewInstance,
    responses((status = 201, description = "It is defined", body = Instance)))]
async fn create(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Body(request): Body<NewInstance>,
) -> Answer<Response<HttpBody>> {
    let instance = instances::create(&desk, &who, request).await?;
    Ok(created(&instance, &format!("/v1/instances/{}", instance.id), Some(&instance.etag)))
}

/// One instance
#[utoipa::path(get, path = "/v1/instances/{id}", tag = "instances",
    params(("id" = String, Path, description = "The instance's id or name")),
    responses((status = 200, description = "The instance", body = Instance)))]
async fn get(State(desk): State<Arc<Desk>>, Who(who): Who, Params(id): Params<String>) -> Answer<Response<HttpBody>> {
    let instance = instances::get(&desk, &who, &id).await?;
    Ok(tagged(&instance, &instance.etag))
}

/// Change an instance
///
/// What is left out stays. What its snapshots say stays as it was.
#[utoipa::path(patch, path = "/v1/instances/{id}", tag = "instances", request_body = EditInstance,
    params(("id" = String, Path, description = "The instance's id or name"),
        ("If-Match" = String, Header, description = "Its ETag")),
    responses((status = 200, description = "As it is now", body = Instance)))]
async fn edit(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    IfMatch(if_match): IfMatch,
    Body(request): Body<EditInstance>,
) -> Answer<Response<HttpBody>> {
    let instance = instances::edit(&desk, &who, &id, if_match.as_deref(), request).await?;
    Ok(tagged(&instance, &instance.etag))
}

/// Remove an instance
///
/// Its snapshots stay until they are deleted.
#[utoipa::path(delete, path = "/v1/instances/{id}", tag = "instances",
    params(("id" = String, Path, description = "The instance's id or name"),
        ("If-Match" = Option<String>, Header, description = "Its ETag")),
    responses((status = 204, description = "It is removed")))]
async fn remove(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    IfMatch(if_match): IfMatch,
) -> Answer<StatusCode> {
    instances::remove(&desk, &who, &id, if_match.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Look whether the system under an instance changed
///
/// A snapshot is taken where it did.
#[utoipa::path(post, path = "/v1/instances/{id}/check", tag = "instances",
    params(("id" = String, Path, description = "The instance's id or name")),
    responses((status = 202, description = "A job sees to it", body = JobAnswer)))]
async fn check(State(desk): State<Arc<Desk>>, Who(who): Who, Params(id): Params<String>) -> Answer<Response<HttpBody>> {
    let answer = instances::check_system(&desk, &who, &id).await?;
    Ok(accepted(&answer, &answer.job.id))
}

/// An instance's snapshots
#[utoipa::path(get, path = "/v1/instances/{id}/snapshots", tag = "snapshots",
    params(("id" = String, Path, description = "The instance's id or name"), ListOfInstance),
    responses((status = 200, description = "A page of them", body = Snapshots)))]
async fn list_snapshots(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    Search(query): Search<ListOfInstance>,
) -> Answer<Json<Snapshots>> {
    Ok(Json(snapshots::list(&desk, &who, query.of(Some(id))).await?))
}

/// Take a snapshot
#[utoipa::path(post, path = "/v1/instances/{id}/snapshots", tag = "snapshots", request_body = TakeSnapshot,
    params(("id" = String, Path, description = "The instance's id or name")),
    responses((status = 202, description = "A job takes it", body = Taking)))]
async fn take(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    Body(request): Body<TakeSnapshot>,
) -> Answer<Response<HttpBody>> {
    let taking = snapshots::take(&desk, &who, &id, request).await?;
    Ok(accepted(&taking, &taking.job.id))
}

/// Go back to the state before an instance's latest restore
#[utoipa::path(post, path = "/v1/instances/{id}/undo", tag = "restores", request_body = Undo,
    params(("id" = String, Path, description = "The instance's id or name")),
    responses((status = 202, description = "A job sees to it", body = JobAnswer)))]
async fn undo(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    Body(request): Body<Undo>,
) -> Answer<Response<HttpBody>> {
    let answer = restores::undo(&desk, &who, &id, request).await?;
    Ok(accepted(&answer, &answer.job.id))
}

/// Complete a restore that was cut short
#[utoipa::path(post, path = "/v1/instances/{id}/resume", tag = "restores",
    params(("id" = String, Path, description = "The instance's id or name")),
    responses((status = 202, description = "A job sees to it", body = JobAnswer)))]
async fn resume(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
) -> Answer<Response<HttpBody>> {
    let answer = restores::resume(&desk, &who, &id).await?;
    Ok(accepted(&answer, &answer.job.id))
}

/// Go back from a restore that was cut short
#[utoipa::path(post, path = "/v1/instances/{id}/abort", tag = "restores",
    params(("id" = String, Path, description = "The instance's id or name")),
    responses((status = 202, description = "A job sees to it", body = JobAnswer)))]
async fn abort(State(desk): State<Arc<Desk>>, Who(who): Who, Params(id): Params<String>) -> Answer<Response<HttpBody>> {
    let answer = restores::abort(&desk, &who, &id).await?;
    Ok(accepted(&answer, &answer.job.id))
}

/// An instance's policy, and when it is due
#[utoipa::path(get, path = "/v1/instances/{id}/policy", tag = "policies",
    params(("id" = String, Path, description = "The instance's id or name")),
    responses((status = 200, description = "The policy that counts", body = Policy)))]
async fn policy(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
) -> Answer<Response<HttpBody>> {
    let policy = policies::get(&desk, &who, &id).await?;
    Ok(tagged(&policy, &policy.etag))
}

/// Set an instance's policy
///
/// It takes the place of the one before.
#[utoipa::path(put, path = "/v1/instances/{id}/policy", tag = "policies", request_body = PutPolicy,
    params(("id" = String, Path, description = "The instance's id or name"),
        ("If-Match" = Option<String>, Header, description = "Its ETag: then nothing is done where it was changed since")),
    responses((status = 200, description = "As it is now", body = Policy)))]
async fn put_policy(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    IfMatch(if_match): IfMatch,
    Body(request): Body<PutPolicy>,
) -> Answer<Response<HttpBody>> {
    let policy = policies::put(&desk, &who, &id, if_match.as_deref(), request).await?;
    Ok(tagged(&policy, &policy.etag))
}

/// Take an instance's own policy away: its plan's counts again
#[utoipa::path(delete, path = "/v1/instances/{id}/policy", tag = "policies",
    params(("id" = String, Path, description = "The instance's id or name"),
        ("If-Match" = Option<String>, Header, description = "Its ETag: then nothing is done where it was changed since")),
    responses((status = 200, description = "What counts now", body = Policy)))]
async fn reset_policy(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    IfMatch(if_match): IfMatch,
) -> Answer<Response<HttpBody>> {
    let policy = policies::reset(&desk, &who, &id, if_match.as_deref()).await?;
    Ok(tagged(&policy, &policy.etag))
}
