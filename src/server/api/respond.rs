//! Answers that carry more than a body: where something is, and which version of it.

use axum::Json;
use axum::body::Body;
use axum::http::header::{ETAG, LOCATION};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;

/// A body with the ETag of what it shows.
pub fn tagged(value: &impl Serialize, etag: &str) -> Response<Body> {
    with_tag(Json(value).into_response(), etag)
}

/// Something that was made, and where it is.
pub fn created(value: &impl Serialize, location: &str, etag: Option<&str>) -> Response<Body> {
    let response = placed(StatusCode::CREATED, value, location);
    match etag {
        Some(etag) => with_tag(response, etag),
        None => response,
    }
}

/// Something that a job sees to, and where the job is.
pub fn accepted(value: &impl Serialize, job: &str) -> Response<Body> {
    placed(StatusCode::ACCEPTED, value, &format!("/v1/jobs/{job}"))
}

fn placed(status: StatusCode, value: &impl Serialize, location: &str) -> Response<Body> {
    let mut response = (status, Json(value)).into_response();
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn with_tag(mut response: Response<Body>, etag: &str) -> Response<Body> {
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{etag}\"")) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}
