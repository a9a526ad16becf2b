//! The file operations that a local repository is made of, each one step that a power cut can fall between.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, DirBuilder, File, FileType, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{CWD, OFlags, RenameFlags};
use rustix::io::Errno;

/// What a name in a folder stands for, symbolic links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// Anything else: a pipe, a device, a link that leads nowhere.
    Other,
}

/// A name found in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The name, as the file system has it.
    pub name: OsString,
    /// What it stands for.
    pub kind: FoundKind,
}

/// The steps that [`super::LocalFolder`] takes on a file system.
///
/// A change is durable only once the file, and the folder that holds its name, were synchronised; until then a crash may
/// lose it, tear it, or keep it while losing one that came before. Errors are the system's own.
pub trait FileSystem: Send + Sync + fmt::Debug {
    /// A file that was written and not yet synchronised.
    type Written: Send;

    /// Creates a file that must not exist (else `AlreadyExists`), and writes all of `bytes`. Where that fails a part of
    /// the file may be left.
    fn create_file(&self, path: &Path, bytes: &[u8]) -> io::Result<Self::Written>;

    /// Makes the bytes of a file durable and closes it. Takes the handle that wrote them: the system reports a failed
    /// write-back to that one for certain.
    fn sync_file(&self, file: Self::Written) -> io::Result<()>;

    /// Gives the file at `from` the second name `to`, which must not exist (else `AlreadyExists`).
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Moves `from` to `to`, which must not exist (else `AlreadyExists`).
    fn rename_no_replace(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file's name.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Creates a folder whose parent exists.
    fn create_folder(&self, path: &Path) -> io::Result<()>;

    /// Makes durable which names a folder holds.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// The whole file; `FileTooLarge` where it is longer than `most` bytes.
    fn read(&self, path: &Path, most: usize) -> io::Result<Vec<u8>>;

    /// Exactly `len` bytes from `offset`; `UnexpectedEof` where the file ends before (nothing is allocated then).
    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>>;

    /// All names in a folder, in no particular order.
    fn list_folder(&self, path: &Path) -> io::Result<Vec<Found>>;

    /// Whether `path` is a folder; false where there is nothing.
    fn is_folder(&self, path: &Path) -> io::Result<bool>;

    /// A file's length, bytes.
    fn length(&self, path: &Path) -> io::Result<u64>;
}

/// The operating system's files.
///
/// Files are read with `pread`, never mapped: a bad disk must be an error, not a signal. What it creates is for the
/// owner alone (files 0600, folders 0700).
#[derive(Debug, Clone, Copy, Default)]
pub struct RealFiles;

/// Calls again while a signal interrupts.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// A name that exists may be this very file: a network file system says so when it repeats a request whose answer was
/// lost, and so does a call that a signal interrupted after its work.
fn unless_same_file(error: io::Error, from: &Path, to: &Path) -> io::Result<()> {
    if error.kind() == ErrorKind::AlreadyExists
        && let (Ok(from), Ok(to)) = (fs::symlink_metadata(from), fs::symlink_metadata(to))
        && (from.dev(), from.ino()) == (to.dev(), to.ino())
    {
        return Ok(());
    }
    Err(error)
}

/// Opens a regular file with its length. A pipe of that name must not make the reader wait for ever.
fn open_regular(path: &Path) -> io::Result<(File, u64)> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok((file, metadata.len()))
}

fn read_exactly(file: &File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

fn kind_of(file_type: FileType) -> FoundKind {
    if file_type.is_file() {
        FoundKind::File
    } else if file_type.is_dir() {
        FoundKind::Folder
    } else {
        FoundKind::Other
    }
}

impl FileSystem for RealFiles {
    type Written = File;

    fn create_file(&self, path: &Path, bytes: &[u8]) -> io::Result<File> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        Ok(file)
    }

    fn sync_file(&self, file: File) -> io::Result<()> {
        // Nothing is written after this, so closing has nothing left that could fail.
        file.sync_all()
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        uninterrupted(|| fs::hard_link(from, to)).or_else(|error| unless_same_file(error, from, to))
    }

    fn rename_no_replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        uninterrupted(|| Ok(rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?))
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let mut interrupted = false;
        loop {
            match fs::remove_file(path) {
                Err(error) if error.kind() == ErrorKind::Interrupted => interrupted = true,
                // The interrupted call did its work.
                Err(error) if interrupted && error.kind() == ErrorKind::NotFound => return Ok(()),
                other => return other,
            }
        }
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        uninterrupted(|| DirBuilder::new().mode(0o700).create(path))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let folder = File::open(path)?;
        match folder.sync_all() {
            // The file system has no such operation for folders (some network ones): its names are as durable as
            // they can be, and a failure to write would have been another error.
            Err(error)
                if matches!(Errno::from_io_error(&error), Some(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS)) =>
            {
                Ok(())
            }
            other => other,
        }
    }

    fn read(&self, path: &Path, most: usize) -> io::Result<Vec<u8>> {
        let (file, len) = open_regular(path)?;
        match usize::try_from(len) {
            Ok(len) if len <= most => read_exactly(&file, 0, len),
            _ => Err(ErrorKind::FileTooLarge.into()),
        }
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let (file, file_len) = open_regular(path)?;
        match offset.checked_add(len as u64) {
            Some(end) if end <= file_len => read_exactly(&file, offset, len),
            _ => Err(ErrorKind::UnexpectedEof.into()),
        }
    }

    fn list_folder(&self, path: &Path) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let kind = match entry.file_type() {
                Ok(file_type) if file_type.is_symlink() => {
                    fs::metadata(entry.path()).map(|metadata| kind_of(metadata.file_type()))
                }
                other => other.map(kind_of),
            };
            let kind = match kind {
                Err(error) if error.kind() == ErrorKind::NotFound => FoundKind::Other,
                other => other?,
            };
            found.push(Found { name: entry.file_name(), kind });
        }
        Ok(found)
    }

    fn is_folder(&self, path: &Path) -> io::Result<bool> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(metadata.is_dir()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::metadata(path)?.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_makes_the_call_again() {
        let mut calls = 0;
        let answer = uninterrupted(|| {
            calls += 1;
            if calls < 3 { Err(ErrorKind::Interrupted.into()) } else { Ok(calls) }
        });
        assert_eq!(answer.unwrap(), 3);
    }

    #[test]
    fn a_name_that_exists_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        drop(RealFiles.create_file(&a, b"a").unwrap());
        drop(RealFiles.create_file(&b, b"b").unwrap());
        assert_eq!(RealFiles.create_file(&a, b"x").unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(RealFiles.link(&a, &b).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(RealFiles.rename_no_replace(&a, &b).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(RealFiles.read(&b, 1).unwrap(), b"b");
    }

    #[test]
    fn a_link_that_was_made_already_is_a_success() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        drop(RealFiles.create_file(&a, b"a").unwrap());
        RealFiles.link(&a, &b).unwrap();
        RealFiles.link(&a, &b).unwrap();
    }

    #[test]
    fn a_pipe_or_a_folder_is_no_object_and_keeps_nobody_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        assert!(RealFiles.read(&pipe, 10).is_err());
        assert!(RealFiles.read(folder.path(), 10).is_err());
    }

    #[test]
    fn reads_are_bounded_before_anything_is_allocated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sparse");
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(RealFiles.read(&path, 1 << 20).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(RealFiles.read_at(&path, 0, usize::MAX).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(RealFiles.read_at(&path, u64::MAX, 2).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(RealFiles.read_at(&path, (1 << 40) - 2, 2).unwrap(), [0, 0]);
    }
}
