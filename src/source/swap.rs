//! Exchanging a server's data folder for another one, so that at every moment one of the two is whole at its place.
//!
//! The new folder is made beside the place. Where both are there, one system call exchanges them; where nothing is at
//! the place, a rename puts it there. The old folder keeps a name beside it until the restore is finished.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::error::{Error, Result};

use super::kind::Attempt;
use super::open_file::remove_file;

/// A file in the staged folder that says whose it is: it is taken out by the last step, and tells after a crash which
/// of two folders is the new one.
const MARK: &str = ".snaphold-restore";

/// The exchange of one folder by one restore.
pub struct FolderSwap {
    place: PathBuf,
    staged: PathBuf,
    id: String,
}

impl FolderSwap {
    /// The exchange of `place`.
    pub fn new(place: &Path, attempt: &Attempt) -> Result<Self> {
        let refused = || Error::Refused(format!("{} cannot be exchanged for another folder", place.display()));
        let name = place.file_name().ok_or_else(refused)?.to_string_lossy().into_owned();
        // The folder itself is exchanged, not a link to it.
        let place = fs::canonicalize(place).unwrap_or_else(|_| place.to_path_buf());
        let staged = place.parent().ok_or_else(refused)?.join(format!(".{name}.snaphold-{}", attempt.id));
        Ok(Self { place, staged, id: attempt.id.clone() })
    }

    /// Where the new folder is made. Until the exchange.
    pub fn staged(&self) -> &Path {
        &self.staged
    }

    /// The place itself.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Removes what an earlier try left at [`FolderSwap::staged`], and makes sure of the folder above.
    pub fn clear(&self) -> Result<()> {
        remove_staged(&self.staged)?;
        let above = self.place.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(above).map_err(|error| Error::target(above, error))
    }

    /// Marks the staged folder as complete.
    pub fn complete(&self) -> Result<()> {
        let mark = self.staged.join(MARK);
        fs::write(&mark, &self.id).map_err(|error| Error::target(&mark, error))?;
        File::open(&mark).and_then(|file| file.sync_all()).map_err(|error| Error::target(&mark, error))?;
        sync(&self.staged)
    }

    /// Whether the new folder is at the place.
    pub fn is_swapped(&self) -> bool {
        fs::read_to_string(self.place.join(MARK)).is_ok_and(|id| id == self.id)
    }

    /// Puts the new folder in the place. The server must not run. May be done again.
    pub fn swap(&self) -> Result<()> {
        if self.is_swapped() {
            return Ok(());
        }
        self.exchange()
    }

    /// Puts the old folder back and removes the new one. The server must not run. May be done again.
    pub fn revert(&self) -> Result<()> {
        if self.is_swapped() {
            match self.staged.exists() {
                true => self.exchange()?,
                false => remove(&self.place)?,
            }
        }
        remove_staged(&self.staged)
    }

    /// Removes the old folder. May be done again.
    pub fn finish(&self) -> Result<()> {
        remove(&self.staged)?;
        remove_file(&self.place.join(MARK))?;
        sync(&self.place)
    }

    fn exchange(&self) -> Result<()> {
        let flags = if self.place.exists() { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE };
        renameat_with(CWD, &self.staged, CWD, &self.place, flags).map_err(|error| {
            let place = self.place.display();
            match error {
                Errno::BUSY | Errno::XDEV => Error::Refused(format!(
                    "{place} is a mount point, so no other folder can take its place; keep the data in a folder below it"
                )),
                error => Error::target(&self.place, error.into()),
            }
        })?;
        sync(self.place.parent().unwrap_or(Path::new("/")))
    }
}

/// Removes the staged folder, and what a restore into it that was killed has left beside it.
fn remove_staged(staged: &Path) -> Result<()> {
    let (Some(above), Some(name)) = (staged.parent(), staged.file_name()) else { return Ok(()) };
    let partial = format!(".{}.snaphold-partial-", name.to_string_lossy());
    let entries = match fs::read_dir(above) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::target(above, error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| Error::target(above, error))?;
        if entry.file_name().to_string_lossy().starts_with(&partial) {
            remove(&entry.path())?;
        }
    }
    remove(staged)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::target(path, error)),
        _ => Ok(()),
    }
}

fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| Error::target(folder, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn swap_of(place: &Path) -> FolderSwap {
        let attempt = Attempt { id: "0123abcd".into(), of: "latest".into(), started_at: jiff::Timestamp::UNIX_EPOCH };
        FolderSwap::new(place, &attempt).unwrap()
    }

    fn stage(swap: &FolderSwap, text: &str) {
        swap.clear().unwrap();
        fs::create_dir(swap.staged()).unwrap();
        fs::write(swap.staged().join("data"), text).unwrap();
        swap.complete().unwrap();
    }

    #[test]
    fn the_new_folder_takes_the_place_and_the_old_one_comes_back() {
        let dir = tempfile::Builder::new().tempdir().unwrap();
        let place = dir.path().join("data");
        fs::create_dir(&place).unwrap();
        fs::write(place.join("data"), "old").unwrap();
        let read = || fs::read_to_string(place.join("data")).unwrap();
        let swap = swap_of(&place);
        for _ in 0..2 {
            stage(&swap, "new");
            assert_eq!(read(), "old");
            swap.swap().unwrap();
            swap.swap().unwrap();
            assert_eq!(read(), "new");
            swap.revert().unwrap();
            swap.revert().unwrap();
            assert_eq!(read(), "old");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
            // A restore into the staged folder that was killed leaves its own beside it.
            fs::create_dir(dir.path().join("..data.snaphold-0123abcd.snaphold-partial-77")).unwrap();
            swap.revert().unwrap();
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        }
        stage(&swap, "new");
        swap.swap().unwrap();
        swap.finish().unwrap();
        swap.finish().unwrap();
        assert_eq!(read(), "new");
        assert_eq!(fs::read_dir(&place).unwrap().count(), 1);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_place_that_was_empty_is_so_again() {
        let dir = tempfile::Builder::new().tempdir().unwrap();
        let place = dir.path().join("data");
        let swap = swap_of(&place);
        stage(&swap, "new");
        swap.swap().unwrap();
        assert!(swap.is_swapped() && place.join("data").exists());
        swap.revert().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
