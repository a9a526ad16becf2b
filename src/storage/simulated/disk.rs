//! What is on the simulated disk: what programs see, what is durable, and what is still under way.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::storage::seeded::Seeded;

/// Which synchronisations are taken away, for negative controls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Dropped {
    /// None.
    #[default]
    Nothing,
    /// Those of files.
    Files,
    /// Those of all folders.
    Folders,
    /// Those of one folder.
    Folder(PathBuf),
}

/// A file or folder, by number.
pub(super) type Node = u64;

/// The folder `/`, which always exists.
pub(super) const ROOT: Node = 0;

/// Bytes that a disk writes at once: a torn file is whole in each of them or lost.
pub(super) const SECTOR: usize = 512;

#[derive(Debug, Clone, Default)]
pub(super) struct FolderNode {
    pub(super) names: BTreeMap<OsString, Node>,
    pub(super) durable: BTreeMap<OsString, Node>,
    /// What was changed since the last synchronisation: a name, and what it stands for now.
    pub(super) pending: Vec<(OsString, Option<Node>)>,
}

impl FolderNode {
    pub(super) fn set(&mut self, name: &OsStr, node: Option<Node>) {
        match node {
            Some(node) => self.names.insert(name.to_owned(), node),
            None => self.names.remove(name),
        };
        self.pending.push((name.to_owned(), node));
    }

    pub(super) fn after_crash(&self, seeded: &mut Seeded) -> BTreeMap<OsString, Node> {
        let mut names = self.durable.clone();
        for (name, node) in self.pending.iter().filter(|_| seeded.coin()) {
            match node {
                Some(node) => names.insert(name.clone(), *node),
                None => names.remove(name),
            };
        }
        names
    }
}

#[derive(Debug, Clone)]
pub(super) enum Stored {
    File { bytes: Arc<[u8]>, durable: bool },
    Folder(FolderNode),
}

#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) nodes: BTreeMap<Node, Stored>,
    pub(super) next: Node,
    pub(super) changes: u64,
    pub(super) stop_after: Option<u64>,
    pub(super) fail_change: Option<(u64, ErrorKind)>,
    pub(super) dropped: Dropped,
    pub(super) links_refused: bool,
    pub(super) unreadable: Option<PathBuf>,
}

impl Disk {
    pub(super) fn add(&mut self, stored: Stored) -> Node {
        let node = self.next;
        self.next += 1;
        self.nodes.insert(node, stored);
        node
    }

    pub(super) fn powered(&self) -> io::Result<()> {
        match self.stop_after {
            Some(last) if self.changes > last => Err(io::Error::other("the power has gone (simulated)")),
            _ => Ok(()),
        }
    }

    /// Counts a change, and fails it where that was asked for.
    pub(super) fn change(&mut self) -> io::Result<()> {
        self.changes += 1;
        self.powered()?;
        match self.fail_change {
            Some((number, kind)) if number == self.changes => Err(io::Error::new(kind, "it failed (simulated)")),
            _ => Ok(()),
        }
    }

    pub(super) fn folder(&self, path: &Path) -> io::Result<(Node, &FolderNode)> {
        self.powered()?;
        let node = self.find(path)?;
        match self.nodes.get(&node) {
            Some(Stored::Folder(folder)) => Ok((node, folder)),
            _ => Err(ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<Node> {
        let mut node = ROOT;
        for part in path.strip_prefix("/").map_err(|_| io::Error::from(ErrorKind::InvalidInput))? {
            let Some(Stored::Folder(folder)) = self.nodes.get(&node) else {
                return Err(ErrorKind::NotADirectory.into());
            };
            node = *folder.names.get(part).ok_or(ErrorKind::NotFound)?;
        }
        Ok(node)
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<Arc<[u8]>> {
        self.powered()?;
        match self.nodes.get(&self.find(path)?) {
            Some(Stored::File { bytes, .. }) => Ok(Arc::clone(bytes)),
            _ => Err(ErrorKind::IsADirectory.into()),
        }
    }

    pub(super) fn set(&mut self, path: &Path, node: Option<Node>) -> io::Result<()> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(ErrorKind::InvalidInput.into());
        };
        let parent = self.find(parent)?;
        match self.nodes.get_mut(&parent) {
            Some(Stored::Folder(folder)) => folder.set(name, node),
            _ => return Err(ErrorKind::NotADirectory.into()),
        }
        Ok(())
    }

    pub(super) fn must_be_absent(&self, path: &Path) -> io::Result<()> {
        match self.find(path) {
            Ok(_) => Err(ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn drops_folder(&self, path: &Path) -> bool {
        match &self.dropped {
            Dropped::Folders => true,
            Dropped::Folder(dropped) => dropped == path,
            Dropped::Nothing | Dropped::Files => false,
        }
    }
}

/// What may be left of bytes that were not synchronised: none, a part from the beginning, all with sectors of zeros, the
/// length alone, or everything.
pub(super) fn torn(bytes: &[u8], seeded: &mut Seeded) -> Arc<[u8]> {
    let cut = seeded.below(bytes.len());
    match seeded.below(5) {
        0 => [].into(),
        1 => bytes.iter().copied().take(cut).collect(),
        2 => {
            let mut left = bytes.to_vec();
            left.chunks_mut(SECTOR).filter(|_| seeded.coin()).for_each(|sector| sector.fill(0));
            left.into()
        }
        3 => vec![0; bytes.len()].into(),
        _ => bytes.into(),
    }
}
