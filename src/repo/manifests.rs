//! Reading manifests, and the commit.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::format::manifest::Manifest;
use crate::format::object::{self, ObjectTag};
use crate::format::{decode, encode};
use crate::limits;
use crate::storage::{Listed, ObjectKind, ObjectName};

use super::{Repository, names};

const MANIFEST_VERSION: u32 = 1;

/// A manifest in storage.
#[derive(Debug, Clone)]
pub struct StoredManifest {
    /// The object's name.
    pub name: ObjectName,
    /// What it says.
    pub manifest: Manifest,
}

/// The manifests of a repository.
#[derive(Debug, Default)]
pub struct ManifestsView {
    /// Those that can be read, oldest first.
    pub manifests: Vec<StoredManifest>,
    /// Those that cannot.
    pub damaged: Vec<(ObjectName, Error)>,
}

impl Repository {
    /// Reads all manifests, each as it is stored now.
    pub fn manifests(&self) -> Result<ManifestsView> {
        self.manifests_besides(Vec::new())
    }

    /// All manifests that are there now. Those that are `known` were read before and are not read again: they cannot have
    /// become others.
    pub fn manifests_besides(&self, known: Vec<StoredManifest>) -> Result<ManifestsView> {
        let mut known: HashMap<ObjectName, Manifest> =
            known.into_iter().map(|stored| (stored.name, stored.manifest)).collect();
        let (mut read, mut new) = (Vec::new(), Vec::new());
        for Listed { name, .. } in self.storage.list(ObjectKind::Snapshot)? {
            match known.remove(&name) {
                Some(manifest) => read.push((name, Ok(manifest))),
                None => new.push(name),
            }
        }
        read.par_extend(new.into_par_iter().map(|name| {
            let manifest = self.manifest(&name);
            (name, manifest)
        }));
        view(read)
    }

    /// All manifests that are there now, as they were stored: by their copies beside the index where there are such. That
    /// one was damaged since is not seen by this.
    pub fn manifests_by_copies(&self) -> Result<ManifestsView> {
        let listed = self.storage.list(ObjectKind::Snapshot)?;
        view(self.open_by_copies(ObjectKind::Snapshot, listed, |name, bytes| self.open_manifest(name, bytes)))
    }

    /// Reads one manifest and checks that its name is the hash of its bytes.
    pub fn manifest(&self, name: &ObjectName) -> Result<Manifest> {
        self.open_manifest(name, &self.storage.get(name)?)
    }
    fn open_manifest(&self, name: &ObjectName, bytes: &[u8]) -> Result<Manifest> {
        if bytes.len() > limits::SMALL_OBJECT_MAX || names::manifest(bytes) != *name {
            return Err(Error::damaged(name, "its name is not the hash of its bytes"));
        }
        let manifest: Manifest = object::open(&self.keys, ObjectTag::Manifest, "", bytes)
            .and_then(|plain| decode(&plain))
            .map_err(|error| error.of(name))?;
        if manifest.version != MANIFEST_VERSION {
            let detail = format!("manifest version {}", manifest.version);
            return Err(Error::Unsupported { object: name.to_string(), detail });
        }
        Ok(manifest)
    }

    /// Puts a manifest: from now on the snapshot is there. All that it refers to must be durable. Returns its name.
    pub fn commit(&self, manifest: &Manifest) -> Result<ObjectName> {
        let bytes = self.seal_manifest(manifest)?;
        let name = names::manifest(&bytes);
        self.storage().put_if_absent(&name, &bytes)?;
        Ok(name)
    }

    /// The stored length of a manifest, to within the few bytes by which the length itself may change it.
    pub fn manifest_len(&self, manifest: &Manifest) -> Result<u64> {
        Ok(self.seal_manifest(manifest)?.len() as u64)
    }

    fn seal_manifest(&self, manifest: &Manifest) -> Result<Vec<u8>> {
        object::seal(self.keys(), ObjectTag::Manifest, "", self.salt(), &encode(manifest))
            .map_err(|error| error.of("the manifest"))
    }
}

fn view(read: Vec<(ObjectName, Result<Manifest>)>) -> Result<ManifestsView> {
    let mut view = ManifestsView::default();
    for (name, manifest) in read {
        match manifest {
            Ok(manifest) => view.manifests.push(StoredManifest { name, manifest }),
            // Another process has just deleted it.
            Err(Error::NotFound(_)) => {}
            Err(error @ (Error::Damaged { .. } | Error::Unsupported { .. })) => view.damaged.push((name, error)),
            Err(error) => return Err(error),
        }
    }
    view.manifests.sort_by(|a, b| {
        let key = |stored: &StoredManifest| (stored.manifest.created_at_ns, stored.manifest.id);
        key(a).cmp(&key(b))
    });
    Ok(view)
}
