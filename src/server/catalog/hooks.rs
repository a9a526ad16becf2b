//! Webhooks, and what is to be delivered to them.

use sqlx::any::AnyRow;

use crate::error::{Error, Result};

use super::row::{Record, get};
use super::{Catalog, failed};

/// Where an account wants to be told.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// `w` and 16 hexadecimal digits.
    pub id: String,
    /// Its account.
    pub account: String,
    /// Where it is posted to.
    pub url: String,
    /// Of what: `snapshot.completed`, …; none: of everything.
    pub events: Vec<String>,
    /// The secret that signs what is posted, sealed.
    pub sealed_secret: String,
    /// When it was made.
    pub created_us: i64,
}

impl Record for Webhook {
    fn read(row: &AnyRow) -> Result<Self> {
        let events: String = get(row, "events")?;
        Ok(Self {
            id: get(row, "id")?,
            account: get(row, "account")?,
            url: get(row, "url")?,
            events: events.split(' ').filter(|event| !event.is_empty()).map(str::to_string).collect(),
            sealed_secret: get(row, "sealed_secret")?,
            created_us: get(row, "created_us")?,
        })
    }
}

/// Something that is to be told.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its id, which stays the same each time it is tried.
    pub id: String,
    /// The webhook.
    pub webhook: String,
    /// Its account.
    pub account: String,
    /// `snapshot.completed`, …
    pub event: String,
    /// The body, JSON.
    pub body: String,
    /// `waiting`, `delivered` or `given_up`.
    pub status: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried next.
    pub next_us: i64,
    /// When it was entered.
    pub created_us: i64,
    /// Why it failed last.
    pub last_error: Option<String>,
}

impl Record for Delivery {
    fn read(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            id: get(row, "id")?,
            webhook: get(row, "webhook")?,
            account: get(row, "account")?,
            event: get(row, "event")?,
            body: get(row, "body")?,
            status: get(row, "status")?,
            attempts: get(row, "attempts")?,
            next_us: get(row, "next_us")?,
            created_us: get(row, "created_us")?,
            last_error: get(row, "last_error")?,
        })
    }
}

impl Catalog {
    /// Enters a webhook.
    pub async fn add_webhook(
        &self,
        account: &str,
        url: &str,
        events: &[String],
        sealed_secret: &str,
    ) -> Result<Webhook> {
        let id = self.new_id('w');
        let query = sqlx::query(
            "INSERT INTO webhooks (id, account, url, events, sealed_secret, created_us) VALUES ($1, $2, $3, $4, $5, $6)",
        );
        let query = query.bind(&id).bind(account).bind(url).bind(events.join(" ")).bind(sealed_secret);
        query.bind(self.now_us()).execute(&self.pool).await.map_err(failed)?;
        self.webhook(account, &id).await
    }

    /// A webhook of an account.
    pub async fn webhook(&self, account: &str, id: &str) -> Result<Webhook> {
        let query = sqlx::query("SELECT * FROM webhooks WHERE account = $1 AND id = $2 AND removed_us IS NULL");
        let row = query.bind(account).bind(id).fetch_optional(&self.pool).await.map_err(failed)?;
        Webhook::one(row)?.ok_or_else(|| Error::NotFound(format!("there is no webhook {id:?}")))
    }

    /// An account's webhooks.
    pub async fn webhooks(&self, account: &str) -> Result<Vec<Webhook>> {
        let query =
            sqlx::query("SELECT * FROM webhooks WHERE account = $1 AND removed_us IS NULL ORDER BY created_us, id");
        Webhook::all(query.bind(account).fetch_all(&self.pool).await.map_err(failed)?)
    }

    /// Removes a webhook; what waits for it is given up.
    pub async fn remove_webhook(&self, account: &str, id: &str) -> Result<()> {
        let query =
            sqlx::query("UPDATE webhooks SET removed_us = $3 WHERE account = $1 AND id = $2 AND removed_us IS NULL");
        query.bind(account).bind(id).bind(self.now_us()).execute(&self.pool).await.map_err(failed)?;
        let query = sqlx::query("UPDATE deliveries SET status = 'given_up' WHERE webhook = $1 AND status = 'waiting'");
        query.bind(id).execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// Enters what is to be told to a webhook.
    pub async fn add_delivery(&self, webhook: &Webhook, event: &str, body: &str) -> Result<()> {
        self.put_delivery(&self.new_id('d'), webhook, event, body).await
    }

    /// Enters what is to be told to a webhook, unless it was entered before: an event that has the same key.
    pub async fn add_delivery_once(&self, webhook: &Webhook, (event, key): (&str, &str), body: &str) -> Result<()> {
        self.put_delivery(&notice_id('d', &[&webhook.id, event, key]), webhook, event, body).await
    }

    async fn put_delivery(&self, id: &str, webhook: &Webhook, event: &str, body: &str) -> Result<()> {
        let now = self.now_us();
        let query = sqlx::query(
            "INSERT INTO deliveries (id, webhook, account, event, body, status, attempts, next_us, created_us) \
             VALUES ($1, $2, $3, $4, $5, 'waiting', 0, $6, $6) ON CONFLICT (id) DO NOTHING",
        );
        let query = query.bind(id).bind(&webhook.id).bind(&webhook.account).bind(event).bind(body);
        query.bind(now).execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// What is to be delivered now. Each is put off by `lease_us`, so that nobody else takes it meanwhile.
    pub async fn due_deliveries(&self, lease_us: i64, limit: i64) -> Result<Vec<Delivery>> {
        let now = self.now_us();
        let query = sqlx::query(
            "UPDATE deliveries SET next_us = $2 WHERE status = 'waiting' AND next_us <= $1 AND id IN \
             (SELECT id FROM deliveries WHERE status = 'waiting' AND next_us <= $1 ORDER BY next_us LIMIT $3) RETURNING *",
        );
        let query = query.bind(now).bind(now.saturating_add(lease_us)).bind(limit);
        Delivery::all(query.fetch_all(&self.pool).await.map_err(failed)?)
    }

    /// Enters how an attempt to deliver ended: `None`, delivered; else why not, and when it is tried again (`None`: never).
    pub async fn end_delivery(&self, id: &str, failure: Option<(&str, Option<i64>)>) -> Result<()> {
        let now = self.now_us();
        let (status, next, error) = match failure {
            None => ("delivered", now, None),
            Some((why, Some(next))) => ("waiting", next, Some(why.to_string())),
            Some((why, None)) => ("given_up", now, Some(why.to_string())),
        };
        let delivered = failure.is_none().then_some(now);
        let query = sqlx::query(
            "UPDATE deliveries SET status = $2, next_us = $3, last_error = $4, delivered_us = $5, attempts = attempts + 1 \
             WHERE id = $1",
        );
        let query = query.bind(id).bind(status).bind(next).bind(error).bind(delivered);
        query.execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// The newest deliveries to a webhook.
    pub async fn deliveries(&self, webhook: &str, limit: i64) -> Result<Vec<Delivery>> {
        let query = sqlx::query("SELECT * FROM deliveries WHERE webhook = $1 ORDER BY created_us DESC, id LIMIT $2");
        Delivery::all(query.bind(webhook).bind(limit).fetch_all(&self.pool).await.map_err(failed)?)
    }

    /// A fact about the service itself, such as which account is the default one.
    pub async fn fact(&self, name: &str) -> Result<Option<String>> {
        let query = sqlx::query("SELECT value FROM facts WHERE name = $1").bind(name);
        let row = query.fetch_optional(&self.pool).await.map_err(failed)?;
        row.as_ref().map(|row| get(row, "value")).transpose()
    }

    /// Sets such a fact where it is not set. Returns what it is then.
    pub async fn set_fact(&self, name: &str, value: &str) -> Result<String> {
        let query = sqlx::query("INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING");
        query.bind(name).bind(value).execute(&self.pool).await.map_err(failed)?;
        Ok(self.fact(name).await?.unwrap_or_default())
    }
}

/// The id of something that is told: the same for the same parts, so that it is entered once.
pub(super) fn notice_id(letter: char, parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("snaphold 2026 id of something that is told");
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    let mut id = [0; 8];
    hasher.finalize_xof().fill(&mut id);
    format!("{letter}{:016x}", u64::from_be_bytes(id))
}
