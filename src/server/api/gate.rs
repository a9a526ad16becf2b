//! Who comes in: the token or the session of a request, and how often it asks.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE, HeaderName};
use axum::http::{HeaderMap, Method, Response};
use axum::middleware::Next;
use axum::response::IntoResponse;

use crate::server::actions::Desk;
use crate::server::auth::{Origin, Principal, SESSION_COOKIE};
use crate::server::fault::{Fault, Outcome, Problem};

use super::extract::header;
use super::problem::Refusal;

/// The account that the service's own tokens act on.
const ACCOUNT: HeaderName = HeaderName::from_static("snaphold-account");
/// What a session brings with every change.
const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");

/// Lets in who is known.
pub async fn gate(State(desk): State<Arc<Desk>>, mut request: Request, next: Next) -> Response<Body> {
    let origin = request.extensions().get::<Origin>().cloned().unwrap_or_default();
    let who = match known(&desk, request.method(), request.headers(), origin).await {
        Ok(who) => who,
        Err(fault) => return Refusal(fault).into_response(),
    };
    if let Err(fault) = throttled(&desk, &who.actor) {
        return Refusal(fault).into_response();
    }
    request.extensions_mut().insert(who);
    next.run(request).await
}

/// Lets in everybody, not too often.
pub async fn open(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response<Body> {
    let address = request.extensions().get::<Origin>().and_then(|origin| origin.address.clone());
    match throttled(&desk, address.as_deref().unwrap_or_default()) {
        Ok(()) => next.run(request).await,
        Err(fault) => Refusal(fault).into_response(),
    }
}

fn throttled(desk: &Desk, key: &str) -> Outcome<()> {
    desk.requests.check(key).map_err(|wait| {
        let seconds = wait.as_secs().saturating_add(1);
        Fault::new(Problem::TooManyRequests, format!("too many requests; try again in {seconds} s")).after(seconds)
    })
}

async fn known(desk: &Desk, method: &Method, headers: &HeaderMap, origin: Origin) -> Outcome<Principal> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let text = value.to_str().ok().and_then(|value| value.split_once(' '));
        let token = text.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        let token = token
            .filter(|token| !token.is_empty())
            .ok_or_else(|| Fault::new(Problem::Unauthenticated, "the Authorization header is no Bearer token"))?;
        return desk.auth.bearer(token, header(headers, &ACCOUNT), origin).await;
    }
    if let Some(cookie) = cookie(headers, SESSION_COOKIE) {
        if let Some((who, csrf)) = desk.auth.session(cookie, origin).await? {
            if !method.is_safe() {
                desk.auth.check_csrf(&csrf, header(headers, &CSRF))?;
            }
            return Ok(who);
        }
        return Err(Fault::new(Problem::Unauthenticated, "the session has ended; sign in again"));
    }
    Err(Fault::new(Problem::Unauthenticated, "send Authorization: Bearer TOKEN"))
}

/// A cookie's value.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}
