//! Going through the snapshot's tree and the target's side by side, and deciding what becomes of each entry.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::unix::fs::MetadataExt;

use rustix::fs::{FileType, Stat, makedev};

use crate::container::RelativePath;
use crate::error::{Error, Result};
use crate::format::tree::{Content, Entry, Metadata, Node};
use crate::ops::Progress;
use crate::repo::Reader;

use super::attributes::Attributes;
use super::batch::{FileWork, How, Work};
use super::compare::{Candidate, Compared, compare};
use super::folders::{Folders, Named, TOP};
use super::fresh::missing;
use super::report::RestoreReport;
use super::sink::{Spot, kind, names_in};
use super::target::Target;
use super::tree::{depth, entries};

/// Files that are compared side by side at most, and their bytes.
const CANDIDATES_MAX: usize = 8 * 1024;
const CANDIDATE_BYTES_MAX: u64 = 4 << 30;

/// A folder of the snapshot.
pub(super) struct TreeFolder {
    pub(super) number: u32,
    pub(super) metadata: Metadata,
    pub(super) is_new: bool,
    pub(super) metadata_is_set: bool,
}

/// What was found out.
pub(super) struct Found {
    pub(super) removals: Vec<Named>,
    pub(super) tree: Vec<TreeFolder>,
    pub(super) works: Vec<Work>,
    pub(super) file_systems: HashMap<u64, u32>,
    pub(super) report: RestoreReport,
}

/// A folder on the way to where the walk is.
struct Level {
    number: u32,
    /// Names in the target's folder that the snapshot's was not seen to have; `None` where the folder is not there.
    names: Option<HashSet<Box<[u8]>>>,
}

/// A file of the snapshot that has several names.
struct Group {
    metadata: Metadata,
    content: Content,
    members: Vec<Member>,
}

struct Member {
    folder: u32,
    name: Box<[u8]>,
    found: Option<Stat>,
}

/// Decides, entry by entry.
pub(super) struct Planner<'a> {
    reader: &'a Reader,
    folders: &'a Folders,
    attributes: &'a Attributes<'a>,
    progress: &'a dyn Progress,
    levels: Vec<Level>,
    removals: Vec<Named>,
    tree: Vec<TreeFolder>,
    works: Vec<Work>,
    links: Vec<Work>,
    candidates: Vec<(Candidate, Vec<Named>)>,
    candidate_bytes: u64,
    groups: BTreeMap<u64, Group>,
    file_systems: HashMap<u64, u32>,
    report: RestoreReport,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        reader: &'a Reader,
        folders: &'a Folders,
        attributes: &'a Attributes<'a>,
        progress: &'a dyn Progress,
    ) -> Self {
        Self {
            reader,
            folders,
            attributes,
            progress,
            levels: Vec::new(),
            removals: Vec::new(),
            tree: Vec::new(),
            works: Vec::new(),
            links: Vec::new(),
            candidates: Vec::new(),
            candidate_bytes: 0,
            groups: BTreeMap::new(),
            file_systems: HashMap::new(),
            report: RestoreReport::default(),
        }
    }

    pub(super) fn plan(mut self, entry: &Entry, target: &Target) -> Result<Found> {
        let found = target.stat()?;
        refuse_other_kind(entry, target, found.as_ref())?;
        for visited in entries(self.reader, entry.clone()) {
            self.progress.go_on()?;
            let (path, entry) = visited?;
            let depth = depth(&path);
            while self.levels.len() > depth {
                self.leave_folder();
            }
            if depth == 0 {
                self.visit(TOP, target.name.clone(), entry, found, &path)?;
                continue;
            }
            let Some(level) = self.levels.last_mut() else { break };
            let (folder, name) = (level.number, Box::from(entry.name.as_slice()));
            let is_there = level.names.as_mut().is_some_and(|names| names.remove(&name));
            let found = match is_there {
                true => Spot { folders: self.folders, folder, name: &name }.stat()?,
                false => None,
            };
            self.visit(folder, name, entry, found, &path)?;
        }
        while !self.levels.is_empty() {
            self.leave_folder();
        }
        self.resolve_groups()?;
        self.compare_candidates()?;
        self.works.append(&mut self.links);
        self.report.removed = self.removals.len() as u64;
        let set = self.tree.iter().filter(|folder| !folder.is_new && !folder.metadata_is_set).count();
        self.report.metadata_changed += set as u64;
        let Self { removals, tree, works, file_systems, report, .. } = self;
        Ok(Found { removals, tree, works, file_systems, report })
    }

    /// What is left in the target's folder is not in the snapshot's.
    fn leave_folder(&mut self) {
        let Some(Level { number, names }) = self.levels.pop() else { return };
        let mut names: Vec<Box<[u8]>> = names.into_iter().flatten().collect();
        names.sort_unstable();
        self.removals.extend(names.into_iter().map(|name| (number, name)));
    }

    fn visit(
        &mut self,
        folder: u32,
        name: Box<[u8]>,
        entry: Entry,
        found: Option<Stat>,
        path: &RelativePath,
    ) -> Result<()> {
        let Entry { metadata, node, .. } = entry;
        match node {
            Node::Directory { .. } => self.folder(folder, name, metadata, found),
            Node::File { content, link_group: None, .. } => {
                self.report.files += 1;
                self.report.bytes_total = self.report.bytes_total.saturating_add(content.len());
                self.file(folder, name, metadata, content, found)
            }
            Node::File { content, link_group: Some(group), .. } => {
                self.report.files += 1;
                let group = self.groups.entry(group).or_insert_with(|| {
                    self.report.bytes_total = self.report.bytes_total.saturating_add(content.len());
                    Group { metadata, content, members: Vec::new() }
                });
                group.members.push(Member { folder, name, found });
                Ok(())
            }
            Node::Unreadable { reason } => {
                self.attributes.tell_once(path.to_string(), || missing(path, &reason));
                Ok(())
            }
            node => self.other(folder, name, metadata, node, found),
        }
    }

    fn remove_found(&mut self, folder: u32, name: &[u8], found: Option<Stat>) {
        if found.is_some() {
            self.removals.push((folder, name.into()));
        }
    }

    fn folder(&mut self, parent: u32, name: Box<[u8]>, metadata: Metadata, found: Option<Stat>) -> Result<()> {
        if parent != TOP {
            self.report.directories += 1;
        }
        let number = self.folders.add(parent, &name);
        let is_new = found.as_ref().is_none_or(|stat| kind(stat) != FileType::Directory);
        let (mut names, mut metadata_is_set) = (None, false);
        if is_new {
            self.remove_found(parent, &name, found);
        } else {
            let spot = Spot { folders: self.folders, folder: parent, name: &name };
            let handle = self.folders.handle(number)?;
            metadata_is_set = self.attributes.are_set(&spot, &handle, &metadata)?;
            let device = handle.metadata().map_err(|error| spot.error(error))?.dev();
            self.file_systems.entry(device).or_insert(number);
            names = Some(names_in(&handle).map_err(|error| spot.error(error))?.into_iter().collect());
        }
        self.levels.push(Level { number, names });
        self.tree.push(TreeFolder { number, metadata, is_new, metadata_is_set });
        Ok(())
    }

    fn other(
        &mut self,
        folder: u32,
        name: Box<[u8]>,
        metadata: Metadata,
        node: Node,
        found: Option<Stat>,
    ) -> Result<()> {
        self.report.others += 1;
        let spot = Spot { folders: self.folders, folder, name: &name };
        let same = match &found {
            Some(stat) if is_same_other(&spot, stat, &node)? => Some(stat),
            _ => None,
        };
        match same {
            Some(stat) if self.attributes.of_other_are_set(stat, &metadata) => {}
            Some(_) => {
                self.report.metadata_changed += 1;
                self.works.push(Work::Attributes { folder, name, metadata, is_file: false });
            }
            None => {
                self.remove_found(folder, &name, found);
                self.works.push(Work::Other { folder, name, metadata, node });
            }
        }
        Ok(())
    }

    fn file(
        &mut self,
        folder: u32,
        name: Box<[u8]>,
        metadata: Metadata,
        content: Content,
        found: Option<Stat>,
    ) -> Result<()> {
        match found {
            // One name alone: writing the file changes nothing else.
            Some(stat) if kind(&stat) == FileType::RegularFile && stat.st_nlink == 1 => {
                let old_len = stat.st_size as u64;
                let candidate = Candidate { folder, name, metadata, content, old_len, may_write: true };
                self.candidate(candidate, Vec::new())
            }
            found => {
                self.remove_found(folder, &name, found);
                self.make(FileWork::new(folder, name, metadata, content));
                Ok(())
            }
        }
    }

    fn make(&mut self, work: FileWork) {
        self.report.files_changed += 1;
        self.works.push(Work::File(work));
    }

    /// `others` are other names of the same file.
    fn candidate(&mut self, candidate: Candidate, others: Vec<Named>) -> Result<()> {
        self.candidate_bytes = self.candidate_bytes.saturating_add(candidate.content.len());
        self.candidates.push((candidate, others));
        if self.candidates.len() >= CANDIDATES_MAX || self.candidate_bytes >= CANDIDATE_BYTES_MAX {
            self.compare_candidates()?;
        }
        Ok(())
    }

    fn compare_candidates(&mut self) -> Result<()> {
        self.candidate_bytes = 0;
        let (candidates, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.candidates).into_iter().unzip();
        let compared = compare(self.reader, self.folders, self.attributes, self.progress, candidates)?;
        for (compared, others) in compared.into_iter().zip(others) {
            self.decide(compared, others);
        }
        Ok(())
    }

    fn decide(&mut self, compared: Compared, others: Vec<Named>) {
        let content_is_same = compared.content_is_same();
        let Compared { candidate, ranges, metadata_is_set } = compared;
        let Candidate { folder, name, metadata, content, old_len, may_write } = candidate;
        match (content_is_same, metadata_is_set) {
            (true, true) => {}
            (true, false) if may_write => {
                self.report.metadata_changed += 1;
                self.works.push(Work::Attributes { folder, name, metadata, is_file: true });
            }
            (false, _) if may_write => {
                let work = FileWork::new(folder, name, metadata, content);
                self.make(FileWork { how: How::Over { old_len }, ranges, ..work });
            }
            _ => {
                self.removals.push((folder, name.clone()));
                for (other, other_name) in others {
                    self.removals.push((other, other_name.clone()));
                    self.links.push(Work::Link { folder: other, name: other_name, to: (folder, name.clone()) });
                }
                self.make(FileWork::new(folder, name, metadata, content));
            }
        }
    }

    /// Files with several names: one file that is there is kept for the group, and written where all its names are the
    /// group's; names that are not its own become links to it.
    fn resolve_groups(&mut self) -> Result<()> {
        let mut taken = HashSet::new();
        for (_, Group { metadata, content, members }) in std::mem::take(&mut self.groups) {
            let inode = |member: &Member| match &member.found {
                Some(stat) if kind(stat) == FileType::RegularFile => Some((stat.st_dev, stat.st_ino)),
                _ => None,
            };
            let names_of = |wanted| members.iter().filter(|member| inode(member) == Some(wanted)).count() as u64;
            let is_free = |member: &&Member| inode(member).is_some_and(|inode| !taken.contains(&inode));
            #[allow(clippy::unnecessary_cast, reason = "the field's type differs between platforms")]
            let is_whole = |member: &&Member| match (&member.found, inode(member)) {
                (Some(stat), Some(inode)) => stat.st_nlink as u64 == names_of(inode),
                _ => false,
            };
            let free = || members.iter().filter(is_free);
            let kept = free().find(is_whole).or_else(|| free().next());
            let Some(first) = kept.or(members.first()) else { continue };
            let to = (first.folder, first.name.clone());
            let kept_inode = kept.and_then(inode);
            let (mut others, mut linked) = (Vec::new(), Vec::new());
            for member in members.iter().filter(|member| !std::ptr::eq(*member, first)) {
                if kept_inode.is_some() && inode(member) == kept_inode {
                    others.push((member.folder, member.name.clone()));
                } else {
                    linked.push((member.folder, member.name.clone(), member.found));
                }
            }
            match (kept_inode, &first.found) {
                (Some(inode), Some(stat)) => {
                    taken.insert(inode);
                    let (folder, name) = to.clone();
                    let (old_len, may_write) = (stat.st_size as u64, is_whole(&first));
                    self.candidate(Candidate { folder, name, metadata, content, old_len, may_write }, others)?;
                }
                _ => {
                    self.remove_found(to.0, &to.1, first.found);
                    self.make(FileWork::new(to.0, to.1.clone(), metadata, content));
                }
            }
            for (folder, name, found) in linked {
                self.remove_found(folder, &name, found);
                self.links.push(Work::Link { folder, name, to: to.clone() });
            }
        }
        Ok(())
    }
}

fn refuse_other_kind(entry: &Entry, target: &Target, found: Option<&Stat>) -> Result<()> {
    let path = target.path();
    let wanted = match &entry.node {
        Node::Directory { .. } => FileType::Directory,
        Node::File { .. } => FileType::RegularFile,
        Node::Symlink { .. } => FileType::Symlink,
        Node::Fifo => FileType::Fifo,
        Node::CharDevice { .. } => FileType::CharacterDevice,
        Node::BlockDevice { .. } => FileType::BlockDevice,
        Node::Unreadable { reason } => {
            return Err(Error::Refused(format!("it could not be read when the snapshot was taken: {reason}")));
        }
    };
    match found.map(kind) {
        Some(FileType::Symlink) if wanted != FileType::Symlink => {
            Err(Error::Refused(format!("{} is a symbolic link: name what it points to", path.display())))
        }
        Some(kind) if kind != wanted => {
            let what = if wanted == FileType::Directory { "a folder" } else { "what the snapshot holds" };
            Err(Error::Refused(format!("{} is there and is not {what}", path.display())))
        }
        _ => Ok(()),
    }
}

fn is_same_other(spot: &Spot<'_>, stat: &Stat, node: &Node) -> Result<bool> {
    Ok(match (node, kind(stat)) {
        (Node::Symlink { target }, FileType::Symlink) => spot.link_target()? == *target,
        (Node::Fifo, FileType::Fifo) => true,
        (Node::CharDevice { major, minor }, FileType::CharacterDevice)
        | (Node::BlockDevice { major, minor }, FileType::BlockDevice) => stat.st_rdev == makedev(*major, *minor),
        _ => false,
    })
}
