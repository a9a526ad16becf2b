//! Manifests whose time has come, and what the ledger says about them.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::format::ledger::{Deletion, LedgerRecord, SnapshotState};
use crate::repo::{Index, LedgerView, PROOF_TOPIC, PURGED_TOPIC, Repository, StoredManifest, snapshot_topic};
use crate::storage::{ObjectKind, ObjectName};

/// Paths and topics that are noted as removed on purpose.
const NOTES_KEPT: usize = 2048;

/// A snapshot that is to go.
pub struct Due {
    /// Its manifest.
    pub stored: StoredManifest,
    topic: String,
    revision: u32,
    state: SnapshotState,
}

/// The snapshots that were deleted, whose grace time is over, and that no hold keeps. Where the ledger cannot be read,
/// a snapshot counts as not deleted. With `grace_ns` the grace time is at most that.
pub fn due(ledger: &LedgerView, manifests: &[StoredManifest], now_ns: i64, grace_ns: Option<i64>) -> Vec<Due> {
    let is_over = |deletion: Deletion| {
        let asked = grace_ns.map_or(i64::MAX, |grace| deletion.at_ns.saturating_add(grace));
        deletion.purge_after_ns.min(asked) <= now_ns
    };
    let due = manifests.iter().filter_map(|stored| {
        let topic = snapshot_topic(&stored.manifest.id);
        let revision = ledger.newest.get(&topic)?;
        let LedgerRecord::Snapshot(state) = &revision.record else { return None };
        let over = state.snapshot == stored.manifest.id
            && state.deleted.is_some_and(is_over)
            && state.hold_until_ns.is_none_or(|until| until <= now_ns);
        over.then(|| Due { stored: stored.clone(), topic, revision: revision.number, state: state.clone() })
    });
    due.collect()
}

/// Snapshots that an earlier run claimed. It may have been stopped before it came to their packs.
pub fn claimed(ledger: &LedgerView) -> BTreeSet<String> {
    let is_claimed = |record: &LedgerRecord| match record {
        LedgerRecord::Snapshot(state) => state.deleted.is_some_and(|deletion| deletion.is_claimed()),
        _ => false,
    };
    ledger.newest.iter().filter(|(_, revision)| is_claimed(&revision.record)).map(|(topic, _)| topic.clone()).collect()
}

/// Claims a snapshot in the ledger, so that it can no longer be undeleted or held, and deletes its manifest. `None` where
/// somebody changed its state just now: it stays. Returns the ledger's topic otherwise.
pub fn purge(repo: &Repository, index: &Index, due: &Due) -> Result<Option<String>> {
    let Some(deletion) = due.state.deleted else { return Ok(None) };
    if !deletion.is_claimed() {
        let claim = Deletion { purge_after_ns: Deletion::CLAIMED_NS, ..deletion };
        let state = SnapshotState { deleted: Some(claim), hold_until_ns: None, ..due.state.clone() };
        match repo.append_ledger(&due.topic, Some(due.revision), &LedgerRecord::Snapshot(state)) {
            Ok(()) => {}
            Err(Error::Busy(_)) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    index.forget_object(&due.stored.name.path())?;
    delete(repo, &due.stored.name)?;
    Ok(Some(due.topic.clone()))
}

/// The other topics of the snapshot whose state is the topic `state`.
pub fn topics_beside(state: &str) -> Option<String> {
    state.get(1..).map(|id| format!("{PROOF_TOPIC}{id}"))
}

/// Notes, durably and before it is done, that manifests and topics are removed on purpose. Old notes make room.
pub fn note(repo: &Repository, ledger: &LedgerView, due: &[Due]) -> Result<()> {
    let mut paths = Vec::new();
    for due in due {
        paths.extend([due.stored.name.path(), due.topic.clone()]);
        paths.extend(topics_beside(&due.topic).filter(|topic| ledger.newest.contains_key(topic)));
    }
    note_removed(repo, ledger, paths)
}

/// Notes paths of manifests, and topics, that are removed on purpose. `Error::Busy` where somebody else noted something
/// since `ledger` was read.
pub fn note_removed(repo: &Repository, ledger: &LedgerView, removed: Vec<String>) -> Result<()> {
    if removed.is_empty() {
        return Ok(());
    }
    let before = ledger.newest.get(PURGED_TOPIC);
    let mut paths: Vec<String> = match before.map(|revision| &revision.record) {
        Some(LedgerRecord::Purged(paths)) => paths.clone(),
        _ => Vec::new(),
    };
    paths.extend(removed);
    paths.drain(..paths.len().saturating_sub(NOTES_KEPT));
    let number = before.map(|revision| revision.number);
    repo.append_ledger(PURGED_TOPIC, number, &LedgerRecord::Purged(paths))?;
    // The new notes hold the old ones.
    let replaced = number.and_then(|number| ObjectName::new(ObjectKind::Ledger, format!("{PURGED_TOPIC}.{number:08}")));
    replaced.map_or(Ok(()), |name| delete(repo, &name).map(drop))
}

/// Whether an object that is gone was removed on purpose, as far as the ledger's notes reach back.
pub fn was_purged(ledger: &LedgerView, path: &str) -> bool {
    let Some(LedgerRecord::Purged(paths)) = ledger.newest.get(PURGED_TOPIC).map(|revision| &revision.record) else {
        return false;
    };
    let topic = path.strip_prefix("ledger/").and_then(|leaf| leaf.split('.').next());
    paths.iter().any(|purged| purged == path || Some(purged.as_str()) == topic)
}

/// Deletes revisions that newer ones replaced, where the newest can be read. Returns their stored bytes.
pub fn delete_superseded(repo: &Repository, ledger: &LedgerView) -> Result<u64> {
    let mut freed = 0;
    for name in &ledger.superseded {
        if name.leaf().split_once('.').is_some_and(|(topic, _)| ledger.newest.contains_key(topic)) {
            freed += delete(repo, name)?;
        }
    }
    Ok(freed)
}

/// Deletes all that the ledger says about purged snapshots, the newest revision last: an older one would say that the
/// snapshot is there. Returns the stored bytes.
pub fn forget_topics(repo: &Repository, index: &Index, topics: &BTreeSet<String>) -> Result<u64> {
    let mut revisions: BTreeMap<(String, u32), ObjectName> = BTreeMap::new();
    if topics.is_empty() {
        return Ok(0);
    }
    for listed in repo.storage().list(ObjectKind::Ledger)? {
        let Some((topic, number)) = listed.name.leaf().split_once('.') else { continue };
        if let (true, Ok(number)) = (topics.contains(topic), number.parse()) {
            revisions.insert((topic.to_string(), number), listed.name);
        }
    }
    let mut freed = 0;
    for name in revisions.values() {
        index.forget_object(&name.path())?;
        freed += delete(repo, name)?;
    }
    Ok(freed)
}

/// Deletes an object that may be gone already. Returns its stored bytes.
pub fn delete(repo: &Repository, name: &ObjectName) -> Result<u64> {
    let size = match repo.storage().size(name) {
        Ok(size) => size,
        Err(Error::NotFound(_)) => return Ok(0),
        Err(error) => return Err(error),
    };
    match repo.storage().delete(name) {
        Ok(()) => Ok(size),
        Err(Error::NotFound(_)) => Ok(0),
        Err(error) => Err(error),
    }
}
