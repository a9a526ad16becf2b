//! A snapshot from its beginning to its commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::codec::Effort;
use crate::error::{Error, Result};
use crate::format::manifest::{Component, Cost, Manifest, Outcome, SnapshotType};
use crate::id::SnapshotId;
use crate::ops::Progress;
use crate::ops::gc::{delete, note_removed};
use crate::repo::{Reader, Repository, StoredManifest, Work};

use super::ContentWriter;

/// How often it is tried to note that a manifest is removed.
const NOTE_TRIES: u32 = 16;

/// What a snapshot is to be.
pub struct SnapshotRequest {
    /// Its id, chosen by a caller who will ask for it after a crash; `None`: a random one. Nothing else may have it.
    pub id: Option<SnapshotId>,
    /// The instance's name.
    pub instance: String,
    /// Why it is taken.
    pub kind: SnapshotType,
    /// The user's words.
    pub description: Option<String>,
    /// When it may be deleted by itself, nanoseconds since 1970 (UTC).
    pub expires_at_ns: Option<i64>,
    /// For a safety snapshot: what is to be restored.
    pub before_restore_of: Option<SnapshotId>,
    /// How hard to compress.
    pub effort: Effort,
}

/// What a source is given to capture with.
pub struct Capture<'a> {
    /// Stores contents.
    pub contents: ContentWriter<'a>,
    /// The components of the snapshot to compare with.
    pub parent: &'a [Component],
    /// Whether what the parent refers to may count as stored without being read or looked up.
    pub trust_parent: bool,
    /// When the snapshot began, nanoseconds since 1970 (UTC).
    pub began_at_ns: i64,
    /// Is told how far it is.
    pub progress: &'a dyn Progress,
    unreadable: AtomicU64,
}

impl Capture<'_> {
    /// The parent's component of a name.
    pub fn parent_component(&self, name: &str) -> Option<&Component> {
        self.parent.iter().find(|component| component.name == name)
    }

    /// Counts a file that could not be read and is left out.
    pub fn count_unreadable(&self) {
        self.unreadable.fetch_add(1, Ordering::Relaxed);
    }

    /// How many files could not be read.
    pub fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }
}

/// Takes a snapshot: `capture` stores the components, then the manifest makes them visible. Where it fails, a manifest
/// of the failure keeps the reason, and nothing else is visible.
///
/// The order of the first steps is what makes gc safe beside it: register, then look at what is condemned, then at the
/// parent, then at the packs.
pub fn take_snapshot(
    repo: &Repository,
    request: SnapshotRequest,
    progress: &dyn Progress,
    capture: impl FnOnce(&Capture<'_>) -> Result<Vec<Component>>,
) -> Result<StoredManifest> {
    let id = request.id.unwrap_or_else(|| SnapshotId(repo.random()));
    let work = Work::Snapshot { id, instance: request.instance.clone(), kind: request.kind };
    let _lease = repo.register(work)?;
    let mut manifest = Manifest {
        version: 1,
        id,
        instance: request.instance,
        kind: request.kind,
        created_at_ns: repo.now_ns(),
        finished_at_ns: 0,
        expires_at_ns: request.expires_at_ns,
        description: request.description,
        parent: None,
        before_restore_of: request.before_restore_of,
        outcome: Outcome::Completed { components: Vec::new() },
        cost: Cost::default(),
        written_by: env!("CARGO_PKG_VERSION").to_string(),
    };
    let captured = capture_components(repo, &mut manifest, request.effort, progress, capture);
    // Whoever was told to stop may have broken off with another word for it.
    let captured = captured.map_err(|error| if progress.is_cancelled() { Error::Cancelled } else { error });
    manifest.finished_at_ns = repo.now_ns();
    match captured {
        Ok((components, reader)) => {
            manifest.outcome = Outcome::Completed { components };
            manifest.cost.bytes_stored += repo.manifest_len(&manifest)?;
            let name = repo.commit(&manifest)?;
            // The snapshot is there whether or not it can be noted that it should be.
            let _ = reader.index().remember(&name.path());
            let stored = StoredManifest { name, manifest };
            if request.id.is_some() { one_of_id(repo, stored) } else { Ok(stored) }
        }
        Err(error) => {
            manifest.expires_at_ns = None;
            manifest.outcome = Outcome::Failed { reason: error.to_string() };
            // The first error counts: where even this cannot be written (a full disk), only the reason's record is lost.
            if let Ok(name) = repo.commit(&manifest)
                && request.id.is_some()
            {
                let _ = one_of_id(repo, StoredManifest { name, manifest });
            }
            Err(error)
        }
    }
}

/// A chosen id may be in use by another attempt at the same work, which was taken for dead. Of all that have it one
/// stays: one that is complete rather than one that failed, then the one of the smallest name. So it does not matter who
/// looks first, nor how many do. Returns the one that stays.
fn one_of_id(repo: &Repository, own: StoredManifest) -> Result<StoredManifest> {
    let manifests = repo.manifests_by_copies()?.manifests;
    let mut same: Vec<StoredManifest> =
        manifests.into_iter().filter(|other| other.manifest.id == own.manifest.id).collect();
    let has_failed = |stored: &StoredManifest| matches!(stored.manifest.outcome, Outcome::Failed { .. });
    same.sort_by(|a, b| (has_failed(a), &a.name).cmp(&(has_failed(b), &b.name)));
    let mut same = same.into_iter();
    let first = same.next().unwrap_or(own);
    let others: Vec<StoredManifest> = same.collect();
    // Whoever has seen one and does not find it again is to know that it was not lost. Gc may be noting something too.
    let mut tries = NOTE_TRIES;
    loop {
        let paths = others.iter().map(|other| other.name.path()).collect();
        match note_removed(repo, &repo.ledger_by_copies()?, paths) {
            Err(Error::Busy(_)) if tries > 0 => tries -= 1,
            noted => break noted?,
        }
    }
    for other in others {
        delete(repo, &other.name)?;
    }
    Ok(first)
}

fn capture_components(
    repo: &Repository,
    manifest: &mut Manifest,
    effort: Effort,
    progress: &dyn Progress,
    capture: impl FnOnce(&Capture<'_>) -> Result<Vec<Component>>,
) -> Result<(Vec<Component>, Arc<Reader>)> {
    let condemned = repo.condemned()?;
    // Manifests before packs: what the parent refers to is in packs that the index then knows.
    let manifests = repo.manifests_by_copies()?;
    let opened = repo.open_index()?;
    for notice in &opened.notices {
        progress.notice(notice);
    }
    let trust_parent = opened.is_whole() && condemned.records.is_empty();
    let parent_components = newest_components(manifests.manifests, manifest);
    let reader = opened.reader;
    let writer = repo.chunk_writer(&reader, &condemned, effort);
    let config = repo.config();
    let capturing = Capture {
        contents: ContentWriter::new(&writer, &reader, config.chunker, config.page_target, trust_parent)
            .stopped_by(progress),
        parent: &parent_components,
        trust_parent,
        began_at_ns: manifest.created_at_ns,
        progress,
        unreadable: AtomicU64::new(0),
    };
    let components = capture(&capturing)?;
    if components.is_empty() {
        return Err(Error::Failed("the source gave nothing to store".into()));
    }
    manifest.cost.bytes_read = capturing.contents.bytes_read();
    progress.stage("storing", None);
    let stored = writer.finish()?;
    manifest.cost.bytes_new = stored.bytes_new;
    manifest.cost.bytes_stored = stored.bytes_stored;
    manifest.cost.chunks_new = stored.chunks_new;
    manifest.cost.chunks_delta = stored.chunks_delta;
    progress.go_on()?;
    Ok((components, reader))
}

/// The instance's components as they were stored last: most of the newest snapshot, those that it was taken without of
/// older ones. The newest is noted as the parent.
fn newest_components(manifests: Vec<StoredManifest>, manifest: &mut Manifest) -> Vec<Component> {
    let mut newest: Vec<Component> = Vec::new();
    for older in manifests.into_iter().rev().map(|stored| stored.manifest) {
        let Manifest { id, instance, outcome: Outcome::Completed { components }, .. } = older else { continue };
        if instance == manifest.instance {
            manifest.parent.get_or_insert(id);
            for component in components {
                if !newest.iter().any(|known| known.name == component.name) {
                    newest.push(component);
                }
            }
        }
    }
    newest
}

/// Commits a manifest that refers to what another snapshot has stored: a clone costs no more than its manifest.
///
/// The original must still be there after the copy was committed: whichever gc takes the original away lists the
/// manifests after that, and sees the copy. Looking before alone would not do: the copy counts on packs that may have been
/// condemned before it began.
pub fn commit_copy(repo: &Repository, manifest: Manifest) -> Result<StoredManifest> {
    let work = Work::Snapshot { id: manifest.id, instance: manifest.instance.clone(), kind: manifest.kind };
    let _lease = repo.register(work)?;
    let original = manifest.parent;
    let is_there = || -> Result<bool> {
        Ok(repo.manifests()?.manifests.iter().any(|stored| Some(stored.manifest.id) == original))
    };
    let gone = || Error::NotFound("the snapshot was removed meanwhile".into());
    if !is_there()? {
        return Err(gone());
    }
    let name = repo.commit(&manifest)?;
    if !is_there()? {
        repo.storage().delete(&name)?;
        return Err(gone());
    }
    Ok(StoredManifest { name, manifest })
}
