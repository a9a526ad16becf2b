//! Handles of the target's folders. A handle is reached from the top one component at a time, never through a link.

use std::ffi::OsStr;
use std::fs::File;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use lru::LruCache;
use rustix::fs::{Mode, OFlags, mkdirat, openat};

use crate::error::{Error, Result};

/// Handles that are kept open: well under the 1,024 files that a process may open where nobody raised the limit.
const HANDLES_KEPT: NonZeroUsize = match NonZeroUsize::new(256) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};

/// The folder that the target stands in: outside of what is restored, and opened by the caller.
pub(super) const TOP: u32 = 0;

/// A name in a folder of a number.
pub(super) type Named = (u32, Box<[u8]>);

#[derive(Clone)]
struct Folder {
    parent: u32,
    depth: u32,
    name: Box<[u8]>,
}

/// The folders of one restore, by numbers in the order in which they came.
pub(super) struct Folders {
    top: Arc<File>,
    top_path: PathBuf,
    /// Folder n stands at n − 1.
    list: RwLock<Vec<Folder>>,
    open: Mutex<LruCache<u32, Arc<File>>>,
}

impl Folders {
    pub(super) fn new(top: Arc<File>, top_path: PathBuf) -> Self {
        Self { top, top_path, list: RwLock::default(), open: Mutex::new(LruCache::new(HANDLES_KEPT)) }
    }

    /// Takes in a folder. It need not be there yet.
    pub(super) fn add(&self, parent: u32, name: &[u8]) -> u32 {
        let depth = self.depth(parent) + 1;
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        list.push(Folder { parent, depth, name: name.into() });
        list.len() as u32
    }

    fn folder(&self, number: u32) -> Option<Folder> {
        let at = (number as usize).checked_sub(1)?;
        self.list.read().unwrap_or_else(PoisonError::into_inner).get(at).cloned()
    }

    /// Folders between this one and the top; 0 for the top.
    pub(super) fn depth(&self, number: u32) -> u32 {
        self.folder(number).map_or(0, |folder| folder.depth)
    }

    /// The path of `name` in a folder, for people.
    pub(super) fn path(&self, number: u32, name: &[u8]) -> PathBuf {
        let mut names = vec![Box::from(name)];
        let mut number = number;
        while let Some(folder) = self.folder(number) {
            names.push(folder.name);
            number = folder.parent;
        }
        let mut path = self.top_path.clone();
        path.extend(names.iter().rev().map(|name| OsStr::from_bytes(name)));
        path
    }

    /// Makes a folder that was taken in and is not there, for this user alone until its metadata is set.
    pub(super) fn create(&self, number: u32) -> Result<()> {
        let Some(Folder { parent, name, .. }) = self.folder(number) else { return Ok(()) };
        mkdirat(&*self.handle(parent)?, &*name, Mode::RWXU)
            .map_err(|error| Error::target(self.path(parent, &name), error.into()))
    }

    /// The folder's handle.
    pub(super) fn handle(&self, number: u32) -> Result<Arc<File>> {
        let lock = || self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut closed = Vec::new();
        let mut at = number;
        let mut handle = loop {
            if let Some(handle) = lock().get(&at) {
                break handle.clone();
            }
            let Some(folder) = self.folder(at) else { break self.top.clone() };
            closed.push(at);
            at = folder.parent;
        };
        for number in closed.into_iter().rev() {
            let Some(Folder { parent, name, .. }) = self.folder(number) else { break };
            let opened = open_folder(&handle, &name).map_err(|error| Error::target(self.path(parent, &name), error))?;
            handle = Arc::new(opened);
            lock().put(number, handle.clone());
        }
        Ok(handle)
    }
}

/// Opens the folder `name` in `parent`; a link of that name is an error.
pub(super) fn open_folder(parent: &File, name: &[u8]) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(openat(parent, name, flags, Mode::empty())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(dir: &std::path::Path) -> Folders {
        Folders::new(Arc::new(File::open(dir).unwrap()), dir.to_path_buf())
    }

    #[test]
    fn more_folders_than_handles_are_reached_however_deep() {
        let dir = tempfile::Builder::new().tempdir().unwrap();
        let folders = folders(dir.path());
        let mut parent = TOP;
        let mut path = dir.path().to_path_buf();
        for _ in 0..HANDLES_KEPT.get() + 20 {
            parent = folders.add(parent, b"d");
            path.push("d");
        }
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("file"), b"here").unwrap();
        assert_eq!(folders.path(parent, b"file"), path.join("file"));
        let handle = folders.handle(parent).unwrap();
        assert!(openat(&*handle, "file", OFlags::RDONLY, Mode::empty()).is_ok());
        assert_eq!(folders.depth(parent) as usize, HANDLES_KEPT.get() + 20);
    }

    #[test]
    fn a_link_is_not_followed() {
        let dir = tempfile::Builder::new().tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("real/sub")).unwrap();
        std::os::unix::fs::symlink("real", dir.path().join("link")).unwrap();
        let folders = folders(dir.path());
        let real = folders.add(TOP, b"real");
        assert!(folders.handle(folders.add(real, b"sub")).is_ok());
        let link = folders.add(TOP, b"link");
        let error = folders.handle(folders.add(link, b"sub")).unwrap_err();
        assert!(error.to_string().contains("link"), "{error}");
    }
}
