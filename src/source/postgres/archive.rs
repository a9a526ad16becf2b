//! The custom format of `pg_dump` (`-Fc`): its header and its table of contents, read and written.
//!
//! As `pg_backup_archiver.c` and `pg_backup_custom.c` of PostgreSQL have it, archive versions 1.12 to 1.16 (PostgreSQL 10
//! to 18):
//!
//! ```text
//! "PGDMP"  major minor revision  int_size offset_size  format(1)       one byte each
//! compression: an int up to 1.14, one byte from 1.15 on
//! creation time: seven ints (sec min hour mday mon year isdst)
//! database, server version, pg_dump version: strings
//! number of entries: an int, then the entries
//! then the data: a block for each entry that has some, until the file ends
//! ```
//!
//! An int is a byte for its sign (1: negative) and `int_size` bytes, lowest first; a string is an int for its length (-1:
//! no string) and its bytes. Text is in the database's encoding, so it is bytes here.

use std::io::Read;
use std::ops::Range;

use crate::error::Error;

/// What an archive begins with.
pub const MAGIC: &[u8; 5] = b"PGDMP";
/// The header and the table of contents together, at most, bytes.
const CONTENTS_MAX: usize = 1 << 30;
const ENTRIES_MAX: i64 = 50_000_000;
const FORMAT_CUSTOM: u8 = 1;
/// The entry's data is in the archive, and where is not said.
const OFFSET_NOT_SET: u8 = 1;
/// … and it begins at the offset that follows.
const OFFSET_SET: u8 = 2;
const OFFSET_NO_DATA: u8 = 3;

/// Why bytes are no archive that is understood, in words that go behind a file's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// It ends where it should not.
    Cut(String),
    /// It makes no sense.
    Corrupt(String),
    /// It is of a form that is not known.
    Unknown(String),
    /// It could not be read.
    Unreadable(String),
}

impl Problem {
    /// The problem in words.
    pub fn text(&self) -> String {
        match self {
            Problem::Cut(detail) => format!("it is cut short: {detail}"),
            Problem::Corrupt(detail) => format!("it is corrupt: {detail}"),
            Problem::Unknown(detail) | Problem::Unreadable(detail) => detail.clone(),
        }
    }

    /// The error about the file `name`.
    pub fn error(self, name: &str) -> Error {
        match self {
            Problem::Cut(_) | Problem::Corrupt(_) => Error::Failed(format!("{name}: {}; fetch it again", self.text())),
            Problem::Unknown(detail) => Error::Refused(format!("{name}: {detail}")),
            Problem::Unreadable(detail) => Error::Failed(format!("{name}: {detail}")),
        }
    }
}

/// What is read so far.
pub type Outcome<T> = Result<T, Problem>;

/// How ints are written in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ints {
    /// Bytes of an int, without its sign.
    pub size: usize,
    /// Bytes of an offset.
    pub offset_size: usize,
}

impl Ints {
    /// Appends an int.
    pub fn put(self, out: &mut Vec<u8>, value: i64) {
        out.push(u8::from(value < 0));
        let bytes = value.unsigned_abs().to_le_bytes();
        out.extend((0..self.size).map(|at| bytes.get(at).copied().unwrap_or_default()));
    }

    /// Bytes of an int with its sign.
    pub fn len(self) -> u64 {
        1 + self.size as u64
    }
}

/// An entry of the table of contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The number by which the archive names it.
    pub dump_id: i64,
    /// Its name: of a table, that.
    pub tag: Vec<u8>,
    /// What it is: `TABLE DATA`, `VIEW`, `ACL` ….
    pub kind: String,
    /// The SQL that makes it.
    pub definition: Vec<u8>,
    /// The statement that its data follows.
    pub copy: Vec<u8>,
    /// Its schema; empty where it has none.
    pub schema: Vec<u8>,
    /// Its owner.
    pub owner: Vec<u8>,
    /// Dump ids of what must be there before it.
    pub depends_on: Vec<i64>,
    /// Whether the archive holds a block of data for it.
    pub has_data: bool,
    /// Where it stands in [`Contents::bytes`].
    place: Range<usize>,
    /// Where its offset stands in [`Contents::bytes`].
    offset_at: usize,
}

/// The header and the table of contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// As they are in the archive, but for the creation time and the offsets, which are left out (zeros): what is the same
    /// in two dumps of the same database is the same here.
    pub bytes: Vec<u8>,
    /// How ints are written.
    pub ints: Ints,
    /// Major and minor version of the archive's format.
    pub version: (u8, u8),
    /// How its data is compressed; 0: not at all.
    pub compression: i64,
    /// Seconds, minutes, hours, day, month, year, daylight saving: as C's `tm` has them, in the time zone of who wrote it.
    pub created: [i64; 7],
    /// The database's name.
    pub database: Vec<u8>,
    /// The server's version, as it says it.
    pub server_version: String,
    /// All entries, in their order.
    pub entries: Vec<Entry>,
    created_at: Range<usize>,
    /// Where the number of entries stands.
    count_at: Range<usize>,
}

impl Contents {
    /// Reads them, and not a byte more.
    pub fn read(input: &mut dyn Read) -> Outcome<Self> {
        Reading { input, bytes: Vec::new(), ints: Ints { size: 4, offset_size: 8 } }.contents()
    }

    /// What stands before the data of an archive, with a creation time and an offset for each entry that has data.
    pub fn to_archive(&self, created: &[i64; 7], mut offset_of: impl FnMut(&Entry) -> Option<u64>) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let mut time = Vec::new();
        created.iter().for_each(|value| self.ints.put(&mut time, *value));
        overwrite(&mut bytes, self.created_at.start, &time);
        for entry in self.entries.iter().filter(|entry| entry.has_data) {
            if let Some(offset) = offset_of(entry) {
                let offset: Vec<u8> = [OFFSET_SET].into_iter().chain(offset.to_le_bytes()).collect();
                let len = 1 + self.ints.offset_size.min(8);
                overwrite(&mut bytes, entry.offset_at, offset.get(..len).unwrap_or_default());
            }
        }
        bytes
    }

    /// The same with those entries alone that `keeps` says.
    pub fn only(&self, keeps: impl Fn(&Entry) -> bool) -> Outcome<Self> {
        let kept: Vec<&Entry> = self.entries.iter().filter(|entry| keeps(entry)).collect();
        let mut bytes = self.bytes.get(..self.count_at.start).unwrap_or_default().to_vec();
        self.ints.put(&mut bytes, kept.len() as i64);
        kept.iter().for_each(|entry| bytes.extend(self.bytes.get(entry.place.clone()).unwrap_or_default()));
        Self::read(&mut bytes.as_slice())
    }

    /// Entries of a kind.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| entry.kind == kind)
    }
}

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + with.len()) {
        place.copy_from_slice(with);
    }
}

struct Reading<'r> {
    input: &'r mut dyn Read,
    bytes: Vec<u8>,
    ints: Ints,
}

impl Reading<'_> {
    fn take(&mut self, len: usize) -> Outcome<Range<usize>> {
        let start = self.bytes.len();
        if len > CONTENTS_MAX - start.min(CONTENTS_MAX) {
            return Err(Problem::Corrupt(format!("its table of contents is longer than {CONTENTS_MAX} bytes")));
        }
        let read = (&mut *self.input).take(len as u64).read_to_end(&mut self.bytes);
        match read {
            Ok(read) if read == len => Ok(start..start + len),
            Ok(_) if start < MAGIC.len() => Err(Problem::Unknown("it is not a dump in pg_dump's custom format".into())),
            Ok(_) => Err(Problem::Cut("it ends inside its table of contents".into())),
            Err(error) => Err(Problem::Unreadable(format!("it cannot be read: {error}"))),
        }
    }

    fn part(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    fn byte(&mut self) -> Outcome<u8> {
        let range = self.take(1)?;
        Ok(self.part(range).first().copied().unwrap_or_default())
    }

    fn int(&mut self) -> Outcome<i64> {
        let range = self.take(1 + self.ints.size)?;
        int_of(self.part(range)).ok_or_else(|| Problem::Corrupt("it has a number out of range".into()))
    }

    fn string(&mut self) -> Outcome<Option<Vec<u8>>> {
        let len = self.int()?;
        let Ok(len) = usize::try_from(len) else { return Ok(None) };
        let range = self.take(len)?;
        Ok(Some(self.part(range).to_vec()))
    }

    fn contents(mut self) -> Outcome<Contents> {
        let range = self.take(MAGIC.len())?;
        if self.part(range) != MAGIC {
            return Err(Problem::Unknown("it is not a dump in pg_dump's custom format".into()));
        }
        let version = (self.byte()?, self.byte()?);
        let _revision = self.byte()?;
        if version.0 != 1 || !(12..=16).contains(&version.1) {
            return Err(Problem::Unknown(format!(
                "it is of pg_dump's archive version {}.{}, and versions 1.12 to 1.16 are known (PostgreSQL 10 to 18)",
                version.0, version.1
            )));
        }
        let (size, offset_size, format) = (usize::from(self.byte()?), usize::from(self.byte()?), self.byte()?);
        if !(4..=8).contains(&size) || !(4..=8).contains(&offset_size) {
            return Err(Problem::Corrupt(format!("its numbers have {size} and {offset_size} bytes")));
        }
        self.ints = Ints { size, offset_size };
        if format != FORMAT_CUSTOM {
            return Err(Problem::Unknown(
                "it is a pg_dump archive, but not in the custom format; use pg_dump -Fc".into(),
            ));
        }
        let compression = if version.1 >= 15 { i64::from(self.byte()?) } else { self.int()? };
        let start = self.bytes.len();
        let mut created = [0; 7];
        for value in &mut created {
            *value = self.int()?;
        }
        let created_at = start..self.bytes.len();
        let database = self.string()?.unwrap_or_default();
        let server_version = text(&self.string()?.unwrap_or_default());
        self.string()?;
        let start = self.bytes.len();
        let count = self.int()?;
        let count_at = start..self.bytes.len();
        if !(0..=ENTRIES_MAX).contains(&count) {
            return Err(Problem::Corrupt(format!("it says that it has {count} entries")));
        }
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(self.entry(version.1)?);
        }
        let (mut bytes, ints) = (self.bytes, self.ints);
        let mut zeros = Vec::new();
        created.iter().for_each(|_| ints.put(&mut zeros, 0));
        overwrite(&mut bytes, created_at.start, &zeros);
        for entry in entries.iter().filter(|entry| entry.has_data) {
            let unset: Vec<u8> = [OFFSET_NOT_SET].into_iter().chain([0; 8]).take(1 + offset_size).collect();
            overwrite(&mut bytes, entry.offset_at, &unset);
        }
        Ok(Contents {
            bytes,
            ints,
            version,
            compression,
            created,
            database,
            server_version,
            entries,
            created_at,
            count_at,
        })
    }

    fn entry(&mut self, minor: u8) -> Outcome<Entry> {
        let start = self.bytes.len();
        let dump_id = self.int()?;
        let _had_dumper = self.int()?;
        let _catalog = self.string()?;
        let _oid = self.string()?;
        let tag = self.string()?.unwrap_or_default();
        let kind = text(&self.string()?.unwrap_or_default());
        let _section = self.int()?;
        let definition = self.string()?.unwrap_or_default();
        let _drop = self.string()?;
        let copy = self.string()?.unwrap_or_default();
        let schema = self.string()?.unwrap_or_default();
        let _table_space = self.string()?;
        if minor >= 14 {
            self.string()?; // the table's access method
        }
        if minor >= 16 {
            self.int()?; // the kind of relation
        }
        let owner = self.string()?.unwrap_or_default();
        let _with_oids = self.string()?;
        let mut depends_on = Vec::new();
        while let Some(id) = self.string()? {
            depends_on.extend(text(&id).parse::<i64>());
        }
        let offset_at = self.bytes.len();
        let state = self.byte()?;
        self.take(self.ints.offset_size)?;
        if !(OFFSET_NOT_SET..=OFFSET_NO_DATA).contains(&state) {
            return Err(Problem::Corrupt(format!("its entry {dump_id} has data of the kind {state}")));
        }
        let has_data = state != OFFSET_NO_DATA;
        let place = start..self.bytes.len();
        Ok(Entry { dump_id, tag, kind, definition, copy, schema, owner, depends_on, has_data, place, offset_at })
    }
}

/// The int that `bytes` are, its sign first.
pub fn int_of(bytes: &[u8]) -> Option<i64> {
    let (sign, digits) = bytes.split_first()?;
    let value = digits
        .iter()
        .rev()
        .try_fold(0_u64, |value, byte| value.checked_mul(256).map(|value| value | u64::from(*byte)))?;
    let value = i64::try_from(value).ok()?;
    Some(if *sign == 0 { value } else { -value })
}

/// Bytes as text; what is no UTF-8 is replaced.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
