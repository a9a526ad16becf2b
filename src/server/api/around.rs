//! What is around every request: its id, the headers of every answer, problems, a limit of time, panics.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, REFERRER_POLICY, RETRY_AFTER,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, Response};
use axum::middleware::Next;
use tokio::time::timeout;
use tracing::Instrument;

use crate::server::actions::Desk;
use crate::server::auth::Origin;
use crate::server::fault::{Fault, Problem};

use super::extract::header;
use super::problem::{self, PROBLEM_JSON};

/// The request's id, in and out.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// How the service is reached, as far as a request shows: `https://snaphold.example.com`.
#[derive(Debug, Clone)]
pub struct Base(pub String);

/// The outermost step.
pub async fn around(State(desk): State<Arc<Desk>>, mut request: Request, next: Next) -> Response<Body> {
    let origin = origin(&desk, &request);
    let path = request.uri().path().to_string();
    let is_https = is_https(&desk, &request);
    let base = Base(base(&desk, request.headers(), is_https));
    request.extensions_mut().insert(base);
    request.extensions_mut().insert(origin.clone());
    let id = origin.request_id.clone();
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_string());
    let span = tracing::info_span!("request", request_id = %id, address = origin.address, method = %request.method(), path = matched);
    let answered = answer(&desk, request, next).instrument(span.clone()).await;
    let mut response = span.in_scope(|| complete(answered, &path, &id));
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    let set = |headers: &mut HeaderMap, name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, CACHE_CONTROL, "no-store");
    set(headers, REFERRER_POLICY, "no-referrer");
    set(headers, CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    if is_https {
        set(headers, STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    response
}

/// The answer, within the time that a request may take. What changes something comes to its end also where nobody waits
/// for it any more: half a change is worse than one that nobody saw.
async fn answer(desk: &Desk, request: Request, next: Next) -> Response<Body> {
    let limit = Duration::from_micros(u64::try_from(desk.config.limits.request_timeout.as_us()).unwrap_or(u64::MAX));
    let limit = if is_stream(&request) { Duration::MAX } else { limit };
    let task = tokio::spawn(next.run(request).in_current_span());
    match timeout(limit, task).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => refused(Fault::internal(format!("a request panicked: {error}"))),
        Err(_) => {
            let detail = "this takes longer than a request may; look later what became of it";
            refused(Fault::new(Problem::Unavailable, detail).after(30))
        }
    }
}

fn refused(fault: Fault) -> Response<Body> {
    axum::response::IntoResponse::into_response(problem::Refusal(fault))
}

/// Whether a request takes its body as a stream, and so may take long.
fn is_stream(request: &Request) -> bool {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    request.method() == Method::PATCH && path == Some("/v1/loads/{id}")
        || request.method() == Method::POST
            && matches!(path, Some("/v1/instances/{id}/loads/file" | "/console/instances/{name}/load"))
}

/// Turns what a handler, or axum itself, refused into a problem.
fn complete(response: Response<Body>, path: &str, id: &str) -> Response<Body> {
    if let Some(fault) = response.extensions().get::<Fault>() {
        fault.log();
        return with_headers(problem::response(fault, path, id), &response);
    }
    let status = response.status();
    let kind = header(response.headers(), &CONTENT_TYPE).unwrap_or_default();
    // The console's pages say themselves what went wrong.
    if kind.starts_with("text/html") {
        return response;
    }
    if (status.is_client_error() || status.is_server_error()) && kind != PROBLEM_JSON {
        let problem = Problem::of_status(status.as_u16());
        let fault = Fault::new(problem, problem.advice());
        return with_headers(problem::response(&fault, path, id), &response);
    }
    response
}

/// Headers that belong to a refusal, such as `Allow`, `Content-Range` and `Upload-Offset`.
fn with_headers(mut to: Response<Body>, from: &Response<Body>) -> Response<Body> {
    for (name, value) in from.headers() {
        let is_of_body = matches!(name.as_str(), "content-type" | "content-length" | "transfer-encoding");
        if !is_of_body && !to.headers().contains_key(name) || *name == RETRY_AFTER {
            to.headers_mut().insert(name.clone(), value.clone());
        }
    }
    to
}

/// Where a request comes from. A proxy that is trusted says for whom it asks.
fn origin(desk: &Desk, request: &Request) -> Origin {
    let given = header(request.headers(), &REQUEST_ID).filter(|id| is_sane(id));
    let request_id = given.map_or_else(|| desk.catalog.new_id('r'), str::to_string);
    let address = address(desk, request);
    Origin { request_id, address: address.map(|address| address.to_string()) }
}

/// Whether an id that came with a request may stand in logs.
fn is_sane(id: &str) -> bool {
    (8..=64).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn peer(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip())
}

fn is_trusted(desk: &Desk, address: IpAddr) -> bool {
    desk.config.proxy.trusted.iter().any(|network| network.contains(address))
}

/// The address behind the proxies that are trusted: the last one that none of them is.
fn address(desk: &Desk, request: &Request) -> Option<IpAddr> {
    let peer = peer(request)?;
    if !is_trusted(desk, peer) {
        return Some(peer);
    }
    let named = request.headers().get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let mut hops: Vec<&str> = named.flat_map(|value| value.split(',')).map(str::trim).collect();
    let mut last = peer;
    while let Some(address) = hops.pop().and_then(|hop| hop.parse::<IpAddr>().ok()) {
        last = address;
        if !is_trusted(desk, address) {
            break;
        }
    }
    Some(last)
}

fn is_https(desk: &Desk, request: &Request) -> bool {
    let by_proxy = peer(request).is_some_and(|peer| is_trusted(desk, peer))
        && header(request.headers(), &FORWARDED_PROTO) == Some("https");
    desk.config.tls.is_some() || by_proxy
}

fn base(desk: &Desk, headers: &HeaderMap, is_https: bool) -> String {
    if let Some(url) = &desk.config.public_url {
        return url.trim_end_matches('/').to_string();
    }
    let is_plain = |host: &&str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
    };
    let host = header(headers, &HOST).filter(is_plain).map_or_else(|| desk.config.listen.to_string(), str::to_string);
    format!("{}://{host}", if is_https { "https" } else { "http" })
}
