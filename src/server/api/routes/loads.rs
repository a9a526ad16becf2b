//! Loads: a dump is uploaded, then brought into an instance.

use std::sync::Arc;

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use crate::server::actions::Desk;
use crate::server::actions::loads::{self, CompleteLoad, Load, Loads, NewLoad};
use crate::server::actions::snapshots::Taking;
use crate::server::api::extract::{Body, Params, Search, Who, header};
use crate::server::api::problem::{Answer, Refusal};
use crate::server::api::receive::{self, UPLOAD_LENGTH, UPLOAD_OFFSET};
use crate::server::api::respond::{accepted, created};
use crate::server::fault::{Fault, Problem};

use super::kind::{FileBytes, Routes};

pub fn routes() -> Routes {
    Routes::new()
        .routes(routes!(begin))
        .routes(routes!(load))
        .routes(routes!(list))
        .routes(routes!(get, append, cancel))
        .routes(routes!(complete))
}

/// Begin an upload
///
/// Then send its bytes by `PATCH`, in as many parts as you like, and complete it.
#[utoipa::path(post, path = "/v1/instances/{id}/loads", tag = "loads", request_body = NewLoad,
    params(("id" = String, Path, description = "The instance's id or name")),
    responses((status = 201, description = "It is begun", body = Load)))]
async fn begin(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    Body(request): Body<NewLoad>,
) -> Answer<Response<HttpBody>> {
    let load = loads::begin(&desk, &who, &id, request).await?;
    Ok(with_offset(created(&load, &format!("/v1/loads/{}", load.id), None), &load))
}

/// What is loaded, and how.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LoadQuery {
    /// The file's name, without a folder.
    #[param(min_length = 1, max_length = 255)]
    file_name: String,
    /// `RESTORE`, where the instance has a source: all its data is overwritten.
    confirm: Option<String>,
    /// Words about the snapshot.
    description: Option<String>,
    /// Days that the snapshot is kept.
    #[param(minimum = 1, maximum = 36500)]
    retention_days: Option<u32>,
    /// Whether the state that is overwritten is not kept first.
    no_safety: Option<bool>,
}

/// Upload a dump in one go, and load it
#[utoipa::path(post, path = "/v1/instances/{id}/loads/file", tag = "loads",
    request_body(content = FileBytes, content_type = "application/octet-stream"),
    params(("id" = String, Path, description = "The instance's id or name"), LoadQuery),
    responses((status = 202, description = "A job loads it", body = Taking)))]
async fn load(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    Search(query): Search<LoadQuery>,
    request: Request,
) -> Answer<Response<HttpBody>> {
    let LoadQuery { file_name, confirm, description, retention_days, no_safety } = query;
    // What would be refused after a long upload is refused before it.
    desk.need(&who, crate::server::auth::Right::Operate)?;
    loads::confirmed(&desk, &who, &id, confirm.as_deref()).await?;
    let length = header(request.headers(), &axum::http::header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
    let begun = loads::begin(&desk, &who, &id, NewLoad { file_name, length }).await?;
    let part = loads::take_up(&desk, &who, &begun.id, None).await?;
    let received = receive::receive(&desk, part, request.into_body()).await;
    if let Err(refusal) = received {
        loads::cancel(&desk, &who, &begun.id).await?;
        return Err(refusal);
    }
    let request = CompleteLoad { confirm, description, retention_days, no_safety: no_safety.unwrap_or_default() };
    match loads::complete(&desk, &who, &begun.id, request).await {
        Ok(taking) => Ok(accepted(&taking, &taking.job.id)),
        Err(fault) => {
            loads::cancel(&desk, &who, &begun.id).await?;
            Err(fault.into())
        }
    }
}

/// The account's uploads, newest first
#[utoipa::path(get, path = "/v1/loads", tag = "loads", responses((status = 200, description = "All of them", body = Loads)))]
async fn list(State(desk): State<Arc<Desk>>, Who(who): Who) -> Answer<Json<Loads>> {
    Ok(Json(loads::list(&desk, &who).await?))
}

/// One upload, and how much of it is there
///
/// `HEAD` gives the headers alone: `Upload-Offset`, and `Upload-Length` where it is known.
#[utoipa::path(get, path = "/v1/loads/{id}", tag = "loads",
    params(("id" = String, Path, description = "The upload's id")),
    responses((status = 200, description = "The upload", body = Load)))]
async fn get(State(desk): State<Arc<Desk>>, Who(who): Who, Params(id): Params<String>) -> Answer<Response<HttpBody>> {
    let load = loads::get(&desk, &who, &id).await?;
    Ok(with_offset(Json(&load).into_response(), &load))
}

/// Send a part of an upload
///
/// Its bytes come after those that are there: `Upload-Offset` says how many. Where a part was cut, what came of it stays.
#[utoipa::path(patch, path = "/v1/loads/{id}", tag = "loads",
    request_body(content(
        (FileBytes = "application/octet-stream"), (FileBytes = "application/offset+octet-stream"))),
    params(("id" = String, Path, description = "The upload's id"),
        ("Upload-Offset" = u64, Header, description = "Bytes that are there already")),
    responses((status = 204, description = "They are there, durably: `Upload-Offset` says how many now")))]
async fn append(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    headers: HeaderMap,
    request: Request,
) -> Answer<Response<HttpBody>> {
    desk.need(&who, crate::server::auth::Right::Operate)?;
    receive::check_kind(&headers)?;
    let offset = header(&headers, &UPLOAD_OFFSET).and_then(|text| text.parse().ok()).ok_or_else(|| {
        let detail = "send Upload-Offset: how many bytes are there already; HEAD tells";
        Refusal(Fault::new(Problem::MalformedRequest, detail).of_field("Upload-Offset"))
    })?;
    let part = match loads::take_up(&desk, &who, &id, Some(offset)).await {
        Ok(part) => part,
        Err(fault) if fault.problem == Problem::OffsetMismatch => {
            let load = loads::get(&desk, &who, &id).await?;
            return Ok(with_offset(Refusal(fault).into_response(), &load));
        }
        Err(fault) => return Err(fault.into()),
    };
    let load = receive::receive(&desk, part, request.into_body()).await?;
    Ok(with_offset(StatusCode::NO_CONTENT.into_response(), &load))
}

/// Load what was uploaded
#[utoipa::path(post, path = "/v1/loads/{id}/complete", tag = "loads", request_body = CompleteLoad,
    params(("id" = String, Path, description = "The upload's id")),
    responses((status = 202, description = "A job loads it", body = Taking)))]
async fn complete(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    Body(request): Body<CompleteLoad>,
) -> Answer<Response<HttpBody>> {
    let taking = loads::complete(&desk, &who, &id, request).await?;
    Ok(accepted(&taking, &taking.job.id))
}

/// Give an upload up
#[utoipa::path(delete, path = "/v1/loads/{id}", tag = "loads",
    params(("id" = String, Path, description = "The upload's id")),
    responses((status = 204, description = "It is given up")))]
async fn cancel(State(desk): State<Arc<Desk>>, Who(who): Who, Params(id): Params<String>) -> Answer<StatusCode> {
    loads::cancel(&desk, &who, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn with_offset(mut response: Response<HttpBody>, load: &Load) -> Response<HttpBody> {
    let numbers: [(HeaderName, Option<i64>); 2] = [(UPLOAD_OFFSET, Some(load.received)), (UPLOAD_LENGTH, load.length)];
    for (name, number) in numbers {
        if let Some(number) = number {
            response.headers_mut().insert(name, HeaderValue::from(number));
        }
    }
    response
}
