//! Reading manifests, and the commit.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::format::manifest::Manifest;
use crate::format::object::{self, ObjectTag};
use crate::format::{decode, encode};
use crate::limits;
use crate::storage::{ObjectKind, ObjectName};

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
    /// Reads all manifests.
    pub fn manifests(&self) -> Result<ManifestsView> {
        let listed = self.storage.list(ObjectKind::Snapshot)?;
        let read: Vec<(ObjectName, Result<Manifest>)> = listed
            .into_par_iter()
            .map(|listed| {
                let manifest = self.manifest(&listed.name);
                (listed.name, manifest)
            })
            .collect();
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

    /// Reads one manifest and checks that its name is the hash of its bytes.
    pub fn manifest(&self, name: &ObjectName) -> Result<Manifest> {
        let bytes = self.storage.get(name)?;
        if bytes.len() > limits::SMALL_OBJECT_MAX || names::manifest(&bytes) != *name {
            return Err(Error::damaged(name, "its name is not the hash of its bytes"));
        }
        let manifest: Manifest = object::open(&self.keys, ObjectTag::Manifest, "", &bytes)
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
