//! The mark of a restore in place that is not complete: a file beside the target.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, openat, unlinkat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::limits;

use super::target::Target;

const WORD: &str = "snaphold-restore";

/// What a restore in place is of, and when it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The snapshot's id, as text.
    pub snapshot: String,
    /// When the restore began.
    pub started_at: jiff::Timestamp,
}

/// The snapshot whose restore over `target` was begun and not completed, as text; `None` where there is no such mark.
///
/// Such a folder is a mixture of two states: a snapshot of it must be refused, and restoring again completes it.
pub fn incomplete_restore(target: &Path) -> Result<Option<String>> {
    let target = match Target::of(target) {
        Ok(target) => target,
        Err(Error::Target { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        // The root of a file system has nothing beside it.
        Err(Error::Refused(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let name = target.beside(WORD);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match openat(&*target.parent, &*name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(Error::target(target.path_beside(&name), error.into())),
    };
    let mut text = Vec::new();
    let read = file.take(limits::SMALL_OBJECT_MAX as u64).read_to_end(&mut text);
    read.map_err(|error| Error::target(target.path_beside(&name), error))?;
    // A mark that cannot be read is one all the same.
    let mark = serde_json::from_slice::<Mark>(&text);
    Ok(Some(mark.map_or_else(|_| "an unknown snapshot".into(), |mark| mark.snapshot)))
}

/// A mark that stands, and is this process's own.
pub(super) struct Journal<'t> {
    target: &'t Target,
    name: Box<[u8]>,
    /// Locked while the restore runs.
    _file: File,
}

impl<'t> Journal<'t> {
    /// Sets the mark, durably. One that an earlier restore left is taken over.
    pub(super) fn begin(target: &'t Target, mark: &Mark) -> Result<Self> {
        let name = target.beside(WORD);
        let failed = |error: std::io::Error| Error::target(target.path_beside(&name), error);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
        let mut file = File::from(openat(&*target.parent, &*name, flags, mode).map_err(|error| failed(error.into()))?);
        // Where there are no locks, two restores at once are the user's to avoid.
        if let Err(Errno::WOULDBLOCK) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            let path = target.path();
            return Err(Error::Busy(format!("another process is restoring over {}", path.display())));
        }
        let text = serde_json::to_vec(mark).map_err(|error| failed(error.into()))?;
        file.set_len(0).and_then(|()| file.write_all(&text)).and_then(|()| file.sync_all()).map_err(failed)?;
        target.sync_parent()?;
        Ok(Self { target, name, _file: file })
    }

    /// Takes the mark away, durably: the restore is complete.
    pub(super) fn finish(self) -> Result<()> {
        match unlinkat(&*self.target.parent, &*self.name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => self.target.sync_parent(),
            Err(error) => Err(Error::target(self.target.path_beside(&self.name), error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark() -> Mark {
        Mark { snapshot: "0123456789abcdef".into(), started_at: jiff::Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn a_mark_stands_until_it_is_finished() {
        let dir = tempfile::Builder::new().tempdir().unwrap();
        let path = dir.path().join("data");
        let target = Target::of(&path).unwrap();
        assert_eq!(incomplete_restore(&path).unwrap(), None);
        drop(Journal::begin(&target, &mark()).unwrap());
        assert_eq!(incomplete_restore(&path).unwrap().as_deref(), Some("0123456789abcdef"));
        let taken_over = Journal::begin(&target, &mark()).unwrap();
        assert!(matches!(Journal::begin(&target, &mark()), Err(Error::Busy(_))));
        taken_over.finish().unwrap();
        assert_eq!(incomplete_restore(&path).unwrap(), None);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_mark_that_is_cut_short_is_a_mark() {
        let dir = tempfile::Builder::new().tempdir().unwrap();
        std::fs::write(dir.path().join(".data.snaphold-restore"), b"{\"snap").unwrap();
        assert!(incomplete_restore(&dir.path().join("data")).unwrap().is_some());
        assert_eq!(incomplete_restore(Path::new("/nowhere/at/all")).unwrap(), None);
        assert_eq!(incomplete_restore(Path::new("/")).unwrap(), None);
    }
}
