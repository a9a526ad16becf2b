//! A repository in a local folder: an object is a file that appears whole under its name, or not at all.
//!
//! An object is written under a temporary name, synchronised, linked to its own name, and the folder is synchronised
//! before the caller hears of success. `link` refuses a name that exists, so of many writers one wins.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::files::{FileSystem, FoundKind, RealFiles};
use super::{Listed, ObjectKind, ObjectName, PutOutcome, Storage};
use super::{check_length, length_limit, not_found, storage_error, too_long, too_short};
use crate::error::{Error, Result};

/// The folder of files that are being written.
const TEMPORARIES: &str = "tmp";
/// What the names of temporary files begin with: nothing else is ever swept away.
const TEMPORARY_PREFIX: &str = "put-";

/// Objects as files below a root folder, at [`ObjectName::path`].
///
/// After an fsync that failed nothing more can be known about what reached the disk, because the next fsync may say that
/// all is well. Such a `LocalFolder` refuses every later `put_if_absent` and `delete`; reading goes on.
#[derive(Debug)]
pub struct LocalFolder<F: FileSystem = RealFiles> {
    files: F,
    root: PathBuf,
    /// Numbers the temporary files of this process.
    next_temporary: AtomicU64,
    /// Folders of packs whose own names are known to be durable.
    durable_folders: Mutex<HashSet<OsString>>,
    /// What failed, once an fsync has.
    poison: OnceLock<String>,
}

impl LocalFolder<RealFiles> {
    /// Lays out an empty repository at `root`, which must be absent or empty (or left by a `create` that was
    /// interrupted). `Refused` otherwise, `Storage` where the system fails.
    pub fn create(root: impl Into<PathBuf>) -> Result<Self> {
        Self::create_on(RealFiles, root)
    }

    /// The repository folder at `root`; `NotFound` where there is no folder.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        Self::open_on(RealFiles, root)
    }
}

impl<F: FileSystem> LocalFolder<F> {
    /// As [`LocalFolder::create`], on a file system of the caller's.
    pub fn create_on(files: F, root: impl Into<PathBuf>) -> Result<Self> {
        let this = Self::new(files, root.into());
        let fail = |error| storage_error("create", this.root.display(), error);
        create_folder_durably(&this.files, &this.root).map_err(fail)?;
        if !this.is_blank(&this.root, 0).map_err(fail)? {
            let place = this.root.display();
            return Err(Error::Refused(format!("{place} is not empty: choose an empty folder or a new one")));
        }
        for folder in ObjectKind::ALL.map(ObjectKind::folder).into_iter().chain([TEMPORARIES]) {
            match this.files.create_folder(&this.root.join(folder)) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(fail(error)),
                _ => {}
            }
        }
        this.files.sync_folder(&this.root).map_err(fail)?;
        Ok(this)
    }

    /// As [`LocalFolder::open`], on a file system of the caller's.
    pub fn open_on(files: F, root: impl Into<PathBuf>) -> Result<Self> {
        let this = Self::new(files, root.into());
        let place = this.root.display();
        match this.files.is_folder(&this.root) {
            Ok(true) => {}
            Ok(false) => return Err(Error::NotFound(format!("there is no repository folder at {place}"))),
            Err(error) => return Err(storage_error("open", place, error)),
        }
        Ok(this)
    }

    /// Removes the files that interrupted writers left; how many. A writer at work whose file is taken away fails (and
    /// has stored nothing), so call it only where none is.
    pub fn sweep_temporaries(&self) -> Result<u64> {
        let folder = self.root.join(TEMPORARIES);
        let fail = |error| storage_error("sweep", TEMPORARIES, error);
        let found = match self.files.list_folder(&folder) {
            // It is made when it is needed.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            other => other.map_err(fail)?,
        };
        let mut removed = 0;
        for entry in found.iter().filter(|entry| entry.kind == FoundKind::File && is_temporary(&entry.name)) {
            match self.files.unlink(&folder.join(&entry.name)) {
                Ok(()) => removed += 1,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(fail(error)),
            }
        }
        Ok(removed)
    }

    /// The root folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn new(files: F, root: PathBuf) -> Self {
        Self {
            files,
            root,
            next_temporary: AtomicU64::new(0),
            durable_folders: Mutex::default(),
            poison: OnceLock::new(),
        }
    }

    /// Whether a folder holds nothing but what an interrupted `create` leaves: our folders, empty.
    fn is_blank(&self, folder: &Path, depth: usize) -> io::Result<bool> {
        for entry in self.files.list_folder(folder)? {
            let ours = ObjectKind::ALL.iter().any(|kind| entry.name == kind.folder()) || entry.name == TEMPORARIES;
            let inside_temporaries = depth == 1 && folder.ends_with(TEMPORARIES);
            let blank = match entry.kind {
                FoundKind::Folder => depth == 0 && ours && self.is_blank(&folder.join(&entry.name), 1)?,
                FoundKind::File => inside_temporaries && is_temporary(&entry.name),
                FoundKind::Other => false,
            };
            if !blank {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn path(&self, name: &ObjectName) -> PathBuf {
        self.root.join(name.path())
    }

    fn refuse_if_poisoned(&self, action: &'static str, name: &ObjectName) -> Result<()> {
        let Some(reason) = self.poison.get() else { return Ok(()) };
        let advice = format!("{reason}, so nothing more is written: reopen the repository and verify");
        Err(storage_error(action, name, io::Error::other(advice)))
    }

    fn poisoned(&self, action: &'static str, name: &ObjectName, error: io::Error) -> Error {
        self.poison.get_or_init(|| format!("an earlier fsync failed (for {name}: {error})"));
        storage_error(action, name, error)
    }

    /// Makes the names in the object's folder durable. Checks afterwards for the failure of another thread's fsync,
    /// which may have been told of a loss that concerns this object too.
    fn sync_folder_of(&self, action: &'static str, name: &ObjectName, path: &Path) -> Result<()> {
        self.files.sync_folder(parent(path)).map_err(|error| self.poisoned(action, name, error))?;
        self.refuse_if_poisoned(action, name)
    }

    fn durable_folders(&self) -> MutexGuard<'_, HashSet<OsString>> {
        self.durable_folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folders that packs are spread over are made on demand. One that is there may be the work of a process that has
    /// not come to its fsync, so in each session the names that were found are made durable once.
    fn ensure_folder_of_pack(&self, name: &ObjectName, path: &Path) -> Result<()> {
        let folder = parent(path);
        let Some(folder_name) = folder.file_name().filter(|_| name.kind() == ObjectKind::Pack) else { return Ok(()) };
        if self.durable_folders().contains(folder_name) {
            return Ok(());
        }
        let mut made_durable = vec![folder_name.to_owned()];
        let fail = |error| storage_error("put", name, error);
        match self.files.create_folder(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let found = self.files.list_folder(parent(folder)).map_err(fail)?;
                made_durable.extend(found.into_iter().map(|entry| entry.name));
            }
            Err(error) => return Err(fail(error)),
        }
        self.sync_folder_of("put", name, folder)?;
        self.durable_folders().extend(made_durable);
        Ok(())
    }

    /// A synchronised file with `bytes`, under a temporary name. Leaves none where it fails.
    ///
    /// The name has the object's in it, so that even a file system that gave one temporary name to two writers
    /// could not bring the bytes of one object under the name of another.
    fn write_temporary(&self, name: &ObjectName, bytes: &[u8]) -> Result<PathBuf> {
        let folder = self.root.join(TEMPORARIES);
        let mut folder_was_made = false;
        loop {
            let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{TEMPORARY_PREFIX}{}-{number}-{}", std::process::id(), name.leaf()));
            let error = match self.files.create_file(&path, bytes) {
                Ok(file) => match self.files.sync_file(file) {
                    Ok(()) => return Ok(path),
                    Err(error) => {
                        self.discard(&path);
                        return Err(self.poisoned("put", name, error));
                    }
                },
                Err(error) => error,
            };
            match error.kind() {
                ErrorKind::AlreadyExists => {}
                ErrorKind::NotFound if !folder_was_made => {
                    folder_was_made = true;
                    match self.files.create_folder(&folder) {
                        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                            return Err(storage_error("put", name, error));
                        }
                        _ => {}
                    }
                }
                _ => {
                    self.discard(&path);
                    return Err(storage_error("put", name, error));
                }
            }
        }
    }

    /// Removes a temporary file. Where that fails it is garbage that `sweep_temporaries` finds.
    fn discard(&self, temporary: &Path) {
        let _ = self.files.unlink(temporary);
    }

    /// Gives the temporary file its own name, unless that exists, and takes the temporary name away.
    fn publish(&self, temporary: &Path, path: &Path) -> io::Result<PutOutcome> {
        let linked = self.files.link(temporary, path);
        let published = match linked {
            Err(error) if links_are_not_permitted(&error) => self.files.rename_no_replace(temporary, path),
            other => {
                self.discard(temporary);
                return outcome(other);
            }
        };
        if published.is_err() {
            self.discard(temporary);
        }
        outcome(published)
    }

    /// What a read's error means. That the whole kind is missing is no news about one object: the disk may not be there.
    fn read_error(&self, action: &'static str, name: &ObjectName, error: io::Error) -> Error {
        if error.kind() != ErrorKind::NotFound {
            return storage_error(action, name, error);
        }
        match self.files.is_folder(&self.root.join(name.kind().folder())) {
            Ok(true) => not_found(name),
            Ok(false) => missing_folder(action, name.kind()),
            Err(error) => storage_error(action, name, error),
        }
    }

    /// Adds the objects of `kind` that stand directly in `folder`, a path below the root.
    fn list_objects(&self, kind: ObjectKind, folder: &str, listed: &mut Vec<Listed>) -> io::Result<()> {
        for entry in self.files.list_folder(&self.root.join(folder))? {
            let leaf = entry.name.to_str().filter(|_| entry.kind == FoundKind::File);
            let Some(name) = leaf.and_then(|leaf| ObjectName::new(kind, leaf)) else { continue };
            // A file in another folder than its name says would be listed and never found.
            if name.path() != format!("{folder}/{}", name.leaf()) {
                continue;
            }
            match self.files.length(&self.path(&name)) {
                Ok(size) => listed.push(Listed { name, size }),
                // Deleted since the folder was read.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl<F: FileSystem> Storage for LocalFolder<F> {
    fn put_if_absent(&self, name: &ObjectName, bytes: &[u8]) -> Result<PutOutcome> {
        self.refuse_if_poisoned("put", name)?;
        check_length(name, bytes.len())?;
        let path = self.path(name);
        self.ensure_folder_of_pack(name, &path)?;
        let outcome = match self.files.length(&path) {
            Ok(_) => PutOutcome::Existed,
            Err(_) => {
                let temporary = self.write_temporary(name, bytes)?;
                self.publish(&temporary, &path).map_err(|error| storage_error("put", name, error))?
            }
        };
        // For `Existed` too: whoever created it may not have come to this, and the caller will build on it.
        self.sync_folder_of("put", name, &path)?;
        Ok(outcome)
    }

    fn get(&self, name: &ObjectName) -> Result<Vec<u8>> {
        self.files.read(&self.path(name), length_limit(name.kind())).map_err(|error| match error.kind() {
            ErrorKind::FileTooLarge => too_long(name),
            ErrorKind::UnexpectedEof => Error::damaged(name, "it became shorter while it was read"),
            _ => self.read_error("get", name, error),
        })
    }

    fn get_range(&self, name: &ObjectName, offset: u64, len: usize) -> Result<Vec<u8>> {
        self.files.read_at(&self.path(name), offset, len).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => too_short(name, offset, len),
            _ => self.read_error("get", name, error),
        })
    }

    fn list(&self, kind: ObjectKind) -> Result<Vec<Listed>> {
        let mut listed = Vec::new();
        let folder = kind.folder();
        let fail = |folder: &str, error: io::Error| match error.kind() {
            // An empty list of a folder that is gone would let gc remove what its objects hold.
            ErrorKind::NotFound => missing_folder("list", kind),
            _ => storage_error("list", folder, error),
        };
        if kind != ObjectKind::Pack {
            self.list_objects(kind, folder, &mut listed).map_err(|error| fail(folder, error))?;
            return Ok(listed);
        }
        let spread = self.files.list_folder(&self.root.join(folder)).map_err(|error| fail(folder, error))?;
        for entry in spread.iter().filter(|entry| entry.kind == FoundKind::Folder) {
            let Some(part) = entry.name.to_str().filter(|part| part.len() == 2) else { continue };
            let below = format!("{folder}/{part}");
            self.list_objects(kind, &below, &mut listed).map_err(|error| fail(&below, error))?;
        }
        Ok(listed)
    }

    fn delete(&self, name: &ObjectName) -> Result<()> {
        self.refuse_if_poisoned("delete", name)?;
        let path = self.path(name);
        self.files.unlink(&path).map_err(|error| self.read_error("delete", name, error))?;
        self.sync_folder_of("delete", name, &path)
    }

    fn size(&self, name: &ObjectName) -> Result<u64> {
        self.files.length(&self.path(name)).map_err(|error| self.read_error("size", name, error))
    }

    fn location(&self) -> String {
        self.root.display().to_string()
    }
}

fn is_temporary(name: &OsString) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(TEMPORARY_PREFIX))
}

/// The folder that holds a path's name.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

fn outcome(published: io::Result<()>) -> io::Result<PutOutcome> {
    match published {
        Ok(()) => Ok(PutOutcome::Created),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(PutOutcome::Existed),
        Err(error) => Err(error),
    }
}

/// FAT and some network file systems have no hard links and say so in one of these ways.
fn links_are_not_permitted(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported)
}

fn missing_folder(action: &'static str, kind: ObjectKind) -> Error {
    let advice = "the folder is missing (is the disk mounted? create it only if it held nothing)";
    storage_error(action, kind.folder(), io::Error::new(ErrorKind::NotFound, advice))
}

/// Creates a folder, and those above it that are missing, so that a crash does not take them away.
fn create_folder_durably<F: FileSystem>(files: &F, path: &Path) -> io::Result<()> {
    let created = match files.create_folder(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && parent(path) != path => {
            create_folder_durably(files, parent(path))?;
            files.create_folder(path)
        }
        other => other,
    };
    match created {
        Ok(()) => files.sync_folder(parent(path)),
        // A folder that was there may have been made a moment ago by a `create` that was interrupted; where its parent may
        // not be read, it was made by somebody else.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => match files.sync_folder(parent(path)) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
            other => other,
        },
        Err(error) => Err(error),
    }
}
