//! Makes the best of a damaged repository, and throws nothing away.
//!
//! First everything is read and planned, then applied: copies of config and key slots are made again from good ones; the
//! index is made anew from packs alone; a pack with damage, or with deltas whose bases are lost, is put aside under the
//! name `<pack>.damaged`, byte for byte, after what can still be read of it was stored again. What was lost counts as
//! unknown from then on, so that the next snapshot of the same data stores it again, and with it heals the snapshots that
//! need it. A pack that was put aside for its lost bases alone comes back with the repair after they were stored again.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::format::object::ObjectTag;
use crate::id::{ChunkId, PackId};
use crate::repo::{
    OpenedIndex, PackInfo, Reader, Repository, config_names, damaged_pack_name, pack_name, pack_put_aside,
};
use crate::storage::{Listed, ObjectKind, ObjectName};

use super::gc::move_live;
use super::progress::Progress;
use super::reach::PlaceSet;
use super::verify::{PackCheck, check_config, check_key, check_packs, check_seal, damaged_snapshots, key_copies};

/// What repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RepairReport {
    /// Copies of the config or of key slots that were made again from the other copy.
    pub copies_restored: Vec<String>,
    /// Packs that the new index was made from.
    pub packs_indexed: u64,
    /// Packs that were put aside, under their new names.
    pub packs_put_aside: Vec<String>,
    /// Chunks of such packs that were stored again.
    pub chunks_saved: u64,
    /// Chunks of such packs that are lost.
    pub chunks_lost: u64,
    /// Objects that are damaged and that nothing can be done about; they were left as they are.
    pub left: Vec<String>,
    /// Snapshots that cannot be restored whole.
    pub snapshots_damaged: Vec<String>,
    /// Snapshots that can, as far as was checked: everything that they need is there.
    pub snapshots_whole: u64,
}

/// A pack that is not as it was written.
struct Damaged {
    id: PackId,
    check: PackCheck,
}

/// What is to be done.
#[derive(Default)]
struct Plan {
    /// Copies to make, each with the bytes of the other one.
    copies: Vec<(ObjectName, Vec<u8>)>,
    packs: Vec<Damaged>,
    /// Condemned records that cannot be read: decisions, not data.
    decisions: Vec<ObjectName>,
    left: Vec<String>,
}

/// Repairs a repository. `Error::Busy` where another session deletes, or writes the index.
pub fn repair(repo: &Repository, progress: &dyn Progress) -> Result<RepairReport> {
    let lease = repo.register_exclusive("repair")?;
    let others: Vec<String> =
        repo.writers()?.into_iter().filter(|w| w.may_be_alive() && !w.is_exclusive()).map(|w| w.name.path()).collect();
    if let Some(other) = others.first() {
        return Err(Error::Busy(format!("a session that writes is registered as {other}; repair when it has ended")));
    }
    repo.remove_dead_writers()?;
    bring_back(repo)?;
    progress.stage("making the index anew", None);
    let opened = repo.rebuild_index()?;
    opened.notices.iter().for_each(|line| progress.notice(line));
    let plan = plan(repo, &opened, progress)?;
    let report = apply(repo, &opened, plan, progress);
    drop(lease);
    report
}

fn plan(repo: &Repository, opened: &OpenedIndex, progress: &dyn Progress) -> Result<Plan> {
    let mut plan = Plan::default();
    let [main, spare] = config_names();
    plan_copy(repo, [&main, &spare], &mut plan, |name| check_config(repo, name))?;
    for main in key_copies(repo)? {
        let spare = ObjectName::new(ObjectKind::Key, format!("{}.spare", main.leaf()));
        if let (false, Some(spare)) = (main.leaf().contains('.'), spare) {
            plan_copy(repo, [&main, &spare], &mut plan, |name| check_key(repo, name))?;
        }
    }
    for listed in repo.storage().list(ObjectKind::Condemned)? {
        if is_damage(&check_seal(repo, &listed.name, ObjectTag::Condemned)) {
            plan.decisions.push(listed.name);
        }
    }
    let damaged_ledger = repo.ledger()?.damaged;
    let damaged_manifests = repo.manifests()?.damaged;
    plan.left
        .extend(damaged_manifests.into_iter().chain(damaged_ledger).map(|(name, error)| format!("{name}: {error}")));
    plan.packs = damaged_packs(repo, opened, &mut plan.left, progress)?;
    Ok(plan)
}

fn is_damage(result: &Result<()>) -> bool {
    matches!(result, Err(Error::Damaged { .. }))
}

/// Plans to make the one of two copies that is missing or damaged again.
fn plan_copy(
    repo: &Repository,
    copies: [&ObjectName; 2],
    plan: &mut Plan,
    check: impl Fn(&ObjectName) -> Result<()>,
) -> Result<()> {
    let [first, second] = copies;
    match (check(first), check(second)) {
        (Ok(()), Ok(())) => {}
        (Ok(()), bad) if is_damage(&bad) => plan.copies.push((second.clone(), repo.storage().get(first)?)),
        (bad, Ok(())) if is_damage(&bad) => plan.copies.push((first.clone(), repo.storage().get(second)?)),
        (Err(error @ Error::Storage { .. }), _) | (_, Err(error @ Error::Storage { .. })) => return Err(error),
        (Err(error), Err(_)) => plan.left.push(format!("{error}; its other copy is not usable either")),
        (Err(error), _) | (_, Err(error)) => plan.left.push(error.to_string()),
    }
    Ok(())
}

/// Reads every pack whole.
fn damaged_packs(
    repo: &Repository,
    opened: &OpenedIndex,
    left: &mut Vec<String>,
    progress: &dyn Progress,
) -> Result<Vec<Damaged>> {
    let listed = repo.storage().list(ObjectKind::Pack)?;
    let packs = |listed: Listed| Some((listed.name.leaf().parse::<PackId>().ok()?, listed.size));
    let packs: Vec<(PackId, u64)> = listed.into_iter().filter_map(packs).collect();
    progress.stage("reading packs", Some(packs.iter().map(|(_, size)| size).sum()));
    let condemned = repo.condemned().unwrap_or_default().pack_set();
    let mut checks = Vec::new();
    check_packs(repo, &opened.reader, &packs, &condemned, progress, &mut |id, check| {
        if !check.errors.is_empty() {
            checks.push(Damaged { id, check });
        }
        Ok(())
    })?;
    let mut damaged = Vec::new();
    for mut pack in checks {
        // What the storage cannot read today may be whole tomorrow, and what is newer than this program is no damage.
        match pack.check.errors.iter().position(|(error, _)| !matches!(error, Error::Damaged { .. })) {
            None => damaged.push(pack),
            Some(at) => match pack.check.errors.swap_remove(at).0 {
                error @ Error::Unsupported { .. } => left.push(error.to_string()),
                error => return Err(error),
            },
        }
    }
    Ok(damaged)
}

fn apply(repo: &Repository, opened: &OpenedIndex, plan: Plan, progress: &dyn Progress) -> Result<RepairReport> {
    let reader = &opened.reader;
    let mut report = RepairReport { left: plan.left, ..RepairReport::default() };
    for (name, bytes) in plan.copies {
        remove(repo, &name)?;
        repo.storage().put_if_absent(&name, &bytes)?;
        report.copies_restored.push(name.path());
    }
    for name in plan.decisions {
        remove(repo, &name)?;
        report.left.push(format!("{name}: it could not be read; it was removed, so the packs that it condemned stay"));
    }
    progress.stage("storing again what can be read", None);
    save(repo, reader, &plan.packs, &mut report, progress)?;
    for Damaged { id, check } in &plan.packs {
        reader.index().forget(id, check.footer.as_ref())?;
    }
    if !plan.packs.is_empty() && reader.index().doubt().is_none() {
        reader.index().set_doubt(Some(Vec::new()))?;
    }
    reader.index().flush()?;
    for Damaged { id, .. } in &plan.packs {
        put_aside(repo, id, &mut report)?;
    }
    report.packs_indexed = reader.index().packs().len() as u64;
    let manifests = repo.manifests()?.manifests;
    progress.stage("checking what snapshots need", None);
    let damaged = damaged_snapshots(reader, &manifests)?;
    report.snapshots_whole = (manifests.len() - damaged.len()) as u64;
    report.snapshots_damaged = damaged.iter().map(ToString::to_string).collect();
    Ok(report)
}

/// Stores the chunks of damaged packs that can be read, and that are nowhere else, in new packs.
fn save(
    repo: &Repository,
    reader: &Arc<Reader>,
    packs: &[Damaged],
    report: &mut RepairReport,
    progress: &dyn Progress,
) -> Result<()> {
    let index = reader.index();
    let known: Vec<(PackInfo, &Damaged)> =
        packs.iter().filter_map(|damaged| Some((index.pack_named(&damaged.id)?, damaged))).collect();
    let going: HashSet<u32> = known.iter().map(|(info, _)| info.number).collect();
    let mut wanted = PlaceSet::default();
    let mut saved: HashSet<ChunkId> = HashSet::new();
    let mut lost: HashSet<ChunkId> = HashSet::new();
    for (info, damaged) in &known {
        let chunks = damaged.check.footer.iter().flat_map(|footer| &footer.chunks);
        for (slot, chunk) in (0u32..).zip(chunks) {
            if index.places(&chunk.id)?.iter().any(|place| !going.contains(&place.pack)) {
                continue;
            }
            if damaged.check.bad.contains(&chunk.id) {
                lost.insert(chunk.id);
            } else if saved.insert(chunk.id) {
                wanted.insert(info.number, slot);
            }
        }
    }
    let infos: Vec<PackInfo> = known.iter().map(|(info, _)| *info).collect();
    move_live(repo, reader, &infos, &wanted, &going, progress)?;
    report.chunks_saved = saved.len() as u64;
    report.chunks_lost = lost.difference(&saved).count() as u64;
    Ok(())
}

/// Gives packs that were put aside their names back, where their bytes are as they were written: what they lacked may
/// be there by now. If not, they are put aside again.
fn bring_back(repo: &Repository) -> Result<()> {
    for listed in repo.storage().list(ObjectKind::Pack)? {
        let Some(id) = pack_put_aside(&listed.name) else { continue };
        let bytes = repo.storage().get(&listed.name)?;
        if blake3::hash(&bytes).as_bytes() == id.as_bytes() {
            repo.storage().put_if_absent(&pack_name(&id), &bytes)?;
            remove(repo, &listed.name)?;
        }
    }
    Ok(())
}

/// Gives a pack's bytes a name under which nobody takes them for a pack.
fn put_aside(repo: &Repository, id: &PackId, report: &mut RepairReport) -> Result<()> {
    let name = pack_name(id);
    let aside = damaged_pack_name(id);
    let bytes = match repo.storage().get(&name) {
        Ok(bytes) => bytes,
        Err(Error::NotFound(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    repo.storage().put_if_absent(&aside, &bytes)?;
    if repo.storage().get(&aside)? == bytes {
        remove(repo, &name)?;
        report.packs_put_aside.push(aside.path());
    } else {
        report.left.push(format!("{name}: another pack of that name was put aside before; it was left in its place"));
    }
    Ok(())
}

fn remove(repo: &Repository, name: &ObjectName) -> Result<()> {
    match repo.storage().delete(name) {
        Err(Error::NotFound(_)) => Ok(()),
        other => other,
    }
}
