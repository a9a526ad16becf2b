//! A folder's entries, one after the other: memory does not grow with the folder.

use std::vec;

use crate::error::{Error, Result};
use crate::format::decode_first;
use crate::format::tree::{Content, Entry};
use crate::limits;

use super::reader::Reader;
use super::recipes::{ContentReader, Recipe, read_directory};

/// Listings up to this length are decoded whole, bytes.
const WHOLE_MAX: u64 = 1 << 20;
/// What is read of a longer one at a time, bytes.
const WINDOW: u64 = 1 << 20;

/// The entries of a folder, in the order of its listing.
pub struct Entries<'r>(Source<'r>);

enum Source<'r> {
    Whole(vec::IntoIter<Entry>),
    Long(Box<Long<'r>>),
    /// It ended, or there was an error, which is told once.
    Ended,
}

struct Long<'r> {
    content: ContentReader<'r>,
    recipe: Recipe<'r>,
    /// What was read and not decoded yet begins at `at`.
    bytes: Vec<u8>,
    at: usize,
    read: u64,
    /// Entries that are still to come.
    left: u64,
}

/// Whether a folder's listing is so long that it should not be in memory as a whole.
pub fn is_long(listing: &Content) -> bool {
    listing.len() > WHOLE_MAX
}

/// The entries of the folder whose listing this is.
pub fn read_entries<'r>(reader: &'r Reader, listing: &Content) -> Result<Entries<'r>> {
    let recipe = if is_long(listing) { Recipe::new(reader, listing) } else { None };
    let Some(recipe) = recipe.filter(|_| listing.len() <= limits::DIRECTORY_MAX as u64) else {
        return Ok(Entries(Source::Whole(read_directory(reader, listing)?.entries.into_iter())));
    };
    let content = ContentReader::new(reader, listing);
    let mut long = Long { content, recipe, bytes: Vec::new(), at: 0, read: 0, left: 0 };
    long.left = long.decode()?;
    Ok(Entries(Source::Long(Box::new(long))))
}

impl Long<'_> {
    /// Reads on until one value is whole.
    fn decode<T: serde::de::DeserializeOwned>(&mut self) -> Result<T> {
        let damaged = |detail: String| Error::damaged("a folder's listing", detail);
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            if let Some((value, used)) = decode_first(rest).map_err(|error| damaged(error.to_string()))? {
                self.at += used;
                return Ok(value);
            }
            if self.read >= self.recipe.len() {
                return Err(damaged("it ends before its last entry does".into()));
            }
            self.bytes.drain(..self.at);
            self.at = 0;
            let end = self.read.saturating_add(WINDOW).min(self.recipe.len());
            let bytes = &mut self.bytes;
            self.content.for_each_of(&self.recipe, self.read..end, &mut |piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            })?;
            self.read = end;
        }
    }

    fn next(&mut self) -> Result<Option<Entry>> {
        if self.left > 0 {
            self.left -= 1;
            return self.decode().map(Some);
        }
        if self.at < self.bytes.len() || self.read < self.recipe.len() {
            return Err(Error::damaged("a folder's listing", "bytes follow its last entry"));
        }
        Ok(None)
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match &mut self.0 {
            Source::Whole(entries) => return entries.next().map(Ok),
            Source::Long(long) => long.next(),
            Source::Ended => return None,
        };
        if !matches!(next, Ok(Some(_))) {
            self.0 = Source::Ended;
        }
        next.transpose()
    }
}
