//! Snapshots, and what is done with them.

use std::sync::Arc;

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::State;
use axum::http::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use crate::server::actions::Desk;
use crate::server::actions::care::{self, Drill};
use crate::server::actions::inside::{self, Difference, Items, ListItems};
use crate::server::actions::instances::JobAnswer;
use crate::server::actions::page::Paging;
use crate::server::actions::restores::{self, Clone as NewClone, PlanRestore, Restore, RestorePlan};
use crate::server::actions::snapshots::{self, Hold, ListSnapshots, Snapshot, Snapshots};
use crate::server::api::extract::{Body, Params, Search, Who};
use crate::server::api::problem::Answer;
use crate::server::api::respond::accepted;

use super::kind::Routes;

pub fn routes() -> Routes {
    Routes::new()
        .routes(routes!(list))
        .routes(routes!(get, delete))
        .routes(routes!(undelete))
        .routes(routes!(hold))
        .routes(routes!(plan))
        .routes(routes!(restore))
        .routes(routes!(clone))
        .routes(routes!(drill))
        .routes(routes!(items))
        .routes(routes!(diff))
}

/// A snapshot's type.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotType {
    OnDemand,
    Scheduled,
    Load,
    Safety,
}

/// A snapshot's status.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotStatus {
    InProgress,
    Completed,
    Failed,
    Deleting,
}

/// In which order.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
pub enum Sort {
    /// Newest first.
    #[default]
    #[serde(rename = "-created_at")]
    NewestFirst,
    /// Oldest first.
    #[serde(rename = "created_at")]
    OldestFirst,
}

/// The word that serde has for it.
pub fn word(value: &impl Serialize) -> Option<String> {
    serde_json::to_value(value).ok()?.as_str().map(str::to_string)
}

/// Which of an instance's snapshots.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListOfInstance {
    /// Of this type.
    #[param(inline)]
    r#type: Option<SnapshotType>,
    /// In this status.
    #[param(inline)]
    status: Option<SnapshotStatus>,
    /// Begun at or after this time.
    from: Option<Timestamp>,
    /// Begun before this time.
    until: Option<Timestamp>,
    /// `-created_at`, newest first, or `created_at`.
    #[param(inline)]
    sort: Option<Sort>,
    /// Snapshots on a page.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

impl ListOfInstance {
    /// As the action takes it.
    pub fn of(self, instance: Option<String>) -> ListSnapshots {
        ListSnapshots {
            instance,
            kind: self.r#type.as_ref().and_then(word),
            status: self.status.as_ref().and_then(word),
            from: self.from,
            until: self.until,
            is_oldest_first: matches!(self.sort, Some(Sort::OldestFirst)),
            paging: Paging { limit: self.limit, cursor: self.cursor },
        }
    }
}

/// Which of the account's snapshots.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct List {
    /// Of this instance, by id or name.
    instance: Option<String>,
    /// Of this type.
    #[param(inline)]
    r#type: Option<SnapshotType>,
    /// In this status.
    #[param(inline)]
    status: Option<SnapshotStatus>,
    /// Begun at or after this time.
    from: Option<Timestamp>,
    /// Begun before this time.
    until: Option<Timestamp>,
    /// `-created_at`, newest first, or `created_at`.
    #[param(inline)]
    sort: Option<Sort>,
    /// Snapshots on a page.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// All snapshots of the account
#[utoipa::path(get, path = "/v1/snapshots", tag = "snapshots", params(List),
    responses((status = 200, description = "A page of them", body = Snapshots)))]
async fn list(State(desk): State<Arc<Desk>>, Who(who): Who, Search(query): Search<List>) -> Answer<Json<Snapshots>> {
    let List { instance, r#type, status, from, until, sort, limit, cursor } = query;
    let rest = ListOfInstance { r#type, status, from, until, sort, limit, cursor };
    Ok(Json(snapshots::list(&desk, &who, rest.of(instance)).await?))
}

/// One snapshot
#[utoipa::path(get, path = "/v1/snapshots/{id}", tag = "snapshots",
    params(("id" = String, Path, description = "The snapshot's id")),
    responses((status = 200, description = "The snapshot", body = Snapshot)))]
async fn get(State(desk): State<Arc<Desk>>, Who(who): Who, Params(id): Params<String>) -> Answer<Json<Snapshot>> {
    Ok(Json(snapshots::get(&desk, &who, &id).await?))
}

/// Delete a snapshot
///
/// It can be brought back until its grace time is over.
#[utoipa::path(delete, path = "/v1/snapshots/{id}", tag = "snapshots",
    params(("id" = String, Path, description = "The snapshot's id")),
    responses((status = 200, description = "As it is now", body = Snapshot)))]
async fn delete(State(desk): State<Arc<Desk>>, Who(who): Who, Params(id): Params<String>) -> Answer<Json<Snapshot>> {
    Ok(Json(snapshots::delete(&desk, &who, &id).await?))
}

/// Bring a deleted snapshot back
#[utoipa::path(post, path = "/v1/snapshots/{id}/undelete", tag = "snapshots",
    params(("id" = String, Path, description = "The snapshot's id")),
    responses((status = 200, description = "As it is now", body = Snapshot)))]
async fn undelete(State(desk): State<Arc<Desk>>, Who(who): Who, Params(id): Params<String>) -> Answer<Json<Snapshot>> {
    Ok(Json(snapshots::undelete(&desk, &who, &id).await?))
}

/// Hold a snapshot
///
/// Nobody deletes it before that time. A hold can be made longer, never shorter.
#[utoipa::path(post, path = "/v1/snapshots/{id}/hold", tag = "snapshots", request_body = Hold,
    params(("id" = String, Path, description = "The snapshot's id")),
    responses((status = 200, description = "As it is now", body = Snapshot)))]
async fn hold(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    Body(request): Body<Hold>,
) -> Answer<Json<Snapshot>> {
    Ok(Json(snapshots::hold(&desk, &who, &id, request).await?))
}

/// What a restore would write
#[utoipa::path(post, path = "/v1/snapshots/{id}/restore/plan", tag = "restores", request_body = PlanRestore,
    params(("id" = String, Path, description = "The snapshot's id")),
    responses((status = 200, description = "Nothing was touched", body = RestorePlan)))]
async fn plan(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    Body(request): Body<PlanRestore>,
) -> Answer<Json<RestorePlan>> {
    Ok(Json(restores::plan(&desk, &who, &id, request).await?))
}

/// Overwrite an instance with a snapshot
///
/// Its present state is kept first, as a snapshot of type `safety`.
#[utoipa::path(post, path = "/v1/snapshots/{id}/restore", tag = "restores", request_body = Restore,
    params(("id" = String, Path, description = "The snapshot's id")),
    responses((status = 202, description = "A job sees to it", body = JobAnswer)))]
async fn restore(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    Body(request): Body<Restore>,
) -> Answer<Response<HttpBody>> {
    let answer = restores::restore(&desk, &who, &id, request).await?;
    Ok(accepted(&answer, &answer.job.id))
}

/// Make a new instance from a snapshot
#[utoipa::path(post, path = "/v1/snapshots/{id}/clone", tag = "restores", request_body = NewClone,
    params(("id" = String, Path, description = "The snapshot's id")),
    responses((status = 202, description = "A job sees to it", body = JobAnswer)))]
async fn clone(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    Body(request): Body<NewClone>,
) -> Answer<Response<HttpBody>> {
    let answer = restores::clone(&desk, &who, &id, request).await?;
    Ok(accepted(&answer, &answer.job.id))
}

/// Prove a snapshot: restore it into a throw-away server, and look at it
#[utoipa::path(post, path = "/v1/snapshots/{id}/drill", tag = "snapshots", request_body = Drill,
    params(("id" = String, Path, description = "The snapshot's id")),
    responses((status = 202, description = "A job sees to it", body = JobAnswer)))]
async fn drill(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    Body(request): Body<Drill>,
) -> Answer<Response<HttpBody>> {
    let answer = care::drill(&desk, &who, &id, request).await?;
    Ok(accepted(&answer, &answer.job.id))
}

/// What is listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Of {
    /// Files and folders.
    #[default]
    Files,
    /// Tables and keys.
    Items,
}

/// What of a snapshot is listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ItemsQuery {
    /// Below this folder.
    path: Option<String>,
    /// With all below it.
    recursive: Option<bool>,
    /// `files`, or `items`: tables and keys.
    #[param(inline)]
    of: Option<Of>,
    /// Records at most.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<usize>,
    /// The `next` of the part before.
    cursor: Option<String>,
}

/// What is in a snapshot: files, or tables and keys
#[utoipa::path(get, path = "/v1/snapshots/{id}/items", tag = "snapshots",
    params(("id" = String, Path, description = "The snapshot's id"), ItemsQuery),
    responses((status = 200, description = "Names and sizes", body = Items)))]
async fn items(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    Search(query): Search<ItemsQuery>,
) -> Answer<Json<Items>> {
    let request = ListItems {
        path: query.path.unwrap_or_default(),
        is_recursive: query.recursive.unwrap_or_default(),
        of_database: query.of.unwrap_or_default() == Of::Items,
        limit: query.limit,
        cursor: query.cursor,
    };
    Ok(Json(inside::items(&desk, &who, &id, request).await?))
}

/// With what a snapshot is compared.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DiffQuery {
    /// The id of the snapshot that it is compared with, the older one.
    with: String,
    /// Records at most, of each kind.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<usize>,
}

/// What differs between two snapshots
#[utoipa::path(get, path = "/v1/snapshots/{id}/diff", tag = "snapshots",
    params(("id" = String, Path, description = "The newer snapshot's id"), DiffQuery),
    responses((status = 200, description = "Files, tables and keys that differ", body = Difference)))]
async fn diff(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    Search(query): Search<DiffQuery>,
) -> Answer<Json<Difference>> {
    Ok(Json(inside::diff(&desk, &who, &id, &query.with, query.limit).await?))
}
