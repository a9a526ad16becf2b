//! Manifests and records, as whoever made a repository could have written them: decoded, and shown the way the program
//! shows them.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use snaphold::format::ledger::LedgerRecord;
use snaphold::format::manifest::Manifest;
use snaphold::format::object::{self, ObjectTag};
use snaphold::format::{decode, encode};
use snaphold::ops::export::exportable;
use snaphold::ops::ls::list;
use snaphold::repo::{Repository, WriterRecord};
use snaphold::storage::{ObjectKind, ObjectName, Storage};

use super::fixed::{Input, World, world};

/// A kind, then the plain bytes of an object.
pub fn records(data: &[u8]) -> bool {
    let mut input = Input(data);
    let choice = input.u8();
    let plain = input.0;
    let world = world();
    match choice % 5 {
        0 => {
            let accepted = comes_back::<Manifest>(plain);
            shown(&world, ObjectTag::Manifest, ObjectKind::Snapshot, None, plain);
            accepted
        }
        1 => {
            let accepted = comes_back::<LedgerRecord>(plain);
            let topic = if choice & 0x80 == 0 { "1".repeat(33) } else { format!("5{}", "7".repeat(16)) };
            shown(&world, ObjectTag::Ledger, ObjectKind::Ledger, Some(&format!("{topic}.00000001")), plain);
            accepted
        }
        2 => {
            let accepted = comes_back::<WriterRecord>(plain);
            let leaf = if choice & 0x80 == 0 { "b".repeat(32) } else { format!("exclusive.{}", "b".repeat(32)) };
            shown(&world, ObjectTag::Writer, ObjectKind::Writer, Some(&leaf), plain);
            accepted
        }
        kind => {
            let leaf = format!("{}{}", "c".repeat(32), if kind == 3 { "" } else { ".waits" });
            shown(&world, ObjectTag::Condemned, ObjectKind::Condemned, Some(&leaf), plain)
        }
    }
}

/// What is accepted is encoded to what decodes to the same.
fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(plain: &[u8]) -> bool {
    let Ok(value) = decode::<T>(plain) else { return false };
    assert_eq!(decode::<T>(&encode(&value)).unwrap(), value);
    true
}

/// Puts the object into the repository, looks at everything, and takes it out again. Whether the repository's condemned
/// packs could be read.
fn shown(world: &World, tag: ObjectTag, kind: ObjectKind, leaf: Option<&str>, plain: &[u8]) -> bool {
    let repo = world.service.repo();
    let name_of = |leaf: &str| ObjectName::new(kind, leaf).unwrap();
    // A manifest's name is the hash of its bytes, so it is not sealed under it.
    let sealed_as = leaf.map(|leaf| name_of(leaf).path()).unwrap_or_default();
    let Ok(bytes) = object::seal(repo.keys(), tag, &sealed_as, [1; 32], plain) else { return false };
    let name = name_of(leaf.unwrap_or(&blake3::hash(&bytes).to_hex()));
    world.storage.put_if_absent(&name, &bytes).unwrap();
    look(world, repo);
    let condemned = repo.condemned();
    world.storage.delete(&name).unwrap();
    condemned.is_ok_and(|condemned| !condemned.records.is_empty())
}

fn look(world: &World, repo: &Repository) {
    let service = &world.service;
    let catalog = service.catalog().unwrap();
    for (_, error) in &catalog.damaged {
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    let snapshots = service.snapshots(None).unwrap();
    serde_json::to_string(&snapshots).unwrap();
    let instances = service.instances().unwrap();
    serde_json::to_string(&instances).unwrap();
    for view in &snapshots {
        let _ = service.snapshot(&view.id);
        let _ = service.snapshots(Some(&view.instance));
    }
    for snapshot in &catalog.snapshots {
        let _ = exportable(&world.reader, &snapshot.manifest, None);
        for component in snapshot.components().unwrap_or_default() {
            let _ = list(&world.reader, &component.root, b"", false, &mut |_| Ok(()));
        }
    }
    for view in &instances {
        let _ = service.instance(&view.name);
    }
    let _ = service.snapshot("latest~1");
    let _ = repo.writers().unwrap();
}
