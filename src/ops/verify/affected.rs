//! Which snapshots an error takes something away from. Only asked where there are errors: it walks each snapshot alone.

use std::collections::{BTreeSet, HashMap};

use rayon::prelude::*;

use crate::error::Result;
use crate::id::{ChunkId, SnapshotId};
use crate::ops::reach::{Fault, Visitor, Walk};
use crate::repo::{Reader, StoredManifest};

/// For each snapshot that needs one of the chunks, the numbers of the errors that take them away.
pub fn affected(
    reader: &Reader,
    manifests: &[StoredManifest],
    bad: &HashMap<ChunkId, Vec<usize>>,
) -> Result<Vec<(SnapshotId, BTreeSet<usize>)>> {
    let met = |stored: &StoredManifest| {
        let mut visitor = Met { bad, errors: BTreeSet::new(), faults: 0 };
        Walk::new(reader).snapshots([&stored.manifest], &mut visitor)?;
        Ok((stored.manifest.id, visitor.errors))
    };
    manifests.par_iter().map(met).collect()
}

/// The snapshots that need something that is missing or cannot be looked up.
pub fn damaged_snapshots(reader: &Reader, manifests: &[StoredManifest]) -> Result<Vec<SnapshotId>> {
    let judge = |stored: &StoredManifest| -> Result<(SnapshotId, bool)> {
        let mut visitor = Met { bad: &HashMap::new(), errors: BTreeSet::new(), faults: 0 };
        Walk::new(reader).snapshots([&stored.manifest], &mut visitor)?;
        Ok((stored.manifest.id, visitor.faults > 0))
    };
    let judged: Vec<(SnapshotId, bool)> = manifests.par_iter().map(judge).collect::<Result<_>>()?;
    Ok(judged.into_iter().filter(|(_, damaged)| *damaged).map(|(id, _)| id).collect())
}

struct Met<'b> {
    bad: &'b HashMap<ChunkId, Vec<usize>>,
    errors: BTreeSet<usize>,
    faults: u64,
}

impl Visitor for Met<'_> {
    fn fault(&mut self, _: Fault) -> Result<()> {
        self.faults += 1;
        Ok(())
    }

    fn needs(&mut self, id: &ChunkId) {
        self.errors.extend(self.bad.get(id).into_iter().flatten());
    }
}
