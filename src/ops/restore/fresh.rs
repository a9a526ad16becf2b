//! Restoring where nothing is: made beside the target under a name that says it is partial, made durable, renamed.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{
    AtFlags, FileType, FlockOperation, Mode, RenameFlags, flock, linkat, mkdirat, renameat, renameat_with, syncfs,
    unlinkat,
};
use rustix::io::Errno;

use crate::container::RelativePath;
use crate::error::{Error, Result};
use crate::format::tree::{Content, Entry, Metadata, Node};
use crate::ops::Progress;
use crate::ops::walk::Visited;
use crate::repo::Reader;

use super::attributes::Attributes;
use super::batch::{FileWork, Work};
use super::execute::{Executor, Mode as Doing};
use super::folders::{Folders, Named, TOP, open_folder};
use super::report::{RestoreReport, Tally};
use super::sink::{Spot, empty_folder, kind, names_in};
use super::target::Target;
use super::tree::{depth, entries};

/// Names that are tried for the staging folder.
const STAGING_NAMES: u32 = 1000;

/// Restores `entry` to `target`, where nothing is yet or an empty folder; otherwise [`Error::Refused`].
///
/// All of it is made in a staging folder beside the target (`.<name>.snaphold-partial-<hex>`; inside the target where
/// that is a mount point), synchronised with one `syncfs` of its file system, and renamed. On an error the staging
/// folder is removed; one that a killed process left is removed by the next restore to the same target.
pub fn restore_new(reader: &Reader, entry: &Entry, target: &Path, progress: &dyn Progress) -> Result<RestoreReport> {
    let target = Target::of(target)?;
    let is_folder = matches!(entry.node, Node::Directory { .. });
    if let Node::Unreadable { reason } = &entry.node {
        return Err(Error::Refused(format!("it could not be read when the snapshot was taken: {reason}")));
    }
    let found = empty_target(&target, is_folder)?;
    let mount = match &found {
        Some(folder) if device(&target, folder)? != device(&target, &target.parent)? => {
            Some(Arc::new(folder.try_clone().map_err(|error| target.error(error))?))
        }
        _ => None,
    };
    let staging = Staging::make(&target, mount)?;
    let done = fill(reader, entry, &target, &staging, progress).and_then(|report| {
        staging.commit(is_folder)?;
        Ok(report)
    });
    if done.is_err() {
        // The error that is told is the first one; what cannot be removed is named as partial.
        let _ = staging.remove();
    }
    done
}

/// The target where it is an empty folder; `None` where nothing is there.
fn empty_target(target: &Target, is_folder: bool) -> Result<Option<File>> {
    let Some(stat) = target.stat()? else { return Ok(None) };
    let path = target.path();
    if kind(&stat) == FileType::Symlink {
        let line = format!("{} is a symbolic link: name what it points to", path.display());
        return Err(Error::Refused(line));
    }
    if kind(&stat) != FileType::Directory || !is_folder {
        return Err(Error::Refused(format!("there is something at {} already", path.display())));
    }
    let folder = open_folder(&target.parent, &target.name).map_err(|error| target.error(error))?;
    if names_in(&folder).map_err(|error| target.error(error))?.is_empty() {
        return Ok(Some(folder));
    }
    Err(not_empty(target))
}

fn not_empty(target: &Target) -> Error {
    Error::Refused(format!("target not empty: {}", target.path().display()))
}

fn device(target: &Target, file: &File) -> Result<u64> {
    Ok(file.metadata().map_err(|error| target.error(error))?.dev())
}

/// A folder for what is not whole yet.
struct Staging<'t> {
    target: &'t Target,
    /// The folder that it stands in: the target's, or the target itself.
    home: Arc<File>,
    is_inside: bool,
    name: Box<[u8]>,
    /// Locked while it is filled, so that another process can tell it from one that was left.
    folder: File,
}

impl<'t> Staging<'t> {
    fn make(target: &'t Target, mount: Option<Arc<File>>) -> Result<Self> {
        let is_inside = mount.is_some();
        let home = mount.unwrap_or_else(|| target.parent.clone());
        for number in 0..STAGING_NAMES {
            let name = target.beside(&format!("snaphold-partial-{number:04x}"));
            if !remove_left_over(&home, &name) {
                continue;
            }
            match mkdirat(&*home, &*name, Mode::RWXU) {
                Ok(()) => {}
                Err(Errno::EXIST) => continue,
                Err(error) => return Err(Error::target(target.path_beside(&name), error.into())),
            }
            let opened = open_folder(&home, &name).map_err(|error| Error::target(target.path_beside(&name), error))?;
            if flock(&opened, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
                // Another process takes it for left over, and removes it.
                continue;
            }
            return Ok(Self { target, home, is_inside, name, folder: opened });
        }
        Err(Error::Busy(format!("too many restores to {} are under way", target.path().display())))
    }

    fn failed(&self, error: Errno) -> Error {
        Error::target(self.target.path_beside(&self.name), error.into())
    }

    fn remove(&self) -> Result<()> {
        let folders = Folders::new(self.home.clone(), self.target.parent_path.clone());
        Spot { folders: &folders, folder: TOP, name: &self.name }.remove()
    }

    /// Puts what was made in its place, durably.
    fn commit(&self, is_folder: bool) -> Result<()> {
        let target = self.target;
        syncfs(&self.folder).map_err(|error| self.failed(error))?;
        if self.is_inside {
            return self.move_up();
        }
        if !is_folder {
            self.publish_file()?;
            unlinkat(&*self.home, &*self.name, AtFlags::REMOVEDIR).map_err(|error| self.failed(error))?;
        } else {
            // Replaces nothing but an empty folder.
            match renameat(&*self.home, &*self.name, &*self.home, &*target.name) {
                Ok(()) => {}
                Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => return Err(not_empty(target)),
                Err(error) => return Err(target.error(error)),
            }
        }
        target.sync_parent()
    }

    fn publish_file(&self) -> Result<()> {
        let (target, name) = (self.target, &*self.target.name);
        let renamed = match renameat_with(&self.folder, name, &*self.home, name, RenameFlags::NOREPLACE) {
            // A file system without such a rename has links.
            Err(Errno::INVAL | Errno::NOSYS) => linkat(&self.folder, name, &*self.home, name, AtFlags::empty())
                .and_then(|()| unlinkat(&self.folder, name, AtFlags::empty())),
            renamed => renamed,
        };
        match renamed {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => {
                Err(Error::Refused(format!("there is something at {} already", target.path().display())))
            }
            Err(error) => Err(target.error(error)),
        }
    }

    /// Moves all that is in the staging folder into the target around it, which is another file system's root.
    fn move_up(&self) -> Result<()> {
        let target = self.target;
        let names = names_in(&self.folder).map_err(|error| target.error(error))?;
        for (done, name) in names.iter().enumerate() {
            if let Err(error) = renameat(&self.folder, &**name, &*self.home, &**name) {
                for name in names.iter().take(done) {
                    // Back to where it is removed with the rest.
                    let _ = renameat(&*self.home, &**name, &self.folder, &**name);
                }
                return Err(target.error(error));
            }
        }
        let metadata = self.folder.metadata().map_err(|error| target.error(error))?;
        unlinkat(&*self.home, &*self.name, AtFlags::REMOVEDIR).map_err(|error| self.failed(error))?;
        let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
        let wanted = Metadata {
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid(),
            gid: metadata.gid(),
            mtime_ns: seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds),
            xattrs: Vec::new(),
        };
        let folders = Folders::new(target.parent.clone(), target.parent_path.clone());
        let spot = Spot { folders: &folders, folder: TOP, name: &target.name };
        Attributes::new(&crate::ops::Silent).set(&spot, &self.home, &wanted, false)?;
        self.home.sync_all().map_err(|error| target.error(error))
    }
}

/// Removes a staging folder that no process fills any more. Returns whether the name is free.
fn remove_left_over(home: &Arc<File>, name: &[u8]) -> bool {
    let folders = Folders::new(home.clone(), Default::default());
    let spot = Spot { folders: &folders, folder: TOP, name };
    match spot.stat() {
        Ok(None) => return true,
        Ok(Some(stat)) if kind(&stat) == FileType::Directory => {}
        _ => return false,
    }
    let Ok(folder) = open_folder(home, name) else { return false };
    flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok()
        && empty_folder(&folder).is_ok()
        && unlinkat(&**home, name, AtFlags::REMOVEDIR).is_ok()
}

fn fill(
    reader: &Reader,
    entry: &Entry,
    target: &Target,
    staging: &Staging<'_>,
    progress: &dyn Progress,
) -> Result<RestoreReport> {
    let folders = Folders::new(staging.home.clone(), target.parent_path.clone());
    let attributes = Attributes::new(progress);
    attributes.strip_inherited(&staging.folder);
    let staging_folder = folders.add(TOP, &staging.name);
    let bytes = match &entry.node {
        Node::Directory { summary, .. } => summary.bytes,
        Node::File { content, .. } => content.len(),
        _ => 0,
    };
    progress.stage("restore", Some(bytes));
    let mut tree = NewTree {
        entries: entries(reader, entry.clone()),
        folders: &folders,
        attributes: &attributes,
        root_name: &target.name,
        path: vec![staging_folder],
        made: Vec::new(),
        groups: HashMap::new(),
        report: RestoreReport::default(),
    };
    let mode = Doing::Write { exact: false };
    let executor = Executor {
        reader,
        folders: &folders,
        attributes: &attributes,
        progress,
        mode,
        tally: Tally::default(),
        patches: None,
    };
    executor.run(&mut || tree.next_work())?;
    let NewTree { made, mut report, .. } = tree;
    executor.finish_folders(made)?;
    executor.tally.fill(&mut report);
    Ok(report)
}

/// Walks the snapshot's tree, makes its folders on the way, and gives the work for all else.
struct NewTree<'a, I> {
    entries: I,
    folders: &'a Folders,
    attributes: &'a Attributes<'a>,
    root_name: &'a [u8],
    /// The folders from the staging folder to where the walk is.
    path: Vec<u32>,
    made: Vec<(u32, Metadata)>,
    /// The first name of each file that has several.
    groups: HashMap<u64, Named>,
    report: RestoreReport,
}

impl<I: Iterator<Item = Result<Visited>>> NewTree<'_, I> {
    fn next_work(&mut self) -> Result<Option<Work>> {
        while let Some((path, entry)) = self.entries.next().transpose()? {
            let depth = depth(&path);
            // What stands at depth n is in the folder of depth n − 1; the staging folder is the root, or holds it.
            self.path.truncate(depth.max(1));
            let Some(&folder) = self.path.last() else { return Ok(None) };
            let Entry { name, metadata, node } = entry;
            let name: Box<[u8]> = if depth == 0 { self.root_name.into() } else { name.into() };
            match node {
                Node::Directory { .. } if depth == 0 => self.made.push((folder, metadata)),
                Node::Directory { .. } => {
                    let number = self.folders.add(folder, &name);
                    self.folders.create(number)?;
                    self.path.push(number);
                    self.made.push((number, metadata));
                    self.report.directories += 1;
                }
                Node::File { content, link_group, .. } => {
                    return Ok(Some(self.file(folder, name, metadata, content, link_group)));
                }
                Node::Unreadable { reason } => {
                    self.attributes.tell_once(path.to_string(), || missing(&path, &reason));
                }
                node => {
                    self.report.others += 1;
                    return Ok(Some(Work::Other { folder, name, metadata, node }));
                }
            }
        }
        Ok(None)
    }

    fn file(
        &mut self,
        folder: u32,
        name: Box<[u8]>,
        metadata: Metadata,
        content: Content,
        link_group: Option<u64>,
    ) -> Work {
        self.report.files += 1;
        if let Some(group) = link_group {
            if let Some(first) = self.groups.get(&group) {
                return Work::Link { folder, name, to: first.clone() };
            }
            self.groups.insert(group, (folder, name.clone()));
        }
        self.report.files_changed += 1;
        self.report.bytes_total = self.report.bytes_total.saturating_add(content.len());
        Work::File(FileWork::new(folder, name, metadata, content))
    }
}

/// What is told of an entry that the snapshot has not.
pub(super) fn missing(path: &RelativePath, reason: &str) -> String {
    format!("{path} is not in the snapshot: it could not be read when that was taken ({reason})")
}
