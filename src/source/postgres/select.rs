//! A part of a logical snapshot: one table with what belongs to it.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::source::kind::Only;

use super::archive::{Contents, text};
use super::names::full_name;

/// Kinds of entries that go with a table that they depend on. Not foreign keys, triggers, rules and policies: they need
/// other things, which may not be there.
const BELONGING: &[&str] = &[
    "TABLE DATA",
    "CONSTRAINT",
    "INDEX",
    "INDEX ATTACH",
    "DEFAULT",
    "SEQUENCE OWNED BY",
    "COMMENT",
    "ACL",
    "STATISTICS",
];
/// Entries that any archive needs: how its text is to be read.
const ALWAYS: &[&str] = &["ENCODING", "STDSTRINGS", "SEARCHPATH"];
/// What `--only table=` finds.
const TABLES: &[&str] = &["TABLE", "FOREIGN TABLE"];
/// What `--only view=` finds.
const VIEWS: &[&str] = &["VIEW", "MATERIALIZED VIEW"];

/// The contents with one table (or view) alone: its definition, data, constraints, indexes, defaults, the sequences that
/// it owns, comments and grants. As with `pg_restore -t`, its schema is not among them.
pub fn only(contents: &Contents, only: Only<'_>) -> Result<Contents> {
    let kinds = match only.kind {
        "table" => TABLES,
        "view" => VIEWS,
        other => {
            return Err(Error::Usage(format!(
                "of a PostgreSQL database tables and views can be exported alone, not a {other}; say --only table=SCHEMA.NAME"
            )));
        }
    };
    let is_meant = |name: &str| name == only.name || name.strip_prefix("public.") == Some(only.name);
    let mut found =
        contents.entries.iter().filter(|entry| kinds.contains(&entry.kind.as_str()) && is_meant(&full_name(entry)));
    let chosen = found.next().ok_or_else(|| {
        Error::NotFound(format!("the snapshot has no {} {}; `snaphold snapshot ls` lists them", only.kind, only.name))
    })?;
    let mut kept = HashSet::from([chosen.dump_id]);
    let owner = format!(" OWNED BY {}.", quoted_name(&text(&chosen.definition)));
    let owned = contents.of_kind("SEQUENCE OWNED BY").filter(|entry| text(&entry.definition).contains(&owner));
    kept.extend(owned.flat_map(|entry| entry.depends_on.iter().copied().chain([entry.dump_id])));
    // Identity columns have sequences without such an entry.
    let identities = contents
        .of_kind("SEQUENCE")
        .filter(|entry| entry.depends_on.contains(&chosen.dump_id) && entry.definition.starts_with(b"ALTER TABLE "));
    kept.extend(identities.map(|entry| entry.dump_id));
    for entry in &contents.entries {
        let belongs = BELONGING.contains(&entry.kind.as_str()) || entry.kind == "SEQUENCE SET";
        if belongs && entry.depends_on.iter().any(|id| kept.contains(id)) {
            kept.insert(entry.dump_id);
        }
    }
    contents
        .only(|entry| ALWAYS.contains(&entry.kind.as_str()) || kept.contains(&entry.dump_id))
        .map_err(|problem| Error::damaged("the snapshot's table of contents", problem.text()))
}

/// A relation's name with its schema, quoted as it is in the statement that makes it.
fn quoted_name(definition: &str) -> &str {
    let name = definition.split_once("TABLE ").map_or(definition, |(_, name)| name);
    let mut in_quotes = false;
    let end = name.find(|letter| {
        in_quotes ^= letter == '"';
        letter == ' ' && !in_quotes
    });
    name.get(..end.unwrap_or(name.len())).unwrap_or_default()
}
