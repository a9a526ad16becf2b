//! What an account uses, who did what, plans, webhooks, care.

use std::sync::Arc;

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use crate::server::actions::Desk;
use crate::server::actions::care::{self, Gc, Verify};
use crate::server::actions::instances::JobAnswer;
use crate::server::actions::page::Paging;
use crate::server::actions::usage::{self, Audit, Plans, Usage, Whoami};
use crate::server::actions::webhooks::{self, Deliveries, MadeWebhook, NewWebhook, Webhooks};
use crate::server::api::extract::{Body, Params, Search, Who};
use crate::server::api::idempotency::Replay;
use crate::server::api::problem::Answer;
use crate::server::api::respond::accepted;
use crate::service::Stats;

use super::kind::Routes;

pub fn routes() -> Routes {
    Routes::new()
        .routes(routes!(whoami))
        .routes(routes!(plans))
        .routes(routes!(usage))
        .routes(routes!(audit))
        .routes(routes!(stats))
        .routes(routes!(gc))
        .routes(routes!(verify))
        .routes(routes!(list_webhooks, create_webhook))
        .routes(routes!(remove_webhook))
        .routes(routes!(deliveries))
        .routes(routes!(test_webhook))
}

/// Who asks, and what they may do
#[utoipa::path(get, path = "/v1/whoami", tag = "accounts", responses((status = 200, description = "You", body = Whoami)))]
async fn whoami(State(desk): State<Arc<Desk>>, Who(who): Who) -> Answer<Json<Whoami>> {
    Ok(Json(usage::whoami(&desk, &who).await?))
}

/// All plans
#[utoipa::path(get, path = "/v1/plans", tag = "policies", responses((status = 200, description = "By their names", body = Plans)))]
async fn plans(State(desk): State<Arc<Desk>>, Who(who): Who) -> Answer<Json<Plans>> {
    Ok(Json(usage::plans(&desk, &who).await?))
}

/// Over what time.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UsageQuery {
    /// Days that `over_time` goes back.
    #[param(minimum = 1, maximum = 3660)]
    days: Option<u32>,
}

/// What the account uses: logical, stored, saved
#[utoipa::path(get, path = "/v1/usage", tag = "usage", params(UsageQuery),
    responses((status = 200, description = "Bytes", body = Usage)))]
async fn usage(State(desk): State<Arc<Desk>>, Who(who): Who, Search(query): Search<UsageQuery>) -> Answer<Json<Usage>> {
    Ok(Json(usage::usage(&desk, &who, query.days).await?))
}

/// Which entries.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// The beginning of what was done, such as `snapshot.`.
    #[param(max_length = 64)]
    action: Option<String>,
    /// Entries on a page.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Who did what, newest first
#[utoipa::path(get, path = "/v1/audit", tag = "accounts", params(AuditQuery),
    responses((status = 200, description = "A page of entries", body = Audit)))]
async fn audit(State(desk): State<Arc<Desk>>, Who(who): Who, Search(query): Search<AuditQuery>) -> Answer<Json<Audit>> {
    let paging = Paging { limit: query.limit, cursor: query.cursor };
    Ok(Json(usage::audit(&desk, &who, query.action, paging).await?))
}

/// Of what.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct StatsQuery {
    /// Only of this instance, by its name.
    instance: Option<String>,
}

/// What is stored, and what deduplication and deltas save
#[utoipa::path(get, path = "/v1/stats", tag = "usage", params(StatsQuery),
    responses((status = 200, description = "Sizes", body = Object)))]
async fn stats(State(desk): State<Arc<Desk>>, Who(who): Who, Search(query): Search<StatsQuery>) -> Answer<Json<Stats>> {
    Ok(Json(care::stats(&desk, &who, query.instance).await?))
}

/// Free what nothing needs
#[utoipa::path(post, path = "/v1/gc", tag = "care", request_body = Gc,
    responses((status = 202, description = "A job sees to it", body = JobAnswer)))]
async fn gc(State(desk): State<Arc<Desk>>, Who(who): Who, Body(request): Body<Gc>) -> Answer<Response<HttpBody>> {
    let answer = care::gc(&desk, &who, request).await?;
    Ok(accepted(&answer, &answer.job.id))
}

/// Check that every snapshot is whole
#[utoipa::path(post, path = "/v1/verify", tag = "care", request_body = Verify,
    responses((status = 202, description = "A job sees to it", body = JobAnswer)))]
async fn verify(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Body(request): Body<Verify>,
) -> Answer<Response<HttpBody>> {
    let answer = care::verify(&desk, &who, request).await?;
    Ok(accepted(&answer, &answer.job.id))
}

/// The account's webhooks
#[utoipa::path(get, path = "/v1/webhooks", tag = "webhooks", responses((status = 200, description = "All of them", body = Webhooks)))]
async fn list_webhooks(State(desk): State<Arc<Desk>>, Who(who): Who) -> Answer<Json<Webhooks>> {
    Ok(Json(webhooks::list(&desk, &who).await?))
}

/// Make a webhook
///
/// Its secret is shown now and never again.
#[utoipa::path(post, path = "/v1/webhooks", tag = "webhooks", request_body = NewWebhook,
    responses((status = 201, description = "It is made", body = MadeWebhook)))]
async fn create_webhook(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Body(request): Body<NewWebhook>,
) -> Answer<Response<HttpBody>> {
    let made = webhooks::create(&desk, &who, request).await?;
    let location = format!("/v1/webhooks/{}", made.webhook.id);
    let kept = MadeWebhook { secret: None, ..made.clone() };
    Ok(secret_once((StatusCode::CREATED, Json(made)).into_response(), &kept, &location))
}

/// An answer with a secret, of which only `kept` may be kept.
pub fn secret_once(
    mut response: Response<HttpBody>,
    kept: &impl serde::Serialize,
    location: &str,
) -> Response<HttpBody> {
    response.extensions_mut().insert(Replay(serde_json::to_string(kept).unwrap_or_default()));
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// Remove a webhook
#[utoipa::path(delete, path = "/v1/webhooks/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id")),
    responses((status = 204, description = "It is removed")))]
async fn remove_webhook(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
) -> Answer<StatusCode> {
    webhooks::remove(&desk, &who, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The newest deliveries to a webhook
#[utoipa::path(get, path = "/v1/webhooks/{id}/deliveries", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id")),
    responses((status = 200, description = "Newest first", body = Deliveries)))]
async fn deliveries(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
) -> Answer<Json<Deliveries>> {
    Ok(Json(webhooks::deliveries(&desk, &who, &id).await?))
}

/// Try a webhook
#[utoipa::path(post, path = "/v1/webhooks/{id}/test", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id")),
    responses((status = 202, description = "It will be told", body = Deliveries)))]
async fn test_webhook(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
) -> Answer<(StatusCode, Json<Deliveries>)> {
    Ok((StatusCode::ACCEPTED, Json(webhooks::test(&desk, &who, &id).await?)))
}
