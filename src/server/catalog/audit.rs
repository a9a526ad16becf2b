//! Who did what: every change and every download. Entries are added, never changed.

use serde_json::Value;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use crate::error::Result;

use super::row::{Cursor, Page, Record, get, json};
use super::{Catalog, failed};

/// An entry.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    /// Its id.
    pub id: String,
    /// The account; `None`: the service itself.
    pub account: Option<String>,
    /// When.
    pub at_us: i64,
    /// `token:t…`, `user:u…`, `scheduler`, …
    pub actor: String,
    /// `snapshot.take`, `export.download`, …
    pub action: String,
    /// What it was done to.
    pub object: Option<String>,
    /// More about it; no secrets.
    pub detail: Value,
    /// The request.
    pub request_id: Option<String>,
    /// The address that it came from.
    pub address: Option<String>,
}

impl Record for AuditEntry {
    fn read(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            id: get(row, "id")?,
            account: get(row, "account")?,
            at_us: get(row, "at_us")?,
            actor: get(row, "actor")?,
            action: get(row, "action")?,
            object: get(row, "object")?,
            detail: json(row, "detail")?,
            request_id: get(row, "request_id")?,
            address: get(row, "address")?,
        })
    }
}

/// An entry that is to be added.
#[derive(Debug, Clone, Default)]
pub struct NewAudit {
    /// The account.
    pub account: Option<String>,
    /// Who.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub object: Option<String>,
    /// More about it; no secrets.
    pub detail: Value,
    /// The request.
    pub request_id: Option<String>,
    /// The address that it came from.
    pub address: Option<String>,
}

impl Catalog {
    /// Adds an entry.
    pub async fn add_audit(&self, entry: &NewAudit) -> Result<()> {
        sqlx::query(
            "INSERT INTO audit (id, account, at_us, actor, action, object, detail, request_id, address) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(self.new_id('n'))
        .bind(entry.account.clone())
        .bind(self.now_us())
        .bind(&entry.actor)
        .bind(&entry.action)
        .bind(entry.object.clone())
        .bind(entry.detail.to_string())
        .bind(entry.request_id.clone())
        .bind(entry.address.clone())
        .execute(&self.pool)
        .await
        .map(drop)
        .map_err(failed)
    }

    /// A page of an account's entries, newest first; `action` is the beginning of what was done, such as `snapshot.`.
    pub async fn audit(
        &self,
        account: &str,
        action: Option<&str>,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<AuditEntry>> {
        let from = after.map_or("", |_| " AND (at_us, id) < ($3, $4)");
        let sql = format!(
            "SELECT * FROM audit WHERE account = $1 AND SUBSTR(action, 1, LENGTH($2)) = $2{from} \
             ORDER BY at_us DESC, id DESC LIMIT {}",
            limit.saturating_add(1)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(account).bind(action.unwrap_or(""));
        if let Some(cursor) = after {
            query = query.bind(cursor.at).bind(cursor.id.clone());
        }
        let rows = query.fetch_all(&self.pool).await.map_err(failed)?;
        Ok(Page::of(AuditEntry::all(rows)?, limit, |last| Cursor { at: last.at_us, id: last.id.clone() }))
    }

    /// Forgets entries that were added before `before_us`.
    pub async fn forget_audit(&self, before_us: i64) -> Result<u64> {
        let done = sqlx::query("DELETE FROM audit WHERE at_us < $1").bind(before_us).execute(&self.pool).await;
        Ok(done.map_err(failed)?.rows_affected())
    }
}
