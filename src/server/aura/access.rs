//! Access tokens: one of the account's tokens and a time, sealed under the master key. What becomes of the token inside
//! (revoked, expired) holds for them too, at once.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use crate::error::Result;
use crate::server::actions::Desk;
use crate::server::api::Refusal;
use crate::server::auth::{Origin, Principal};
use crate::server::fault::{Fault, Outcome, Problem};

use super::face::Face;

/// What an access token begins with.
const PREFIX: &str = "aura_";
/// Whose they are, for the vault.
const OWNER: &str = "aura access tokens";
/// How long they are good.
pub const GOOD_FOR_S: i64 = 3600;

/// An access token for a token of the service.
pub fn seal(desk: &Desk, token: &str) -> Result<String> {
    let until_us = desk.catalog.now_us().saturating_add(GOOD_FOR_S * 1_000_000);
    Ok(format!("{PREFIX}{}", desk.vault.seal(OWNER, format!("{until_us} {token}").as_bytes())?))
}

/// The token inside, where its time is not over.
fn open(desk: &Desk, text: &str) -> Option<String> {
    let opened = desk.vault.open(OWNER, text.strip_prefix(PREFIX)?).ok()?;
    let (until_us, token) = std::str::from_utf8(&opened).ok()?.split_once(' ')?;
    (until_us.parse::<i64>().ok()? > desk.catalog.now_us()).then(|| token.to_string())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    Some(token.trim()).filter(|_| scheme.eq_ignore_ascii_case("bearer"))
}

/// Whether a request brings an access token, good or not.
pub fn is_access_token(headers: &HeaderMap) -> bool {
    bearer(headers).is_some_and(|token| token.starts_with(PREFIX))
}

/// Who asks, by an access token.
pub struct Who(pub Principal);

impl FromRequestParts<Face> for Who {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, face: &Face) -> std::result::Result<Self, Refusal> {
        known(&face.desk, parts).await.map(Who).map_err(Refusal)
    }
}

async fn known(desk: &Arc<Desk>, parts: &Parts) -> Outcome<Principal> {
    let unknown = || Fault::new(Problem::Unauthenticated, "the access token is not known or has expired");
    let origin = parts.extensions.get::<Origin>().cloned().unwrap_or_default();
    let token = bearer(&parts.headers).and_then(|text| open(desk, text)).ok_or_else(unknown)?;
    let who = desk.auth.bearer(&token, None, origin).await?;
    desk.requests.check(&who.actor).map_err(|wait| {
        let seconds = wait.as_secs().saturating_add(1);
        Fault::new(Problem::TooManyRequests, format!("too many requests; try again in {seconds} s")).after(seconds)
    })?;
    Ok(who)
}
