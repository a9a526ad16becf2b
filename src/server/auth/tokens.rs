//! Tokens: read from a request, checked, made at the first start.

use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::server::catalog::{Catalog, NewToken, Token};
use crate::server::fault::{Fault, Outcome, Problem};

use super::password::Passwords;
use super::principal::{Origin, Principal};
use super::throttle::Throttle;
use super::{rights, secret};

/// The fact that names the account of requests that name none.
pub const DEFAULT_ACCOUNT: &str = "default_account";
/// What the administrator's token is called that a start of the service makes.
const ADMINISTRATOR: &str = "administrator";
/// Who makes it.
const START: &str = "start";
/// Refused tokens and passwords from one address, a minute.
const FAILURES_PER_MINUTE: u32 = 60;
/// Attempts to sign in as one user, a minute.
const SIGN_INS_PER_MINUTE: u32 = 10;

/// Knows who asks.
#[derive(Debug)]
pub struct Auth {
    pub(super) catalog: Catalog,
    /// Computes hashes of passwords.
    pub passwords: Passwords,
    pub(super) failures: Throttle,
    pub(super) sign_ins: Throttle,
    default_account: OnceLock<String>,
}

impl Auth {
    /// Over a catalog.
    pub fn new(catalog: Catalog) -> Self {
        Self {
            catalog,
            passwords: Passwords::default(),
            failures: Throttle::per_minute(FAILURES_PER_MINUTE),
            sign_ins: Throttle::per_minute(SIGN_INS_PER_MINUTE),
            default_account: OnceLock::new(),
        }
    }

    /// Who brings this token. `account` is what the header `Snaphold-Account` says: an id or a name.
    pub async fn bearer(&self, text: &str, account: Option<&str>, origin: Origin) -> Outcome<Principal> {
        let (id, secret) = match secret::split_token(text) {
            Some((id, secret)) => (id.to_string(), secret),
            None => (secret::chosen_id(text), text),
        };
        let token = self.catalog.token(&id).await?;
        // A token that is not there is compared too: the time says nothing.
        let kept = token.as_ref().map_or_else(|| secret::hash(""), |token| token.hash.clone());
        let now = self.catalog.now_us();
        let counts = |token: &Token| token.revoked_us.is_none() && token.expires_us.is_none_or(|at| at > now);
        let Some(token) = token.filter(|token| secret::is(secret, &kept) & counts(token)) else {
            return Err(self.refused(&origin, "the token is not known, or it was revoked or has expired"));
        };
        self.catalog.touch_token(&token).await?;
        let rights = rights::of_scopes(token.scopes.iter().map(String::as_str));
        let default = self.default_account().await?;
        let is_default = |account: &str| default == Some(account);
        let on = match &token.account {
            Some(own) => self.own_account(own, account).await?,
            None => self.any_account(account, default).await?,
        };
        Ok(Principal {
            actor: format!("token:{}", token.id),
            is_trusted: token.account.is_none() || is_default(&on),
            account: on,
            rights,
            title: token.scopes.join(" "),
            origin,
        })
    }

    /// The account of requests that name none. It is chosen once, at the first start.
    pub(super) async fn default_account(&self) -> Result<Option<&str>> {
        if let Some(account) = self.default_account.get() {
            return Ok(Some(account));
        }
        let fact = self.catalog.fact(DEFAULT_ACCOUNT).await?;
        Ok(fact.map(|account| self.default_account.get_or_init(|| account).as_str()))
    }

    /// A token of an account may name its own account, by id or name, and no other.
    async fn own_account(&self, own: &str, named: Option<&str>) -> Outcome<String> {
        if let Some(named) = named.filter(|named| *named != own) {
            let account = self.catalog.account(own).await?;
            if account.name != named {
                return Err(no_account(named));
            }
        }
        Ok(own.to_string())
    }

    async fn any_account(&self, named: Option<&str>, default: Option<&str>) -> Outcome<String> {
        let Some(named) = named else { return Ok(default.unwrap_or_default().to_string()) };
        match self.catalog.account(named).await {
            Ok(account) => Ok(account.id),
            Err(Error::NotFound(_)) => match self.catalog.account_named(named).await? {
                Some(account) => Ok(account.id),
                None => Err(no_account(named)),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// The answer to who is not known. Who tries too often is told to wait.
    pub(super) fn refused(&self, origin: &Origin, detail: &str) -> Fault {
        match self.failures.check(origin.address.as_deref().unwrap_or_default()) {
            Ok(()) => Fault::new(Problem::Unauthenticated, detail),
            Err(wait) => {
                Fault::new(Problem::TooManyRequests, "too many refused tokens and passwords from this address")
                    .after(wait.as_secs().saturating_add(1))
            }
        }
    }

    /// Sees to it that there is an administrator's token. `chosen`: its text; then it replaces one that was chosen before.
    /// Without one, a token is made where none was ever made. Returns a text that is to be shown once.
    pub async fn ensure_administrator(&self, chosen: Option<&str>) -> Result<Option<String>> {
        let of_start: Vec<Token> = self.catalog.tokens(None).await?;
        let of_start = of_start.into_iter().filter(|token| token.created_by == START);
        let Some(text) = chosen else {
            if of_start.count() > 0 {
                return Ok(None);
            }
            let id = self.catalog.new_id('t');
            let new = secret::new(&*self.catalog.surroundings().entropy);
            self.add_administrator(&id, &new).await?;
            return Ok(Some(secret::token_text(&id, &new)));
        };
        let (id, own) = match secret::split_token(text) {
            Some((id, own)) => (id.to_string(), own),
            None => (secret::chosen_id(text), text),
        };
        let fits = text.len() <= secret::CHOSEN_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.len() < secret::CHOSEN_MIN || !fits {
            return Err(Error::Usage(format!(
                "the administrator's token must be {} to {} printable characters without spaces",
                secret::CHOSEN_MIN,
                secret::CHOSEN_MAX
            )));
        }
        for other in of_start.filter(|token| token.id != id) {
            self.catalog.revoke_token(&other.id).await?;
        }
        match self.catalog.token(&id).await? {
            Some(_) => self.catalog.replace_token_hash(&id, &secret::hash(own)).await?,
            None => self.add_administrator(&id, own).await?,
        }
        Ok(None)
    }

    async fn add_administrator(&self, id: &str, own: &str) -> Result<()> {
        let hash = secret::hash(own);
        let token = NewToken {
            account: None,
            name: ADMINISTRATOR,
            scopes: &["service"],
            hash: &hash,
            created_by: START,
            expires_us: None,
        };
        self.catalog.add_token(id, token).await.map(drop)
    }
}

fn no_account(named: &str) -> Fault {
    Fault::new(Problem::NotFound, format!("there is no account {named:?}"))
}
