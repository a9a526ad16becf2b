//! Restoring: what comes back is what was there, in a new folder and over an old one; damage and hostile trees.

mod damage;
mod fresh;
mod hostile;
mod in_place;
mod trees;
mod unprivileged;

#[path = "../support/mod.rs"]
mod support;

use std::path::Path;

use snaphold::error::Result;
use snaphold::format::tree::Entry;
use snaphold::ops::Silent;
use snaphold::ops::restore::{Mark, RestorePlan, RestoreReport, plan_in_place, restore_in_place, restore_new};
use snaphold::repo::Reader;

fn mark() -> Mark {
    Mark { snapshot: "0123456789abcdef".into(), started_at: jiff::Timestamp::UNIX_EPOCH }
}

fn new(reader: &Reader, root: &Entry, target: &Path) -> Result<RestoreReport> {
    restore_new(reader, root, target, &Silent)
}

fn plan(reader: &Reader, root: &Entry, target: &Path) -> Result<RestorePlan> {
    plan_in_place(reader, root, target, &Silent)
}

fn over(reader: &Reader, root: &Entry, target: &Path) -> Result<RestoreReport> {
    restore_in_place(reader, root, target, &mark(), &Silent)
}
