//! Mail that is to be sent.

use sqlx::any::AnyRow;

use crate::error::Result;

use super::hooks::notice_id;
use super::row::{Record, get};
use super::{Catalog, failed};

/// A mail.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Its id.
    pub id: String,
    /// The account that it is about.
    pub account: String,
    /// What happened: `snapshot.failed`, …
    pub event: String,
    /// To whom it goes.
    pub recipient: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
    /// `waiting`, `sent` or `given_up`.
    pub status: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was entered.
    pub created_us: i64,
    /// Why it failed last.
    pub last_error: Option<String>,
}

impl Record for Mail {
    fn read(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            id: get(row, "id")?,
            account: get(row, "account")?,
            event: get(row, "event")?,
            recipient: get(row, "recipient")?,
            subject: get(row, "subject")?,
            body: get(row, "body")?,
            status: get(row, "status")?,
            attempts: get(row, "attempts")?,
            created_us: get(row, "created_us")?,
            last_error: get(row, "last_error")?,
        })
    }
}

impl Catalog {
    /// Enters a mail about an event. One to the same recipient with the same key was entered before and is not entered
    /// again.
    pub async fn add_mail(
        &self,
        account: &str,
        (event, key): (&str, &str),
        recipient: &str,
        (subject, body): (&str, &str),
    ) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO mails (id, account, event, recipient, subject, body, status, attempts, next_us, created_us) \
             VALUES ($1, $2, $3, $4, $5, $6, 'waiting', 0, $7, $7) ON CONFLICT (id) DO NOTHING",
        );
        let id = notice_id('m', &[account, event, key, recipient]);
        let query = query.bind(id).bind(account).bind(event).bind(recipient).bind(subject).bind(body);
        query.bind(self.now_us()).execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// What is to be sent now. Each is put off by `lease_us`, so that nobody else takes it meanwhile.
    pub async fn due_mails(&self, lease_us: i64, limit: i64) -> Result<Vec<Mail>> {
        let now = self.now_us();
        let query = sqlx::query(
            "UPDATE mails SET next_us = $2 WHERE status = 'waiting' AND next_us <= $1 AND id IN \
             (SELECT id FROM mails WHERE status = 'waiting' AND next_us <= $1 ORDER BY next_us LIMIT $3) RETURNING *",
        );
        let query = query.bind(now).bind(now.saturating_add(lease_us)).bind(limit);
        Mail::all(query.fetch_all(&self.pool).await.map_err(failed)?)
    }

    /// Enters how an attempt to send ended: `None`, sent; else why not, and when it is tried again (`None`: never).
    pub async fn end_mail(&self, id: &str, failure: Option<(&str, Option<i64>)>) -> Result<()> {
        let now = self.now_us();
        let (status, next, error) = match failure {
            None => ("sent", now, None),
            Some((why, Some(next))) => ("waiting", next, Some(why.to_string())),
            Some((why, None)) => ("given_up", now, Some(why.to_string())),
        };
        let query = sqlx::query(
            "UPDATE mails SET status = $2, next_us = $3, last_error = $4, sent_us = $5, attempts = attempts + 1 \
             WHERE id = $1",
        );
        let sent = failure.is_none().then_some(now);
        let query = query.bind(id).bind(status).bind(next).bind(error).bind(sent);
        query.execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// The newest mails about an account.
    pub async fn mails(&self, account: &str, limit: i64) -> Result<Vec<Mail>> {
        let query = sqlx::query("SELECT * FROM mails WHERE account = $1 ORDER BY created_us DESC, id LIMIT $2");
        Mail::all(query.bind(account).bind(limit).fetch_all(&self.pool).await.map_err(failed)?)
    }

    /// Forgets mails and deliveries that are over and were entered before `before_us`.
    pub async fn forget_notices(&self, before_us: i64) -> Result<u64> {
        let mut gone = 0;
        let statements = [
            "DELETE FROM deliveries WHERE created_us < $1 AND status <> 'waiting'",
            "DELETE FROM mails WHERE created_us < $1 AND status <> 'waiting'",
        ];
        for statement in statements {
            let done = sqlx::query(statement).bind(before_us).execute(&self.pool).await.map_err(failed)?;
            gone += done.rows_affected();
        }
        Ok(gone)
    }
}
