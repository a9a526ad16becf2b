//! The service: what its jobs do, its accounts' repositories.

#[path = "../sqlite_common/mod.rs"]
mod sqlite_common;
#[path = "../store/mod.rs"]
mod store;

mod accounts;
mod cancelled;
mod died;
mod jobs;
mod side_by_side;
mod world;
