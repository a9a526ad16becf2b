//! The place that is restored to: a name in a folder of the user's.

use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Stat, statat};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// A target's name may be this long in the names that are made of it, bytes: with what is put around it, it stays
/// under the 255 bytes that Linux allows.
const NAME_PART: usize = 180;

/// A name in a folder that is there.
pub(super) struct Target {
    /// The folder that it is in.
    pub(super) parent: Arc<File>,
    /// That folder's path.
    pub(super) parent_path: PathBuf,
    /// The name.
    pub(super) name: Box<[u8]>,
}

impl Target {
    /// The target at `path`. Links on the way there are followed, as the user wrote them; its last name is not.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let whole;
        let path = if path.file_name().is_some() {
            path
        } else {
            whole = std::fs::canonicalize(path).map_err(|error| Error::target(path, error))?;
            &whole
        };
        let name = path.file_name().ok_or_else(|| Error::Refused(format!("cannot restore over {}", path.display())))?;
        let parent_path = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let parent = File::open(&parent_path).map_err(|error| Error::target(&parent_path, error))?;
        Ok(Self { parent: Arc::new(parent), parent_path, name: name.as_bytes().into() })
    }

    /// Its path.
    pub(super) fn path(&self) -> PathBuf {
        self.parent_path.join(std::ffi::OsStr::from_bytes(&self.name))
    }

    /// The error for it.
    pub(super) fn error(&self, error: impl Into<io::Error>) -> Error {
        Error::target(self.path(), error.into())
    }

    /// What is there; `None` where nothing is.
    pub(super) fn stat(&self) -> Result<Option<Stat>> {
        match statat(&*self.parent, &*self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.error(error)),
        }
    }

    /// The name beside it that says `word`: `.<name>.<word>`.
    pub(super) fn beside(&self, word: &str) -> Box<[u8]> {
        let name = match self.name.get(..NAME_PART) {
            // Two long names may begin alike.
            Some(start) => [start, b"~", blake3::hash(&self.name).to_hex()[..16].as_bytes()].concat(),
            None => self.name.to_vec(),
        };
        [b".", name.as_slice(), b".", word.as_bytes()].concat().into()
    }

    /// The path of a name beside it.
    pub(super) fn path_beside(&self, name: &[u8]) -> PathBuf {
        self.parent_path.join(std::ffi::OsString::from_vec(name.to_vec()))
    }

    /// Makes what was done to the names in its folder durable.
    pub(super) fn sync_parent(&self) -> Result<()> {
        self.parent.sync_all().map_err(|error| Error::target(&self.parent_path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Target {
        Target::of(Path::new(path)).unwrap()
    }

    #[test]
    fn a_target_is_a_name_in_a_folder() {
        assert_eq!((target("/tmp/x/").path(), &*target("/tmp/x").name), (PathBuf::from("/tmp/x"), &b"x"[..]));
        assert_eq!(target("x").parent_path, PathBuf::from("."));
        assert_eq!(target("/tmp/.").path(), PathBuf::from("/tmp"));
        assert!(Target::of(Path::new("/")).is_err());
        assert!(Target::of(Path::new("/nowhere/at/all")).is_err());
    }

    #[test]
    fn names_beside_fit_and_differ() {
        let long = "/tmp/".to_string() + &"n".repeat(255);
        let other = "/tmp/".to_string() + &"n".repeat(254);
        assert_eq!(&*target("/tmp/pg").beside("word"), b".pg.word");
        assert!(target(&long).beside("snaphold-partial-00000000").len() <= 255);
        assert_ne!(target(&long).beside("word"), target(&other).beside("word"));
    }
}
