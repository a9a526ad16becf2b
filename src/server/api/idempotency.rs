//! `Idempotency-Key`: who sends a request twice gets the first one's answer twice, and it is done once.
//!
//! A key belongs to who sends it. The answer to what was refused is not kept: it did nothing, and may be tried again.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderName, LOCATION};
use axum::http::{HeaderValue, Method, Response, StatusCode};
use axum::middleware::Next;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};

use crate::server::actions::Desk;
use crate::server::auth::Principal;
use crate::server::catalog::Claimed;
use crate::server::fault::{Fault, Outcome, Problem};

use super::extract::{header, read_body};
use super::problem::Refusal;

/// The header.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer is the first one's.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// A request that was not answered for so long is taken to have died with its server.
const PATIENCE_US: i64 = 600 * 1_000_000;
/// Answers are small; a larger one is not kept.
const ANSWER_MAX: usize = 1 << 20;
/// Whose keys those are that belong to no account.
const NOBODY: &str = "service";

/// What is to be kept in place of an answer that holds a secret.
#[derive(Debug, Clone)]
pub struct Replay(pub String);

#[derive(Serialize, Deserialize)]
struct Kept {
    headers: BTreeMap<String, String>,
    body: String,
}

/// Answers a repeated request as it was answered.
pub async fn idempotent(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response<Body> {
    let key = header(request.headers(), &IDEMPOTENCY_KEY).map(str::to_string);
    let is_there = request.headers().contains_key(IDEMPOTENCY_KEY);
    let who = request.extensions().get::<Principal>().cloned();
    let (true, true, Some(who)) = (request.method() == Method::POST, is_there, who) else {
        return next.run(request).await;
    };
    match once(&desk, &who, key.unwrap_or_default(), request, next).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

async fn once(
    desk: &Desk,
    who: &Principal,
    key: String,
    request: Request,
    next: Next,
) -> Result<Response<Body>, Refusal> {
    if key.is_empty() || key.len() > 200 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let detail = "an Idempotency-Key is 1 to 200 printable characters without spaces";
        return Err(Fault::new(Problem::MalformedRequest, detail).of_field("Idempotency-Key").into());
    }
    let account = if who.account.is_empty() { NOBODY } else { &who.account };
    let key = format!("{}:{key}", who.actor);
    let (request, digest) = digest(desk, request).await?;
    match desk.catalog.claim_key(account, &key, &digest, PATIENCE_US).await? {
        Claimed::New => {}
        Claimed::Busy => {
            let detail = "the first request with this Idempotency-Key is still being answered";
            return Err(Fault::new(Problem::RequestInProgress, detail).after(2).into());
        }
        Claimed::Other => {
            let detail = "this Idempotency-Key was used for another request; use a new one";
            return Err(Fault::new(Problem::IdempotencyKeyReused, detail).into());
        }
        Claimed::Answered(status, answer) => return Ok(replay(status, &answer)?),
    }
    let response = next.run(request).await;
    if !response.status().is_success() {
        desk.catalog.release_key(account, &key).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, ANSWER_MAX).await.map_err(|error| Refusal(Fault::internal(error)))?;
    let body = match parts.extensions.get::<Replay>() {
        Some(Replay(body)) => body.clone(),
        None => String::from_utf8_lossy(&bytes).into_owned(),
    };
    let kept = [CONTENT_TYPE, ETAG, LOCATION].into_iter().filter_map(|name| {
        let value = header(&parts.headers, &name)?.to_string();
        Some((name.to_string(), value))
    });
    let kept = Kept { headers: kept.collect(), body };
    let text = serde_json::to_string(&kept).map_err(|error| Refusal(Fault::internal(error)))?;
    desk.catalog.keep_answer(account, &key, parts.status.as_u16(), &text).await?;
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// What tells a request from others: its method, address and body. The body of an upload is not read for that.
async fn digest(desk: &Desk, request: Request) -> Result<(Request, String), Refusal> {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_string());
    let (parts, body) = request.into_parts();
    let mut hasher = blake3::Hasher::new();
    hasher.update(parts.method.as_str().as_bytes()).update(b"\n").update(parts.uri.to_string().as_bytes());
    hasher.update(b"\n");
    let body = if path.as_deref() == Some("/v1/instances/{id}/loads/file") {
        body
    } else {
        let bytes = read_body(body, desk.config.limits.body.0).await?;
        hasher.update(&bytes);
        Body::from(bytes)
    };
    Ok((Request::from_parts(parts, body), hasher.finalize().to_hex().to_string()))
}

fn replay(status: u16, answer: &str) -> Outcome<Response<Body>> {
    let kept: Kept = serde_json::from_str(answer).map_err(Fault::internal)?;
    let mut response = Response::new(Body::from(kept.body));
    *response.status_mut() = StatusCode::from_u16(status).map_err(Fault::internal)?;
    for (name, value) in kept.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}
