//! What things are called; and what the files of a logical snapshot are.
//!
//! ```text
//! contents                      the archive's header and table of contents, as pg_dump wrote them
//! counts                        a line for each file of data: its name, rows, bytes and digest
//! data/public.accounts          a table's rows, as COPY has them
//! large_objects/BLOBS/16408     a large object
//! ```

use std::collections::{HashMap, HashSet};

use crate::container::RelativePath;
use crate::error::{Error, Result};

use super::archive::{Contents, Entry, text};

/// The kind's name.
pub const NAME: &str = "postgres";
/// The mode of one database, by `pg_dump`.
pub const LOGICAL: &str = "logical";
/// The mode of a whole server, by `pg_basebackup`.
pub const PHYSICAL: &str = "physical";
/// The file of the header and the table of contents.
pub const CONTENTS: &str = "contents";
/// The file of rows and digests.
pub const COUNTS: &str = "counts";
/// The folder of the tables' data.
pub const DATA: &str = "data";
/// The folder of large objects.
pub const LARGE_OBJECTS: &str = "large_objects";
/// Longest name, bytes, without what makes it unique: a file system has 255.
const NAME_LEN_MAX: usize = 220;

/// Names of entries that have data, by their dump ids. The same contents have the same names.
pub fn data_names(contents: &Contents) -> HashMap<i64, String> {
    let mut taken = HashSet::new();
    let mut names = HashMap::new();
    for entry in contents.entries.iter().filter(|entry| entry.has_data) {
        let mut name = match is_large_objects(entry) {
            true => format!("{LARGE_OBJECTS}/{}", escaped(&entry.tag)),
            false => format!("{DATA}/{}", joined(&entry.schema, &entry.tag)),
        };
        if !taken.insert(name.clone()) {
            name = format!("{name}~{}", entry.dump_id);
            taken.insert(name.clone());
        }
        names.insert(entry.dump_id, name);
    }
    names
}

/// Whether an entry's data is large objects.
pub fn is_large_objects(entry: &Entry) -> bool {
    entry.kind == "BLOBS"
}

/// An entry's name as users know it: `public.accounts`.
pub fn full_name(entry: &Entry) -> String {
    match entry.schema.is_empty() {
        true => text(&entry.tag),
        false => format!("{}.{}", text(&entry.schema), text(&entry.tag)),
    }
}

/// The path of a name of [`data_names`], or of one of the other files.
pub fn path_of(name: &str) -> Result<RelativePath> {
    RelativePath::parse(name.as_bytes())
        .map_err(|problem| Error::Failed(format!("{name:?} is no name for a file: {problem}")))
}

fn joined(schema: &[u8], name: &[u8]) -> String {
    let joined = match schema.is_empty() {
        true => escaped(name),
        false => format!("{}.{}", escaped(schema), escaped(name)),
    };
    if joined.len() <= NAME_LEN_MAX {
        return joined;
    }
    let mut end = NAME_LEN_MAX;
    while !joined.is_char_boundary(end) {
        end -= 1;
    }
    joined.get(..end).unwrap_or_default().to_string()
}

/// Letters as they are; what would not do in a file's name, and the dot that stands between schema and name, as `%2E`.
fn escaped(name: &[u8]) -> String {
    let mut out = String::new();
    for chunk in name.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '%' | '.' | '/' | '~' => out.push_str(&format!("%{:02X}", letter as u32)),
                letter if letter.is_control() => out.push_str(&format!("%{:02X}", letter as u32)),
                letter => out.push(letter),
            }
        }
        chunk.invalid().iter().for_each(|byte| out.push_str(&format!("%{byte:02X}")));
    }
    out
}
