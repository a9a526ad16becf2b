//! The run itself.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::format::manifest::Manifest;
use crate::id::{ChunkId, PackId};
use crate::ops::gc::was_purged;
use crate::ops::progress::Progress;
use crate::ops::reach::{Walk, settle_doubt};
use crate::repo::{OpenedIndex, Reader, Repository, StoredManifest, load_contents, pack_name, pack_put_aside};
use crate::storage::{Listed, ObjectKind};

use super::affected::affected;
use super::objects;
use super::packs::check_packs;
use super::problems::{Problem, Problems};
use super::report::{ReadData, VerifyError, VerifyOptions, VerifyReport};

/// Verifies a repository. What is wrong with it is in the report; an error is only what keeps from looking at all, such
/// as a storage that cannot be listed.
pub fn verify(repo: &Repository, options: VerifyOptions, progress: &dyn Progress) -> Result<VerifyReport> {
    if let ReadData::Part { n, of } = options.read_data
        && !(1..=of).contains(&n)
    {
        return Err(Error::Usage(format!("there is no part {n} of {of}: parts are counted from 1")));
    }
    let opened = repo.open_index()?;
    let mut report = VerifyReport { notices: opened.notices.clone(), ..VerifyReport::default() };
    let mut problems = Problems::default();
    progress.stage("checking manifests and records", None);
    let manifests = objects::check(repo, &mut problems)?.manifests;
    missing_objects(repo, &opened, &mut problems)?;
    report.snapshots = manifests.len() as u64;

    // Packs are listed after manifests: what those need was stored before them.
    repo.take_in_new_packs(opened.reader.index())?;
    let packs = check_footers(repo, &mut problems, &mut report, progress)?;
    report.packs = packs.len() as u64;

    progress.stage("checking what snapshots need", None);
    let mut walk = Walk::new(&opened.reader).stopped_by(progress);
    let all: Vec<&Manifest> = manifests.iter().map(|stored| &stored.manifest).collect();
    walk.snapshots(all, &mut problems)?;
    report.chunks = walk.chunks();
    let is_whole = problems.faults() == 0;
    missing_packs(&opened, &mut problems, &mut report, is_whole);
    if is_whole && opened.damaged.is_empty() {
        settle_doubt(&opened.reader)?;
    }

    read_packs(repo, &opened.reader, options.read_data, &packs, &mut problems, &mut report, progress)?;
    report.errors = attributed(&opened.reader, &manifests, problems)?;
    report.ok = report.errors.is_empty();
    Ok(report)
}

/// Manifests and ledger records that this index has seen, that are gone, and that nobody removed on purpose.
fn missing_objects(repo: &Repository, opened: &OpenedIndex, problems: &mut Problems) -> Result<()> {
    if opened.missing_objects.is_empty() {
        return Ok(());
    }
    let ledger = repo.ledger()?;
    for path in &opened.missing_objects {
        if was_purged(&ledger, path) {
            opened.reader.index().forget_object(path)?;
        } else {
            problems.add(Error::damaged(path, "it is missing: it was there when the index last looked"), Vec::new());
        }
    }
    Ok(())
}

/// A pack that is gone is an error where something is missing; else gc has removed it, from another machine perhaps.
fn missing_packs(opened: &OpenedIndex, problems: &mut Problems, report: &mut VerifyReport, is_whole: bool) {
    for id in &opened.missing {
        if is_whole {
            report.notices.push(format!("pack {id}, which the index knew, is gone; nothing needs it"));
        } else {
            problems.add(Error::damaged(pack_name(id), "it is missing"), Vec::new()).may_hold_absent = true;
        }
    }
}

/// Reads header, footer and tail of every pack. Returns all packs with their stored lengths.
fn check_footers(
    repo: &Repository,
    problems: &mut Problems,
    report: &mut VerifyReport,
    progress: &dyn Progress,
) -> Result<Vec<(PackId, u64)>> {
    let listed = repo.storage().list(ObjectKind::Pack)?;
    let aside = listed.iter().filter(|listed| pack_put_aside(&listed.name).is_some()).count();
    if aside > 0 {
        report.notices.push(format!("{aside} damaged packs were put aside by repair"));
    }
    let named = |listed: Listed| Some((listed.name.leaf().parse::<PackId>().ok()?, listed.size));
    let mut packs: Vec<(PackId, u64)> = listed.into_iter().filter_map(named).collect();
    packs.sort_unstable();
    packs.dedup_by_key(|(id, _)| *id);
    progress.stage("checking the footers of packs", None);
    let load = |(id, size): &(PackId, u64)| load_contents(&**repo.storage(), repo.keys(), *id, *size).err();
    let errors: Vec<Error> = packs.par_iter().filter_map(load).collect();
    progress.go_on()?;
    for error in errors {
        problems.add(error, Vec::new()).may_hold_absent = true;
    }
    Ok(packs)
}

fn is_chosen(read_data: ReadData, id: &PackId) -> bool {
    match read_data {
        ReadData::None => false,
        ReadData::All => true,
        ReadData::Part { n, of } => {
            let first = id.as_bytes().first_chunk().copied().map(u64::from_be_bytes).unwrap_or_default();
            first.checked_rem(u64::from(of)) == Some(u64::from(n) - 1)
        }
    }
}

fn read_packs(
    repo: &Repository,
    reader: &Reader,
    read_data: ReadData,
    packs: &[(PackId, u64)],
    problems: &mut Problems,
    report: &mut VerifyReport,
    progress: &dyn Progress,
) -> Result<()> {
    let chosen: Vec<(PackId, u64)> = packs.iter().filter(|(id, _)| is_chosen(read_data, id)).copied().collect();
    if chosen.is_empty() {
        return Ok(());
    }
    // A record that cannot be read was named already.
    let condemned = repo.condemned().unwrap_or_default().pack_set();
    progress.stage("reading packs", Some(chosen.iter().map(|(_, size)| size).sum()));
    check_packs(repo, reader, &chosen, &condemned, progress, &mut |id, check| {
        report.packs_read += 1;
        report.bytes_read += check.bytes;
        let number = reader.index().pack_named(&id).map(|info| info.number);
        for (error, chunks) in check.errors {
            problems.add(error, found_here(reader, number, chunks)?);
        }
        Ok(())
    })
}

/// Those of the chunks that are read from the pack: a copy elsewhere makes up for one that is damaged.
fn found_here(reader: &Reader, number: Option<u32>, chunks: Vec<ChunkId>) -> Result<Vec<ChunkId>> {
    let slots = reader.index().get(&chunks)?;
    let here = chunks.into_iter().zip(slots).filter(|(_, slot)| slot.map(|slot| slot.pack) == number);
    Ok(here.map(|(id, _)| id).collect())
}

/// The errors with the snapshots that suffer from them.
fn attributed(reader: &Reader, manifests: &[StoredManifest], problems: Problems) -> Result<Vec<VerifyError>> {
    let absent = problems.absent();
    let list = problems.into_list();
    let mut bad: HashMap<ChunkId, Vec<usize>> = HashMap::new();
    for (number, problem) in list.iter().enumerate() {
        for chunk in problem.chunks.iter().chain(if problem.may_hold_absent { absent.as_slice() } else { &[] }) {
            let errors = bad.entry(*chunk).or_default();
            if errors.last() != Some(&number) {
                errors.push(number);
            }
        }
    }
    let mut snapshots: Vec<Vec<String>> = list.iter().map(|_| Vec::new()).collect();
    if !bad.is_empty() {
        for (id, errors) in affected(reader, manifests, &bad)? {
            for number in errors {
                snapshots.get_mut(number).into_iter().for_each(|of| of.push(id.to_string()));
            }
        }
    }
    let error = |(Problem { object, message, .. }, snapshots)| VerifyError { object, message, snapshots };
    Ok(list.into_iter().zip(snapshots).map(error).collect())
}
