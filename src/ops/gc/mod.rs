//! Garbage collection: gives back what no snapshot needs any more. Writers may be at work meanwhile.
//!
//! The order, which every crash and every writer is held against:
//!
//! 1. Manifests whose time has come are claimed in the ledger and deleted.
//! 2. Writers are listed, then manifests, then packs; what the manifests need is marked.
//! 3. Of packs to be removed, what is needed is stored again in new packs: durable, and in the index.
//! 4. The packs are condemned by a durable record. A writer registers before it reads these records, so one that begins
//!    from now on does not count on them.
//! 5. Writers are listed. If there are any, the record waits for them: a later run goes on when they are gone.
//! 6. Manifests are listed again: what came meanwhile is marked, and stored again as in 3.
//! 7. The index forgets the packs, durably; then they are deleted, then the record.
//!
//! Data in a pack whose footer cannot be read is unknown, so such a pack is never removed. A chunk that is stored as a
//! delta has its base in a pack that stays, even where the chunk itself is garbage that is not worth removing yet:
//! somebody may store the same bytes again and count on it.

mod choose;
mod collect;
mod purge;
mod report;
mod rewrite;

pub use collect::collect;
pub use report::{GcOptions, GcReport};

pub(super) use purge::{delete, note_removed, was_purged};
pub(super) use rewrite::move_live;
