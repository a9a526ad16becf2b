//! Who looks at a page, and what answers look like.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::tz::TimeZone;
use maud::Markup;

use crate::server::actions::Desk;
use crate::server::actions::jobs::{Job, ListJobs};
use crate::server::actions::page::Paging;
use crate::server::api::cookie;
use crate::server::auth::{Origin, Principal, Right, SESSION_COOKIE};
use crate::server::console::assets;
use crate::server::console::link;
use crate::server::console::pages::failure::{self, Failure};
use crate::server::console::view::{Asked, Filled, Role, Section, Shell, Theme};
use crate::server::fault::{Fault, Outcome, Problem};

use super::notice;

/// The cookie with the theme that was chosen.
pub const THEME: &str = "snaphold_theme";
/// The cookie with the reader's time zone, which the script sets.
const ZONE: &str = "snaphold_zone";
const REDIRECT: HeaderName = HeaderName::from_static("hx-redirect");
/// Jobs that are open of which a page shows how far they are.
const OPEN_MAX: u32 = 200;

/// Who is signed in and looks at a page.
pub struct Visitor {
    /// What actions are done with.
    pub desk: Arc<Desk>,
    /// Who it is.
    pub who: Principal,
    /// What all pages have in common.
    pub shell: Shell,
    /// Jobs that run or wait, newest first.
    pub open: Vec<Job>,
    /// The cookie of the session.
    pub cookie: String,
}

/// Somebody, signed in or not.
pub struct Guest {
    /// What actions are done with.
    pub desk: Arc<Desk>,
    /// Where the request comes from.
    pub origin: Origin,
    /// Light or dark.
    pub theme: Theme,
    /// Whether cookies go only over TLS.
    pub is_secure: bool,
}

impl FromRequestParts<Arc<Desk>> for Guest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<Self, Infallible> {
        let origin = parts.extensions.get::<Origin>().cloned().unwrap_or_default();
        let theme = Theme::named(cookie(&parts.headers, THEME).unwrap_or_default());
        let is_secure = desk.config.tls.is_some()
            || parts.extensions.get::<crate::server::api::Base>().is_some_and(|base| base.0.starts_with("https:"));
        Ok(Self { desk: desk.clone(), origin, theme, is_secure })
    }
}

impl FromRequestParts<Arc<Desk>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<Self, Response> {
        let Ok(guest) = Guest::from_request_parts(parts, desk).await;
        let theme = guest.theme;
        let failed = |fault: &Fault| outside(theme, fault, &guest.origin);
        let asked = asked(&parts.headers);
        let Some(cookie) = cookie(&parts.headers, SESSION_COOKIE).map(str::to_string) else {
            return Err(to_sign_in(parts, asked));
        };
        let found = desk.auth.session(&cookie, guest.origin.clone()).await;
        let Some((who, csrf)) = found.map_err(|error| failed(&error.into()))? else {
            return Err(to_sign_in(parts, asked));
        };
        if let Err(wait) = desk.requests.check(&who.actor) {
            let detail = format!("too many requests; try again in {} s", wait.as_secs().saturating_add(1));
            return Err(failed(&Fault::new(Problem::TooManyRequests, detail)));
        }
        let about = About { csrf, asked, theme, zone: zone(&parts.headers), done: notice::of_query(parts.uri.query()) };
        visitor(desk, who, cookie, about).await.map_err(|fault| failed(&fault))
    }
}

struct About {
    csrf: String,
    asked: Asked,
    theme: Theme,
    zone: TimeZone,
    done: Option<&'static str>,
}

async fn visitor(desk: &Arc<Desk>, who: Principal, cookie: String, about: About) -> Outcome<Visitor> {
    let account = desk.catalog.account(&who.account).await?;
    let user = match who.actor.strip_prefix("user:") {
        Some(id) => desk.catalog.user(id).await?.email,
        None => who.actor.clone(),
    };
    let mut open = Vec::new();
    for status in ["queued", "running"] {
        let paging = Paging { limit: Some(OPEN_MAX), cursor: None };
        let asked = ListJobs { status: Some(status.into()), paging, ..ListJobs::default() };
        open.extend(crate::server::actions::jobs::list(desk, &who, asked).await?.jobs);
    }
    let role = match (who.may(Right::Administer), who.may(Right::Operate)) {
        (true, _) => Role::Owner,
        (false, true) => Role::Operator,
        (false, false) => Role::Viewer,
    };
    let shell = Shell {
        account: account.name,
        user,
        role,
        csrf: about.csrf,
        form_key: desk.random_digits(8),
        theme: about.theme,
        zone: about.zone,
        now: desk.surroundings().clock.now(),
        running: open.len() as u64,
        asked: about.asked,
        notice: about.done.map(str::to_string),
    };
    Ok(Visitor { desk: desk.clone(), who, shell, open, cookie })
}

impl Visitor {
    /// A page, or why it cannot be shown.
    pub fn show(&self, section: Section, page: Outcome<Markup>) -> Response {
        match page {
            Ok(page) => html(StatusCode::OK, page),
            Err(fault) => self.failed(section, &fault),
        }
    }

    /// A form again, with what was wrong with what was sent.
    pub fn show_again(&self, section: Section, fault: &Fault, page: Outcome<Markup>) -> Response {
        fault.log();
        match page {
            Ok(page) => html(status(fault), page),
            Err(_) => self.failed(section, fault),
        }
    }

    /// Why something was not done.
    pub fn failed(&self, section: Section, fault: &Fault) -> Response {
        fault.log();
        html(status(fault), failure::failure(&self.shell, section, &told(fault, &self.who.origin)))
    }

    /// Goes to a page, which says what was done.
    pub fn go(&self, to: &str, done: &str) -> Response {
        let to = link::with_query(to, &[(notice::NAME, done)]);
        match self.shell.asked {
            Asked::Page => see_other(&to),
            Asked::Dialog => redirect(&to),
        }
    }

    /// The job that runs or waits and is about an instance, the one that changes it first.
    pub fn job_of_instance(&self, name: &str) -> Option<Job> {
        let of_it = || self.open.iter().filter(|job| job.instance.as_deref() == Some(name));
        of_it().find(|job| job.status == "running").or_else(|| of_it().next()).cloned()
    }

    /// The job that takes a snapshot.
    pub fn job_of_snapshot(&self, id: &str) -> Option<Job> {
        let takes = |job: &&Job| {
            job.snapshot.as_deref() == Some(id) && matches!(job.kind.as_str(), "snapshot" | "load" | "policy")
        };
        self.open.iter().find(takes).cloned()
    }
}

/// A page with its headers.
pub fn html(status: StatusCode, page: Markup) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, assets::CONTENT_SECURITY_POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::VARY, "Cookie, HX-Request"),
    ];
    (status, headers, page.into_string()).into_response()
}

/// Why something was not done, for someone who is not signed in.
pub fn outside(theme: Theme, fault: &Fault, origin: &Origin) -> Response {
    fault.log();
    html(status(fault), failure::outside_failure(theme, &told(fault, origin)))
}

/// Goes elsewhere, after a form was sent.
pub fn see_other(to: &str) -> Response {
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static(link::HOME));
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

/// The same for the script, which goes there with the whole page.
fn redirect(to: &str) -> Response {
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static(link::HOME));
    (StatusCode::NO_CONTENT, [(REDIRECT, to)]).into_response()
}

fn told(fault: &Fault, origin: &Origin) -> Failure {
    let request = Some(origin.request_id.clone()).filter(|id| !id.is_empty());
    Failure { status: fault.problem.status(), message: fault.detail.clone(), request }
}

fn status(fault: &Fault) -> StatusCode {
    StatusCode::from_u16(fault.problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn to_sign_in(parts: &Parts, asked: Asked) -> Response {
    let wanted = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let next = if parts.method.is_safe() && asked == Asked::Page { wanted } else { String::new() };
    let to = link::with_query("/console/sign-in", &[("next", &next)]);
    match asked {
        Asked::Page => see_other(&to),
        Asked::Dialog => redirect(&to),
    }
}

fn asked(headers: &HeaderMap) -> Asked {
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|found| found == value);
    match is("hx-request", "true") && is("hx-target", "dialog-body") {
        true => Asked::Dialog,
        false => Asked::Page,
    }
}

fn zone(headers: &HeaderMap) -> TimeZone {
    let name = cookie(headers, ZONE).unwrap_or_default().replace("%2F", "/");
    let is_plain = name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte));
    let found = if is_plain { TimeZone::get(&name).ok() } else { None };
    found.filter(|zone| !zone.is_unknown()).unwrap_or(TimeZone::UTC)
}

/// What was wrong with a form, by its fields; what is about none of them is about the form.
pub fn refused(values: &[(String, String)], fault: &Fault, fields: &[&str]) -> Filled {
    let field = fault.field.as_deref().filter(|field| fields.contains(field)).unwrap_or_default();
    let errors = vec![(field.to_string(), fault.detail.clone())];
    let secret = |name: &str| name.contains("password") || name == "token" || name == "current";
    let values = values.iter().filter(|(name, _)| !secret(name)).cloned().collect();
    Filled { values, errors }
}
