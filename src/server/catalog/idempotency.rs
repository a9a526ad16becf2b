//! Answers that were given, by the keys of their requests: who asks again gets the same one.

use sqlx::Row;

use crate::error::Result;

use super::{Catalog, failed};

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// Nothing: the request is to be done, and its answer to be kept.
    New,
    /// The first request of this key is still being answered.
    Busy,
    /// The key was used for another request.
    Other,
    /// The answer: its status and its body.
    Answered(u16, String),
}

impl Catalog {
    /// Claims a key for a request, whose `digest` is of its method, path and body. A claim that was never answered may be
    /// taken over after `patience_us`.
    pub async fn claim_key(&self, account: &str, key: &str, digest: &str, patience_us: i64) -> Result<Claimed> {
        let now = self.now_us();
        let query = sqlx::query(
            "INSERT INTO idempotency (account, key, digest, created_us) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (account, key) DO UPDATE SET created_us = excluded.created_us \
             WHERE idempotency.status IS NULL AND idempotency.digest = excluded.digest AND idempotency.created_us < $5",
        );
        let query = query.bind(account).bind(key).bind(digest).bind(now).bind(now.saturating_sub(patience_us));
        if query.execute(&self.pool).await.map_err(failed)?.rows_affected() > 0 {
            return Ok(Claimed::New);
        }
        let query = sqlx::query("SELECT digest, status, answer FROM idempotency WHERE account = $1 AND key = $2");
        let row = query.bind(account).bind(key).fetch_optional(&self.pool).await.map_err(failed)?;
        let Some(row) = row else { return Ok(Claimed::Busy) };
        if row.try_get::<String, _>("digest").map_err(failed)? != digest {
            return Ok(Claimed::Other);
        }
        let status: Option<i64> = row.try_get("status").map_err(failed)?;
        let answer: Option<String> = row.try_get("answer").map_err(failed)?;
        Ok(match status.and_then(|status| u16::try_from(status).ok()).zip(answer) {
            Some((status, answer)) => Claimed::Answered(status, answer),
            None => Claimed::Busy,
        })
    }

    /// Keeps the answer to a request.
    pub async fn keep_answer(&self, account: &str, key: &str, status: u16, answer: &str) -> Result<()> {
        let query = sqlx::query("UPDATE idempotency SET status = $3, answer = $4 WHERE account = $1 AND key = $2");
        let query = query.bind(account).bind(key).bind(i64::from(status)).bind(answer);
        query.execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// Lets a key go whose request did nothing, so that it can be tried again.
    pub async fn release_key(&self, account: &str, key: &str) -> Result<()> {
        let query = sqlx::query("DELETE FROM idempotency WHERE account = $1 AND key = $2 AND status IS NULL");
        query.bind(account).bind(key).execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// Forgets answers that are older than `before_us`.
    pub async fn forget_answers(&self, before_us: i64) -> Result<()> {
        let query = sqlx::query("DELETE FROM idempotency WHERE created_us < $1").bind(before_us);
        query.execute(&self.pool).await.map(drop).map_err(failed)
    }
}
