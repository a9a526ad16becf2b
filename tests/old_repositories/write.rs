//! Writes the golden repositories, and is the world around those who read them.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use snaphold::chunk::StreamChunker;
use snaphold::clock::{Clock, Entropy, ProcessIdentity, Processes, Surroundings};
use snaphold::codec::Effort;
use snaphold::crypto::{Encryption, Secret};
use snaphold::error::{Error, Result};
use snaphold::format::ledger::{Deletion, DeletionCause, LedgerRecord, SnapshotState};
use snaphold::format::manifest::{InstanceRecord, Manifest, SnapshotType};
use snaphold::id::{PackId, SnapshotId};
use snaphold::ops::Silent;
use snaphold::ops::capture::{SnapshotRequest, take_snapshot};
use snaphold::repo::{InitOptions, Repository, Work, snapshot_topic};
use snaphold::storage::LocalFolder;

use super::{account, fixture, golden_folder};

/// A clock that counts seconds, randomness out of a seed, and processes of which nothing is known.
struct World {
    seed: String,
    drawn: AtomicU64,
    seconds: AtomicU64,
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        let seconds = self.seconds.fetch_add(1, Ordering::Relaxed);
        Timestamp::from_second(1_700_000_000 + seconds as i64).unwrap()
    }
}

impl Entropy for World {
    fn fill(&self, bytes: &mut [u8]) {
        let count = self.drawn.fetch_add(1, Ordering::Relaxed);
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.seed.as_bytes()).update(&count.to_le_bytes()).finalize_xof().fill(bytes);
    }
}

impl Processes for World {
    fn identity(&self) -> ProcessIdentity {
        ProcessIdentity { host: format!("{} host", self.seed), boot: "golden boot".into(), pid: 4711, started: 1 << 33 }
    }

    fn is_alive(&self, _: &ProcessIdentity) -> Option<bool> {
        None
    }
}

pub fn surroundings(seed: &str) -> Surroundings {
    let world = Arc::new(World { seed: seed.into(), drawn: 0.into(), seconds: 0.into() });
    Surroundings { clock: world.clone(), entropy: world.clone(), processes: world }
}

pub fn passphrase() -> Secret {
    Secret::Passphrase("golden passphrase, ä".as_bytes().to_vec().into())
}

pub fn key_file() -> Secret {
    Secret::KeyFile((0..64).collect::<Vec<u8>>().into())
}

fn request(instance: &str, kind: SnapshotType) -> SnapshotRequest {
    SnapshotRequest {
        id: None,
        instance: instance.into(),
        kind,
        description: None,
        expires_at_ns: None,
        before_restore_of: None,
        effort: Effort::Best,
    }
}

fn take_all(repo: &Repository) -> Result<Vec<Manifest>> {
    let first = SnapshotRequest {
        description: Some("the first day, ä".into()),
        expires_at_ns: Some(1_800_000_000_000_000_000),
        ..request("shop", SnapshotType::OnDemand)
    };
    let first = take_snapshot(repo, first, &Silent, |capture| fixture::capture_day(capture, 1))?.manifest;
    let second = request("shop", SnapshotType::Scheduled);
    let second = take_snapshot(repo, second, &Silent, |capture| fixture::capture_day(capture, 2))?.manifest;
    let failed = take_snapshot(repo, request("shop", SnapshotType::OnDemand), &Silent, |_| {
        Err(Error::Failed("the source went away".into()))
    });
    assert!(failed.is_err());
    let safety = SnapshotRequest { before_restore_of: Some(first.id), ..request("shop", SnapshotType::Safety) };
    let safety = take_snapshot(repo, safety, &Silent, |capture| fixture::capture_day(capture, 2))?.manifest;
    let load = request("environment", SnapshotType::Load);
    let load = take_snapshot(repo, load, &Silent, fixture::capture_others)?.manifest;
    Ok(vec![first, second, safety, load])
}

fn append_ledger(repo: &Repository, first: SnapshotId, safety: SnapshotId) -> Result<()> {
    let state =
        |snapshot, deleted, hold_until_ns| LedgerRecord::Snapshot(SnapshotState { snapshot, deleted, hold_until_ns });
    let hold = Some(1_900_000_000_000_000_000);
    repo.append_ledger(&snapshot_topic(&first), None, &state(first, None, None))?;
    repo.append_ledger(&snapshot_topic(&first), Some(1), &state(first, None, hold))?;
    let at_ns = repo.now_ns();
    let deletion = Deletion { at_ns, cause: DeletionCause::User, purge_after_ns: at_ns + 604_800_000_000_000 };
    repo.append_ledger(&snapshot_topic(&safety), None, &state(safety, Some(deletion), None))?;
    let record = InstanceRecord {
        created_at_ns: repo.now_ns(),
        source: Some("files:/srv/shop".into()),
        plan: "unlimited".into(),
        retain_ns: Some(2_592_000_000_000_000),
        description: Some("the shop".into()),
        always_read: true,
    };
    let instance = |name: &str, record| LedgerRecord::Instance { name: name.into(), record };
    repo.append_ledger(&repo.instance_topic("shop"), None, &instance("shop", Some(record)))?;
    repo.append_ledger(&repo.instance_topic("old"), None, &instance("old", None))
}

fn write(name: &str, encryption: Encryption, chunker: StreamChunker) -> Result<()> {
    let folder = golden_folder().join(name);
    assert!(!folder.exists(), "{} is there: golden repositories are never changed", folder.display());
    fs::create_dir_all(&folder).unwrap();
    let storage = Arc::new(LocalFolder::create(folder.join("repository"))?);
    let index = tempfile::TempDir::new().unwrap();
    let options = InitOptions { encryption, chunker };
    let (passphrase, key_file) = (passphrase(), key_file());
    let is_encrypted = encryption == Encryption::Aes256Gcm;
    let first = is_encrypted.then_some((&passphrase, "a passphrase"));
    let repo = Repository::create(storage, index.path(), surroundings(name), options, first)?;
    if is_encrypted {
        repo.add_key_slot(Some((&key_file, "a key file")))?;
    }
    let taken = take_all(&repo)?;
    append_ledger(&repo, taken[0].id, taken[2].id)?;
    // A session that never ended, and a decision of gc about a pack that is not there any more, which waits for it.
    let work = Work::Snapshot { id: SnapshotId([7; 8]), instance: "shop".into(), kind: SnapshotType::Scheduled };
    let lease = repo.register(work)?;
    let decision = repo.condemn(vec![PackId([0xee; 32])])?;
    repo.condemned_waits(&decision, vec![lease.name().leaf().to_string()])?;
    std::mem::forget(lease);
    fs::remove_dir(folder.join("repository/tmp")).unwrap();
    let _ = account::account(&repo)?;
    drop(repo);
    let copy = super::Copy::of(name);
    fs::write(folder.join("expected.txt"), account::account(&copy.open())?).unwrap();
    Ok(())
}

#[test]
#[ignore = "writes tests/golden/: only for a new version of the format, under a new name"]
fn write_the_golden_repositories() {
    write("v1-aes", Encryption::Aes256Gcm, StreamChunker::default()).unwrap();
    write("v1-none", Encryption::None, StreamChunker::FastCdc { min: 4096, average: 16_384, max: 65_536 }).unwrap();
}
