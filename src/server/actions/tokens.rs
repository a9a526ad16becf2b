//! Tokens: made, shown once, revoked.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::server::auth::{Principal, Right, rights, secret};
use crate::server::catalog::{self, NewToken as StoredToken, from_microseconds};
use crate::server::fault::{Fault, Outcome, Problem};

use super::{Desk, check};

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// To look, and to download.
    Read,
    /// To take snapshots, and to see the jobs that it asked for; nothing of the data.
    Capture,
    /// To read, download, and change: instances, policies, restores, loads, clones, deletion.
    Restore,
    /// Everything in the account.
    Admin,
    /// The service itself, and every account by the header `Snaphold-Account`.
    Service,
}

impl Scope {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Capture => "capture",
            Scope::Restore => "restore",
            Scope::Admin => "admin",
            Scope::Service => "service",
        }
    }
}

/// A token, without its secret.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// `t` and 16 hexadecimal digits.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

impl Token {
    fn of(token: &catalog::Token) -> Self {
        Self {
            id: token.id.clone(),
            name: token.name.clone(),
            scopes: token.scopes.clone(),
            created_at: from_microseconds(token.created_us),
            created_by: token.created_by.clone(),
            expires_at: token.expires_us.map(from_microseconds),
            revoked_at: token.revoked_us.map(from_microseconds),
            last_used_at: token.last_used_us.map(from_microseconds),
        }
    }
}

/// The account's tokens.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Tokens {
    /// Newest first.
    pub tokens: Vec<Token>,
    /// Always `null`: all are in one page.
    pub next: Option<String>,
}

/// The account's tokens; `of_service`: the service's own.
pub async fn list(desk: &Desk, who: &Principal, of_service: bool) -> Outcome<Tokens> {
    desk.need(who, Right::Administer)?;
    if of_service {
        desk.need(who, Right::Service)?;
    }
    let of = if of_service { None } else { Some(who.account.as_str()) };
    let tokens = desk.catalog.tokens(of).await?;
    Ok(Tokens { tokens: tokens.iter().map(Token::of).collect(), next: None })
}

/// A token that is to be made.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// What it may do.
    #[schema(min_items = 1, max_items = 5)]
    pub scopes: Vec<Scope>,
    /// When it ends; left out: when it is revoked.
    pub expires_at: Option<Timestamp>,
}

/// A token that was made.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct MadeToken {
    /// The token.
    pub token: Token,
    /// What is sent as `Authorization: Bearer …`. It is shown now and never again. `null` in the repeated answer to a
    /// request with an `Idempotency-Key`: then revoke this token, and make another one.
    pub secret: Option<String>,
}

/// Makes a token.
pub async fn create(desk: &Desk, who: &Principal, request: NewToken) -> Outcome<MadeToken> {
    desk.need(who, Right::Administer)?;
    let name = check::name("name", &request.name)?;
    if request.scopes.is_empty() {
        return Err(Fault::invalid("scopes", "scopes names at least one of read, capture, restore, admin"));
    }
    let mut scopes: Vec<&str> = request.scopes.iter().map(|scope| scope.as_str()).collect();
    scopes.sort_unstable();
    scopes.dedup();
    if !who.rights.covers(rights::of_scopes(scopes.iter().copied())) {
        return Err(Fault::new(Problem::Forbidden, "nobody can make a token that may do more than themselves"));
    }
    let is_service = request.scopes.contains(&Scope::Service);
    if is_service && scopes.len() > 1 {
        return Err(Fault::invalid("scopes", "the scope service has all others; name it alone"));
    }
    let expires_us = check::microseconds(request.expires_at);
    if expires_us.is_some_and(|at| at <= desk.catalog.now_us()) {
        return Err(Fault::invalid("expires_at", "expires_at is in the past"));
    }
    let account = match is_service {
        true => None,
        false => Some(desk.account(who).await?.id),
    };
    let id = desk.catalog.new_id('t');
    let own = secret::new(&*desk.surroundings().entropy);
    let hash = secret::hash(&own);
    let stored = StoredToken {
        account: account.as_deref(),
        name,
        scopes: &scopes,
        hash: &hash,
        created_by: &who.actor,
        expires_us,
    };
    let token = desk.catalog.add_token(&id, stored).await?;
    let detail = json!({ "name": name, "scopes": scopes, "expires_at": request.expires_at });
    desk.note(who, "token.create", &id, detail).await?;
    Ok(MadeToken { token: Token::of(&token), secret: Some(secret::token_text(&id, &own)) })
}

/// Revokes a token. It counts no more from now on.
pub async fn revoke(desk: &Desk, who: &Principal, id: &str) -> Outcome<Token> {
    desk.need(who, Right::Administer)?;
    let absent = || Fault::new(Problem::NotFound, format!("there is no token {id:?}"));
    let token = desk.catalog.token(id).await?.ok_or_else(absent)?;
    let is_own = match &token.account {
        Some(account) => *account == who.account,
        None => who.is_service(),
    };
    if !is_own {
        return Err(absent());
    }
    desk.catalog.revoke_token(id).await?;
    desk.note(who, "token.revoke", id, json!({ "name": token.name })).await?;
    Ok(Token::of(&desk.catalog.token(id).await?.ok_or_else(absent)?))
}
