//! The data of an archive in `pg_dump`'s custom format, which follows its table of contents: blocks, and pieces in them.
//!
//! ```text
//! table:          1  dump_id  (length bytes)…  0
//! large objects:  3  dump_id  (oid  (length bytes)…  0)…  0
//! ```
//!
//! The 1 and the 3 are one byte; all other numbers are ints. There is no mark at the end: the file ends.

use std::io::{self, BufRead, BufReader, Read, Write};

use super::archive::{Ints, Outcome, Problem, int_of};

/// Bytes of a piece, as they are written here.
pub const PIECE: usize = 256 * 1024;
const TABLE: u8 = 1;
const LARGE_OBJECTS: u8 = 3;

/// What a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// The data of the entry with this dump id.
    Table(i64),
    /// Large objects, of the entry with this dump id.
    LargeObjects(i64),
}

/// Reads blocks.
pub struct Blocks<R> {
    input: BufReader<R>,
    ints: Ints,
    /// What the archive is called in errors.
    name: String,
}

impl<R: Read> Blocks<R> {
    /// Blocks out of what follows the table of contents.
    pub fn new(input: BufReader<R>, ints: Ints, name: &str) -> Self {
        Self { input, ints, name: name.to_string() }
    }

    /// The next block; `None` at the end. The one before must have been read to its end.
    pub fn next_block(&mut self) -> Outcome<Option<Block>> {
        let kind = match self.input.fill_buf().map_err(unreadable)?.first() {
            None => return Ok(None),
            Some(kind) => *kind,
        };
        self.input.consume(1);
        let id = self.int()?;
        match kind {
            TABLE => Ok(Some(Block::Table(id))),
            LARGE_OBJECTS => Ok(Some(Block::LargeObjects(id))),
            other => Err(Problem::Corrupt(format!("it has a block of the kind {other}"))),
        }
    }

    /// The next large object of a block of them; `None` after the last.
    pub fn next_large_object(&mut self) -> Outcome<Option<u32>> {
        // Written as a signed int, whatever it is.
        Ok(Some(self.int()? as u32).filter(|oid| *oid != 0))
    }

    /// The pieces of a table or of one large object, as a stream.
    pub fn data(&mut self) -> Data<'_, R> {
        Data { blocks: self, left: 0, ended: false }
    }

    fn int(&mut self) -> Outcome<i64> {
        let mut bytes = [0; 9];
        let place = bytes.get_mut(..1 + self.ints.size).unwrap_or_default();
        self.input.read_exact(place).map_err(unreadable)?;
        int_of(place).ok_or_else(|| Problem::Corrupt("it has a number out of range".into()))
    }
}

fn unreadable(error: io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Problem::Cut("its data ends in the middle".into()),
        _ => Problem::Unreadable(error.to_string()),
    }
}

/// The bytes of a table or a large object.
pub struct Data<'b, R> {
    blocks: &'b mut Blocks<R>,
    left: u64,
    ended: bool,
}

impl<R: Read> Read for Data<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !self.ended {
            let len = self.blocks.int().map_err(|problem| self.carried(problem))?;
            let negative = |_| self.carried(Problem::Corrupt("it has a negative length".into()));
            self.left = u64::try_from(len).map_err(negative)?;
            self.ended = self.left == 0;
        }
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let Some(place) = buffer.get_mut(..wanted).filter(|place| !place.is_empty()) else { return Ok(0) };
        match self.blocks.input.read(place)? {
            0 => Err(self.carried(Problem::Cut("its data ends in the middle".into()))),
            len => {
                self.left -= len as u64;
                Ok(len)
            }
        }
    }
}

impl<R> Data<'_, R> {
    /// A problem as what a reader can pass on.
    fn carried(&self, problem: Problem) -> io::Error {
        io::Error::other(problem.error(&self.blocks.name))
    }
}

/// How long the block of a table of `len` bytes is.
pub fn table_block_len(ints: Ints, len: u64) -> u64 {
    1 + ints.len() + data_len(ints, len)
}

/// How long the block of large objects of these lengths is.
pub fn large_objects_block_len(ints: Ints, lens: impl Iterator<Item = u64>) -> u64 {
    1 + 2 * ints.len() + lens.map(|len| ints.len() + data_len(ints, len)).sum::<u64>()
}

fn data_len(ints: Ints, len: u64) -> u64 {
    len + ints.len() * (len.div_ceil(PIECE as u64) + 1)
}

/// Writes blocks.
pub struct BlockWriter<'w> {
    out: &'w mut dyn Write,
    ints: Ints,
    piece: Vec<u8>,
}

impl<'w> BlockWriter<'w> {
    /// Blocks that go to `out`.
    pub fn new(out: &'w mut dyn Write, ints: Ints) -> Self {
        Self { out, ints, piece: Vec::new() }
    }

    /// Begins the block of a table: its bytes follow, then [`BlockWriter::end_data`].
    pub fn begin_table(&mut self, dump_id: i64) -> io::Result<()> {
        self.begin(TABLE, dump_id)
    }

    /// Begins a block of large objects.
    pub fn begin_large_objects(&mut self, dump_id: i64) -> io::Result<()> {
        self.begin(LARGE_OBJECTS, dump_id)
    }

    /// Begins one of them: its bytes follow, then [`BlockWriter::end_data`].
    pub fn begin_large_object(&mut self, oid: u32) -> io::Result<()> {
        self.int(i64::from(oid as i32))
    }

    /// Ends a block of large objects.
    pub fn end_large_objects(&mut self) -> io::Result<()> {
        self.int(0)
    }

    /// Bytes of a table or a large object.
    pub fn data(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PIECE - self.piece.len()));
            self.piece.extend(now);
            bytes = later;
            if self.piece.len() == PIECE {
                self.flush_piece()?;
            }
        }
        Ok(())
    }

    /// Ends a table or a large object.
    pub fn end_data(&mut self) -> io::Result<()> {
        if !self.piece.is_empty() {
            self.flush_piece()?;
        }
        self.int(0)
    }

    fn flush_piece(&mut self) -> io::Result<()> {
        self.int(self.piece.len() as i64)?;
        self.out.write_all(&self.piece)?;
        self.piece.clear();
        Ok(())
    }

    fn begin(&mut self, kind: u8, dump_id: i64) -> io::Result<()> {
        self.out.write_all(&[kind])?;
        self.int(dump_id)
    }

    fn int(&mut self, value: i64) -> io::Result<()> {
        let mut bytes = Vec::new();
        self.ints.put(&mut bytes, value);
        self.out.write_all(&bytes)
    }
}
