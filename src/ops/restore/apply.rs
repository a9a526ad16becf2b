//! Doing what a plan says, under a mark that stands until all of it is durable.

use std::path::Path;

use rayon::prelude::*;
use rustix::fs::{Mode as Bits, fchmod, fstat, syncfs};

use crate::error::Result;
use crate::format::tree::Entry;
use crate::ops::Progress;
use crate::repo::Reader;

use super::attributes::Attributes;
use super::batch::Work;
use super::execute::{Executor, Mode};
use super::folders::{Folders, TOP};
use super::journal::{Journal, Mark};
use super::plan::{Inner, RestorePlan, bytes_of, plan_in_place};
use super::planner::TreeFolder;
use super::report::{RestoreReport, Tally};
use super::sink::Spot;

/// Restores `entry` over `target`: [`plan_in_place`], then [`RestorePlan::apply`].
pub fn restore_in_place(
    reader: &Reader,
    entry: &Entry,
    target: &Path,
    mark: &Mark,
    progress: &dyn Progress,
) -> Result<RestoreReport> {
    plan_in_place(reader, entry, target, progress)?.apply(reader, mark, progress)
}

impl RestorePlan {
    /// Does it. Before the first write a journal is set beside the target (`.<name>.snaphold-restore`), durably; it goes
    /// when everything is written and synchronised (one `syncfs` for each file system that the target spans). Until
    /// then [`super::incomplete_restore`] tells of it, and restoring again completes what was begun.
    pub fn apply(self, reader: &Reader, mark: &Mark, progress: &dyn Progress) -> Result<RestoreReport> {
        let Self { mut report, inner } = self;
        let Inner { target, folders, removals, tree, mut works, file_systems } = inner;
        let attributes = Attributes::new(progress);
        let journal = Journal::begin(&target, mark)?;
        progress.stage("restore", Some(bytes_of(&works)));
        if !attributes.is_root() {
            tree.iter().filter(|folder| !folder.is_new).try_for_each(|folder| make_writable(&folders, folder))?;
        }
        removals
            .par_iter()
            .try_for_each(|(folder, name)| Spot { folders: &folders, folder: *folder, name }.remove())?;
        for folder in tree.iter().filter(|folder| folder.is_new) {
            folders.create(folder.number)?;
        }
        let executor = Executor {
            reader,
            folders: &folders,
            attributes: &attributes,
            progress,
            mode: Mode::Write { exact: true },
            tally: Tally::default(),
            patches: None,
        };
        works.par_iter_mut().try_for_each(|work| match work {
            Work::File(file) if !file.patches.is_empty() => executor.patch(file),
            _ => Ok(()),
        })?;
        let root = tree.first().map(|folder| folder.number);
        let mut works = works.into_iter();
        executor.run(&mut || Ok(works.next()))?;
        executor.finish_folders(tree.into_iter().map(|folder| (folder.number, folder.metadata)).collect())?;
        executor.tally.fill(&mut report);
        let roots = file_systems.into_values().chain([root.unwrap_or(TOP)]);
        for number in roots {
            let handle = folders.handle(number)?;
            syncfs(&*handle).map_err(|error| Spot { folders: &folders, folder: number, name: b"" }.error(error))?;
        }
        journal.finish()?;
        Ok(report)
    }
}

/// Gives the owner the right to change a folder; its mode is set again at the end.
fn make_writable(folders: &Folders, folder: &TreeFolder) -> Result<()> {
    let handle = folders.handle(folder.number)?;
    let spot = Spot { folders, folder: folder.number, name: b"" };
    let mode = fstat(&*handle).map_err(|error| spot.error(error))?.st_mode & 0o7777;
    if mode & 0o700 == 0o700 {
        return Ok(());
    }
    fchmod(&*handle, Bits::from_raw_mode(mode | 0o700)).map_err(|error| spot.error(error))
}
