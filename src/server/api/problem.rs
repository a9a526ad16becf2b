//! Problems as they are answered: RFC 9457, `application/problem+json`.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Error;
use crate::server::fault::{Fault, Problem};

/// The kind of a problem's body.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What an error is answered with.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// What kind of problem it is: stable, and the address of a page that says what to do.
    #[serde(rename = "type")]
    #[schema(example = "/problems/not-found")]
    pub kind: String,
    /// The kind in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong and what to do, one line.
    pub detail: String,
    /// The address that was asked.
    pub instance: String,
    /// The request's id, under which the service's log says more.
    pub request_id: String,
    /// The field of the request that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// A fault on its way out. The body is written where the request's id is known.
#[derive(Debug)]
pub struct Refusal(pub Fault);

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status(self.0.problem);
        response.extensions_mut().insert(self.0);
        response
    }
}

/// What a handler gives.
pub type Answer<T> = Result<T, Refusal>;

fn status(problem: Problem) -> StatusCode {
    StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The whole response of a fault.
pub fn response(fault: &Fault, path: &str, request_id: &str) -> Response<Body> {
    let body = ProblemBody {
        kind: format!("/problems/{}", fault.problem.name()),
        title: fault.problem.title().to_string(),
        status: fault.problem.status(),
        detail: fault.detail.clone(),
        instance: path.to_string(),
        request_id: request_id.to_string(),
        field: fault.field.clone(),
    };
    let text = serde_json::to_string(&body).unwrap_or_default();
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status(fault.problem);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    if let Some(seconds) = fault.retry_after_s {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if fault.problem == Problem::Unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"snaphold\""));
    }
    response
}
