//! Accounts: who owns instances, each with a repository and keys of its own.

use sqlx::any::AnyRow;

use crate::error::{Error, Result};

use super::row::{Record, get};
use super::{Catalog, failed};

/// An account.
#[derive(Debug, Clone)]
pub struct Account {
    /// `a` and 16 hexadecimal digits.
    pub id: String,
    /// Its name, which no other has.
    pub name: String,
    /// When it was made.
    pub created_us: i64,
    /// Its repository's secret, sealed; `None` once its key was destroyed.
    pub sealed_secret: Option<String>,
    /// When its key was destroyed.
    pub shredded_us: Option<i64>,
    /// How many of its jobs may run at once; `None`: as the service says.
    pub jobs_max: Option<i64>,
}

impl Record for Account {
    fn read(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            id: get(row, "id")?,
            name: get(row, "name")?,
            created_us: get(row, "created_us")?,
            sealed_secret: get(row, "sealed_secret")?,
            shredded_us: get(row, "shredded_us")?,
            jobs_max: get(row, "jobs_max")?,
        })
    }
}

impl Catalog {
    /// Enters an account. `Error::Refused` where its name is taken.
    pub async fn add_account(&self, id: &str, name: &str, sealed_secret: &str) -> Result<Account> {
        let added = sqlx::query("INSERT INTO accounts (id, name, created_us, sealed_secret) VALUES ($1, $2, $3, $4)")
            .bind(id)
            .bind(name)
            .bind(self.now_us())
            .bind(sealed_secret)
            .execute(&self.pool)
            .await;
        match added.map_err(failed) {
            Ok(_) => self.account(id).await,
            Err(Error::Refused(_)) => Err(Error::Refused(format!("there is an account {name:?} already"))),
            Err(error) => Err(error),
        }
    }

    /// An account by its id.
    pub async fn account(&self, id: &str) -> Result<Account> {
        let row = sqlx::query("SELECT * FROM accounts WHERE id = $1").bind(id).fetch_optional(&self.pool).await;
        Account::one(row.map_err(failed)?)?.ok_or_else(|| Error::NotFound(format!("there is no account {id:?}")))
    }

    /// An account by its name.
    pub async fn account_named(&self, name: &str) -> Result<Option<Account>> {
        let row = sqlx::query("SELECT * FROM accounts WHERE name = $1").bind(name).fetch_optional(&self.pool).await;
        Account::one(row.map_err(failed)?)
    }

    /// All accounts, by their names.
    pub async fn accounts(&self) -> Result<Vec<Account>> {
        let rows = sqlx::query("SELECT * FROM accounts ORDER BY name").fetch_all(&self.pool).await;
        Account::all(rows.map_err(failed)?)
    }

    /// Sets how many of an account's jobs may run at once.
    pub async fn limit_account(&self, id: &str, jobs_max: Option<i64>) -> Result<()> {
        let done = sqlx::query("UPDATE accounts SET jobs_max = $2 WHERE id = $1").bind(id).bind(jobs_max);
        done.execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// Forgets an account's secret and what is mirrored of its repository, and ends its jobs that have not begun.
    pub async fn shred_account(&self, id: &str) -> Result<()> {
        let now = self.now_us();
        let mut transaction = self.begin().await?;
        let statements = [
            "UPDATE accounts SET sealed_secret = NULL, shredded_us = COALESCE(shredded_us, $2) WHERE id = $1",
            "UPDATE instances SET removed_us = $2 WHERE account = $1 AND removed_us IS NULL",
            "UPDATE jobs SET status = 'cancelled', finished_us = $2 WHERE account = $1 AND status = 'queued'",
        ];
        for statement in statements {
            sqlx::query(statement).bind(id).bind(now).execute(&mut *transaction).await.map_err(failed)?;
        }
        sqlx::query("DELETE FROM snapshots WHERE account = $1")
            .bind(id)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }
}
