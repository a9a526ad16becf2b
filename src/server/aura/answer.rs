//! Answers in Aura's words: `{"data": …}`, and of what was refused `{"errors": [{message, reason, field}]}`.

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is given.
pub fn data(value: impl Serialize) -> Response {
    Json(json!({ "data": value })).into_response()
}

/// What is begun and not done yet.
pub fn accepted(value: impl Serialize) -> Response {
    (StatusCode::ACCEPTED, Json(json!({ "data": value }))).into_response()
}

/// The address whose refusals have a form of their own (RFC 6749, section 5.2).
const TOKEN: &str = "/aura/oauth/token";
/// A problem's body is shorter.
const BODY_MAX: usize = 64 << 10;

/// What was refused, as the service itself says it.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    detail: String,
    field: Option<String>,
}

/// Says what was refused as Aura does. Its programs know few statuses: what is none of them is a bad request.
pub async fn in_auras_words(request: Request, next: Next) -> Response {
    let is_token = request.uri().path() == TOKEN;
    let response = next.run(request).await;
    if response.status().is_success() {
        return response;
    }
    let status = match response.status().as_u16() {
        known @ (401 | 403 | 404 | 405 | 409 | 429 | 500 | 502 | 503 | 504) => known,
        500.. => 500,
        _ => 400,
    };
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, BODY_MAX).await.unwrap_or_default();
    let said: Said = serde_json::from_slice(&bytes).unwrap_or_default();
    let body = if is_token { of_token(status, &said) } else { errors(status, &said) };
    parts.status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if is_token && status == 401 {
        parts.headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
    }
    Response::from_parts(parts, Body::from(body.to_string()))
}

fn of_token(status: u16, said: &Said) -> Value {
    let error = match status {
        401 => "invalid_client",
        400 => "unsupported_grant_type",
        429 | 503 => "temporarily_unavailable",
        500.. => "server_error",
        _ => "invalid_request",
    };
    json!({"error": error, "error_description": said.detail})
}

fn errors(status: u16, said: &Said) -> Value {
    let reason = said.kind.rsplit('/').next().unwrap_or_default();
    let mut error = json!({"message": said.detail, "reason": reason});
    if let (Some(error), Some(field)) = (error.as_object_mut(), &said.field) {
        error.insert("field".into(), field.as_str().into());
    }
    match status {
        // Of what is forbidden its programs show this text, and go on with the same access token.
        403 => json!({"errors": [error], "error": said.detail}),
        _ => json!({"errors": [error]}),
    }
}
