//! What the files of a physical snapshot are of: which table, index or sequence of which database.
//!
//! ```text
//! data/…      the server's data folder
//! tables      a line of JSON for each relation: its file, kind, database and name
//! ```
//!
//! PostgreSQL names a relation's files by a number, and the catalogue that explains them is in such files itself. So the
//! server is asked right after the backup.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::format::tree::Node;
use crate::ops::Progress;
use crate::source::kind::{Holds, Item};
use crate::source::stored::Stored;

use super::assemble::origin_of;
use super::server::Server;

/// The data folder in the snapshot.
pub const DATA_FOLDER: &str = "data";
/// The file that says what is in it.
pub const TABLES: &str = "tables";
const TABLES_LEN_MAX: usize = 1 << 28;

const DATABASES: &str = "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname COLLATE \"C\"";

/// A relation's first file, its kind, schema and name. What a table keeps outside of its rows (TOAST) counts as the
/// table's.
const RELATIONS: &str = "
SELECT pg_catalog.pg_relation_filepath(c.oid),
       CASE coalesce(o.relkind, c.relkind)
            WHEN 'r' THEN 'table' WHEN 'm' THEN 'view' WHEN 'S' THEN 'sequence' WHEN 'i' THEN 'index' ELSE 'table' END,
       n.nspname, coalesce(o.relname, c.relname)
  FROM pg_catalog.pg_class c
  LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
  LEFT JOIN pg_catalog.pg_class t ON t.oid = coalesce(i.indrelid, c.oid) AND t.relkind = 't'
  LEFT JOIN pg_catalog.pg_class o ON o.reltoastrelid = t.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = coalesce(o.relnamespace, c.relnamespace)
 WHERE c.relkind IN ('r', 'm', 'S', 'i', 't') AND pg_catalog.pg_relation_filepath(c.oid) IS NOT NULL
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_temp\\_%'
   AND n.nspname <> 'pg_toast'
 ORDER BY 1";

#[derive(Debug, Serialize, Deserialize)]
struct Relation {
    file: String,
    kind: String,
    database: String,
    name: String,
}

/// The text of [`TABLES`]. A database that cannot be asked is told of and left out.
pub fn describe(server: &Server, progress: &dyn Progress) -> Result<String> {
    let mut lines = String::new();
    for database in server.rows(DATABASES)?.into_iter().flatten() {
        let rows = match server.rows_of(&database, RELATIONS) {
            Ok(rows) => rows,
            Err(error) => {
                progress.notice(&format!("the tables of the database {database} are not listed: {error}"));
                continue;
            }
        };
        for row in rows {
            if let [file, kind, schema, name] = row.as_slice() {
                let name = format!("{schema}.{name}");
                let relation = Relation { file: file.clone(), kind: kind.clone(), database: database.clone(), name };
                lines.push_str(&serde_json::to_string(&relation).unwrap_or_default());
                lines.push('\n');
            }
        }
    }
    Ok(lines)
}

/// Hands over the relations of a physical snapshot: those of its own database by their names, those of others with the
/// database before them.
pub fn items(stored: &Stored<'_>, visit: &mut dyn FnMut(Item) -> Result<()>) -> Result<()> {
    let own = &origin_of(stored)?.database;
    let text = String::from_utf8_lossy(&stored.read_small(TABLES.as_bytes(), TABLES_LEN_MAX)?).into_owned();
    let mut items: BTreeMap<String, Item> = BTreeMap::new();
    let mut folders: BTreeMap<String, BTreeMap<String, Vec<(String, u64)>>> = BTreeMap::new();
    for relation in text.lines().filter_map(|line| serde_json::from_str::<Relation>(line).ok()) {
        let Some((folder, number)) = relation.file.rsplit_once('/') else { continue };
        if !folders.contains_key(folder) {
            folders.insert(folder.to_string(), files_of(stored, folder)?);
        }
        let files = folders.get(folder).and_then(|files| files.get(number)).cloned().unwrap_or_default();
        let name = match relation.database == *own {
            true => relation.name,
            false => format!("{}/{}", relation.database, relation.name),
        };
        let kind = match relation.kind.as_str() {
            "index" => "index",
            "sequence" => "sequence",
            "view" => "view",
            _ => "table",
        };
        let item = items.entry(name.clone()).or_insert(Item {
            kind,
            name,
            bytes: 0,
            rows: None,
            holds: Holds::Files(Vec::new()),
        });
        if let Holds::Files(paths) = &mut item.holds {
            for (file, bytes) in files {
                item.bytes += bytes;
                paths.push(format!("{DATA_FOLDER}/{folder}/{file}").into_bytes());
            }
        }
    }
    items.into_values().try_for_each(visit)
}

/// The files of a database's folder, by the number before their forks and segments.
fn files_of(stored: &Stored<'_>, folder: &str) -> Result<BTreeMap<String, Vec<(String, u64)>>> {
    let mut files: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
    let entries = match stored.folder(format!("{DATA_FOLDER}/{folder}").as_bytes()) {
        Err(crate::error::Error::NotFound(_)) => return Ok(files),
        entries => entries?,
    };
    for entry in entries {
        let name = String::from_utf8_lossy(&entry.name).into_owned();
        let number: String = name.chars().take_while(char::is_ascii_digit).collect();
        if let Node::File { content, .. } = entry.node {
            files.entry(number).or_default().push((name, content.len()));
        }
    }
    Ok(files)
}
