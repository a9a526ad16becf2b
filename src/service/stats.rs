//! How much is kept, and how little it takes.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::format::pack::{Form, PackKind};
use crate::ops::Progress;
use crate::storage::ObjectKind;

use super::Service;

/// Sizes of a repository.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stats {
    /// Where it is.
    pub location: String,
    /// Completed snapshots that are not deleted.
    pub snapshots: u64,
    /// Plain bytes of all of them together.
    pub bytes_logical: u64,
    /// Stored bytes of packs and manifests.
    pub bytes_stored: u64,
    /// `bytes_logical / bytes_stored`.
    pub ratio: f64,
    /// Packs of data and of metadata.
    pub packs: u64,
    /// How the chunks are stored.
    pub chunks: ChunkStats,
    /// The same by instance.
    pub instances: Vec<InstanceStats>,
}

/// How chunks are stored. Bytes are plain unless they say stored.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct ChunkStats {
    /// Chunks that are stored whole.
    pub full: u64,
    /// Their bytes.
    pub full_bytes: u64,
    /// Chunks that are stored as what changed against another.
    pub delta: u64,
    /// Their bytes.
    pub delta_bytes: u64,
    /// What the deltas take before they are compressed in blocks.
    pub delta_payload_bytes: u64,
    /// Recipe nodes and folder listings.
    pub meta: u64,
    /// Their stored bytes.
    pub meta_stored_bytes: u64,
}

/// Sizes of one instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstanceStats {
    /// Its name.
    pub name: String,
    /// Completed snapshots that are not deleted.
    pub snapshots: u64,
    /// Plain bytes of the newest one.
    pub bytes_latest: u64,
    /// Plain bytes of all of them together.
    pub bytes_logical: u64,
    /// What each added to the repository when it was taken, together.
    pub bytes_added: u64,
}

impl Service {
    /// Sizes of the repository, of all its instances or of one.
    pub fn stats(&self, instance: Option<&str>, progress: &dyn Progress) -> Result<Stats> {
        let catalog = self.catalog()?;
        if let Some(name) = instance.filter(|name| !catalog.knows_instance(name)) {
            catalog.instance(name)?;
        }
        let mut instances = Vec::new();
        for view in catalog.instance_views() {
            let usable: Vec<_> = catalog.usable(Some(&view.name)).into_iter().map(|snapshot| snapshot.view()).collect();
            instances.push(InstanceStats {
                name: view.name,
                snapshots: usable.len() as u64,
                bytes_latest: usable.last().map_or(0, |view| view.bytes_total),
                bytes_logical: usable.iter().map(|view| view.bytes_total).fold(0, u64::saturating_add),
                bytes_added: usable.iter().map(|view| view.bytes_stored).fold(0, u64::saturating_add),
            });
        }
        instances.retain(|stats| instance.is_none_or(|name| stats.name == name));
        let bytes_logical = instances.iter().map(|stats| stats.bytes_logical).fold(0, u64::saturating_add);
        let storage = self.repo.storage();
        let (packs, manifests) = (storage.list(ObjectKind::Pack)?, storage.list(ObjectKind::Snapshot)?);
        let bytes_stored = packs.iter().chain(&manifests).map(|listed| listed.size).sum();
        Ok(Stats {
            location: storage.location(),
            snapshots: instances.iter().map(|stats| stats.snapshots).sum(),
            bytes_logical,
            bytes_stored,
            ratio: if bytes_stored == 0 { 0.0 } else { bytes_logical as f64 / bytes_stored as f64 },
            packs: packs.len() as u64,
            chunks: self.chunk_stats(progress)?,
            instances,
        })
    }

    /// Counts the chunks by the footers of all packs.
    fn chunk_stats(&self, progress: &dyn Progress) -> Result<ChunkStats> {
        let reader = self.reader(progress)?;
        let mut stats = ChunkStats::default();
        for info in reader.index().packs() {
            let contents = reader.contents(info.number)?;
            if contents.kind() == PackKind::Meta {
                stats.meta += contents.footer.chunks.len() as u64;
                stats.meta_stored_bytes += info.size;
                continue;
            }
            for chunk in &contents.footer.chunks {
                match chunk.form {
                    Form::Full => {
                        stats.full += 1;
                        stats.full_bytes += u64::from(chunk.payload_len);
                    }
                    Form::Delta { plain_len, .. } => {
                        stats.delta += 1;
                        stats.delta_bytes += u64::from(plain_len);
                        stats.delta_payload_bytes += u64::from(chunk.payload_len);
                    }
                }
            }
        }
        Ok(stats)
    }
}
