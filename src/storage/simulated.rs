//! A file system in memory that forgets what a disk may forget when the power goes.
//!
//! Two things become durable by themselves never: the bytes of a file (only by `sync_file`), and the names in a folder
//! (only by `sync_folder` of that folder). A crash decides by a seed about all that was not made durable: bytes are
//! lost, torn or kept; each change of a name is lost or kept whatever became of earlier ones, but for changes of the same
//! name, which keep their order. So a name may outlive the bytes, and a later change an earlier one.

mod disk;

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::files::{FileSystem, Found, FoundKind};
use super::seeded::Seeded;
pub use disk::Dropped;
use disk::{Disk, FolderNode, Node, Stored, torn};

/// The simulated file system. Clones are the same disk; [`SimulatedFiles::crash`] makes another one.
#[derive(Debug, Clone)]
pub struct SimulatedFiles {
    disk: Arc<Mutex<Disk>>,
}

impl Default for SimulatedFiles {
    fn default() -> Self {
        Self::new()
    }
}

impl SimulatedFiles {
    /// An empty disk: there is the folder `/`, and nothing in it.
    pub fn new() -> Self {
        let mut disk = Disk::default();
        disk.add(Stored::Folder(FolderNode::default()));
        Self { disk: Arc::new(Mutex::new(disk)) }
    }

    /// The disk as it may be found after the power goes at this moment, one possibility for each seed. This disk goes on as
    /// if nothing had happened; the other one has no faults planned.
    pub fn crash(&self, seed: u64) -> SimulatedFiles {
        let disk = self.disk();
        let mut seeded = Seeded::new(seed);
        let nodes = disk.nodes.iter().map(|(node, stored)| {
            let left = match stored {
                Stored::File { bytes, durable: true } => Stored::File { bytes: Arc::clone(bytes), durable: true },
                Stored::File { bytes, .. } => Stored::File { bytes: torn(bytes, &mut seeded), durable: true },
                Stored::Folder(folder) => {
                    let names = folder.after_crash(&mut seeded);
                    Stored::Folder(FolderNode { durable: names.clone(), names, pending: Vec::new() })
                }
            };
            (*node, left)
        });
        let image = Disk { nodes: nodes.collect(), next: disk.next, ..Disk::default() };
        Self { disk: Arc::new(Mutex::new(image)) }
    }

    /// Lets `n` changes happen, counted since the disk was made, and every call after them fail with nothing done, as if
    /// the power had gone.
    pub fn stop_after(&self, n: u64) {
        self.disk().stop_after = Some(n);
    }

    /// Lets change number `n` (counted from 1; 0 for none) fail once, with an error of `kind`. A file whose creation fails is left with
    /// half of its bytes; of a synchronisation that fails nothing is made durable.
    pub fn fail_change(&self, n: u64, kind: ErrorKind) {
        self.disk().fail_change = Some((n, kind));
    }

    /// Lets synchronisations say they succeeded with nothing done.
    pub fn drop_syncs(&self, dropped: Dropped) {
        self.disk().dropped = dropped;
    }

    /// Lets `link` be refused, as a file system without hard links does.
    pub fn refuse_links(&self) {
        self.disk().links_refused = true;
    }

    /// Lets the listing of one folder fail.
    pub fn make_unreadable(&self, folder: impl Into<PathBuf>) {
        self.disk().unreadable = Some(folder.into());
    }

    /// How many changes there were: creations, synchronisations, links, renames and removals, failed ones too.
    pub fn changes(&self) -> u64 {
        self.disk().changes
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FileSystem for SimulatedFiles {
    type Written = Node;

    fn create_file(&self, path: &Path, bytes: &[u8]) -> io::Result<Node> {
        let mut disk = self.disk();
        let changed = disk.change();
        disk.powered()?;
        disk.must_be_absent(path)?;
        let kept = if changed.is_err() { bytes.len() / 2 } else { bytes.len() };
        let bytes = bytes.iter().copied().take(kept).collect();
        let node = disk.add(Stored::File { bytes, durable: false });
        disk.set(path, Some(node))?;
        changed.map(|()| node)
    }

    fn sync_file(&self, file: Node) -> io::Result<()> {
        let mut disk = self.disk();
        disk.change()?;
        let drops = disk.dropped == Dropped::Files;
        if let Some(Stored::File { durable, .. }) = disk.nodes.get_mut(&file) {
            *durable |= !drops;
        }
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.change()?;
        if disk.links_refused {
            return Err(ErrorKind::PermissionDenied.into());
        }
        let node = disk.find(from)?;
        disk.must_be_absent(to)?;
        disk.set(to, Some(node))
    }

    fn rename_no_replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.change()?;
        let node = disk.find(from)?;
        disk.must_be_absent(to)?;
        disk.set(to, Some(node))?;
        disk.set(from, None)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.change()?;
        disk.file(path)?;
        disk.set(path, None)
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.change()?;
        disk.must_be_absent(path)?;
        let node = disk.add(Stored::Folder(FolderNode::default()));
        disk.set(path, Some(node))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.change()?;
        let (node, _) = disk.folder(path)?;
        let drops = disk.drops_folder(path);
        if let Some(Stored::Folder(folder)) = disk.nodes.get_mut(&node).filter(|_| !drops) {
            folder.durable = folder.names.clone();
            folder.pending.clear();
        }
        Ok(())
    }

    fn read(&self, path: &Path, most: usize) -> io::Result<Vec<u8>> {
        let bytes = self.disk().file(path)?;
        if bytes.len() > most {
            return Err(ErrorKind::FileTooLarge.into());
        }
        Ok(bytes.to_vec())
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let bytes = self.disk().file(path)?;
        let start = usize::try_from(offset).ok();
        let range = start.and_then(|start| bytes.get(start..start.checked_add(len)?));
        range.map(<[u8]>::to_vec).ok_or(ErrorKind::UnexpectedEof.into())
    }

    fn list_folder(&self, path: &Path) -> io::Result<Vec<Found>> {
        let disk = self.disk();
        if disk.unreadable.as_deref() == Some(path) {
            return Err(io::Error::other("input/output error (simulated)"));
        }
        let (_, folder) = disk.folder(path)?;
        let found = folder.names.iter().map(|(name, node)| {
            let kind = match disk.nodes.get(node) {
                Some(Stored::File { .. }) => FoundKind::File,
                Some(Stored::Folder(_)) => FoundKind::Folder,
                None => FoundKind::Other,
            };
            Found { name: name.clone(), kind }
        });
        Ok(found.collect())
    }

    fn is_folder(&self, path: &Path) -> io::Result<bool> {
        match self.disk().folder(path) {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        Ok(self.disk().file(path)?.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEDS: u64 = 200;

    fn contents_after_crash(files: &SimulatedFiles, path: &str) -> std::collections::BTreeSet<Option<Vec<u8>>> {
        (0..SEEDS).map(|seed| files.crash(seed).read(Path::new(path), usize::MAX).ok()).collect()
    }

    #[test]
    fn bytes_and_name_are_lost_each_by_itself() {
        let (files, path) = (SimulatedFiles::new(), Path::new("/a"));
        let file = files.create_file(path, b"bytes").unwrap();
        files.sync_folder(Path::new("/")).unwrap();
        let only_the_name = contents_after_crash(&files, "/a");
        assert!(!only_the_name.contains(&None) && only_the_name.len() > 3, "{only_the_name:?}");
        files.sync_file(file).unwrap();
        assert_eq!(contents_after_crash(&files, "/a"), [Some(b"bytes".to_vec())].into());

        let file = files.create_file(Path::new("/b"), b"bytes").unwrap();
        files.sync_file(file).unwrap();
        assert_eq!(contents_after_crash(&files, "/b"), [None, Some(b"bytes".to_vec())].into());
    }

    #[test]
    fn a_later_change_may_outlive_an_earlier_one() {
        let files = SimulatedFiles::new();
        for path in ["/a", "/b"] {
            files.create_file(Path::new(path), b"").unwrap();
        }
        let reordered = (0..SEEDS)
            .map(|seed| files.crash(seed))
            .any(|image| image.length(Path::new("/a")).is_err() && image.length(Path::new("/b")).is_ok());
        assert!(reordered);
    }

    #[test]
    fn a_folder_takes_what_is_in_it_along() {
        let files = SimulatedFiles::new();
        files.create_folder(Path::new("/f")).unwrap();
        let file = files.create_file(Path::new("/f/a"), b"x").unwrap();
        files.sync_file(file).unwrap();
        files.sync_folder(Path::new("/f")).unwrap();
        assert_eq!(contents_after_crash(&files, "/f/a"), [None, Some(b"x".to_vec())].into());
        files.sync_folder(Path::new("/")).unwrap();
        assert_eq!(contents_after_crash(&files, "/f/a"), [Some(b"x".to_vec())].into());
    }

    #[test]
    fn when_the_power_has_gone_nothing_answers_and_nothing_changes() {
        let files = SimulatedFiles::new();
        files.stop_after(1);
        files.create_file(Path::new("/a"), b"x").unwrap();
        assert_eq!(files.read(Path::new("/a"), 1).unwrap(), b"x");
        assert!(files.create_file(Path::new("/b"), b"x").is_err());
        assert!(files.read(Path::new("/a"), 1).is_err() && files.list_folder(Path::new("/")).is_err());
        assert!((0..SEEDS).all(|seed| files.crash(seed).length(Path::new("/b")).is_err()));
    }
}
