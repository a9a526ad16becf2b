//! What handlers take out of requests. What cannot be read is a problem, never plain text.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body as HttpBody;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::{CONTENT_TYPE, IF_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::server::actions::Desk;
use crate::server::auth::Principal;
use crate::server::fault::{Fault, Outcome, Problem};

use super::problem::Refusal;

/// A body that comes slower than that is not waited for.
const BODY_WITHIN: Duration = Duration::from_secs(30);
/// How much more than it may be is read of a body that is too long. Who is answered while still sending may see the
/// connection break instead of the answer.
const DRAINED_MAX: usize = 16 << 20;

/// Who asks.
pub struct Who(pub Principal);

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let who = parts.extensions.get::<Principal>().cloned();
        who.map(Who).ok_or_else(|| Refusal(Fault::new(Problem::Unauthenticated, "send Authorization: Bearer TOKEN")))
    }
}

/// Parts of the path.
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        if parts.uri.path().contains("%00") {
            return Err(Refusal(Fault::new(Problem::NotFound, "nothing has such a name")));
        }
        let read = Path::<T>::from_request_parts(parts, state).await;
        let wrong = |_| Refusal(Fault::new(Problem::MalformedRequest, "the path cannot be read: it is no UTF-8 text"));
        read.map(|Path(value)| Params(value)).map_err(wrong)
    }
}

/// The query.
pub struct Search<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Search<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let malformed = |why: String| Refusal(Fault::new(Problem::MalformedRequest, why));
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(malformed("the query holds a zero byte".into()));
        }
        let read = Query::<T>::from_request_parts(parts, state).await;
        read.map(|Query(value)| Search(value)).map_err(|rejection| {
            let text = rejection.body_text();
            let why = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
            let mut refusal = malformed(format!("the query cannot be read: {}", one_line(why)));
            refusal.0.field = quoted(why);
            refusal
        })
    }
}

/// A JSON object.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<Desk>> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, desk: &Arc<Desk>) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(body, desk.config.limits.body.0).await?;
        // What may all be left out may be left out as a whole.
        let bytes = if bytes.is_empty() { b"{}".to_vec() } else { is_json(&parts.headers).map(|()| bytes)? };
        read_json(&bytes).map(Body).map_err(Refusal)
    }
}

fn is_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind == "application/json" || kind.starts_with("application/") && kind.ends_with("+json") {
        true => Ok(()),
        false => {
            Err(Refusal(Fault::new(Problem::UnsupportedMediaType, "send the body with Content-Type: application/json")))
        }
    }
}

/// All bytes of a body that is not too long and does not come too slowly.
pub async fn read_body(body: HttpBody, max: u64) -> Result<Vec<u8>, Refusal> {
    let read = timeout(BODY_WITHIN, collect(body, max)).await;
    let read = read.unwrap_or_else(|_| Err(Fault::new(Problem::RequestTimeout, "the body came too slowly")));
    read.map_err(Refusal)
}

async fn collect(body: HttpBody, max: u64) -> Outcome<Vec<u8>> {
    let limit = usize::try_from(max).unwrap_or(usize::MAX);
    let (mut bytes, mut length) = (Vec::new(), 0_usize);
    let mut parts = body.into_data_stream();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| Fault::new(Problem::MalformedRequest, "the body was cut short"))?;
        length = length.saturating_add(part.len());
        if length <= limit {
            bytes.extend_from_slice(&part);
        } else if length > limit.saturating_add(DRAINED_MAX) {
            break;
        }
    }
    match length <= limit {
        true => Ok(bytes),
        false => Err(Fault::new(Problem::TooLarge, format!("a body is at most {max} bytes"))),
    }
}

fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    let malformed = |why: &str| Fault::new(Problem::MalformedRequest, why.to_string());
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("the body is no UTF-8 text"))?;
    if !text.trim_start().starts_with('{') {
        return Err(malformed("the body is no JSON object"));
    }
    // No database keeps a zero byte in a text.
    if text.contains("\\u0000") {
        return Err(Fault::new(Problem::InvalidValue, "a text of the body holds a zero byte"));
    }
    serde_json::from_str(text).map_err(|error| {
        let why = one_line(&error.to_string());
        match error.is_data() {
            true => {
                Fault { field: quoted(&why), ..Fault::new(Problem::InvalidValue, format!("the body is wrong: {why}")) }
            }
            false => malformed(&format!("the body is no JSON: {why}")),
        }
    })
}

fn one_line(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() > 400 {
        line.truncate((0..=400).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0));
        line.push('…');
    }
    line
}

/// The field that serde names: the first text in backticks of what it says about a field.
fn quoted(text: &str) -> Option<String> {
    let is_about_field = ["unknown field", "missing field", "duplicate field"].iter().any(|what| text.contains(what));
    let name = text.split('`').nth(1).filter(|_| is_about_field)?;
    Some(name.to_string()).filter(|name| name.len() <= 64)
}

/// The ETags of `If-Match`, without quotes. `None`: the header is not there.
pub struct IfMatch(pub Option<Vec<String>>);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let mut values = parts.headers.get_all(IF_MATCH).iter().peekable();
        if values.peek().is_none() {
            return Ok(IfMatch(None));
        }
        // What cannot be read, or is weak, fits nothing.
        let texts = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        let tags =
            texts.map(str::trim).filter(|tag| !tag.starts_with("W/")).map(|tag| tag.trim_matches('"').to_string());
        Ok(IfMatch(Some(tags.collect())))
    }
}

/// A header as text.
pub fn header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Named {
        #[allow(dead_code, reason = "only whether it is read counts")]
        name: String,
    }

    fn problem(text: &[u8]) -> (Problem, Option<String>) {
        let fault = read_json::<Named>(text).unwrap_err();
        (fault.problem, fault.field)
    }

    #[test]
    fn what_is_wrong_with_a_body_is_named() {
        assert!(read_json::<Named>(b" {\"name\": \"a\"}").is_ok());
        assert_eq!(problem(b"[\"a\"]").0, Problem::MalformedRequest);
        assert_eq!(problem(b"{\"name\"").0, Problem::MalformedRequest);
        assert_eq!(problem(b"{\"name\": \"\xff\"}").0, Problem::MalformedRequest);
        assert_eq!(problem(b"{}"), (Problem::InvalidValue, Some("name".into())));
        assert_eq!(problem(b"{\"name\": 1}").0, Problem::InvalidValue);
        assert_eq!(problem(b"{\"name\": \"a\\u0000\"}").0, Problem::InvalidValue);
        assert_eq!(problem(b"{\"name\": \"a\", \"nmae\": 1}"), (Problem::InvalidValue, Some("nmae".into())));
        assert_eq!(problem(b"{\"name\": \"a\", \"name\": \"b\"}"), (Problem::InvalidValue, Some("name".into())));
    }
}
