//! What the console's calendars and lists ask of the mirror of snapshots: counts by time, and the newest ones.

use crate::error::Result;

use super::row::{Record, get};
use super::{Catalog, Snapshot, failed};

/// A quarter of an hour, microseconds: every time zone's days begin at one.
const QUARTER_US: i64 = 15 * 60 * 1_000_000;

/// How many snapshots of an instance were begun in a quarter of an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The instance's name.
    pub instance: String,
    /// When the quarter began.
    pub at_us: i64,
    /// Those that were completed, also where they were deleted since.
    pub completed: i64,
    /// Those that failed.
    pub failed: i64,
}

impl Catalog {
    /// What was taken since a time, of all instances of an account or of one.
    pub async fn marks(&self, account: &str, instance: Option<&str>, from_us: i64) -> Result<Vec<Mark>> {
        let query = sqlx::query(
            "SELECT instance, created_us / 900000000 AS quarter, \
             CAST(SUM(CASE WHEN status IN ('completed', 'deleting') THEN 1 ELSE 0 END) AS BIGINT) AS completed, \
             CAST(SUM(CASE WHEN status = 'failed' THEN 1 ELSE 0 END) AS BIGINT) AS failed \
             FROM snapshots WHERE account = $1 AND created_us >= $2 AND ($3 = '' OR instance = $3) \
             GROUP BY instance, created_us / 900000000 ORDER BY quarter",
        );
        let query = query.bind(account).bind(from_us).bind(instance.unwrap_or_default());
        let rows = query.fetch_all(&self.pool).await.map_err(failed)?;
        rows.iter()
            .map(|row| {
                Ok(Mark {
                    instance: get(row, "instance")?,
                    at_us: get::<i64>(row, "quarter")?.saturating_mul(QUARTER_US),
                    completed: get(row, "completed")?,
                    failed: get(row, "failed")?,
                })
            })
            .collect()
    }

    /// The newest snapshot of each instance of an account that is in such a status.
    pub async fn newest_snapshots(&self, account: &str, status: &str) -> Result<Vec<Snapshot>> {
        let query = sqlx::query(
            "SELECT s.* FROM snapshots s JOIN (SELECT instance, MAX(created_us) AS newest_us FROM snapshots \
             WHERE account = $1 AND status = $2 GROUP BY instance) n \
             ON s.instance = n.instance AND s.created_us = n.newest_us WHERE s.account = $1 AND s.status = $2",
        );
        let rows = query.bind(account).bind(status).fetch_all(&self.pool).await.map_err(failed)?;
        Snapshot::all(rows)
    }
}
