//! Snaphold keeps snapshots of database instances: content-addressed, deduplicated, and stored as
//! what changed inside what changed.
//!
//! The layers, lowest first; a layer imports only what stands before it (`tests/architecture.rs`
//! reads the imports and fails on a breach):
//!
//! 1. [`error`], [`id`], [`limits`], [`clock`]: words that every layer uses
//! 2. [`storage`]: objects by name, the only place that touches a repository's medium
//! 3. [`chunk`], [`codec`], [`crypto`], [`container`]: cutting, compressing, sealing, opening; pure
//! 4. [`mod@format`]: the bytes of every stored thing; pure
//! 5. [`repo`]: packs, index, recipes, manifests; what is visible and when
//! 6. [`ops`]: capture, restore, export, diff, verify, gc, repair
//! 7. [`source`]: one file a kind of instance
//! 8. [`service`]: instances, plans, and the work flows that a user names; [`mod@bench`]: how fast all of it is
//! 9. [`server`]: the same for many accounts: catalog, jobs, scheduler, REST, web console

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod clock;
pub mod error;
pub mod id;
pub mod limits;

pub mod storage;

pub mod chunk;
pub mod codec;
pub mod container;
pub mod crypto;

pub mod format;
pub mod repo;

pub mod bench;
pub mod ops;
pub mod server;
pub mod service;
pub mod source;
