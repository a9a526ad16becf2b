//! What is in a repository, and when it becomes visible.
//!
//! Write order: packs durable, then the index, then the manifest by create-if-absent. Read order: the reverse. A crash
//! at any point leaves a valid repository and perhaps garbage, which the next gc removes.

mod condemned;
mod copies;
mod fetch;
mod index;
mod keyring;
mod lease;
mod ledger;
mod listing;
mod manifests;
mod names;
mod notes;
mod reader;
mod recipes;
mod slots;
mod stream;
mod writer;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use crate::chunk::StreamChunker;
use crate::clock::Surroundings;
use crate::codec::Effort;
use crate::crypto::{Encryption, MasterKey, RepoKeys, Secret};
use crate::error::{Error, Result};
use crate::format::config::{Config, StoredConfig};
use crate::id::{PackId, RepoId};
use crate::storage::{ObjectKind, ObjectName, PutOutcome, Storage};

pub use condemned::Condemned;
pub use fetch::{Fetched, fetch_chunks, fetch_node, fetch_nodes};
pub use index::{Bulk, Found, Index, PackInfo, Slot};
pub use keyring::{KeySlotView, KeyringView};
pub use lease::{FoundWriter, Lease, Work, WriterRecord};
pub use ledger::{LedgerView, PROOF_TOPIC, PURGED_TOPIC, Revision, ledger_topic, proof_topic, snapshot_topic};
pub use listing::{Entries, is_long, read_entries};
pub use manifests::{ManifestsView, StoredManifest};
pub use names::{
    configs as config_names, damaged_pack as damaged_pack_name, key_slots as key_slot_names, pack as pack_name,
    pack_put_aside,
};
pub use reader::{PackContents, Payload, Place, Reader, absent, load_contents};
pub use recipes::{
    ContentReader, Extent, NodeCutter, Recipe, RecipeBuilder, directory_bytes, read_directory, read_node,
};
pub use stream::{ContentStream, Piece, read_ahead};
pub use writer::{Base, ChunkWriter, Lane, Stored, Worker};

/// Page-class chunks are at least this long, bytes: docs/DESIGN.md has the measurement.
const PAGE_TARGET: u32 = 16 * 1024;
/// Footers that are in memory while the index takes packs in.
const FOOTERS_AT_ONCE: usize = 16;
/// So many new packs are sorted and taken in at once: about a million chunks.
const BULK_PACKS: usize = 256;

/// A repository, unlocked.
pub struct Repository {
    storage: Arc<dyn Storage>,
    config: Config,
    keys: Arc<RepoKeys>,
    master: MasterKey,
    surroundings: Surroundings,
    index_dir: PathBuf,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Repository({} at {})", self.config.repo, self.storage.location())
    }
}

/// What `init` may choose.
#[derive(Debug, Clone, Copy)]
pub struct InitOptions {
    /// How objects are sealed.
    pub encryption: Encryption,
    /// How streams are cut.
    pub chunker: StreamChunker,
}

/// An index that was opened and brought up to date, and what was noticed on the way.
pub struct OpenedIndex {
    /// Reads chunks by it.
    pub reader: Arc<Reader>,
    /// One line each, for the user.
    pub notices: Vec<String>,
    /// Packs that are there and cannot be used, with the reason.
    pub damaged: Vec<(PackId, Error)>,
    /// Packs that the index knew and that are gone, until all snapshots were found whole without them.
    pub missing: Vec<PackId>,
    /// Manifests and ledger records that were there and are gone, by their paths: lost, or removed by a gc elsewhere.
    pub missing_objects: Vec<String>,
}

/// Packs that were added to an index.
#[derive(Debug, Default)]
pub struct TakenIn {
    /// How many.
    pub packs: usize,
    /// Those that are there and cannot be used, with the reason.
    pub damaged: Vec<(PackId, Error)>,
}

impl OpenedIndex {
    /// Whether all that snapshots refer to is known to be there: only then may a reference of an older snapshot count
    /// as stored without being looked up.
    pub fn is_whole(&self) -> bool {
        self.damaged.is_empty() && self.missing.is_empty() && self.reader.index().doubt().is_none()
    }
}

impl Repository {
    /// Makes a repository. The storage must hold none.
    pub fn create(
        storage: Arc<dyn Storage>,
        index_dir: &Path,
        surroundings: Surroundings,
        options: InitOptions,
        secret: Option<(&Secret, &str)>,
    ) -> Result<Self> {
        options.chunker.validate().map_err(Error::Usage)?;
        let [main, spare] = names::configs();
        if !storage.list(ObjectKind::Config)?.is_empty() {
            return Err(Error::Refused(format!("there is a repository at {} already", storage.location())));
        }
        let mut repo = [0; 16];
        surroundings.entropy.fill(&mut repo);
        let config = Config {
            repo: RepoId(repo),
            encryption: options.encryption,
            chunker: options.chunker,
            page_target: PAGE_TARGET,
            created_at_ns: now_ns(&surroundings),
        };
        let master = MasterKey::generate(&*surroundings.entropy);
        let keys = Arc::new(RepoKeys::derive(&master, config.repo, config.encryption));
        let repository = Self { storage, config, keys, master, surroundings, index_dir: index_dir.to_path_buf() };
        repository.add_key_slot(secret)?;
        // The config comes last: a repository without one is none, and `init` may be tried again.
        let mac = repository.keys.config_mac(&repository.config.authenticated_bytes());
        let bytes = repository.config.stored_bytes(mac);
        repository.storage.put_if_absent(&spare, &bytes)?;
        match repository.storage.put_if_absent(&main, &bytes)? {
            PutOutcome::Created => Ok(repository),
            PutOutcome::Existed => Err(Error::Busy("another process made a repository here at the same moment".into())),
        }
    }

    /// Reads the config of the repository in `storage`, which needs no key; it is trusted only after
    /// [`Repository::open`]. Either of its copies will do.
    pub fn stored_config(storage: &dyn Storage) -> Result<StoredConfig> {
        let mut failure = None;
        for name in names::configs() {
            match storage.get(&name).and_then(|bytes| StoredConfig::decode(&bytes).map_err(|error| error.of(&name))) {
                Ok(stored) => return Ok(stored),
                Err(Error::NotFound(_)) => {}
                Err(error) => _ = failure.get_or_insert(error),
            }
        }
        Err(failure.unwrap_or_else(|| {
            Error::NotFound(format!("there is no repository at {}; `snaphold init` makes one", storage.location()))
        }))
    }

    /// Opens a repository. `secret` is asked for only where the repository needs one.
    pub fn open(
        storage: Arc<dyn Storage>,
        index_dir: &Path,
        surroundings: Surroundings,
        secret: impl FnOnce() -> Result<Secret>,
    ) -> Result<Self> {
        let stored = Self::stored_config(&*storage)?;
        let master = slots::unlock(&*storage, &stored.config, secret)?;
        let keys = Arc::new(RepoKeys::derive(&master, stored.config.repo, stored.config.encryption));
        if !keys.config_mac_is(&stored.authenticated, &stored.mac) {
            return Err(Error::damaged("config", "it was not written by who holds the key"));
        }
        let index_dir = index_dir.to_path_buf();
        Ok(Self { storage, config: stored.config, keys, master, surroundings, index_dir })
    }

    /// The config.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The keys.
    pub fn keys(&self) -> &Arc<RepoKeys> {
        &self.keys
    }

    /// Where the objects are.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// Clock, randomness, processes.
    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// The server's clock, nanoseconds since 1970 (UTC).
    pub fn now_ns(&self) -> i64 {
        now_ns(&self.surroundings)
    }

    /// Random bytes.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.surroundings.entropy.fill(&mut bytes);
        bytes
    }

    fn salt(&self) -> [u8; 32] {
        self.random()
    }

    /// Opens the index and brings it up to date with the packs that are in storage.
    ///
    /// A writer opens it, and reads manifests, only after it has registered and read the condemned packs.
    pub fn open_index(&self) -> Result<OpenedIndex> {
        let (index, found) = Index::open(&self.index_dir, self.config.repo)?;
        let mut notices = Vec::new();
        if let Found::Unusable(why) = &found {
            notices.push(format!("the index was not usable and is made anew: {why}"));
        }
        let sizes: HashMap<PackId, u64> = reader::stored_packs(&*self.storage)?.into_iter().collect();
        let gone: Vec<PackInfo> =
            index.packs().into_iter().filter(|info| sizes.get(&info.id) != Some(&info.size)).collect();
        let mut missing: Vec<PackId> = gone.iter().map(|info| info.id).filter(|id| !sizes.contains_key(id)).collect();
        if !missing.is_empty() {
            notices.push(format!(
                "the index is not of the repository's present state: {} packs that it knows are gone",
                missing.len()
            ));
            missing.extend(index.doubt().unwrap_or_default());
            missing.sort_unstable();
            missing.dedup();
            index.set_doubt(Some(missing))?;
        }
        for info in &gone {
            index.forget(&info.id, None)?;
        }
        let taken_in = self.take_in(&index, sizes.iter().map(|(id, size)| (*id, *size)))?;
        if !taken_in.damaged.is_empty() && index.doubt().is_none() {
            index.set_doubt(Some(Vec::new()))?;
        }
        if found == Found::Absent && self.storage.list(ObjectKind::Snapshot)?.is_empty() {
            index.set_doubt(None)?;
        }
        if taken_in.packs > 0 {
            notices.push(format!("the index was brought up to date from {} packs", taken_in.packs));
        }
        index.flush()?;
        for (id, error) in &taken_in.damaged {
            notices.push(format!("pack {id} cannot be used: {error}"));
        }
        let missing_objects = self.remember_objects(&index)?;
        let lost = index.doubt().unwrap_or_default();
        let missing = lost.into_iter().filter(|id| !sizes.contains_key(id)).collect();
        let reader = Arc::new(Reader::new(self.storage.clone(), self.keys.clone(), Arc::new(index)));
        Ok(OpenedIndex { reader, notices, damaged: taken_in.damaged, missing, missing_objects })
    }

    /// Remembers the manifests and ledger records that are there. Returns those that were there and are gone, but for
    /// revisions that newer ones replaced.
    fn remember_objects(&self, index: &Index) -> Result<Vec<String>> {
        let mut names = self.storage.list(ObjectKind::Snapshot)?;
        names.extend(self.storage.list(ObjectKind::Ledger)?);
        let present: HashMap<String, ObjectName> =
            names.into_iter().map(|listed| (listed.name.path(), listed.name)).collect();
        let remembered: HashSet<String> = index.remembered()?.into_iter().collect();
        for path in present.keys().filter(|path| !remembered.contains(*path)) {
            index.remember(path)?;
        }
        let newest: HashMap<&str, u32> =
            present.values().filter_map(ledger_topic).fold(HashMap::new(), |mut newest, (topic, number)| {
                newest.entry(topic).and_modify(|known: &mut u32| *known = number.max(*known)).or_insert(number);
                newest
            });
        let mut missing = Vec::new();
        for path in remembered.into_iter().filter(|path| !present.contains_key(path)) {
            let name = path.strip_prefix("ledger/").and_then(|leaf| ObjectName::new(ObjectKind::Ledger, leaf));
            let revision = name.as_ref().and_then(ledger_topic);
            if revision.is_some_and(|(topic, number)| newest.get(topic).is_some_and(|newest| *newest > number)) {
                index.forget_object(&path)?;
            } else {
                missing.push(path);
            }
        }
        missing.sort_unstable();
        Ok(missing)
    }

    /// Takes in the packs that were stored since the index was opened.
    pub fn take_in_new_packs(&self, index: &Index) -> Result<TakenIn> {
        self.take_in(index, reader::stored_packs(&*self.storage)?.into_iter())
    }

    fn take_in(&self, index: &Index, stored: impl Iterator<Item = (PackId, u64)>) -> Result<TakenIn> {
        let mut new: Vec<(PackId, u64)> = stored.filter(|(id, _)| index.pack_named(id).is_none()).collect();
        new.sort_unstable();
        let mut taken_in = TakenIn::default();
        let mut bulk = if new.len() >= BULK_PACKS { index.bulk(new.len())? } else { None };
        for some in new.chunks(FOOTERS_AT_ONCE) {
            let loaded: Vec<(PackId, u64, Result<PackContents>)> = some
                .par_iter()
                .map(|&(id, size)| (id, size, load_contents(&*self.storage, &self.keys, id, size)))
                .collect();
            for (id, size, contents) in loaded {
                match contents {
                    Ok(contents) => {
                        match &mut bulk {
                            Some(bulk) => bulk.add(id, contents.kind(), size, &contents.footer)?,
                            None => _ = index.insert(id, contents.kind(), size, &contents.footer)?,
                        }
                        taken_in.packs += 1;
                    }
                    Err(error @ (Error::Damaged { .. } | Error::Unsupported { .. })) => {
                        taken_in.damaged.push((id, error));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        bulk.map_or(Ok(()), Bulk::finish)?;
        Ok(taken_in)
    }

    /// Throws the index away and makes it anew from the packs.
    pub fn rebuild_index(&self) -> Result<OpenedIndex> {
        let (index, _) = Index::open(&self.index_dir, self.config.repo)?;
        if !index.is_writable() {
            return Err(Error::Busy("the repository's index is in use by another process; try again later".into()));
        }
        let lost = index.doubt();
        drop(index);
        Index::remove(&self.index_dir)?;
        if lost.is_some() {
            let (index, _) = Index::open(&self.index_dir, self.config.repo)?;
            index.set_doubt(lost)?;
            index.flush()?;
        }
        self.open_index()
    }

    /// Begins to store chunks. The caller has registered as a writer.
    pub fn chunk_writer(&self, reader: &Arc<Reader>, condemned: &Condemned, effort: Effort) -> ChunkWriter {
        let index = reader.index();
        let numbers = condemned.packs().filter_map(|id| index.pack_named(id)).map(|info| info.number).collect();
        ChunkWriter::new(
            self.storage.clone(),
            self.keys.clone(),
            self.surroundings.entropy.clone(),
            reader.clone(),
            numbers,
            effort,
        )
    }
}

fn now_ns(surroundings: &Surroundings) -> i64 {
    i64::try_from(surroundings.clock.now().as_nanosecond()).unwrap_or(i64::MAX)
}
