//! Leases: one holder at a time of a named duty, such as being the scheduler, among servers that share the catalog.

use sqlx::Row;

use crate::error::Result;

use super::{Catalog, failed};

/// A duty that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The duty.
    pub name: String,
    /// Who holds it.
    pub holder: String,
    /// Until when.
    pub until_us: i64,
    /// Which tenure it is: grows each time that another takes it.
    pub epoch: i64,
}

impl Catalog {
    /// Takes or keeps a duty for `for_us` microseconds. `None`: somebody else has it.
    pub async fn hold_lease(&self, name: &str, holder: &str, for_us: i64) -> Result<Option<Lease>> {
        let now = self.now_us();
        let until_us = now.saturating_add(for_us);
        let query = sqlx::query(
            "INSERT INTO leases (name, holder, until_us, epoch) VALUES ($1, $2, $3, 1) \
             ON CONFLICT (name) DO UPDATE SET until_us = excluded.until_us, \
             epoch = CASE WHEN leases.holder = excluded.holder THEN leases.epoch ELSE leases.epoch + 1 END, \
             holder = excluded.holder \
             WHERE leases.holder = excluded.holder OR leases.until_us <= $4 RETURNING epoch",
        );
        let query = query.bind(name).bind(holder).bind(until_us).bind(now);
        let Some(row) = query.fetch_optional(&self.pool).await.map_err(failed)? else { return Ok(None) };
        let epoch = row.try_get("epoch").map_err(failed)?;
        Ok(Some(Lease { name: name.to_string(), holder: holder.to_string(), until_us, epoch }))
    }

    /// Lets go of a duty, so that another need not wait.
    pub async fn release_lease(&self, name: &str, holder: &str) -> Result<()> {
        let query = sqlx::query("UPDATE leases SET until_us = 0 WHERE name = $1 AND holder = $2");
        query.bind(name).bind(holder).execute(&self.pool).await.map(drop).map_err(failed)
    }
}
