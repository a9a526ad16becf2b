//! The mirror of the accounts' snapshots, and what is still being taken.

use serde_json::{Value, json};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use crate::error::{Error, Result};
use crate::service::SnapshotView;

use super::row::{Cursor, Page, Record, get};
use super::{Catalog, failed, from_microseconds};

/// A snapshot.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Its id, 16 hexadecimal digits.
    pub id: String,
    /// Its instance's name.
    pub instance: String,
    /// `on_demand`, `scheduled`, `load` or `safety`.
    pub kind: String,
    /// `in_progress`, `completed`, `failed` or `deleting`.
    pub status: String,
    /// When it was begun.
    pub created_us: i64,
    /// The snapshot as [`SnapshotView`] shows it: JSON text, which is read only where somebody looks into it.
    pub view: String,
}

impl Record for Snapshot {
    fn read(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            id: get(row, "id")?,
            instance: get(row, "instance")?,
            kind: get(row, "kind")?,
            status: get(row, "status")?,
            created_us: get(row, "created_us")?,
            view: get(row, "view")?,
        })
    }
}

/// Stands between the records of a page, and occurs in none: not in ids, words and names, and in JSON as an escape alone.
const RECORD: char = '\u{1e}';
/// The same between the fields of a record.
const FIELD: char = '\u{1f}';

impl Snapshot {
    /// From a record of a page, as [`Catalog::snapshots`] has the database write it.
    fn of_record(record: &str) -> Option<Self> {
        let mut fields = record.split(FIELD);
        let mut text = || fields.next().map(str::to_string);
        let (id, instance, kind, status) = (text()?, text()?, text()?, text()?);
        Some(Self { id, instance, kind, status, created_us: text()?.parse().ok()?, view: text()? })
    }
}

/// In which order a list is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Newest first.
    #[default]
    NewestFirst,
    /// Oldest first.
    OldestFirst,
}

/// Which snapshots are asked for.
#[derive(Debug, Clone, Default)]
pub struct SnapshotFilter {
    /// Of this instance, by name.
    pub instance: Option<String>,
    /// Of this type.
    pub kind: Option<String>,
    /// In this status.
    pub status: Option<String>,
    /// Begun at or after this time.
    pub from_us: Option<i64>,
    /// Begun before this time.
    pub until_us: Option<i64>,
    /// The order.
    pub order: Order,
}

/// What an account's snapshots come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// The instance.
    pub instance: String,
    /// Completed snapshots that are not deleted.
    pub snapshots: i64,
    /// Plain bytes of all of them.
    pub bytes_logical: i64,
    /// Bytes that they added to the repository.
    pub bytes_stored: i64,
    /// When the newest was begun.
    pub newest_us: Option<i64>,
}

impl Catalog {
    /// Enters a snapshot, or what changed about it.
    pub async fn put_snapshot(&self, account: &str, view: &SnapshotView) -> Result<()> {
        let text = serde_json::to_string(view)
            .map_err(|error| Error::Failed(format!("the snapshot cannot be written as JSON: {error}")))?;
        let query = sqlx::query(
            "INSERT INTO snapshots (account, id, instance, kind, status, created_us, expires_us, deleted_us, \
             bytes_total, bytes_stored, view) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
             ON CONFLICT (account, id) DO UPDATE SET instance = excluded.instance, kind = excluded.kind, \
             status = excluded.status, created_us = excluded.created_us, expires_us = excluded.expires_us, \
             deleted_us = excluded.deleted_us, bytes_total = excluded.bytes_total, \
             bytes_stored = excluded.bytes_stored, view = excluded.view",
        );
        query
            .bind(account)
            .bind(&view.id)
            .bind(&view.instance)
            .bind(view.kind.as_ref())
            .bind(view.status.as_ref())
            .bind(view.created_at.as_microsecond())
            .bind(view.expires_at.map(|at| at.as_microsecond()))
            .bind(view.deleted_at.map(|at| at.as_microsecond()))
            .bind(bytes(view.bytes_total))
            .bind(bytes(view.bytes_stored))
            .bind(text)
            .execute(&self.pool)
            .await
            .map(drop)
            .map_err(failed)
    }

    /// Enters a snapshot that a job is going to take. One that is known already stays as it is.
    pub async fn begin_snapshot(
        &self,
        account: &str,
        id: &str,
        instance: &str,
        kind: &str,
        description: Option<&str>,
    ) -> Result<()> {
        let now = self.now_us();
        let view = json!({
            "id": id, "instance": instance, "type": kind, "status": "in_progress",
            "created_at": from_microseconds(now), "finished_at": null, "expires_at": null,
            "description": description, "hold_until": null, "deleted_at": null, "purge_after": null,
            "files": 0, "directories": 0, "bytes_total": 0, "bytes_read": 0, "bytes_new": 0, "bytes_stored": 0,
        });
        let query = sqlx::query(
            "INSERT INTO snapshots (account, id, instance, kind, status, created_us, bytes_total, bytes_stored, view) \
             VALUES ($1, $2, $3, $4, 'in_progress', $5, 0, 0, $6) ON CONFLICT (account, id) DO NOTHING",
        );
        let query = query.bind(account).bind(id).bind(instance).bind(kind).bind(now).bind(view.to_string());
        query.execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// Enters why a snapshot that was begun will not be there. One that is completed stays so.
    pub async fn fail_snapshot(&self, account: &str, id: &str, reason: &str) -> Result<()> {
        let snapshot = match self.snapshot(account, id).await {
            Ok(snapshot) if snapshot.status == "in_progress" => snapshot,
            Ok(_) | Err(Error::NotFound(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut view: Value = serde_json::from_str(&snapshot.view)
            .map_err(|error| Error::damaged(format!("the catalog's snapshot {id}"), error))?;
        if let Some(fields) = view.as_object_mut() {
            fields.insert("status".into(), "failed".into());
            fields.insert("reason".into(), reason.into());
            fields.insert("finished_at".into(), from_microseconds(self.now_us()).to_string().into());
        }
        let query = sqlx::query(
            "UPDATE snapshots SET status = 'failed', view = $3 WHERE account = $1 AND id = $2 AND status = 'in_progress'",
        );
        query.bind(account).bind(id).bind(view.to_string()).execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// Takes a snapshot out whose data is gone.
    pub async fn forget_snapshot(&self, account: &str, id: &str) -> Result<()> {
        let query = sqlx::query("DELETE FROM snapshots WHERE account = $1 AND id = $2").bind(account).bind(id);
        query.execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// A snapshot.
    pub async fn snapshot(&self, account: &str, id: &str) -> Result<Snapshot> {
        let query = sqlx::query("SELECT * FROM snapshots WHERE account = $1 AND id = $2").bind(account).bind(id);
        let row = query.fetch_optional(&self.pool).await.map_err(failed)?;
        Snapshot::one(row)?.ok_or_else(|| Error::NotFound(format!("there is no snapshot {id:?}")))
    }

    /// All that the mirror has of an account.
    pub async fn snapshot_ids(&self, account: &str) -> Result<Vec<String>> {
        let query = sqlx::query("SELECT id FROM snapshots WHERE account = $1").bind(account);
        let rows = query.fetch_all(&self.pool).await.map_err(failed)?;
        rows.iter().map(|row| get(row, "id")).collect()
    }

    /// A page of an account's snapshots.
    pub async fn snapshots(
        &self,
        account: &str,
        filter: &SnapshotFilter,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Snapshot>> {
        let mut clauses = vec!["account = $1".to_string()];
        let mut words: Vec<&str> = vec![account];
        let texts = [("instance", &filter.instance), ("kind", &filter.kind), ("status", &filter.status)];
        for (column, text) in texts {
            if let Some(text) = text {
                words.push(text);
                clauses.push(format!("{column} = ${}", words.len()));
            }
        }
        let mut numbers: Vec<i64> = Vec::new();
        let mut place = words.len();
        for (clause, number) in [("created_us >= $", filter.from_us), ("created_us < $", filter.until_us)] {
            if let Some(number) = number {
                place += 1;
                numbers.push(number);
                clauses.push(format!("{clause}{place}"));
            }
        }
        let (sign, direction) = match filter.order {
            Order::NewestFirst => ("<", "DESC"),
            Order::OldestFirst => (">", "ASC"),
        };
        if after.is_some() {
            clauses.push(format!("(created_us, id) {sign} (${}, ${})", place + 1, place + 2));
        }
        // The database makes one row of the page: handing fifty of them from its thread to this one costs more than all else.
        let order = format!("ORDER BY created_us {direction}, id {direction}");
        let fields = ["id", "instance", "kind", "status", "CAST(created_us AS TEXT)", "view"];
        let record = fields.join(&format!(" || '{FIELD}' || "));
        let sql = format!(
            "SELECT string_agg({record}, '{RECORD}' {order}) FROM (SELECT * FROM snapshots WHERE {} {order} LIMIT {}) AS page",
            clauses.join(" AND "),
            limit.saturating_add(1),
        );
        // All that varies in the text is which clauses it has; values are bound.
        let mut query = sqlx::query_scalar::<_, Option<String>>(AssertSqlSafe(sql));
        for word in words {
            query = query.bind(word.to_string());
        }
        for number in numbers {
            query = query.bind(number);
        }
        if let Some(cursor) = after {
            query = query.bind(cursor.at).bind(cursor.id.clone());
        }
        let page = query.fetch_one(&self.pool).await.map_err(failed)?.unwrap_or_default();
        let records = page.split(RECORD).filter(|record| !record.is_empty());
        let snapshots: Option<_> = records.map(Snapshot::of_record).collect();
        let snapshots =
            snapshots.ok_or_else(|| Error::damaged("the catalog's snapshots", "a record has fields too few"))?;
        Ok(Page::of(snapshots, limit, |last| Cursor { at: last.created_us, id: last.id.clone() }))
    }

    /// What an account's snapshots come to, by their instances.
    pub async fn usage(&self, account: &str) -> Result<Vec<Usage>> {
        let query = sqlx::query(
            "SELECT instance, COUNT(*) AS snapshots, CAST(SUM(bytes_total) AS BIGINT) AS bytes_logical, \
             CAST(SUM(bytes_stored) AS BIGINT) AS bytes_stored, MAX(created_us) AS newest_us \
             FROM snapshots WHERE account = $1 AND status = 'completed' AND deleted_us IS NULL \
             GROUP BY instance ORDER BY instance",
        );
        let rows = query.bind(account).fetch_all(&self.pool).await.map_err(failed)?;
        rows.iter()
            .map(|row| {
                Ok(Usage {
                    instance: get(row, "instance")?,
                    snapshots: get(row, "snapshots")?,
                    bytes_logical: get(row, "bytes_logical")?,
                    bytes_stored: get(row, "bytes_stored")?,
                    newest_us: get(row, "newest_us")?,
                })
            })
            .collect()
    }

    /// The same by the days (UTC, counted from 1970) on which they were begun, oldest first.
    pub async fn usage_by_day(&self, account: &str) -> Result<Vec<(i64, Usage)>> {
        let query = sqlx::query(
            "SELECT created_us / 86400000000 AS day, COUNT(*) AS snapshots, \
             CAST(SUM(bytes_total) AS BIGINT) AS bytes_logical, CAST(SUM(bytes_stored) AS BIGINT) AS bytes_stored \
             FROM snapshots WHERE account = $1 AND status = 'completed' AND deleted_us IS NULL \
             GROUP BY created_us / 86400000000 ORDER BY day",
        );
        let rows = query.bind(account).fetch_all(&self.pool).await.map_err(failed)?;
        rows.iter()
            .map(|row| {
                let usage = Usage {
                    snapshots: get(row, "snapshots")?,
                    bytes_logical: get(row, "bytes_logical")?,
                    bytes_stored: get(row, "bytes_stored")?,
                    ..Usage::default()
                };
                Ok((get(row, "day")?, usage))
            })
            .collect()
    }

    /// Accounts that have snapshots past their time which may go: an instance's newest one never does.
    pub async fn accounts_with_expired(&self, now_us: i64) -> Result<Vec<String>> {
        let query = sqlx::query(
            "SELECT DISTINCT s.account FROM snapshots s \
             WHERE s.expires_us <= $1 AND s.deleted_us IS NULL AND s.status = 'completed' \
             AND EXISTS (SELECT 1 FROM snapshots n WHERE n.account = s.account AND n.instance = s.instance \
                         AND n.status = 'completed' AND n.deleted_us IS NULL AND n.created_us > s.created_us)",
        );
        let rows = query.bind(now_us).fetch_all(&self.pool).await.map_err(failed)?;
        rows.iter().map(|row| row.try_get("account").map_err(failed)).collect()
    }
}

fn bytes(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
