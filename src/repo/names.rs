//! Names of objects.

use std::fmt::Display;

use crate::id::{PackId, WriterId};
use crate::storage::{ObjectKind, ObjectName};

/// A name whose leaf is of the allowed form by construction: hexadecimal digits, dots and dashes.
fn name(kind: ObjectKind, leaf: impl Display) -> ObjectName {
    let leaf = leaf.to_string();
    match ObjectName::new(kind, leaf) {
        Some(name) => name,
        None => unreachable!("object leaves are made of hexadecimal digits, dots and dashes"),
    }
}

/// The two copies of the config.
pub fn configs() -> [ObjectName; 2] {
    [name(ObjectKind::Config, "main"), name(ObjectKind::Config, "spare")]
}

/// A pack.
pub fn pack(id: &PackId) -> ObjectName {
    name(ObjectKind::Pack, id)
}

/// The name under which a damaged pack is kept, and which nobody takes for a pack's.
pub fn damaged_pack(id: &PackId) -> ObjectName {
    name(ObjectKind::Pack, format!("{id}.damaged"))
}

/// The pack that was put aside under a name.
pub fn pack_put_aside(name: &ObjectName) -> Option<PackId> {
    name.leaf().strip_suffix(".damaged")?.parse().ok()
}

/// A manifest, named by the hash of its stored bytes.
pub fn manifest(object: &[u8]) -> ObjectName {
    name(ObjectKind::Snapshot, blake3::hash(object).to_hex())
}

/// The two copies of a key slot, named by the hash of its stored bytes.
pub fn key_slots(slot: &[u8]) -> [ObjectName; 2] {
    let hash = blake3::hash(slot).to_hex();
    [name(ObjectKind::Key, hash), name(ObjectKind::Key, format!("{hash}.spare"))]
}

/// Revision `number` of the ledger topic `topic` (hexadecimal digits).
pub fn ledger(topic: &str, number: u32) -> ObjectName {
    name(ObjectKind::Ledger, format!("{topic}.{number:08}"))
}

/// A registered writer.
pub fn writer(id: &WriterId) -> ObjectName {
    name(ObjectKind::Writer, id)
}

/// A registration of one that deletes: garbage collection or repair.
pub fn exclusive(id: &WriterId) -> ObjectName {
    name(ObjectKind::Writer, format!("exclusive.{id}"))
}

/// A record of condemned packs.
pub fn condemned(id: &WriterId) -> ObjectName {
    name(ObjectKind::Condemned, id)
}

/// The writers that the removal of condemned packs waits for.
pub fn condemned_waits(id: &WriterId) -> ObjectName {
    name(ObjectKind::Condemned, format!("{id}.waits"))
}
