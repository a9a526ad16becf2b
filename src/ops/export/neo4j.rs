//! Neo4j stores inside captured folders: recognised by their files, gathered into the plan of a dump.

use crate::container::{DumpEntry, DumpPlan, MemberKind, RelativePath};
use crate::error::{Error, Result};
use crate::format::tree::{Content, Directory, Entry, Node};
use crate::ops::capture::entry_of;
use crate::ops::walk::{Walk, listing};
use crate::repo::Reader;

use super::work::member_kind;

/// Files of a server's that are no data, and that its own tool leaves out of dumps.
const NOT_DUMPED: [&[u8]; 3] = [b"database_lock", b"store_lock", b"quarantine_marker"];
/// The server's own database beside those of its users.
const SYSTEM: &[u8] = b"system";

/// The folders of one database: its store, then perhaps its transaction logs.
#[derive(Debug)]
pub struct Store {
    pub folders: Vec<Entry>,
    /// Whether the folders are a server's, and may hold what does not go into a dump.
    pub of_server: bool,
}

/// The one store in the folder `root`: itself, or the database in a Neo4j home. In words, why there is none.
pub fn find_store(reader: &Reader, root: &Entry) -> Result<Result<Store, String>> {
    let path = RelativePath::default();
    let top = listing(reader, &path, root)?;
    if is_store(&top) {
        return Ok(Ok(Store { folders: vec![root.clone()], of_server: true }));
    }
    // The home itself, or its `data`.
    let data = match entry_of(&top, b"databases") {
        Some(_) => top,
        None => folder(reader, &top, b"data")?.unwrap_or_default(),
    };
    let databases = folder(reader, &data, b"databases")?.unwrap_or_default();
    let mut stores = Vec::new();
    for entry in databases.entries {
        if matches!(entry.node, Node::Directory { .. })
            && entry.name != SYSTEM
            && is_store(&listing(reader, &path, &entry)?)
        {
            stores.push(entry);
        }
    }
    if stores.len() > 1 {
        let names: Vec<_> = stores.iter().map(|store| String::from_utf8_lossy(&store.name).into_owned()).collect();
        return Ok(Err(format!(
            "it is a Neo4j home with several databases ({}), and a dump holds one",
            names.join(", ")
        )));
    }
    let Some(store) = stores.pop() else {
        return Ok(Err("what it was captured from is not known to be a database, so there is no dump of it".into()));
    };
    let logs = folder(reader, &data, b"transactions")?
        .and_then(|logs| logs.entries.into_iter().find(|entry| entry.name == store.name))
        .filter(|entry| matches!(entry.node, Node::Directory { .. }));
    Ok(Ok(Store { folders: [Some(store), logs].into_iter().flatten().collect(), of_server: true }))
}

fn folder(reader: &Reader, above: &Directory, name: &[u8]) -> Result<Option<Directory>> {
    match entry_of(above, name) {
        Some(entry) if matches!(entry.node, Node::Directory { .. }) => {
            listing(reader, &RelativePath::default(), entry).map(Some)
        }
        _ => Ok(None),
    }
}

/// Whether a folder is a store: it has the record format's `neostore` with its nodes, or files of the block format.
fn is_store(folder: &Directory) -> bool {
    let has_file = |name: &[u8]| entry_of(folder, name).is_some_and(|entry| matches!(entry.node, Node::File { .. }));
    let is_block_file = |entry: &Entry| {
        matches!(entry.node, Node::File { .. }) && entry.name.starts_with(b"block.") && entry.name.ends_with(b".db")
    };
    has_file(b"neostore") && has_file(b"neostore.nodestore.db") || folder.entries.iter().any(is_block_file)
}

/// What goes into the dump of a store.
pub fn plan(reader: &Reader, store: &Store) -> Result<DumpPlan<Content>> {
    let mut entries = Vec::new();
    for (number, folder) in store.folders.iter().enumerate() {
        if number == 0 {
            entries.push(DumpEntry {
                path: RelativePath::default(),
                metadata: folder.metadata.clone(),
                kind: MemberKind::Directory,
                source: Content::Empty,
            });
        }
        for visited in Walk::below(reader, RelativePath::default(), folder.clone()) {
            let (path, entry) = visited?;
            if store.of_server && path.components().len() == 1 && NOT_DUMPED.contains(&entry.name.as_slice()) {
                continue;
            }
            let Some(kind) = member_kind(&entry.node) else {
                return Err(Error::Refused(format!(
                    "{path} could not be read when the snapshot was taken, and a Neo4j dump without it is none"
                )));
            };
            let source = match entry.node {
                Node::File { content, .. } => content,
                _ => Content::Empty,
            };
            entries.push(DumpEntry { path, metadata: entry.metadata, kind, source });
        }
    }
    DumpPlan::new(entries)
}
