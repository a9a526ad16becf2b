//! A stored logical snapshot as the archive that `pg_restore` takes.
//!
//! The table of contents says where each block begins, which `pg_dump` cannot say when it writes to a pipe: so an export
//! restores in parallel (`pg_restore -j`), too.

use std::collections::HashMap;
use std::io::{self, Write};

use crate::error::{Error, Result};
use crate::format::manifest::{DatabaseOrigin, Origin};
use crate::format::tree::{Content, Node};
use crate::ops::Progress;
use crate::source::stored::Stored;

use super::archive::{Contents, Entry};
use super::blocks::{BlockWriter, large_objects_block_len, table_block_len};
use super::logical::Counted;
use super::names::{CONTENTS, COUNTS, data_names, is_large_objects};

const CONTENTS_LEN_MAX: usize = 1 << 30;

/// A logical snapshot, ready to be written as an archive.
pub struct Archive<'a> {
    stored: &'a Stored<'a>,
    /// What it holds.
    pub contents: Contents,
    data: HashMap<i64, Data>,
}

enum Data {
    Table(Content),
    LargeObjects(Vec<(u32, Content)>),
}

impl Data {
    fn len(&self) -> u64 {
        match self {
            Data::Table(content) => content.len(),
            Data::LargeObjects(objects) => objects.iter().map(|(_, content)| content.len()).sum(),
        }
    }
}

impl<'a> Archive<'a> {
    /// Reads the table of contents and finds the data.
    pub fn of(stored: &'a Stored<'a>) -> Result<Self> {
        let contents = contents_of(stored)?;
        let names = data_names(&contents);
        let mut data = HashMap::new();
        for entry in contents.entries.iter().filter(|entry| entry.has_data) {
            let name = names.get(&entry.dump_id).map(String::as_bytes).unwrap_or_default();
            let found = match is_large_objects(entry) {
                false => Data::Table(stored.file(name)?),
                true => Data::LargeObjects(large_objects(stored, name)?),
            };
            data.insert(entry.dump_id, found);
        }
        Ok(Self { stored, contents, data })
    }

    /// Plain bytes of the data.
    pub fn data_len(&self) -> u64 {
        self.data.values().map(Data::len).sum()
    }

    /// Plain bytes of the data of what is listed.
    pub fn selected_len(&self) -> u64 {
        let listed = self.contents.entries.iter().filter_map(|entry| self.data.get(&entry.dump_id));
        listed.map(Data::len).sum()
    }

    /// Writes the archive, the same bytes each time.
    pub fn write(&self, out: &mut dyn Write, progress: &dyn Progress) -> Result<()> {
        let ints = self.contents.ints;
        let mut at = self.contents.bytes.len() as u64;
        let head = self.contents.to_archive(&self.created(), |entry| {
            let here = at;
            at += match self.data.get(&entry.dump_id)? {
                Data::Table(content) => table_block_len(ints, content.len()),
                Data::LargeObjects(objects) => {
                    large_objects_block_len(ints, objects.iter().map(|(_, content)| content.len()))
                }
            };
            Some(here)
        });
        out.write_all(&head).map_err(failed)?;
        let mut blocks = BlockWriter::new(out, ints);
        for entry in &self.contents.entries {
            self.write_data(entry, &mut blocks, progress)?;
        }
        Ok(())
    }

    fn write_data(&self, entry: &Entry, blocks: &mut BlockWriter<'_>, progress: &dyn Progress) -> Result<()> {
        match self.data.get(&entry.dump_id) {
            None => Ok(()),
            Some(Data::Table(content)) => {
                blocks.begin_table(entry.dump_id).map_err(failed)?;
                self.copy(content, blocks, progress)
            }
            Some(Data::LargeObjects(objects)) => {
                blocks.begin_large_objects(entry.dump_id).map_err(failed)?;
                for (oid, content) in objects {
                    blocks.begin_large_object(*oid).map_err(failed)?;
                    self.copy(content, blocks, progress)?;
                }
                blocks.end_large_objects().map_err(failed)
            }
        }
    }

    fn copy(&self, content: &Content, blocks: &mut BlockWriter<'_>, progress: &dyn Progress) -> Result<()> {
        self.stored.each_piece(content, &mut |bytes| {
            progress.advance(bytes.len() as u64);
            blocks.data(bytes).map_err(failed)
        })?;
        blocks.end_data().map_err(failed)
    }

    /// When the archive was made, as it said itself.
    fn created(&self) -> [i64; 7] {
        let text = fact(self.stored, "created");
        let mut created = [0; 7];
        for (place, number) in created.iter_mut().zip(text.split(' ')) {
            *place = number.parse().unwrap_or_default();
        }
        created
    }
}

fn failed(error: io::Error) -> Error {
    Error::target("the output", error)
}

/// What is known of the database that a component was captured from.
pub fn origin_of<'s>(stored: &'s Stored<'_>) -> Result<&'s DatabaseOrigin> {
    match stored.origin() {
        Origin::Database(origin) => Ok(origin),
        _ => Err(Error::damaged("the snapshot", "it is not of a PostgreSQL database")),
    }
}

/// A fact of a component's origin; empty where it is not there.
pub fn fact(stored: &Stored<'_>, name: &str) -> String {
    origin_of(stored).ok().and_then(|origin| origin.facts.get(name).cloned()).unwrap_or_default()
}

/// The table of contents of a logical snapshot.
pub fn contents_of(stored: &Stored<'_>) -> Result<Contents> {
    let bytes = stored.read_small(CONTENTS.as_bytes(), CONTENTS_LEN_MAX)?;
    let contents = Contents::read(&mut bytes.as_slice())
        .map_err(|problem| Error::damaged("the snapshot's table of contents", problem.text()))?;
    Ok(contents)
}

/// Rows, bytes and digests of the files of a logical snapshot.
pub fn counts_of(stored: &Stored<'_>) -> Result<Vec<Counted>> {
    let bytes = stored.read_small(COUNTS.as_bytes(), CONTENTS_LEN_MAX)?;
    Ok(Counted::all_of(&String::from_utf8_lossy(&bytes)))
}

/// The large objects in a folder, by their numbers.
fn large_objects(stored: &Stored<'_>, folder: &[u8]) -> Result<Vec<(u32, Content)>> {
    let entries = match stored.folder(folder) {
        // No object, no folder.
        Err(Error::NotFound(_)) => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut objects = Vec::new();
    for entry in entries {
        let oid = std::str::from_utf8(&entry.name).ok().and_then(|name| name.parse().ok());
        if let (Some(oid), Node::File { content, .. }) = (oid, entry.node) {
            objects.push((oid, content));
        }
    }
    objects.sort_unstable_by_key(|(oid, _)| *oid);
    Ok(objects)
}
