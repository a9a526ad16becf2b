//! Restoring: a snapshot's entry back into files.
//!
//! - [`find`]: an entry of a snapshot, to be restored alone
//! - [`restore_new`]: into a folder that is not there yet, or empty: made beside it, and renamed when it is whole
//! - [`plan_in_place`], [`RestorePlan::apply`]: over what is there, writing only what differs
//!
//! What is written was checked against its chunk's id first, and nothing beneath the target is reached through a
//! link: every name is opened alone, in its folder's handle, without following.

mod apply;
mod attributes;
mod batch;
mod bytes;
mod compare;
mod execute;
mod fetch;
mod folders;
mod fresh;
mod journal;
mod patch;
mod patching;
mod plan;
mod planner;
mod report;
mod sink;
mod target;
mod tree;

pub use apply::restore_in_place;
pub use fresh::restore_new;
pub use journal::{Mark, incomplete_restore};
pub use plan::{ChangeKind, PlannedChange, RestorePlan, plan_in_place};
pub use report::RestoreReport;
pub use tree::find;
