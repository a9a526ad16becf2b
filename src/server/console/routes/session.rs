//! Signing in and out, and how the console looks.

use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;

use crate::server::actions::Desk;
use crate::server::actions::users::{self, NewUser, Role};
use crate::server::auth::SESSION_COOKIE;
use crate::server::console::assets;
use crate::server::console::link;
use crate::server::console::pages::sign_in::{self, SignIn};
use crate::server::console::view::Theme;
use crate::server::fault::{Fault, Outcome, Problem};

use super::sent::{Sent, Values, value};
use super::visit::{Guest, THEME, Visitor, html, outside, refused, see_other};

/// How long a theme is remembered: a year.
const THEME_SECONDS: u32 = 31_536_000;

#[derive(Deserialize)]
pub struct Asking {
    #[serde(default)]
    next: String,
    #[serde(default)]
    out: String,
}

/// The page that one signs in on.
pub async fn form(guest: Guest, visitor: Result<Visitor, Response>, Query(asking): Query<Asking>) -> Response {
    if visitor.is_ok() {
        return see_other(link::HOME);
    }
    let notice = (!asking.out.is_empty()).then(|| "You are signed out.".to_string());
    shown(&guest, StatusCode::OK, SignIn { next: asking.next, notice, ..SignIn::default() })
}

fn shown(guest: &Guest, status: StatusCode, page: SignIn) -> Response {
    html(status, sign_in::page(guest.theme, &page))
}

/// Signs in, by e-mail address and password. With a token a user is made first: so the first one comes to be.
pub async fn sign_in(guest: Guest, headers: axum::http::HeaderMap, Form(values): Form<Values>) -> Response {
    if !is_from_here(&headers) {
        return outside(guest.theme, &from_elsewhere(), &guest.origin);
    }
    let next = value(&values, "next").unwrap_or_default().to_string();
    match signed_in(&guest, &values).await {
        Ok(cookie) => (see_cookie(&cookie), see_other(&target(&next))).into_response(),
        Err(fault) => {
            fault.log();
            let status = StatusCode::from_u16(fault.problem.status()).unwrap_or(StatusCode::BAD_REQUEST);
            let is_first = value(&values, "token").is_some();
            let filled = refused(&values, &fault, &[]);
            shown(&guest, status, SignIn { next, filled, is_first, ..SignIn::default() })
        }
    }
}

async fn signed_in(guest: &Guest, values: &Values) -> Outcome<String> {
    let field = |name: &str| value(values, name).unwrap_or_default();
    let (email, password) = (field("email"), field("password"));
    if let Some(token) = value(values, "token") {
        let who = guest.desk.auth.bearer(token.trim(), None, guest.origin.clone()).await?;
        let user = NewUser { email: email.to_string(), password: password.to_string(), role: Role::Owner };
        users::create(&guest.desk, &who, user).await?;
    }
    let session = guest.desk.auth.sign_in(email, password, &guest.origin).await?;
    let secure = if guest.is_secure { "; Secure" } else { "" };
    let seconds = session.seconds;
    Ok(format!("{SESSION_COOKIE}={}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}", session.cookie))
}

/// Only to pages of the console: an address from elsewhere must not lead away from it.
fn target(next: &str) -> String {
    let is_ours = next.starts_with("/console/") && !next.contains(['\\', '\r', '\n']);
    if is_ours { next.to_string() } else { link::HOME.to_string() }
}

/// Before there is a session there is no CSRF token: the browser says itself where a form comes from.
fn is_from_here(headers: &axum::http::HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin"), text("host")) {
        (Some(site), _, _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, from)| from == host),
        (None, Some(_), None) => false,
        (None, None, _) => true,
    }
}

fn from_elsewhere() -> Fault {
    Fault::new(Problem::Forbidden, "the form came from another site; open the console, and sign in there")
}

fn see_cookie(cookie: &str) -> [(header::HeaderName, HeaderValue); 1] {
    [(header::SET_COOKIE, HeaderValue::from_str(cookie).unwrap_or(HeaderValue::from_static("")))]
}

/// Signs out.
pub async fn sign_out(sent: Sent) -> Response {
    if let Err(error) = sent.desk.auth.sign_out(&sent.cookie).await {
        return outside(sent.shell.theme, &error.into(), &sent.who.origin);
    }
    let gone = format!("{SESSION_COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    (see_cookie(&gone), see_other("/console/sign-in?out=1")).into_response()
}

/// Chooses light or dark.
pub async fn theme(headers: axum::http::HeaderMap, sent: Sent) -> Response {
    let theme = Theme::named(&sent.text("theme").unwrap_or_default());
    let cookie = format!("{THEME}={}; Path=/console; SameSite=Lax; Max-Age={THEME_SECONDS}", theme.as_str());
    let from = headers.get(header::REFERER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let path = from.find("/console/").and_then(|at| from.get(at..)).unwrap_or(link::HOME);
    (see_cookie(&cookie), see_other(&target(path))).into_response()
}

/// A style, script or icon.
pub async fn asset(axum::extract::Path(file): axum::extract::Path<String>, State(_): State<Arc<Desk>>) -> Response {
    match assets::find(&file) {
        Some(asset) => {
            let headers = [(header::CONTENT_TYPE, asset.media), (header::CACHE_CONTROL, assets::CACHE_CONTROL)];
            (headers, asset.bytes).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The way in.
pub async fn home() -> Response {
    see_other(link::HOME)
}

/// What is not there.
pub async fn absent(visitor: Visitor) -> Response {
    let fault = Fault::new(Problem::NotFound, "there is no such page");
    visitor.failed(crate::server::console::view::Section::Instances, &fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_away_from_the_console() {
        assert_eq!(target("/console/jobs?state=open"), "/console/jobs?state=open");
        for wrong in ["", "//evil.example/console/", "https://evil.example/console/", "/v1", "/console/\\evil"] {
            assert_eq!(target(wrong), link::HOME, "{wrong}");
        }
    }

    #[test]
    fn a_form_of_another_site_does_not_sign_in() {
        let from = |pairs: &[(&'static str, &'static str)]| {
            is_from_here(&pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect())
        };
        assert!(from(&[("sec-fetch-site", "same-origin")]));
        assert!(!from(&[("sec-fetch-site", "cross-site"), ("host", "a")]));
        assert!(from(&[("origin", "https://a:1"), ("host", "a:1")]));
        assert!(!from(&[("origin", "https://b"), ("host", "a")]));
    }
}
