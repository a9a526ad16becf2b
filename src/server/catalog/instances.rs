//! The mirror of the accounts' instances, and when each is due.

use serde_json::Value;
use sqlx::any::AnyRow;

use crate::error::{Error, Result};
use crate::service::InstanceView;

use super::row::{Record, get, json};
use super::{Catalog, failed};

/// An instance.
#[derive(Debug, Clone)]
pub struct Instance {
    /// `i` and 16 hexadecimal digits.
    pub id: String,
    /// Its account.
    pub account: String,
    /// Its name, which no other instance of the account has.
    pub name: String,
    /// When it was entered.
    pub created_us: i64,
    /// When it was changed last.
    pub updated_us: i64,
    /// When its policy asks for something next.
    pub next_due_us: Option<i64>,
    /// When its system was last looked at.
    pub checked_us: Option<i64>,
    /// The instance as [`InstanceView`] shows it.
    pub view: Value,
}

impl Record for Instance {
    fn read(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            id: get(row, "id")?,
            account: get(row, "account")?,
            name: get(row, "name")?,
            created_us: get(row, "created_us")?,
            updated_us: get(row, "updated_us")?,
            next_due_us: get(row, "next_due_us")?,
            checked_us: get(row, "checked_us")?,
            view: json(row, "view")?,
        })
    }
}

impl Catalog {
    /// Enters an instance, or what changed about it. It keeps its id for as long as it is not removed.
    pub async fn put_instance(&self, account: &str, view: &InstanceView) -> Result<Instance> {
        let text = serde_json::to_string(view)
            .map_err(|error| Error::Failed(format!("the instance cannot be written as JSON: {error}")))?;
        let query = sqlx::query(
            "INSERT INTO instances (id, account, name, created_us, updated_us, view) VALUES ($1, $2, $3, $4, $4, $5) \
             ON CONFLICT (account, name) WHERE removed_us IS NULL \
             DO UPDATE SET view = excluded.view, updated_us = excluded.updated_us WHERE instances.view <> excluded.view",
        );
        let query = query.bind(self.new_id('i')).bind(account).bind(&view.name).bind(self.now_us()).bind(text);
        query.execute(&self.pool).await.map_err(failed)?;
        self.instance(account, &view.name).await
    }

    /// An account's instance, by its id or its name.
    pub async fn instance(&self, account: &str, id_or_name: &str) -> Result<Instance> {
        let query = sqlx::query(
            "SELECT * FROM instances WHERE account = $1 AND (id = $2 OR name = $2) AND removed_us IS NULL \
             ORDER BY CASE WHEN id = $2 THEN 0 ELSE 1 END LIMIT 1",
        );
        let row = query.bind(account).bind(id_or_name).fetch_optional(&self.pool).await.map_err(failed)?;
        Instance::one(row)?.ok_or_else(|| Error::NotFound(format!("there is no instance {id_or_name:?}")))
    }

    /// An account's instances, by their names.
    pub async fn instances(&self, account: &str) -> Result<Vec<Instance>> {
        let query = sqlx::query("SELECT * FROM instances WHERE account = $1 AND removed_us IS NULL ORDER BY name");
        Instance::all(query.bind(account).fetch_all(&self.pool).await.map_err(failed)?)
    }

    /// Enters that an instance is no more. Its snapshots stay.
    pub async fn remove_instance(&self, account: &str, name: &str) -> Result<()> {
        let query =
            sqlx::query("UPDATE instances SET removed_us = $3 WHERE account = $1 AND name = $2 AND removed_us IS NULL");
        query.bind(account).bind(name).bind(self.now_us()).execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// Sets when an instance's policy asks for something next.
    pub async fn set_next_due(&self, account: &str, name: &str, next_due_us: Option<i64>) -> Result<()> {
        let query = sqlx::query(
            "UPDATE instances SET next_due_us = $3 WHERE account = $1 AND name = $2 AND removed_us IS NULL",
        );
        query.bind(account).bind(name).bind(next_due_us).execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// Notes that an instance's system was looked at now.
    pub async fn set_checked(&self, account: &str, name: &str) -> Result<()> {
        let query =
            sqlx::query("UPDATE instances SET checked_us = $3 WHERE account = $1 AND name = $2 AND removed_us IS NULL");
        query.bind(account).bind(name).bind(self.now_us()).execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// Instances that are due at `now_us` and have no policy job under way, the most overdue first.
    pub async fn due_instances(&self, now_us: i64, limit: i64) -> Result<Vec<Instance>> {
        let query = sqlx::query(
            "SELECT i.* FROM instances i WHERE i.removed_us IS NULL AND i.next_due_us <= $1 \
             AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.account = i.account AND j.instance = i.name \
                             AND j.kind = 'policy' AND j.status IN ('queued', 'running')) \
             ORDER BY i.next_due_us, i.id LIMIT $2",
        );
        Instance::all(query.bind(now_us).bind(limit).fetch_all(&self.pool).await.map_err(failed)?)
    }

    /// Instances whose system was not looked at since `before_us`, new ones first.
    pub async fn unchecked_instances(&self, before_us: i64, limit: i64) -> Result<Vec<Instance>> {
        let query = sqlx::query(
            "SELECT i.* FROM instances i WHERE i.removed_us IS NULL AND COALESCE(i.checked_us, 0) <= $1 \
             AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.account = i.account AND j.instance = i.name \
                             AND j.status IN ('queued', 'running')) \
             ORDER BY COALESCE(i.checked_us, 0), i.id LIMIT $2",
        );
        Instance::all(query.bind(before_us).bind(limit).fetch_all(&self.pool).await.map_err(failed)?)
    }
}
