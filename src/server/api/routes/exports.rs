//! Exports: made, downloaded, handed on.

use std::sync::Arc;

use axum::body::Body as HttpBody;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode};
use axum::{Extension, Json};
use utoipa_axum::routes;

use crate::server::actions::Desk;
use crate::server::actions::exports::{self, Export, Exporting, Exports, Link, NewExport, NewLink};
use crate::server::api::around::Base;
use crate::server::api::download;
use crate::server::api::extract::{Body, Params, Who};
use crate::server::api::problem::Answer;
use crate::server::api::respond::accepted;
use crate::server::auth::{Origin, Principal, Rights};

use super::kind::{FileBytes, Routes};

pub fn routes() -> Routes {
    Routes::new()
        .routes(routes!(create))
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(content))
        .routes(routes!(link))
}

pub fn public_routes() -> Routes {
    Routes::new().routes(routes!(by_link))
}

/// Turn a snapshot into a file
#[utoipa::path(post, path = "/v1/snapshots/{id}/exports", tag = "exports", request_body = NewExport,
    params(("id" = String, Path, description = "The snapshot's id")),
    responses((status = 202, description = "A job makes it", body = Exporting)))]
async fn create(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    Body(request): Body<NewExport>,
) -> Answer<Response<HttpBody>> {
    let exporting = exports::create(&desk, &who, &id, request).await?;
    Ok(accepted(&exporting, &exporting.job.id))
}

/// The account's exports, newest first
#[utoipa::path(get, path = "/v1/exports", tag = "exports", responses((status = 200, description = "All of them", body = Exports)))]
async fn list(State(desk): State<Arc<Desk>>, Who(who): Who) -> Answer<Json<Exports>> {
    Ok(Json(exports::list(&desk, &who).await?))
}

/// One export
#[utoipa::path(get, path = "/v1/exports/{id}", tag = "exports",
    params(("id" = String, Path, description = "The export's id")),
    responses((status = 200, description = "The export", body = Export)))]
async fn get(State(desk): State<Arc<Desk>>, Who(who): Who, Params(id): Params<String>) -> Answer<Json<Export>> {
    Ok(Json(exports::get(&desk, &who, &id).await?))
}

/// Download an export
///
/// `Range` goes on where a download was cut, with `If-Range` and its ETag.
#[utoipa::path(get, path = "/v1/exports/{id}/content", tag = "exports",
    params(("id" = String, Path, description = "The export's id"),
        ("Range" = Option<String>, Header, description = "One range of bytes, such as `bytes=1000-`"),
        ("If-Range" = Option<String>, Header, description = "Its ETag: then all of it comes where it is another file")),
    responses(
        (status = 200, description = "Its bytes", content_type = "application/octet-stream", body = FileBytes),
        (status = 206, description = "A part of its bytes", content_type = "application/octet-stream", body = FileBytes)))]
async fn content(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    method: Method,
    headers: HeaderMap,
) -> Answer<Response<HttpBody>> {
    let file = exports::content(&desk, &who, &id).await?;
    send(&desk, &who, file, &method, &headers).await
}

async fn send(
    desk: &Desk,
    who: &Principal,
    file: exports::Download,
    method: &Method,
    headers: &HeaderMap,
) -> Answer<Response<HttpBody>> {
    let sending = download::open(&file, headers).await?;
    if *method != Method::HEAD && sending.status() != StatusCode::RANGE_NOT_SATISFIABLE {
        exports::downloaded(desk, who, &file, sending.first()).await?;
    }
    sending.response(&file)
}

/// Make a link that downloads an export without a token
///
/// It can be handed on, and counts until it expires.
#[utoipa::path(post, path = "/v1/exports/{id}/link", tag = "exports", request_body = NewLink,
    params(("id" = String, Path, description = "The export's id")),
    responses((status = 200, description = "The link", body = Link)))]
async fn link(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    Extension(Base(base)): Extension<Base>,
    Body(request): Body<NewLink>,
) -> Answer<Json<Link>> {
    Ok(Json(exports::link(&desk, &who, &id, &base, request).await?))
}

/// Download what a link leads to
#[utoipa::path(get, path = "/v1/downloads/{link}", tag = "exports",
    params(("link" = String, Path, description = "What the link ends with"),
        ("Range" = Option<String>, Header, description = "One range of bytes, such as `bytes=1000-`"),
        ("If-Range" = Option<String>, Header, description = "Its ETag: then all of it comes where it is another file")),
    responses(
        (status = 200, description = "Its bytes", content_type = "application/octet-stream", body = FileBytes),
        (status = 206, description = "A part of its bytes", content_type = "application/octet-stream", body = FileBytes)))]
async fn by_link(
    State(desk): State<Arc<Desk>>,
    Params(link): Params<String>,
    Extension(origin): Extension<Origin>,
    method: Method,
    headers: HeaderMap,
) -> Answer<Response<HttpBody>> {
    let file = exports::by_link(&desk, &link).await?;
    let who = Principal {
        actor: "link".into(),
        account: file.account.clone(),
        rights: Rights::default(),
        is_trusted: false,
        title: "a link".into(),
        origin,
    };
    send(&desk, &who, file, &method, &headers).await
}
