//! Forms that are sent: read, checked to come from a page of ours, done once.

use std::ops::Deref;
use std::sync::Arc;

use axum::Form;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::Response;

use crate::server::actions::Desk;
use crate::server::catalog::Claimed;
use crate::server::console::view::{Filled, Section};
use crate::server::fault::{Fault, Outcome, Problem};

use super::visit::{Visitor, refused};

/// Fields of a form.
pub type Values = Vec<(String, String)>;

/// Who does not answer for so long has died: the form may be sent again.
const PATIENCE_US: i64 = 60 * 1_000_000;

/// A form that somebody who is signed in has sent.
pub struct Sent {
    visitor: Visitor,
    /// Its fields.
    pub values: Values,
    path: String,
}

impl Deref for Sent {
    type Target = Visitor;

    fn deref(&self) -> &Visitor {
        &self.visitor
    }
}

impl FromRequest<Arc<Desk>> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, desk: &Arc<Desk>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, desk).await?;
        let path = parts.uri.path().to_string();
        let values = match Form::<Values>::from_request(Request::from_parts(parts, body), desk).await {
            Ok(Form(values)) => values,
            Err(_) => {
                let fault = Fault::new(Problem::MalformedRequest, "the form cannot be read; load the page again");
                return Err(visitor.failed(Section::Instances, &fault));
            }
        };
        let sent = Self { visitor, values, path };
        match sent.desk.auth.check_csrf(&sent.shell.csrf, sent.value("csrf")) {
            Ok(()) => Ok(sent),
            Err(fault) => Err(sent.failed(Section::Instances, &fault)),
        }
    }
}

impl Sent {
    fn value(&self, field: &str) -> Option<&str> {
        value(&self.values, field)
    }

    /// A field that is not empty.
    pub fn text(&self, field: &str) -> Option<String> {
        self.value(field).map(str::trim).filter(|text| !text.is_empty()).map(str::to_string)
    }

    /// A field as it is, for passwords.
    pub fn raw(&self, field: &str) -> Option<String> {
        self.value(field).filter(|text| !text.is_empty()).map(str::to_string)
    }

    /// All values of a field.
    pub fn all(&self, field: &str) -> Vec<String> {
        self.values.iter().filter(|(name, _)| name == field).map(|(_, value)| value.clone()).collect()
    }

    /// Whether a box is ticked.
    pub fn has(&self, field: &str) -> bool {
        self.value(field).is_some()
    }

    /// A field that is a number.
    pub fn number(&self, field: &str) -> Outcome<Option<u32>> {
        let read =
            |text: String| text.parse().map_err(|_| Fault::invalid(field, "this is no whole number of at least 1"));
        self.text(field).map(read).transpose()
    }

    /// The `If-Match` of a form: what it was made of.
    pub fn etag(&self) -> Vec<String> {
        vec![self.text("etag").unwrap_or_else(|| "*".into())]
    }

    /// The form as it was sent, with what was wrong. `fields` are those that it has.
    pub fn refused(&self, fault: &Fault, fields: &[&str]) -> Filled {
        refused(&self.values, fault, fields)
    }

    /// Does it, unless this very form was sent before: then it leads where it led then.
    pub async fn once(&self, doing: impl Future<Output = Outcome<String>>) -> Outcome<String> {
        let Some(key) = self.text("form_key").filter(|key| key.len() <= 32) else { return doing.await };
        let (account, key) = (&self.who.account, format!("form:{key}:{}", self.path));
        let digest = self.path.as_str();
        match self.desk.catalog.claim_key(account, &key, digest, PATIENCE_US).await? {
            Claimed::New => match doing.await {
                Ok(to) => {
                    self.desk.catalog.keep_answer(account, &key, 303, &to).await?;
                    Ok(to)
                }
                Err(fault) => {
                    self.desk.catalog.release_key(account, &key).await?;
                    Err(fault)
                }
            },
            Claimed::Answered(_, to) => Ok(to),
            Claimed::Busy | Claimed::Other => {
                Err(Fault::new(Problem::RequestInProgress, "the form was sent already; see the jobs"))
            }
        }
    }
}

/// The first value of a field.
pub fn value<'v>(values: &'v [(String, String)], field: &str) -> Option<&'v str> {
    values.iter().find(|(name, _)| name == field).map(|(_, value)| value.as_str())
}
