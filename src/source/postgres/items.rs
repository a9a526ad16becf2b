//! What is in a logical snapshot: tables with their rows, views, sequences, functions, large objects.

use std::collections::{BTreeMap, HashMap};

use crate::error::Result;
use crate::source::kind::{Holds, Item};
use crate::source::stored::Stored;

use super::archive::{Contents, Entry};
use super::assemble::{contents_of, counts_of};
use super::logical::Counted;
use super::names::{LARGE_OBJECTS, data_names, full_name, is_large_objects};

/// Hands over what is in a logical snapshot.
pub fn logical(stored: &Stored<'_>, visit: &mut dyn FnMut(Item) -> Result<()>) -> Result<()> {
    let contents = contents_of(stored)?;
    let counts = counts_of(stored)?;
    let counted: HashMap<&str, &Counted> = counts.iter().map(|counted| (counted.name.as_str(), counted)).collect();
    let names = data_names(&contents);
    let mut items = BTreeMap::new();
    for entry in &contents.entries {
        let Some(kind) = kind_of(entry) else { continue };
        let name = full_name(entry);
        let holds = Holds::Digest(digest(&contents, entry));
        items.entry(name.clone()).or_insert(Item { kind, name, bytes: 0, rows: None, holds });
    }
    for entry in contents.entries.iter().filter(|entry| entry.has_data) {
        let Some(path) = names.get(&entry.dump_id) else { continue };
        match is_large_objects(entry) {
            false => {
                let name = full_name(entry);
                let counted = counted.get(path.as_str());
                let bytes = counted.map_or(0, |counted| counted.bytes);
                let holds = Holds::Files(vec![path.clone().into_bytes()]);
                let rows = counted.map(|counted| counted.rows);
                items.insert(name.clone(), Item { kind: "table", name, bytes, rows, holds });
            }
            true => large_objects(&counts, path, &mut items),
        }
    }
    items.into_values().try_for_each(visit)
}

/// All large objects of a block are one item.
fn large_objects(counts: &[Counted], folder: &str, items: &mut BTreeMap<String, Item>) {
    let name = LARGE_OBJECTS.to_string();
    let none =
        Item { kind: "large objects", name: name.clone(), bytes: 0, rows: Some(0), holds: Holds::Files(Vec::new()) };
    let item = items.entry(name).or_insert(none);
    let inside = format!("{folder}/");
    for counted in counts.iter().filter(|counted| counted.name.starts_with(&inside)) {
        item.bytes += counted.bytes;
        item.rows = item.rows.map(|count| count + 1);
        if let Holds::Files(files) = &mut item.holds {
            files.push(counted.name.clone().into_bytes());
        }
    }
}

fn kind_of(entry: &Entry) -> Option<&'static str> {
    match entry.kind.as_str() {
        "TABLE" | "FOREIGN TABLE" => Some("table"),
        "VIEW" | "MATERIALIZED VIEW" => Some("view"),
        "SEQUENCE" => Some("sequence"),
        "FUNCTION" | "PROCEDURE" | "AGGREGATE" => Some("function"),
        "SCHEMA" => Some("schema"),
        "EXTENSION" => Some("extension"),
        _ => None,
    }
}

/// Of an entry's definition; of a sequence also of where it stands.
fn digest(contents: &Contents, entry: &Entry) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&entry.definition);
    if entry.kind == "SEQUENCE" {
        let values = contents.of_kind("SEQUENCE SET").filter(|set| set.schema == entry.schema && set.tag == entry.tag);
        values.for_each(|set| _ = hasher.update(&set.definition));
    }
    *hasher.finalize().as_bytes()
}
