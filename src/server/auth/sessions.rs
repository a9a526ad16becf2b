//! Sessions: people sign in with a password, and bring a cookie from then on.

use crate::error::{Error, Result};
use crate::server::catalog::{Session, User};
use crate::server::fault::{Fault, Outcome, Problem};

use super::principal::{Origin, Principal};
use super::tokens::Auth;
use super::{rights, secret};

/// The cookie's name.
pub const SESSION_COOKIE: &str = "snaphold_session";
/// How long a session lasts: half a day.
const SESSION_US: i64 = 12 * 3600 * 1_000_000;

/// A session that has begun.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The cookie's value.
    pub cookie: String,
    /// What forms bring back.
    pub csrf: String,
    /// How long it lasts, seconds.
    pub seconds: i64,
    /// The user.
    pub user: User,
}

impl Auth {
    /// Signs somebody in.
    pub async fn sign_in(&self, email: &str, password: &str, origin: &Origin) -> Outcome<SignedIn> {
        let email = email.trim().to_lowercase();
        if let Err(wait) = self.sign_ins.check(&email) {
            return Err(Fault::new(Problem::TooManyRequests, "too many attempts to sign in; wait a moment")
                .after(wait.as_secs().saturating_add(1)));
        }
        let user = self.catalog.user_by_email(&email).await?;
        let kept = user.as_ref().map(|user| user.password_hash.as_str());
        let fits = self.passwords.verify(password, kept).await?;
        let Some(user) = user.filter(|user| fits && user.disabled_us.is_none()) else {
            return Err(self.refused(origin, "the e-mail address or the password is wrong"));
        };
        let entropy = &*self.catalog.surroundings().entropy;
        let (own, csrf) = (secret::new(entropy), secret::new(entropy));
        let session = Session {
            id: self.catalog.new_id('s'),
            user: user.id.clone(),
            hash: secret::hash(&own),
            csrf: csrf.clone(),
            expires_us: self.catalog.now_us().saturating_add(SESSION_US),
        };
        self.catalog.add_session(&session).await?;
        Ok(SignedIn { cookie: format!("{}.{own}", session.id), csrf, seconds: SESSION_US / 1_000_000, user })
    }

    /// Whose session a cookie's value is, with the session's CSRF token. `None`: nobody's.
    pub async fn session(&self, cookie: &str, origin: Origin) -> Result<Option<(Principal, String)>> {
        let Some((id, own)) = cookie.split_once('.').filter(|(id, _)| secret::is_id(id, 's')) else { return Ok(None) };
        let Some(session) = self.catalog.session(id).await? else { return Ok(None) };
        if !secret::is(own, &session.hash) {
            return Ok(None);
        }
        let user = match self.catalog.user(&session.user).await {
            Ok(user) if user.disabled_us.is_none() => user,
            Ok(_) | Err(Error::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let default = self.default_account().await?;
        let principal = Principal {
            actor: format!("user:{}", user.id),
            is_trusted: default == Some(user.account.as_str()),
            account: user.account,
            rights: rights::of_role(user.role),
            title: user.role.as_str().to_string(),
            origin,
        };
        Ok(Some((principal, session.csrf)))
    }

    /// Whether what came with a request is the session's CSRF token.
    pub fn check_csrf(&self, wanted: &str, given: Option<&str>) -> Outcome<()> {
        match given {
            Some(given) if secret::is(given, &secret::hash(wanted)) => Ok(()),
            _ => Err(Fault::new(Problem::Forbidden, "the CSRF token is missing or wrong; load the page again")),
        }
    }

    /// Ends the session of a cookie.
    pub async fn sign_out(&self, cookie: &str) -> Result<()> {
        match cookie.split_once('.').filter(|(id, _)| secret::is_id(id, 's')) {
            Some((id, own)) => match self.catalog.session(id).await? {
                Some(session) if secret::is(own, &session.hash) => self.catalog.end_session(id).await,
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }
}
