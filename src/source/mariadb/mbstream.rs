//! The stream that `mariadb-backup --stream=mbstream` writes, taken apart as it comes.
//!
//! It is a sequence of chunks, little-endian: `XBSTCK01`, a byte of flags, a byte of type, the path's length (u32) and the
//! path; a chunk of type `P` goes on with its payload's length (u64), its offset in the file (u64), the payload's CRC-32
//! and the payload; one of type `E` ends its file. Chunks of several files come mixed where these are written at a time:
//! the redo log's stand between all others'.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

const MAGIC: &[u8] = b"XBSTCK01";
/// A chunk of unknown type may be left out where it says so.
const FLAG_IGNORABLE: u8 = 1;
/// The longest path that is believed, bytes.
const PATH_MAX: u32 = 4096;
/// The longest payload that is believed, bytes. The tool's own are 10 MiB at most.
const PAYLOAD_MAX: u64 = 1 << 30;

/// The head of a chunk.
#[derive(Debug, PartialEq, Eq)]
enum Chunk {
    Payload { path: Vec<u8>, len: u64, offset: u64, crc: u32 },
    End { path: Vec<u8> },
}

/// A file that is not the one that is handed out at the moment.
struct Spooled {
    path: Vec<u8>,
    file: File,
    len: u64,
    ended: bool,
}

/// Reads the stream file by file: [`MbStream::next_file`], then the file's bytes as a stream that ends with it.
///
/// One file is handed out as it comes; what arrives of others meanwhile goes to files in `folder`.
pub struct MbStream<R> {
    input: BufReader<R>,
    folder: PathBuf,
    spooled: VecDeque<Spooled>,
    current: Current,
}

enum Current {
    None,
    /// Comes from the stream. `left` of its present chunk are still to be handed out.
    Passing {
        path: Vec<u8>,
        offset: u64,
        left: u64,
        crc: u32,
        digest: flate2::Crc,
    },
    Spooled {
        file: File,
    },
    /// There are no more.
    Ended,
}

impl<R: Read> MbStream<R> {
    /// The files of `input`. `folder` is for those that come mixed with others.
    pub fn new(input: R, folder: &Path) -> Self {
        Self {
            input: BufReader::with_capacity(1 << 20, input),
            folder: folder.to_path_buf(),
            spooled: VecDeque::new(),
            current: Current::None,
        }
    }

    /// Waits for the first bytes. `false`: there are none.
    pub fn wait(&mut self) -> io::Result<bool> {
        Ok(!io::BufRead::fill_buf(&mut self.input)?.is_empty())
    }

    /// The next file's path; `None` after the last one. The current one must have been read to its end.
    pub fn next_file(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = self.spooled.iter().position(|spooled| spooled.ended)
                && let Some(mut spooled) = self.spooled.remove(at)
            {
                spooled.file.rewind()?;
                self.current = Current::Spooled { file: spooled.file };
                return Ok(Some(spooled.path));
            }
            match self.chunk()? {
                None => {
                    self.current = Current::Ended;
                    return match self.spooled.front() {
                        None => Ok(None),
                        Some(open) => Err(cut(&open.path)),
                    };
                }
                Some(Chunk::Payload { path, len, offset, crc }) => {
                    if offset == 0 && !is_log(&path) && self.spooled_at(&path).is_none() {
                        let digest = flate2::Crc::new();
                        self.current = Current::Passing { path: path.clone(), offset: 0, left: len, crc, digest };
                        return Ok(Some(path));
                    }
                    self.spool(path, len, offset, crc)?;
                }
                Some(Chunk::End { path }) => self.end_spooled(path)?,
            }
        }
    }

    fn spooled_at(&self, path: &[u8]) -> Option<usize> {
        self.spooled.iter().position(|spooled| spooled.path == path)
    }

    fn chunk(&mut self) -> io::Result<Option<Chunk>> {
        let mut magic = [0; 8];
        let mut got = 0;
        while let Some(rest) = magic.get_mut(got..).filter(|rest| !rest.is_empty()) {
            match self.input.read(rest) {
                Ok(0) if got == 0 => return Ok(None),
                Ok(0) => return Err(bad("it ends in the middle of a chunk")),
                Ok(read) => got += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if magic != MAGIC {
            return Err(bad("a chunk does not begin as chunks do"));
        }
        let [flags, kind] = self.take()?;
        if flags & !FLAG_IGNORABLE != 0 || !matches!(kind, b'P' | b'E') {
            return Err(bad("it has a chunk that this version does not know"));
        }
        let path_len = u32::from_le_bytes(self.take()?);
        if path_len == 0 || path_len > PATH_MAX {
            return Err(bad("a path is too long"));
        }
        let mut path = vec![0; path_len as usize];
        self.input.read_exact(&mut path).map_err(short)?;
        if kind == b'E' {
            return Ok(Some(Chunk::End { path }));
        }
        let len = u64::from_le_bytes(self.take()?);
        let offset = u64::from_le_bytes(self.take()?);
        let crc = u32::from_le_bytes(self.take()?);
        if len > PAYLOAD_MAX {
            return Err(bad("a chunk is too long"));
        }
        Ok(Some(Chunk::Payload { path, len, offset, crc }))
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).map_err(short)?;
        Ok(bytes)
    }

    fn spool(&mut self, path: Vec<u8>, len: u64, offset: u64, crc: u32) -> io::Result<()> {
        let at = match self.spooled_at(&path) {
            Some(at) => at,
            None => {
                let file = tempfile::Builder::new().tempfile_in(&self.folder)?.into_file();
                self.spooled.push_back(Spooled { path, file, len: 0, ended: false });
                self.spooled.len() - 1
            }
        };
        let Some(spooled) = self.spooled.get_mut(at) else { return Ok(()) };
        if spooled.len != offset || spooled.ended {
            return Err(misplaced(&spooled.path));
        }
        let mut digest = flate2::Crc::new();
        let mut left = len;
        let mut piece = vec![0; 128 * 1024];
        while left > 0 {
            let wanted = left.min(piece.len() as u64) as usize;
            let bytes = piece.get_mut(..wanted).unwrap_or_default();
            self.input.read_exact(bytes).map_err(short)?;
            digest.update(bytes);
            spooled.file.write_all(bytes)?;
            left -= wanted as u64;
        }
        spooled.len += len;
        match digest.sum() == crc {
            true => Ok(()),
            false => Err(damaged(&spooled.path)),
        }
    }

    fn end_spooled(&mut self, path: Vec<u8>) -> io::Result<()> {
        match self.spooled_at(&path).and_then(|at| self.spooled.get_mut(at)) {
            Some(spooled) => spooled.ended = true,
            // An empty file has no payload.
            None => {
                let file = tempfile::Builder::new().tempfile_in(&self.folder)?.into_file();
                self.spooled.push_back(Spooled { path, file, len: 0, ended: true });
            }
        }
        Ok(())
    }

    /// Goes on to the current file's next chunk. `false`: it has ended.
    fn pass(&mut self) -> io::Result<bool> {
        loop {
            let chunk = self.chunk()?;
            let Current::Passing { path, offset, left, crc, .. } = &mut self.current else { return Ok(false) };
            match chunk {
                None => return Err(cut(path)),
                Some(Chunk::End { path: ended }) if ended == *path => {
                    self.current = Current::None;
                    return Ok(false);
                }
                Some(Chunk::End { path: ended }) => self.end_spooled(ended)?,
                Some(Chunk::Payload { path: of, len, offset: at, crc: sum }) if of == *path => {
                    if at != *offset {
                        return Err(misplaced(&of));
                    }
                    (*left, *crc) = (len, sum);
                    return Ok(true);
                }
                Some(Chunk::Payload { path, len, offset, crc }) => self.spool(path, len, offset, crc)?,
            }
        }
    }
}

impl<R: Read> Read for MbStream<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match &mut self.current {
                Current::None | Current::Ended => return Ok(0),
                Current::Spooled { file } => return file.read(out),
                Current::Passing { left: 0, .. } => {
                    if !self.pass()? {
                        return Ok(0);
                    }
                }
                Current::Passing { path, offset, left, crc, digest } => {
                    let wanted = usize::try_from(*left).unwrap_or(usize::MAX).min(out.len());
                    if wanted == 0 {
                        return Ok(0);
                    }
                    let read = self.input.read(out.get_mut(..wanted).unwrap_or_default())?;
                    if read == 0 {
                        return Err(cut(path));
                    }
                    digest.update(out.get(..read).unwrap_or_default());
                    (*left, *offset) = (*left - read as u64, *offset + read as u64);
                    if *left == 0 {
                        if digest.sum() != *crc {
                            return Err(damaged(path));
                        }
                        digest.reset();
                    }
                    return Ok(read);
                }
            }
        }
    }
}

/// Whether a file is written while all others are: it is kept aside from its first byte on.
fn is_log(path: &[u8]) -> bool {
    path.starts_with(b"ib_logfile")
}

fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("mariadb-backup's stream cannot be read: {why}"))
}

fn short(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => bad("it ends in the middle of a chunk"),
        _ => error,
    }
}

fn cut(path: &[u8]) -> io::Error {
    bad(&format!("it ends before {} does", String::from_utf8_lossy(path)))
}

fn misplaced(path: &[u8]) -> io::Error {
    bad(&format!("a chunk of {} is not where it should be", String::from_utf8_lossy(path)))
}

fn damaged(path: &[u8]) -> io::Error {
    bad(&format!("a chunk of {} does not match its checksum", String::from_utf8_lossy(path)))
}

/// An error of the stream as the library's.
pub fn stream_error(error: io::Error) -> Error {
    Error::Failed(error.to_string())
}

/// [`stream_error`] for results.
pub fn streamed<T>(result: io::Result<T>) -> Result<T> {
    result.map_err(stream_error)
}

#[cfg(test)]
#[path = "mbstream_tests.rs"]
mod tests;
