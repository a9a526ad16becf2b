//! Files of the source, open.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{OFlags, SeekFrom};

use crate::error::{Error, Result};
use crate::ops::capture::RandomRead;

/// Opens a file for reading, but not through a link, and without waiting for anybody.
pub fn open(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new().read(true).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32).open(path)
}

/// A file of the source, open.
pub struct OpenFile<'f> {
    /// The file.
    pub file: &'f File,
    /// Its path, for errors.
    pub path: &'f Path,
}

impl RandomRead for OpenFile<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::source(self.path, error)),
            }
        }
        Ok(done)
    }

    fn next_data(&self, offset: u64, len: u64) -> u64 {
        match rustix::fs::seek(self.file, SeekFrom::Data(offset)) {
            Ok(data) => data,
            // ENXIO: nothing but a hole from here on, or the file has become shorter: then reading tells.
            Err(rustix::io::Errno::NXIO) if self.file.metadata().is_ok_and(|now| now.len() >= len) => len,
            // Any other answer: the file system cannot tell.
            Err(_) => offset,
        }
    }

    fn next_hole(&self, offset: u64, len: u64) -> u64 {
        rustix::fs::seek(self.file, SeekFrom::Hole(offset)).unwrap_or(len)
    }
}

/// Removes a file that may not be there.
pub fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::target(path, error)),
        _ => Ok(()),
    }
}

/// Whether nothing is at `path` that a restore would overwrite: no file, or an empty folder.
pub fn is_vacant(path: &Path) -> Result<bool> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(Error::target(path, error)),
    };
    if !metadata.is_dir() {
        return Ok(false);
    }
    let mut entries = fs::read_dir(path).map_err(|error| Error::target(path, error))?;
    Ok(entries.next().is_none())
}
