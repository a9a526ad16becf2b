//! Everything but packs: each object by itself, and the copies that must be there.

use std::collections::BTreeSet;

use rayon::prelude::*;

use crate::crypto::KeySlot;
use crate::error::{Error, Result};
use crate::format::config::StoredConfig;
use crate::format::object::{self, ObjectTag};
use crate::repo::{ManifestsView, Repository, config_names, key_slot_names};
use crate::storage::{Listed, ObjectKind, ObjectName};

use super::problems::Problems;

/// Checks configs, key slots, manifests, the ledger, registered writers and condemned packs. Returns the manifests.
pub fn check(repo: &Repository, problems: &mut Problems) -> Result<ManifestsView> {
    for name in config_names() {
        if let Err(error) = check_config(repo, &name) {
            problems.add(error, Vec::new());
        }
    }
    check_keys(repo, problems)?;
    check_each(repo, ObjectKind::Ledger, problems, |name| repo.ledger_record(name).map(drop))?;
    check_each(repo, ObjectKind::Writer, problems, |name| check_seal(repo, name, ObjectTag::Writer))?;
    check_each(repo, ObjectKind::Condemned, problems, |name| check_seal(repo, name, ObjectTag::Condemned))?;
    if let Err(error) = repo.condemned() {
        problems.add(error, Vec::new());
    }
    let mut view = repo.manifests()?;
    for (_, error) in std::mem::take(&mut view.damaged) {
        problems.add(error, Vec::new());
    }
    Ok(view)
}

/// Checks one copy of the config against the one that the repository was opened with.
pub fn check_config(repo: &Repository, name: &ObjectName) -> Result<()> {
    // The repository was opened with the other copy: one that seems to be newer is a damaged one.
    let stored = StoredConfig::decode(&present(repo, name)?).map_err(|error| Error::damaged(name, error))?;
    if !repo.keys().config_mac_is(&stored.authenticated, &stored.mac) {
        return Err(Error::damaged(name, "it was not written by who holds the key"));
    }
    if stored.config != *repo.config() {
        return Err(Error::damaged(name, "it is not the config of this repository"));
    }
    Ok(())
}

/// An object that must be there.
fn present(repo: &Repository, name: &ObjectName) -> Result<Vec<u8>> {
    repo.storage().get(name).map_err(|error| match error {
        Error::NotFound(_) => Error::damaged(name, "it is missing; `snaphold repair` restores it from its other copy"),
        error => error,
    })
}

/// Checks one copy of a key slot, as far as that can be done without the secret that it is of.
pub fn check_key(repo: &Repository, name: &ObjectName) -> Result<()> {
    let bytes = present(repo, name)?;
    if !key_slot_names(&bytes).contains(name) {
        return Err(Error::damaged(name, "its name is not the hash of its bytes"));
    }
    KeySlot::decode(&name.path(), &bytes).map(drop)
}

/// Both copies of each key slot of which there is one.
pub fn key_copies(repo: &Repository) -> Result<BTreeSet<ObjectName>> {
    let mut copies = BTreeSet::new();
    for listed in repo.storage().list(ObjectKind::Key)? {
        let id = listed.name.leaf().split('.').next().unwrap_or_default();
        let both = [id.to_string(), format!("{id}.spare")].map(|leaf| ObjectName::new(ObjectKind::Key, leaf));
        copies.extend(both.into_iter().flatten());
        copies.insert(listed.name);
    }
    Ok(copies)
}

fn check_keys(repo: &Repository, problems: &mut Problems) -> Result<()> {
    let copies = key_copies(repo)?;
    if copies.is_empty() {
        problems.add(Error::damaged("keys", "there is no key slot: once closed, nothing opens it again"), Vec::new());
    }
    for name in &copies {
        if let Err(error) = check_key(repo, name) {
            problems.add(error, Vec::new());
        }
    }
    Ok(())
}

/// Checks a sealed object of which nothing more can be said.
pub fn check_seal(repo: &Repository, name: &ObjectName, tag: ObjectTag) -> Result<()> {
    let bytes = repo.storage().get(name)?;
    object::open(repo.keys(), tag, &name.path(), &bytes).map(drop).map_err(|error| error.of(name))
}

fn check_each(
    repo: &Repository,
    kind: ObjectKind,
    problems: &mut Problems,
    check: impl Fn(&ObjectName) -> Result<()> + Sync,
) -> Result<()> {
    let listed: Vec<Listed> = repo.storage().list(kind)?;
    let errors: Vec<Error> = listed.par_iter().filter_map(|listed| check(&listed.name).err()).collect();
    for error in errors {
        // What somebody removes meanwhile is not damaged.
        if !matches!(error, Error::NotFound(_)) {
            problems.add(error, Vec::new());
        }
    }
    Ok(())
}
