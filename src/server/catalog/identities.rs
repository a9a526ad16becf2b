//! Who acts: users with their sessions, and tokens. Only hashes of secrets are kept.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::error::{Error, Result};

use super::row::{Record, get};
use super::{Catalog, failed};

/// What a user may do in an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads, takes snapshots, restores, changes instances and policies.
    Operator,
    /// All of that, and users, tokens, and the account's end.
    Owner,
}

impl Role {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Owner => "owner",
        }
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "viewer" => Ok(Role::Viewer),
            "operator" => Ok(Role::Operator),
            "owner" => Ok(Role::Owner),
            other => Err(Error::Usage(format!("{other:?} is no role; use owner, operator or viewer"))),
        }
    }
}

/// A person who signs in.
#[derive(Debug, Clone)]
pub struct User {
    /// `u` and 16 hexadecimal digits.
    pub id: String,
    /// The account.
    pub account: String,
    /// The address, which no other has; in small letters.
    pub email: String,
    /// Argon2id, as a PHC string.
    pub password_hash: String,
    /// What the user may do.
    pub role: Role,
    /// When the user was made.
    pub created_us: i64,
    /// Since when the user may not sign in.
    pub disabled_us: Option<i64>,
}

impl Record for User {
    fn read(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            id: get(row, "id")?,
            account: get(row, "account")?,
            email: get(row, "email")?,
            password_hash: get(row, "password_hash")?,
            role: get::<String>(row, "role")?.parse()?,
            created_us: get(row, "created_us")?,
            disabled_us: get(row, "disabled_us")?,
        })
    }
}

/// A user who has signed in.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its id, which its cookie begins with.
    pub id: String,
    /// The user.
    pub user: String,
    /// The hash of the cookie's secret.
    pub hash: String,
    /// What a form must bring back.
    pub csrf: String,
    /// When it ends.
    pub expires_us: i64,
}

impl Record for Session {
    fn read(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            id: get(row, "id")?,
            user: get(row, "user_id")?,
            hash: get(row, "hash")?,
            csrf: get(row, "csrf")?,
            expires_us: get(row, "expires_us")?,
        })
    }
}

/// A token for programs.
#[derive(Debug, Clone)]
pub struct Token {
    /// `t` and 16 hexadecimal digits.
    pub id: String,
    /// The account; `None`: the service itself.
    pub account: Option<String>,
    /// What it is for, in its maker's words.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The hash of its secret.
    pub hash: String,
    /// When it was made.
    pub created_us: i64,
    /// By whom.
    pub created_by: String,
    /// When it ends.
    pub expires_us: Option<i64>,
    /// When it was revoked.
    pub revoked_us: Option<i64>,
    /// When it was last used, to the minute.
    pub last_used_us: Option<i64>,
}

impl Record for Token {
    fn read(row: &AnyRow) -> Result<Self> {
        let scopes: String = get(row, "scopes")?;
        Ok(Self {
            id: get(row, "id")?,
            account: get(row, "account")?,
            name: get(row, "name")?,
            scopes: scopes.split(' ').filter(|scope| !scope.is_empty()).map(str::to_string).collect(),
            hash: get(row, "hash")?,
            created_us: get(row, "created_us")?,
            created_by: get(row, "created_by")?,
            expires_us: get(row, "expires_us")?,
            revoked_us: get(row, "revoked_us")?,
            last_used_us: get(row, "last_used_us")?,
        })
    }
}

/// A token that is to be made.
#[derive(Debug, Clone)]
pub struct NewToken<'a> {
    /// The account; `None`: the service itself.
    pub account: Option<&'a str>,
    /// What it is for.
    pub name: &'a str,
    /// What it may do.
    pub scopes: &'a [&'a str],
    /// The hash of its secret.
    pub hash: &'a str,
    /// Who makes it.
    pub created_by: &'a str,
    /// When it ends.
    pub expires_us: Option<i64>,
}

/// A token's time of use is kept to this, so that reading costs few writes.
const LAST_USED_STEP_US: i64 = 60_000_000;

impl Catalog {
    /// Enters a user. `Error::Refused` where the address is taken.
    pub async fn add_user(&self, account: &str, email: &str, password_hash: &str, role: Role) -> Result<User> {
        let id = self.new_id('u');
        let email = email.to_lowercase();
        let query = sqlx::query(
            "INSERT INTO users (id, account, email, password_hash, role, created_us) VALUES ($1, $2, $3, $4, $5, $6)",
        );
        let query = query.bind(&id).bind(account).bind(&email).bind(password_hash).bind(role.as_str());
        match query.bind(self.now_us()).execute(&self.pool).await.map_err(failed) {
            Ok(_) => self.user(&id).await,
            Err(Error::Refused(_)) => Err(Error::Refused(format!("there is a user {email} already"))),
            Err(error) => Err(error),
        }
    }

    /// A user by id.
    pub async fn user(&self, id: &str) -> Result<User> {
        let row = sqlx::query("SELECT * FROM users WHERE id = $1").bind(id).fetch_optional(&self.pool).await;
        User::one(row.map_err(failed)?)?.ok_or_else(|| Error::NotFound(format!("there is no user {id:?}")))
    }

    /// A user by address.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        let query = sqlx::query("SELECT * FROM users WHERE email = $1").bind(email.to_lowercase());
        User::one(query.fetch_optional(&self.pool).await.map_err(failed)?)
    }

    /// An account's users, by their addresses.
    pub async fn users(&self, account: &str) -> Result<Vec<User>> {
        let query = sqlx::query("SELECT * FROM users WHERE account = $1 ORDER BY email").bind(account);
        User::all(query.fetch_all(&self.pool).await.map_err(failed)?)
    }

    /// Changes what a user is; ends the user's sessions.
    pub async fn change_user(&self, id: &str, password_hash: &str, role: Role, is_disabled: bool) -> Result<()> {
        let disabled = is_disabled.then(|| self.now_us());
        let mut transaction = self.begin().await?;
        sqlx::query("UPDATE users SET password_hash = $2, role = $3, disabled_us = $4 WHERE id = $1")
            .bind(id)
            .bind(password_hash)
            .bind(role.as_str())
            .bind(disabled)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        let ended = sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(id);
        ended.execute(&mut *transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    /// Enters a session.
    pub async fn add_session(&self, session: &Session) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO sessions (id, user_id, hash, csrf, created_us, expires_us) VALUES ($1, $2, $3, $4, $5, $6)",
        );
        let query = query.bind(&session.id).bind(&session.user).bind(&session.hash).bind(&session.csrf);
        let query = query.bind(self.now_us()).bind(session.expires_us);
        query.execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// A session that has not ended.
    pub async fn session(&self, id: &str) -> Result<Option<Session>> {
        let query =
            sqlx::query("SELECT * FROM sessions WHERE id = $1 AND expires_us > $2").bind(id).bind(self.now_us());
        Session::one(query.fetch_optional(&self.pool).await.map_err(failed)?)
    }

    /// Ends a session.
    pub async fn end_session(&self, id: &str) -> Result<()> {
        let query = sqlx::query("DELETE FROM sessions WHERE id = $1").bind(id);
        query.execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// Forgets sessions that have ended.
    pub async fn forget_ended_sessions(&self) -> Result<()> {
        let query = sqlx::query("DELETE FROM sessions WHERE expires_us <= $1").bind(self.now_us());
        query.execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// Enters a token under an id (`t` and 16 hexadecimal digits).
    pub async fn add_token(&self, id: &str, token: NewToken<'_>) -> Result<Token> {
        sqlx::query(
            "INSERT INTO tokens (id, account, name, scopes, hash, created_us, created_by, expires_us) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(id)
        .bind(token.account)
        .bind(token.name)
        .bind(token.scopes.join(" "))
        .bind(token.hash)
        .bind(self.now_us())
        .bind(token.created_by)
        .bind(token.expires_us)
        .execute(&self.pool)
        .await
        .map_err(failed)?;
        self.token(id).await?.ok_or_else(|| Error::NotFound(format!("there is no token {id:?}")))
    }

    /// A token by id, revoked or ended ones too.
    pub async fn token(&self, id: &str) -> Result<Option<Token>> {
        let row = sqlx::query("SELECT * FROM tokens WHERE id = $1").bind(id).fetch_optional(&self.pool).await;
        Token::one(row.map_err(failed)?)
    }

    /// The tokens of an account, or of the service itself, newest first.
    pub async fn tokens(&self, account: Option<&str>) -> Result<Vec<Token>> {
        let rows = match account {
            Some(account) => {
                let query = sqlx::query("SELECT * FROM tokens WHERE account = $1 ORDER BY created_us DESC, id");
                query.bind(account).fetch_all(&self.pool).await
            }
            None => {
                let query = sqlx::query("SELECT * FROM tokens WHERE account IS NULL ORDER BY created_us DESC, id");
                query.fetch_all(&self.pool).await
            }
        };
        Token::all(rows.map_err(failed)?)
    }

    /// Revokes a token. One that was revoked stays so.
    pub async fn revoke_token(&self, id: &str) -> Result<()> {
        let query = sqlx::query("UPDATE tokens SET revoked_us = COALESCE(revoked_us, $2) WHERE id = $1");
        query.bind(id).bind(self.now_us()).execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// Replaces the hash of a token's secret, as when the operator sets the first administrator's anew.
    pub async fn replace_token_hash(&self, id: &str, hash: &str) -> Result<()> {
        let query = sqlx::query("UPDATE tokens SET hash = $2, revoked_us = NULL WHERE id = $1");
        query.bind(id).bind(hash).execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// Notes that a token was used now.
    pub async fn touch_token(&self, token: &Token) -> Result<()> {
        let now = self.now_us();
        if token.last_used_us.is_some_and(|last| now.saturating_sub(last) < LAST_USED_STEP_US) {
            return Ok(());
        }
        let query = sqlx::query("UPDATE tokens SET last_used_us = $2 WHERE id = $1").bind(&token.id).bind(now);
        query.execute(&self.pool).await.map(drop).map_err(failed)
    }
}
