//! What a restore in place would do: found by hashing what is there, and by reading and checking all that is needed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use crate::error::Result;
use crate::format::tree::{Entry, Node};
use crate::ops::Progress;
use crate::repo::Reader;

use super::attributes::Attributes;
use super::batch::{FileWork, How, Work};
use super::execute::{Executor, Mode};
use super::folders::{Folders, Named};
use super::patch::{Patches, without};
use super::planner::{Found, Planner, TreeFolder};
use super::report::{RestoreReport, Tally};
use super::target::Target;

/// What a restore in place is going to do. Making it has changed nothing.
///
/// All stored data that it needs was read, decoded and checked: what is damaged was found before anything is written.
#[derive(Serialize)]
pub struct RestorePlan {
    /// What [`RestorePlan::apply`] is going to report.
    #[serde(flatten)]
    pub report: RestoreReport,
    #[serde(skip)]
    pub(super) inner: Inner,
}

pub(super) struct Inner {
    pub(super) target: Target,
    pub(super) folders: Folders,
    pub(super) removals: Vec<Named>,
    /// The snapshot's folders, parents first.
    pub(super) tree: Vec<TreeFolder>,
    pub(super) works: Vec<Work>,
    /// A folder on each file system that the target spans.
    pub(super) file_systems: HashMap<u64, u32>,
}

/// What is going to happen to one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It is removed, with all it holds. Where the snapshot has an entry of another kind there, that is created next.
    Remove,
    /// It is made.
    Create,
    /// The parts of its content that differ are written.
    Change,
    /// Owner, mode, times or attributes are set; the content is right.
    Metadata,
}

/// One entry that is going to change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PlannedChange {
    /// Its path below the target; empty for the target itself.
    #[serde(serialize_with = "as_text")]
    pub path: PathBuf,
    /// What happens to it.
    pub kind: ChangeKind,
}

fn as_text<S: Serializer>(path: &Path, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

impl RestorePlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        let changes = &self.inner;
        changes.removals.is_empty()
            && changes.works.is_empty()
            && changes.tree.iter().all(|folder| !folder.is_new && folder.metadata_is_set)
    }

    /// Every entry that is going to change, sorted by path.
    pub fn changes(&self) -> Vec<PlannedChange> {
        let Inner { target, folders, removals, tree, works, .. } = &self.inner;
        let root = target.path();
        let change = |folder: u32, name: &[u8], kind| {
            let path = folders.path(folder, name);
            PlannedChange { path: path.strip_prefix(&root).unwrap_or(&path).to_path_buf(), kind }
        };
        let removed = removals.iter().map(|(folder, name)| change(*folder, name, ChangeKind::Remove));
        let of_tree = tree.iter().filter(|folder| folder.is_new || !folder.metadata_is_set).map(|folder| {
            let kind = if folder.is_new { ChangeKind::Create } else { ChangeKind::Metadata };
            let path = folders.path(folder.number, b"");
            PlannedChange { path: path.strip_prefix(&root).unwrap_or(&path).components().collect(), kind }
        });
        let of_works = works.iter().map(|work| match work {
            Work::File(file) if matches!(file.how, How::Over { .. }) => {
                change(file.folder, &file.name, ChangeKind::Change)
            }
            Work::File(FileWork { folder, name, .. })
            | Work::Other { folder, name, .. }
            | Work::Link { folder, name, .. } => change(*folder, name, ChangeKind::Create),
            Work::Attributes { folder, name, .. } => change(*folder, name, ChangeKind::Metadata),
        });
        let mut changes: Vec<PlannedChange> = removed.chain(of_tree).chain(of_works).collect();
        changes.sort();
        changes
    }
}

/// Finds out what restoring `entry` over `target` would do, and changes nothing.
///
/// A target that is of another kind than the entry, or a symbolic link, is [`crate::error::Error::Refused`]. Memory
/// grows with the folders and with the entries that differ, not with the files that are equal.
pub fn plan_in_place(reader: &Reader, entry: &Entry, target: &Path, progress: &dyn Progress) -> Result<RestorePlan> {
    let target = Target::of(target)?;
    let folders = Folders::new(target.parent.clone(), target.parent_path.clone());
    let attributes = Attributes::new(progress);
    let planner = Planner::new(reader, &folders, &attributes, progress);
    let bytes = match &entry.node {
        Node::Directory { summary, .. } => summary.bytes,
        Node::File { content, .. } => content.len(),
        _ => 0,
    };
    progress.stage("compare", Some(bytes));
    let Found { removals, tree, mut works, file_systems, mut report } = planner.plan(entry, &target)?;
    for (number, work) in works.iter_mut().enumerate() {
        if let Work::File(file) = work {
            file.number = number as u32;
        }
    }
    let patches = Patches::default();
    progress.stage("check", Some(bytes_of(&works)));
    let executor = Executor {
        reader,
        folders: &folders,
        attributes: &attributes,
        progress,
        mode: Mode::Check,
        tally: Tally::default(),
        patches: Some(&patches),
    };
    let mut files = works.iter().filter(|work| matches!(work, Work::File(_))).cloned();
    executor.run(&mut || Ok(files.next()))?;
    executor.tally.fill(&mut report);
    drop(files);
    let mut kept = patches.into_sorted().into_iter().peekable();
    while let Some((number, patch)) = kept.next() {
        let mut of_file = vec![patch];
        while let Some((_, patch)) = kept.next_if(|(other, _)| *other == number) {
            of_file.push(patch);
        }
        if let Some(Work::File(file)) = works.get_mut(number as usize) {
            file.ranges = without(std::mem::take(&mut file.ranges), &of_file);
            file.patches = of_file;
        }
    }
    Ok(RestorePlan { report, inner: Inner { target, folders, removals, tree, works, file_systems } })
}

/// Bytes of content that work is done with.
pub(super) fn bytes_of(works: &[Work]) -> u64 {
    let bytes = |work: &Work| match work {
        Work::File(file) => {
            let read = file.ranges.iter().map(|range| range.end - range.start);
            let kept = file.patches.iter().map(|patch| u64::from(patch.len));
            read.chain(kept).fold(0, u64::saturating_add)
        }
        _ => 0,
    };
    works.iter().map(bytes).fold(0, u64::saturating_add)
}
