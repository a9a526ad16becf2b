//! What a stored component of MariaDB says of itself.

use crate::error::Error;
use crate::format::manifest::{DatabaseOrigin, Origin};
use crate::source::stored::Stored;

/// The system's name in manifests.
pub const SYSTEM: &str = "mariadb";

fn origin<'s>(stored: &'s Stored<'_>) -> Option<&'s DatabaseOrigin> {
    match stored.origin() {
        Origin::Database(origin) => Some(origin),
        _ => None,
    }
}

/// Whether it is the text of a dump.
pub fn is_logical(stored: &Stored<'_>) -> bool {
    origin(stored).is_some_and(|origin| origin.mode == "logical")
}

/// The database that a component is of; empty for a whole server.
pub fn database_of<'s>(stored: &'s Stored<'_>) -> &'s str {
    origin(stored).map_or("", |origin| &origin.database)
}

/// The version of the server that a component is of.
pub fn version_of<'s>(stored: &'s Stored<'_>) -> &'s str {
    origin(stored).map_or("", |origin| &origin.version)
}

/// The character set and collation of a stored database.
pub fn charset_of(stored: &Stored<'_>) -> (String, String) {
    let fact = |name: &str| origin(stored).and_then(|origin| origin.facts.get(name).cloned()).unwrap_or_default();
    (fact("charset"), fact("collation"))
}

/// An error about what cannot be passed on to an export.
pub fn not_written(error: std::io::Error) -> Error {
    Error::Failed(format!("the export cannot be written: {error}"))
}
