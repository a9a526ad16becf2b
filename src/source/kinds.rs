//! Every kind of source that there is.

use crate::error::{Error, Result};
use crate::format::manifest::Origin;

use super::kind::Kind;
use super::url::SourceUrl;
use super::{files, mariadb, neo4j, postgres, redis, sqlite};

/// Every kind of source that there is. A new database is its folder and a line here.
pub const KINDS: &[&dyn Kind] =
    &[&files::Files, &sqlite::Sqlite, &postgres::Postgres, &mariadb::MariaDb, &redis::Redis, &neo4j::Neo4j];

/// The kind that a URL's scheme names.
pub fn kind_of(url: &SourceUrl) -> Result<&'static dyn Kind> {
    let scheme = url.scheme();
    KINDS.iter().copied().find(|kind| kind.schemes().contains(&scheme)).ok_or_else(|| {
        let known: Vec<&str> = KINDS.iter().map(|kind| kind.example()).collect();
        Error::Usage(format!(
            "{scheme:?} is not a kind of source that this version knows; sources are {}",
            known.join(", ")
        ))
    })
}

/// The kind that a component was captured by; `None` for a file that was loaded and is nobody's own.
pub fn kind_that_made(origin: &Origin) -> Option<&'static dyn Kind> {
    KINDS.iter().copied().find(|kind| kind.made(origin))
}
