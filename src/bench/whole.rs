//! Snapshot and restore whole, in this process, in a repository of the run's own.

use std::sync::Arc;

use crate::chunk::StreamChunker;
use crate::clock::Surroundings;
use crate::codec::Effort;
use crate::crypto::{Encryption, Secret};
use crate::error::{Error, Result};
use crate::format::manifest::{Component, Outcome, SnapshotType};
use crate::format::tree::{Entry, Node};
use crate::ops::Progress;
use crate::ops::capture::{SnapshotRequest, take_snapshot};
use crate::ops::restore::restore_new;
use crate::ops::verify::{ReadData, VerifyOptions, verify};
use crate::repo::{InitOptions, Repository};
use crate::source::files::{self, FilesOptions};
use crate::storage::LocalFolder;

use super::measure::Meter;
use super::place::Place;
use super::report::{Skipped, Step};
use super::stop::{Stop, StoppableStorage};
use super::tree::{self, Data};

/// The repository's folder, below the place.
const REPOSITORY: &str = "repository";
const INDEX: &str = "index";
const RESTORED: &str = "restored";
const INSTANCE: &str = "bench";
const COMPONENT: &str = "data";

/// Makes the repository. A key file opens it: deriving a key from a passphrase would be no part of any step.
pub fn repository(place: &Place, surroundings: &Surroundings, stop: Arc<Stop>) -> Result<Repository> {
    let storage = Arc::new(StoppableStorage { inner: LocalFolder::create(place.path(REPOSITORY))?, stop });
    let options = InitOptions { encryption: Encryption::Aes256Gcm, chunker: StreamChunker::default() };
    let mut secret = vec![0; 32];
    surroundings.entropy.fill(&mut secret);
    let secret = Secret::KeyFile(secret.into());
    Repository::create(storage, &place.path(INDEX), surroundings.clone(), options, Some((&secret, "bench")))
}

/// What the steps work with.
pub struct Whole<'a> {
    pub repo: &'a Repository,
    pub data: &'a Data,
    pub place: &'a Place,
    pub meter: Meter<'a>,
    pub progress: &'a dyn Progress,
}

impl Whole<'_> {
    /// All steps.
    pub fn run(&self, skipped: &mut Vec<Skipped>) -> Result<Vec<Step>> {
        let (first, _) = self.take("first_snapshot", false)?;
        let (again, _) = self.take("again_unchanged", false)?;
        let (reread, mut root) = self.take("again_all_read", true)?;
        let mut steps = vec![first, again, reread];
        match self.data.in_place {
            true => skipped.push(Skipped {
                what: "next_version".into(),
                why: "there is no room for a copy of the data, and the folder itself is never changed".into(),
            }),
            false => {
                tree::change(&self.data.root, &self.data.files, self.meter.stop)?;
                let (next, changed) = self.take("next_version", false)?;
                steps.push(next);
                root = changed;
            }
        }
        steps.push(self.restore(&root)?);
        steps.push(self.verify(bytes_of(&root))?);
        Ok(steps)
    }

    fn take(&self, name: &'static str, always_read: bool) -> Result<(Step, Entry)> {
        let request = SnapshotRequest {
            id: None,
            instance: INSTANCE.into(),
            kind: SnapshotType::OnDemand,
            description: None,
            expires_at_ns: None,
            before_restore_of: None,
            effort: Effort::Default,
        };
        let options = FilesOptions { skip_unreadable: true, always_read, excluded: Vec::new(), left_out: Vec::new() };
        self.place.settle()?;
        let (mut speed, stored) = self.meter.once(0, || {
            take_snapshot(self.repo, request, self.progress, |capture| -> Result<Vec<Component>> {
                Ok(vec![files::capture(capture, COMPONENT, &self.data.root, &options)?])
            })
        })?;
        let cost = stored.manifest.cost;
        let root = match stored.manifest.outcome {
            Outcome::Completed { components } => components.into_iter().next().map(|component| component.root),
            Outcome::Failed { reason } => return Err(Error::Failed(reason)),
        };
        let root = root.ok_or_else(|| Error::Failed("the snapshot holds nothing".into()))?;
        let bytes = bytes_of(&root);
        speed = super::measure::speed(bytes, speed.wall_s, speed.cpu_s);
        let step = Step {
            name,
            bytes,
            bytes_read: cost.bytes_read,
            bytes_new: cost.bytes_new,
            bytes_stored: cost.bytes_stored,
            speed,
        };
        Ok((step, root))
    }

    fn restore(&self, root: &Entry) -> Result<Step> {
        let target = self.place.path(RESTORED);
        let bytes = bytes_of(root);
        self.place.settle()?;
        let (speed, _) = self.meter.once(bytes, || {
            let reader = self.repo.open_index()?.reader;
            restore_new(&reader, root, &target, self.progress)
        })?;
        self.progress.stage("comparing", None);
        if !tree::is_equal(&self.data.files, &self.data.root, &target, self.meter.stop)? {
            let why = match self.data.in_place {
                true => "files changed while they were measured, or the restore is wrong: what was restored differs",
                false => "what was restored is not what was captured",
            };
            return Err(Error::Failed(why.into()));
        }
        self.place.set_aside(RESTORED, bytes)?;
        Ok(Step { name: "restore", bytes, bytes_read: 0, bytes_new: 0, bytes_stored: 0, speed })
    }

    fn verify(&self, bytes: u64) -> Result<Step> {
        let options = VerifyOptions { read_data: ReadData::All };
        let (speed, report) = self.meter.once(bytes, || verify(self.repo, options, self.progress))?;
        match report.errors.first() {
            Some(error) => Err(Error::damaged(&error.object, &error.message)),
            None => {
                Ok(Step { name: "verify", bytes, bytes_read: report.bytes_read, bytes_new: 0, bytes_stored: 0, speed })
            }
        }
    }
}

fn bytes_of(root: &Entry) -> u64 {
    match &root.node {
        Node::Directory { summary, .. } => summary.bytes,
        _ => 0,
    }
}
