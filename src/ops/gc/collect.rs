//! The run itself.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::manifest::Manifest;
use crate::id::{PackId, WriterId};
use crate::ops::progress::Progress;
use crate::ops::reach::{Lenient, Strict, Walk, settle_doubt};
use crate::repo::{Index, PackInfo, Reader, Repository, StoredManifest, pack_name};
use crate::storage::ObjectName;

use super::choose::{self, Choice, Terms};
use super::purge;
use super::report::{GcOptions, GcReport};
use super::rewrite::move_live;

/// Collects garbage. `Error::Busy` where another session deletes; `Error::Damaged` where a snapshot is not whole: then
/// no pack was removed.
pub fn collect(repo: &Repository, options: &GcOptions<'_>, progress: &dyn Progress) -> Result<GcReport> {
    let lease = if options.dry_run { None } else { Some(repo.register_exclusive("gc")?) };
    let opened = repo.open_index()?;
    opened.notices.iter().for_each(|line| progress.notice(line));
    let run = Run { repo, reader: opened.reader.clone(), options, progress };
    let report = run.collect(opened.damaged.is_empty());
    drop(lease);
    report
}

struct Run<'a> {
    repo: &'a Repository,
    reader: Arc<Reader>,
    options: &'a GcOptions<'a>,
    progress: &'a dyn Progress,
}

/// Condemned packs, by whether their time has come.
#[derive(Default)]
struct Sentences {
    ready: HashSet<PackId>,
    ready_records: Vec<WriterId>,
    waiting: HashSet<PackId>,
}

/// What a run has freed and written so far, stored bytes.
#[derive(Default)]
struct Balance {
    freed: u64,
    written: u64,
}

impl Run<'_> {
    fn collect(&self, packs_are_whole: bool) -> Result<GcReport> {
        let changes = !self.options.dry_run;
        let mut report = GcReport {
            snapshots_expired: self.options.snapshots_expired,
            dry_run: self.options.dry_run,
            ..GcReport::default()
        };
        let mut balance = Balance::default();
        let dead_writers = if changes { self.repo.remove_dead_writers()? } else { 0 };
        let others = self.others()?;
        if let (true, true, Some(sweep)) = (changes, others.is_empty(), self.options.sweep_temporaries) {
            sweep()?;
        }
        let purged = self.purge(&others, &mut balance)?;
        report.snapshots_purged = purged.manifests.len() as u64;
        let sentences = self.sentences(&others)?;
        report.packs_waiting = sentences.waiting.len() as u64;

        let nothing_to_do = purged.topics.is_empty()
            && purged.manifests.is_empty()
            && sentences.ready_records.is_empty()
            && dead_writers == 0
            && !choose::has_too_many_small(self.index(), self.options.small_packs);
        if nothing_to_do && !self.options.full {
            report.bytes_freed = balance.freed;
            return Ok(report);
        }

        // Writers were listed before; whoever has gone since has committed before the manifests are listed now.
        let manifests = self.manifests(purged.known, &purged.manifests)?;
        let mut walk = self.walk(&manifests)?;
        if packs_are_whole {
            settle_doubt(&self.reader)?;
        }
        let terms = Terms {
            waiting: &sentences.waiting,
            ready: &sentences.ready,
            surely_old: (!others.is_empty()).then_some(&purged.packs),
            dead_share: self.options.dead_share,
            small_packs: self.options.small_packs,
        };
        let choice = choose::choose(&self.reader, &mut walk, &terms, self.progress)?;
        report.packs_deleted = choice.packs().count() as u64;
        report.packs_rewritten = choice.rewrite.len() as u64;
        report.bytes_dead_left = choice.bytes_dead_left;
        if self.options.dry_run {
            report.bytes_freed = balance.freed + choice.bytes_dead;
            return Ok(report);
        }
        let waiting = self.carry_out(&choice, &walk, &sentences, &manifests, &mut balance)?;
        report.packs_waiting += waiting;
        report.packs_deleted -= waiting;
        balance.freed += purge::forget_topics(self.repo, self.index(), &purged.topics)?;
        report.bytes_rewritten = balance.written;
        report.bytes_freed = balance.freed.saturating_sub(balance.written);
        Ok(report)
    }

    fn index(&self) -> &Index {
        self.reader.index()
    }

    /// Registrations of sessions that may count on chunks and commit.
    fn others(&self) -> Result<Vec<String>> {
        let writers = self.repo.writers()?.into_iter();
        let others = writers.filter(|writer| writer.may_be_alive() && !writer.is_exclusive());
        Ok(others.map(|writer| writer.name.leaf().to_string()).collect())
    }

    /// Takes away the manifests whose time has come, and what the ledger no longer needs.
    fn purge(&self, others: &[String], balance: &mut Balance) -> Result<Purged> {
        let ledger = self.repo.ledger()?;
        let view = self.repo.manifests()?;
        let due = purge::due(&ledger, &view.manifests, self.repo.now_ns(), self.options.grace_ns);
        let mut purged = Purged::default();
        if self.options.dry_run && self.options.grace_ns == Some(0) {
            let would_go = |stored: &&StoredManifest| self.options.would_expire.contains(&stored.manifest.id);
            for stored in view.manifests.iter().filter(would_go) {
                balance.freed += self.repo.storage().size(&stored.name)?;
                purged.manifests.insert(stored.name.clone());
            }
        }
        if !others.is_empty() && !due.is_empty() {
            self.repo.take_in_new_packs(self.index())?;
            let mut walk = Walk::new(&self.reader).stopped_by(self.progress);
            walk.snapshots(due.iter().map(|due| &due.stored.manifest), &mut Lenient)?;
            purged.packs = walk.live().packs().collect();
        }
        if !self.options.dry_run {
            purge::note(self.repo, &ledger, &due)?;
        }
        for due in due {
            if self.options.dry_run {
                balance.freed += self.repo.storage().size(&due.stored.name)?;
                purged.manifests.insert(due.stored.name);
                continue;
            }
            let size = self.repo.storage().size(&due.stored.name)?;
            if let Some(topic) = purge::purge(self.repo, self.index(), &due)? {
                balance.freed += size;
                purged.topics.extend(purge::topics_beside(&topic));
                purged.topics.insert(topic);
                purged.manifests.insert(due.stored.name);
            }
        }
        if !self.options.dry_run {
            balance.freed += purge::delete_superseded(self.repo, &ledger)?;
            let claimed = purge::claimed(&ledger);
            purged.topics.extend(claimed.iter().flat_map(|topic| purge::topics_beside(topic)));
            purged.topics.extend(claimed);
        }
        purged.known = view.manifests;
        Ok(purged)
    }

    /// Sorts the condemned packs. `others` were listed just now.
    fn sentences(&self, others: &[String]) -> Result<Sentences> {
        let mut sentences = Sentences::default();
        for (id, record) in self.repo.condemned()?.records {
            let waits_for = match record.waits_for {
                Some(waits_for) => waits_for,
                // The run that condemned them was stopped before it had looked who writes.
                None if self.options.dry_run => others.to_vec(),
                None => {
                    self.repo.condemned_waits(&id, others.to_vec())?;
                    others.to_vec()
                }
            };
            if waits_for.iter().any(|writer| others.contains(writer)) {
                sentences.waiting.extend(record.packs);
            } else {
                sentences.ready.extend(record.packs);
                sentences.ready_records.push(id);
            }
        }
        sentences.ready.retain(|id| !sentences.waiting.contains(id));
        Ok(sentences)
    }

    /// The manifests that are there, but for those `without`, and their packs in the index. All must be readable.
    /// Those that are `known` were read by this run before.
    fn manifests(&self, known: Vec<StoredManifest>, without: &BTreeSet<ObjectName>) -> Result<Vec<StoredManifest>> {
        let mut view = self.repo.manifests_besides(known)?;
        if let Some((_, error)) = view.damaged.into_iter().next() {
            return Err(not_whole(error));
        }
        view.manifests.retain(|stored| !without.contains(&stored.name));
        self.repo.take_in_new_packs(self.index())?;
        Ok(view.manifests)
    }

    fn walk(&self, manifests: &[StoredManifest]) -> Result<Walk<'_>> {
        self.progress.stage("finding what snapshots need", None);
        let mut walk = Walk::new(&self.reader).stopped_by(self.progress);
        let manifests: Vec<&Manifest> = manifests.iter().map(|stored| &stored.manifest).collect();
        walk.snapshots(manifests, &mut Strict).map_err(not_whole)?;
        Ok(walk)
    }

    /// Steps 3 to 7. Returns how many packs wait for writers.
    fn carry_out(
        &self,
        choice: &Choice,
        walk: &Walk<'_>,
        sentences: &Sentences,
        manifests: &[StoredManifest],
        balance: &mut Balance,
    ) -> Result<u64> {
        let going: HashSet<u32> = choice.packs().map(|info| info.number).collect();
        let bytes = choice.rewrite.iter().map(|info| info.size).sum();
        self.progress.stage("moving what is needed", Some(bytes));
        balance.written += move_live(self.repo, &self.reader, &choice.rewrite, walk.live(), &going, self.progress)?;

        self.progress.stage("removing packs", None);
        let (ready, new): (Vec<PackInfo>, Vec<PackInfo>) =
            choice.packs().partition(|info| sentences.ready.contains(&info.id));
        balance.freed += self.remove(&ready)?;
        for record in &sentences.ready_records {
            self.repo.forget_condemned(record)?;
        }
        if new.is_empty() {
            return Ok(0);
        }
        let record = self.repo.condemn(new.iter().map(|info| info.id).collect())?;
        let others = self.others()?;
        if !others.is_empty() {
            self.repo.condemned_waits(&record, others)?;
            return Ok(new.len() as u64);
        }
        balance.written += self.rescue(&new, manifests, &going)?;
        balance.freed += self.remove(&new)?;
        self.repo.forget_condemned(&record)?;
        Ok(0)
    }

    /// Moves what snapshots need that came after `known` were listed. Nobody writes who does not know that `packs` are
    /// condemned.
    fn rescue(&self, packs: &[PackInfo], known: &[StoredManifest], going: &HashSet<u32>) -> Result<u64> {
        let names: BTreeSet<ObjectName> = known.iter().map(|stored| stored.name.clone()).collect();
        let new = self.manifests(known.to_vec(), &names)?;
        if new.is_empty() {
            return Ok(0);
        }
        let walk = self.walk(&new)?;
        let needed: Vec<PackInfo> = packs.iter().filter(|info| walk.live().count(info.number) > 0).copied().collect();
        move_live(self.repo, &self.reader, &needed, walk.live(), going, self.progress)
    }

    /// Forgets packs, durably, and then deletes them. Returns their stored bytes.
    fn remove(&self, packs: &[PackInfo]) -> Result<u64> {
        for info in packs {
            let contents = self.reader.contents(info.number)?;
            self.index().forget(&info.id, Some(&contents.footer))?;
        }
        self.index().flush()?;
        packs.iter().map(|info| purge::delete(self.repo, &pack_name(&info.id))).sum()
    }
}

/// What [`Run::purge`] took away.
#[derive(Default)]
struct Purged {
    manifests: BTreeSet<ObjectName>,
    /// The manifests that were there before.
    known: Vec<StoredManifest>,
    /// What the ledger says about snapshots that are gone.
    topics: BTreeSet<String>,
    /// Numbers of the packs that the manifests used, where somebody else writes.
    packs: HashSet<u32>,
}

/// A snapshot that is not whole might be repaired with what looks like garbage now.
fn not_whole(error: Error) -> Error {
    match error {
        Error::Damaged { object, detail } => {
            let advice =
                "so no data was removed: `snaphold verify` tells which snapshots need it, `snaphold repair` helps";
            Error::Damaged { object, detail: format!("{detail}; {advice}") }
        }
        error => error,
    }
}
