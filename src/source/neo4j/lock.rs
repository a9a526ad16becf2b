//! The lock that Neo4j holds on a database while it uses it: a POSIX lock on a file in the database's folder.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::process::{Flock, FlockType, fcntl_getlk};

use crate::error::{Error, Result};

/// In each database's folder: locked by the server that has the database open, and by `neo4j-admin`.
pub const DATABASE_LOCK: &str = "database_lock";
/// In the folder of all databases: locked by a server that runs.
pub const STORE_LOCK: &str = "store_lock";

/// Which process holds the lock on a file; `None`: nobody, or the file is not there. Asks only, and takes nothing.
pub fn holder(file: &Path) -> Result<Option<u32>> {
    let failed = |error: io::Error| Error::source(file, error);
    let open = match File::open(file) {
        Ok(open) => open,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let held = fcntl_getlk(&open, &Flock::from(FlockType::WriteLock)).map_err(|error| failed(error.into()))?;
    // A holder on another machine, or in another container, has no number here.
    Ok(held.map(|lock| lock.pid.map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs())))
}

/// A database's lock, held as Neo4j's own tool holds it while it dumps. It goes when this is dropped, or the process ends.
pub struct Held {
    _file: File,
}

/// Takes the lock on a file. `None` where the file is not there or this process may not write it: Neo4j must be able to
/// lock a file that it finds, so none is made. Held by somebody else: [`Error::Busy`].
pub fn take(file: &Path) -> Result<Option<Held>> {
    let open = match OpenOptions::new().write(true).open(file) {
        Ok(open) => open,
        Err(error) => {
            return match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    Ok(None)
                }
                _ => Err(Error::source(file, error)),
            };
        }
    };
    match fcntl_lock(&open, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(Held { _file: open })),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => {
            Err(Error::Busy(format!("Neo4j has opened the database in {} just now", file.display())))
        }
        // A file system without locks: then Neo4j has none there either.
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_locked_has_no_holder_and_can_be_taken() {
        let dir = tempfile::Builder::new().tempdir().unwrap();
        let file = dir.path().join(DATABASE_LOCK);
        assert_eq!(holder(&file).unwrap(), None);
        assert!(take(&file).unwrap().is_none());
        assert!(!file.exists());
        File::create(&file).unwrap();
        assert_eq!(holder(&file).unwrap(), None);
        assert!(take(&file).unwrap().is_some());
    }
}
