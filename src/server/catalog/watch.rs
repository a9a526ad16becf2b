//! How everything stands, over all accounts: what is watched, and what is counted for operators.

use serde_json::Value;
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::Result;

use super::row::{Record, get, json};
use super::{Catalog, failed};

/// An instance, its newest good snapshot, and what was last seen of it.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The instance's id.
    pub instance_id: String,
    /// Its name.
    pub instance: String,
    /// Its account's id.
    pub account: String,
    /// Its account's name.
    pub account_name: String,
    /// When it was entered.
    pub created_us: i64,
    /// The instance as it is shown.
    pub view: Value,
    /// When its newest completed snapshot was begun.
    pub newest_us: Option<i64>,
    /// The policy that was seen last, as JSON; empty: none.
    pub policy: Option<String>,
    /// Since when it was seen.
    pub since_us: Option<i64>,
    /// The time that it missed.
    pub overdue_us: Option<i64>,
}

impl Record for Watched {
    fn read(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            instance_id: get(row, "id")?,
            instance: get(row, "name")?,
            account: get(row, "account")?,
            account_name: get(row, "account_name")?,
            created_us: get(row, "created_us")?,
            view: json(row, "view")?,
            newest_us: get(row, "newest_us")?,
            policy: get(row, "policy")?,
            since_us: get(row, "since_us")?,
            overdue_us: get(row, "overdue_us")?,
        })
    }
}

/// What the completed snapshots of an account come to.
#[derive(Debug, Clone)]
pub struct AccountTotals {
    /// The account's name.
    pub account_name: String,
    /// How many there are.
    pub snapshots: i64,
    /// Plain bytes of their files.
    pub bytes_logical: i64,
    /// Bytes that they added to the repository.
    pub bytes_stored: i64,
}

/// Counts over the whole service.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServiceCounts {
    /// Accounts whose keys are there.
    pub accounts: i64,
    /// Instances.
    pub instances: i64,
    /// Instances that missed a time of their policy.
    pub overdue: i64,
    /// Deliveries to webhooks that wait.
    pub deliveries_waiting: i64,
    /// Mails that wait.
    pub mails_waiting: i64,
    /// The earliest time at which an instance is due.
    pub next_due_us: Option<i64>,
}

impl Catalog {
    /// Instances with what was seen of them, those whose newest good snapshot is oldest first.
    pub async fn watched(&self, limit: i64) -> Result<Vec<Watched>> {
        let query = sqlx::query(
            "SELECT w.*, v.policy, v.since_us, v.overdue_us FROM \
               (SELECT i.id, i.name, i.account, i.created_us, i.view, a.name AS account_name, \
                  (SELECT MAX(s.created_us) FROM snapshots s WHERE s.account = i.account AND s.instance = i.name \
                     AND s.status = 'completed' AND s.deleted_us IS NULL) AS newest_us \
                FROM instances i JOIN accounts a ON a.id = i.account WHERE i.removed_us IS NULL) w \
             LEFT JOIN watches v ON v.instance_id = w.id \
             ORDER BY COALESCE(w.newest_us, w.created_us), w.id LIMIT $1",
        );
        Watched::all(query.bind(limit).fetch_all(&self.pool).await.map_err(failed)?)
    }

    /// Notes what was seen of an instance. Returns whether it is another time that was missed than the one noted before:
    /// of several who note it, one is told so.
    pub async fn put_watch(
        &self,
        instance_id: &str,
        policy: &str,
        since_us: i64,
        overdue_us: Option<i64>,
    ) -> Result<bool> {
        let mut transaction = self.begin().await?;
        let query = sqlx::query(
            "INSERT INTO watches (instance_id, policy, since_us) VALUES ($1, $2, $3) \
             ON CONFLICT (instance_id) DO UPDATE SET policy = excluded.policy, since_us = excluded.since_us",
        );
        let query = query.bind(instance_id).bind(policy).bind(since_us);
        query.execute(&mut *transaction).await.map_err(failed)?;
        let query = sqlx::query(
            "UPDATE watches SET overdue_us = $2 WHERE instance_id = $1 AND COALESCE(overdue_us, -1) <> COALESCE(CAST($2 AS BIGINT), -1)",
        );
        let query = query.bind(instance_id).bind(overdue_us);
        let changed = query.execute(&mut *transaction).await.map_err(failed)?.rows_affected() > 0;
        transaction.commit().await.map_err(failed)?;
        Ok(changed)
    }

    /// What the snapshots of each account come to.
    pub async fn account_totals(&self) -> Result<Vec<AccountTotals>> {
        let query = sqlx::query(
            "SELECT a.name AS account_name, COUNT(*) AS snapshots, CAST(SUM(s.bytes_total) AS BIGINT) AS bytes_logical, \
             CAST(SUM(s.bytes_stored) AS BIGINT) AS bytes_stored FROM snapshots s JOIN accounts a ON a.id = s.account \
             WHERE s.status = 'completed' AND s.deleted_us IS NULL GROUP BY a.name ORDER BY a.name",
        );
        let rows = query.fetch_all(&self.pool).await.map_err(failed)?;
        rows.iter()
            .map(|row| {
                Ok(AccountTotals {
                    account_name: get(row, "account_name")?,
                    snapshots: get(row, "snapshots")?,
                    bytes_logical: get(row, "bytes_logical")?,
                    bytes_stored: get(row, "bytes_stored")?,
                })
            })
            .collect()
    }

    /// Counts over the whole service.
    pub async fn service_counts(&self) -> Result<ServiceCounts> {
        let query = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM accounts WHERE shredded_us IS NULL) AS accounts, \
             (SELECT COUNT(*) FROM instances WHERE removed_us IS NULL) AS instances, \
             (SELECT COUNT(*) FROM watches v JOIN instances i ON i.id = v.instance_id \
                WHERE v.overdue_us IS NOT NULL AND i.removed_us IS NULL) AS overdue, \
             (SELECT COUNT(*) FROM deliveries WHERE status = 'waiting') AS deliveries_waiting, \
             (SELECT COUNT(*) FROM mails WHERE status = 'waiting') AS mails_waiting, \
             (SELECT MIN(next_due_us) FROM instances WHERE removed_us IS NULL) AS next_due_us",
        );
        let row = query.fetch_one(&self.pool).await.map_err(failed)?;
        Ok(ServiceCounts {
            accounts: row.try_get("accounts").map_err(failed)?,
            instances: row.try_get("instances").map_err(failed)?,
            overdue: row.try_get("overdue").map_err(failed)?,
            deliveries_waiting: row.try_get("deliveries_waiting").map_err(failed)?,
            mails_waiting: row.try_get("mails_waiting").map_err(failed)?,
            next_due_us: row.try_get("next_due_us").map_err(failed)?,
        })
    }
}
