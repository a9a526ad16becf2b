//! What is done to one name in one folder of the target. Nothing here follows a link.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, Dir, FallocateFlags, FileType, Mode, OFlags, Stat, fallocate, linkat, makedev, mknodat, openat,
    readlinkat, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::format::tree::Node;

use super::folders::{Folders, open_folder};

/// A name in a folder.
#[derive(Clone, Copy)]
pub(super) struct Spot<'a> {
    pub(super) folders: &'a Folders,
    pub(super) folder: u32,
    pub(super) name: &'a [u8],
}

impl Spot<'_> {
    /// The error for this name.
    pub(super) fn error(&self, error: impl Into<io::Error>) -> Error {
        Error::target(self.folders.path(self.folder, self.name), error.into())
    }

    /// The handle of the folder that it is in.
    pub(super) fn parent(&self) -> Result<Arc<File>> {
        self.folders.handle(self.folder)
    }

    /// What is there; `None` where nothing is.
    pub(super) fn stat(&self) -> Result<Option<Stat>> {
        match statat(&*self.parent()?, self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.error(error)),
        }
    }

    fn open(&self, flags: OFlags, mode: Mode) -> Result<File> {
        // NONBLOCK: a FIFO that has taken the file's place must not stop the restore.
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        openat(&*self.parent()?, self.name, flags, mode).map(File::from).map_err(|error| self.error(error))
    }

    /// Makes a file that is not there. `mode` holds permission bits alone.
    pub(super) fn create_file(&self, mode: u32) -> Result<File> {
        let mode = Mode::from_raw_mode(mode & 0o777 | 0o600);
        self.open(OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, mode)
    }

    /// Opens a regular file to read and write it. Where its owner may not, the right is added: the mode is set when
    /// the content is.
    pub(super) fn open_to_write(&self) -> Result<File> {
        match self.open_regular(OFlags::RDWR) {
            Err(Error::Target { error, .. }) if error.kind() == io::ErrorKind::PermissionDenied => {
                let file = self.open_file()?;
                let mode = rustix::fs::fstat(&file).map_err(|error| self.error(error))?.st_mode & 0o7777;
                let mode = Mode::from_raw_mode(mode | 0o600);
                rustix::fs::fchmod(&file, mode).map_err(|error| self.error(error))?;
                self.open_regular(OFlags::RDWR)
            }
            opened => opened,
        }
    }

    /// Opens a regular file to read it.
    pub(super) fn open_file(&self) -> Result<File> {
        self.open_regular(OFlags::RDONLY)
    }

    fn open_regular(&self, flags: OFlags) -> Result<File> {
        let file = self.open(flags, Mode::empty())?;
        let kind = rustix::fs::fstat(&file).map_err(|error| self.error(error))?.st_mode;
        if FileType::from_raw_mode(kind) != FileType::RegularFile {
            return Err(self.error(io::Error::other("it is not the file that was there a moment ago")));
        }
        Ok(file)
    }

    /// Makes the hard link `self` to what is at `first`.
    pub(super) fn link(&self, first: &Spot<'_>) -> Result<()> {
        linkat(&*first.parent()?, first.name, &*self.parent()?, self.name, AtFlags::empty())
            .map_err(|error| self.error(error))
    }

    /// Makes a symbolic link, FIFO or device. `false` where the system does not permit devices.
    pub(super) fn create_other(&self, node: &Node) -> Result<bool> {
        let parent = self.parent()?;
        let special = |kind, device| mknodat(&*parent, self.name, kind, Mode::RUSR | Mode::WUSR, device);
        let made = match node {
            Node::Symlink { target } => symlinkat(target.as_slice(), &*parent, self.name),
            Node::Fifo => special(FileType::Fifo, 0),
            Node::CharDevice { major, minor } => special(FileType::CharacterDevice, makedev(*major, *minor)),
            Node::BlockDevice { major, minor } => special(FileType::BlockDevice, makedev(*major, *minor)),
            Node::File { .. } | Node::Directory { .. } | Node::Unreadable { .. } => return Ok(false),
        };
        match made {
            Ok(()) => Ok(true),
            Err(Errno::PERM) if matches!(node, Node::CharDevice { .. } | Node::BlockDevice { .. }) => Ok(false),
            Err(error) => Err(self.error(error)),
        }
    }

    /// Where the symbolic link at this name points to.
    pub(super) fn link_target(&self) -> Result<Vec<u8>> {
        readlinkat(&*self.parent()?, self.name, Vec::new())
            .map(std::ffi::CString::into_bytes)
            .map_err(|error| self.error(error))
    }

    /// Removes what is at this name, a folder with all it holds. Nothing there is no error.
    pub(super) fn remove(&self) -> Result<()> {
        remove_at(&*self.parent()?, self.name).map_err(|error| self.error(error))
    }
}

fn remove_at(parent: &File, name: &[u8]) -> io::Result<()> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        // Linux says the first of a folder, POSIX the second.
        Err(Errno::ISDIR) => {}
        Err(Errno::PERM) if is_folder(parent, name) => {}
        Err(error) => return Err(error.into()),
    }
    match unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTEMPTY | Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    empty_folder(&open_to_empty(parent, name)?)?;
    Ok(unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

fn is_folder(parent: &File, name: &[u8]) -> bool {
    statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| kind(&stat) == FileType::Directory)
}

/// Opens a folder whose entries are to be removed, giving its owner the right to do so where it lacks.
fn open_to_empty(parent: &File, name: &[u8]) -> io::Result<File> {
    let folder = match open_folder(parent, name) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let handle = openat(parent, name, flags, Mode::empty())?;
            rustix::fs::chmod(proc_path(&handle), Mode::RWXU)?;
            open_folder(parent, name)?
        }
        opened => opened?,
    };
    if !rustix::process::geteuid().is_root() {
        rustix::fs::fchmod(&folder, Mode::RWXU)?;
    }
    Ok(folder)
}

/// Removes all that is in a folder.
pub(super) fn empty_folder(folder: &File) -> io::Result<()> {
    names_in(folder)?.iter().try_for_each(|name| remove_at(folder, name))
}

/// The names in a folder, but for `.` and `..`.
pub(super) fn names_in(folder: &File) -> io::Result<Vec<Box<[u8]>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.into());
        }
    }
    Ok(names)
}

/// A path that leads to what the handle is of, even where the handle itself may do nothing.
pub(super) fn proc_path(handle: &OwnedFd) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd())
}

/// Makes a hole. `false` where the file system has none.
pub(super) fn punch_hole(file: &File, offset: u64, len: u64) -> io::Result<bool> {
    match fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, len) {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The kind of what `stat` describes.
pub(super) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removing_a_folder_takes_links_and_leaves_what_they_point_to() {
        let dir = tempfile::Builder::new().tempdir().unwrap();
        let kept = dir.path().join("kept");
        std::fs::create_dir_all(kept.join("sub")).unwrap();
        std::fs::write(kept.join("file"), b"x").unwrap();
        let gone = dir.path().join("gone");
        std::fs::create_dir_all(gone.join("a/b")).unwrap();
        std::os::unix::fs::symlink(&kept, gone.join("a/link")).unwrap();
        std::fs::write(gone.join("a/b/file"), b"x").unwrap();
        let top = File::open(dir.path()).unwrap();
        remove_at(&top, b"gone").unwrap();
        remove_at(&top, b"gone").unwrap();
        assert!(!gone.exists() && kept.join("file").exists() && kept.join("sub").exists());
    }
}
