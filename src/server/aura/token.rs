//! Client credentials (RFC 6749, section 4.4): the client's id is a token's id, its secret is the token's secret, or the
//! whole token. By Basic authentication or in the form.

use axum::extract::rejection::FormRejection;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::response::Response;
use axum::{Form, Json};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use crate::server::api::Refusal;
use crate::server::auth::{Origin, secret};
use crate::server::fault::{Fault, Problem};

use super::access::{GOOD_FOR_S, seal};
use super::face::Face;

/// What a client sends.
#[derive(Default, Deserialize)]
pub struct Credentials {
    grant_type: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// Gives an access token. What it refuses is put into words by [`super::answer`].
pub async fn give(
    State(face): State<Face>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
    form: Result<Form<Credentials>, FormRejection>,
) -> Result<Response, Refusal> {
    let form = form.map(|Form(form)| form).unwrap_or_default();
    if form.grant_type.as_deref() != Some("client_credentials") {
        let detail = "grant_type is client_credentials, in a form";
        return Err(Fault::new(Problem::MalformedRequest, detail).into());
    }
    let (id, own) = basic(&headers)
        .or_else(|| form.client_id.zip(form.client_secret))
        .ok_or_else(|| Fault::new(Problem::Unauthenticated, "the client's id and secret are missing"))?;
    let token = if secret::is_id(&id, 't') && secret::split_token(&own).is_none() {
        secret::token_text(&id, &own)
    } else {
        own
    };
    face.desk.auth.bearer(&token, None, origin).await?;
    let access = seal(&face.desk, &token)?;
    let grant = json!({"access_token": access, "token_type": "bearer", "expires_in": GOOD_FOR_S});
    Ok(axum::response::IntoResponse::into_response(Json(grant)))
}

/// Id and secret of Basic authentication. Ours have nothing that would be escaped.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, pair) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(pair.trim()).ok()?).ok()?;
    let (id, own) = pair.split_once(':')?;
    Some((id.to_string(), own.to_string()))
}
