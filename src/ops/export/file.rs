//! An export into a file, which is there whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;

use crate::container::write_error;
use crate::error::{Error, Result};

use crate::ops::progress::Progress;

use super::work::BUFFER_LEN;

/// What is read at once to be hashed, bytes.
const MEASURE_LEN: usize = 1 << 20;

/// Lets `write` write the file at `path`: into `.<name>.snaphold-partial` beside it, which takes its name when all of
/// it is durable, and is removed where anything fails.
///
/// With `overwrite` a file that is there is replaced in one step, else it is refused, whenever it came to be there.
/// What an interrupted export left behind is written over; one that is under way in another process is not disturbed.
pub fn export_to_file<T>(path: &Path, overwrite: bool, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    check_target(path, overwrite)?;
    let partial = Partial::begin(path)?;
    let mut out = BufWriter::with_capacity(BUFFER_LEN, Named { file: &partial.file, path });
    let result = write(&mut out)?;
    out.flush().map_err(|error| write_error(&path.display().to_string(), error))?;
    drop(out);
    partial.finish(path, overwrite)?;
    Ok(result)
}

/// Whether a file may be written at `path`, as far as can be told before it is.
pub fn check_target(path: &Path, overwrite: bool) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => {
            Err(Error::Refused(format!("{} is a folder, not a file to write to", path.display())))
        }
        Ok(_) if !overwrite => Err(exists(path)),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::target(path, error)),
    }
}

/// What the export into `path` would be called while it is not whole.
pub fn partial_of(path: &Path) -> Option<PathBuf> {
    let mut name = OsString::from(".");
    name.push(path.file_name()?);
    name.push(".snaphold-partial");
    Some(path.with_file_name(name))
}

/// A finished export's length, bytes, and the BLAKE3 of its bytes. `NotFound` where it is not there.
pub fn measure(path: &Path, progress: &dyn Progress) -> Result<(u64, blake3::Hash)> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Error::NotFound(format!("there is no file {}", path.display())),
        _ => Error::source(path, error),
    };
    let mut file = File::open(path).map_err(failed)?;
    progress.stage("measuring", file.metadata().ok().map(|stat| stat.len()));
    let (mut hasher, mut len) = (blake3::Hasher::new(), 0);
    let mut buffer = vec![0; MEASURE_LEN];
    loop {
        progress.go_on()?;
        let read = file.read(&mut buffer).map_err(failed)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hasher.update(bytes);
        len += read as u64;
        progress.advance(read as u64);
    }
    Ok((len, hasher.finalize()))
}

fn exists(path: &Path) -> Error {
    Error::Refused(format!("{} is there already; choose another name, or give --overwrite", path.display()))
}

/// The file while it is not whole. Dropped, it is removed.
struct Partial {
    file: File,
    path: PathBuf,
    folder: PathBuf,
    is_whole: bool,
}

impl Partial {
    fn begin(target: &Path) -> Result<Self> {
        let path = partial_of(target).ok_or_else(|| Error::Usage(format!("{} names no file", target.display())))?;
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let failed = |error| Error::target(&path, error);
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        let busy = || Error::Busy(format!("another process is writing {}", target.display()));
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(busy()),
            Err(error) => return Err(failed(error.into())),
        }
        // Between opening and locking it the file may have become another process's finished export.
        let (opened, found) = (file.metadata().map_err(failed)?, fs::symlink_metadata(&path));
        if !found.is_ok_and(|found| (found.dev(), found.ino()) == (opened.dev(), opened.ino())) {
            return Err(busy());
        }
        file.set_len(0).map_err(failed)?;
        Ok(Self { file, path, folder, is_whole: false })
    }

    fn finish(mut self, target: &Path, overwrite: bool) -> Result<()> {
        let failed = |error: io::Error| Error::target(target, error);
        self.file.sync_all().map_err(failed)?;
        if overwrite {
            fs::rename(&self.path, target).map_err(failed)?;
        } else {
            match renameat_with(CWD, &self.path, CWD, target, RenameFlags::NOREPLACE) {
                Ok(()) => {}
                Err(Errno::EXIST) => return Err(exists(target)),
                // Not every file system can: a link is refused just so where there is a file, and is as good.
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => match fs::hard_link(&self.path, target) {
                    Ok(()) => fs::remove_file(&self.path).map_err(failed)?,
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists(target)),
                    Err(error) => return Err(failed(error)),
                },
                Err(error) => return Err(failed(error.into())),
            }
        }
        self.is_whole = true;
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_whole {
            // Where even this fails, the name says what the file is, and the next export to this path replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes to the file; errors name the path that the user named.
struct Named<'a> {
    file: &'a File,
    path: &'a Path,
}

impl Write for Named<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.file.write(buf).map_err(|error| match error.kind() {
            // Only this kind is tried again by those who write.
            io::ErrorKind::Interrupted => error,
            _ => io::Error::other(Error::target(self.path, error)),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
