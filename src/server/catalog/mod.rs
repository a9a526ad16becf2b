//! What the service knows, in SQL: accounts and who acts for them, jobs, audit; and a mirror of what the accounts'
//! repositories hold, so that a page of a long list costs no reading of a repository.
//!
//! SQLite and PostgreSQL run the same queries and the same migrations; only how a transaction takes its locks differs.

mod accounts;
mod audit;
mod hooks;
mod idempotency;
mod identities;
mod instances;
mod jobs;
mod leases;
mod mails;
mod marks;
mod row;
mod snapshots;
mod transfers;
mod watch;

use std::time::Duration;

use jiff::Timestamp;
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Any, AnyConnection, AnyPool, Connection, Executor, Transaction};

use crate::clock::Surroundings;
use crate::error::{Error, Result};

pub use accounts::Account;
pub use audit::{AuditEntry, NewAudit};
pub use hooks::{Delivery, Webhook};
pub use idempotency::Claimed;
pub use identities::{NewToken, Role, Session, Token, User};
pub use instances::Instance;
pub use jobs::{Ending, Job, JobFilter, JobState, NewJob, QueueDepth};
pub use leases::Lease;
pub use mails::Mail;
pub use marks::Mark;
pub use row::{Cursor, Page};
pub use snapshots::{Order, Snapshot, SnapshotFilter, Usage};
pub use transfers::{Export, NewUpload, Upload};
pub use watch::{AccountTotals, ServiceCounts, Watched};

/// Connections at once. SQLite has one writer at a time anyway; readers go beside it.
const CONNECTIONS: u32 = 16;
/// How long a request waits for a connection.
const CONNECTING: Duration = Duration::from_secs(15);

/// The service's catalog.
#[derive(Clone)]
pub struct Catalog {
    pool: AnyPool,
    is_postgres: bool,
    surroundings: Surroundings,
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Catalog({})", if self.is_postgres { "PostgreSQL" } else { "SQLite" })
    }
}

impl Catalog {
    /// Opens the catalog at `url` (`sqlite:///path` or `postgres://…`), and brings its tables up to date.
    pub async fn open(url: &str, surroundings: Surroundings) -> Result<Self> {
        install_default_drivers();
        let is_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
        let url = if is_postgres { url.to_string() } else { format!("{url}?mode=rwc") };
        let unopened = |error: sqlx::Error| Error::Failed(format!("cannot open the catalog: {error}"));
        // The pool would try for its whole time, and then say no more than that the time is over.
        AnyConnection::connect(&url).await.map_err(unopened)?.close().await.map_err(unopened)?;
        let pool = AnyPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(CONNECTING)
            // A server may have gone away; a file has not, and asking costs as much as a query.
            .test_before_acquire(is_postgres)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if !is_postgres {
                        let pragmas = "PRAGMA busy_timeout = 20000; PRAGMA journal_mode = WAL; \
                                       PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";
                        connection.execute(pragmas).await?;
                    }
                    Ok(())
                })
            })
            .connect(&url)
            .await
            .map_err(unopened)?;
        let catalog = Self { pool, is_postgres, surroundings };
        migrations()
            .run(&catalog.pool)
            .await
            .map_err(|error| Error::Failed(format!("the catalog's tables cannot be brought up to date: {error}")))?;
        Ok(catalog)
    }

    /// Whether it answers.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// Lets go of its connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Whether it is PostgreSQL, which several servers may share.
    pub fn is_postgres(&self) -> bool {
        self.is_postgres
    }

    /// The clock and randomness that it was given.
    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// Now, microseconds since 1970 (UTC).
    pub fn now_us(&self) -> i64 {
        self.surroundings.clock.now().as_microsecond()
    }

    /// A new id: `letter` and 16 random hexadecimal digits.
    pub fn new_id(&self, letter: char) -> String {
        let mut bytes = [0; 8];
        self.surroundings.entropy.fill(&mut bytes);
        format!("{letter}{:016x}", u64::from_be_bytes(bytes))
    }

    /// Begins a transaction that writes. SQLite takes its write lock at once: one that reads first and then finds
    /// another writer in its way could not go on.
    async fn begin(&self) -> Result<Transaction<'static, Any>> {
        let begun =
            if self.is_postgres { self.pool.begin().await } else { self.pool.begin_with("BEGIN IMMEDIATE").await };
        begun.map_err(failed)
    }
}

fn migrations() -> Migrator {
    let migration = |(number, name, sql): (i64, &'static str, &'static str)| {
        Migration::new(number, name.into(), MigrationType::Simple, sqlx::SqlSafeStr::into_sql_str(sql), false)
    };
    let all = [
        (1, "first", include_str!("migrations/0001_first.sql")),
        (2, "notices", include_str!("migrations/0002_notices.sql")),
    ];
    Migrator::with_migrations(all.into_iter().map(migration).collect())
}

/// An error of the database, as the library's.
fn failed(error: sqlx::Error) -> Error {
    match error {
        sqlx::Error::PoolTimedOut => Error::Busy("the catalog has no connection free; try again later".into()),
        sqlx::Error::Database(error) if error.is_unique_violation() => {
            Error::Refused(format!("that is there already ({error})"))
        }
        error => Error::Failed(format!("the catalog failed: {error}")),
    }
}

/// A time as the catalog keeps it.
pub fn microseconds(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// A time that the catalog kept.
pub fn from_microseconds(us: i64) -> Timestamp {
    Timestamp::from_microsecond(us).unwrap_or_default()
}
