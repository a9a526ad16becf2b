//! The service: what its jobs do, its accounts' repositories, how it is operated.

#[path = "../support/here.rs"]
mod here;
#[path = "../postgres/server.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod postgres;
#[path = "../cli/program.rs"]
mod program;
#[path = "../redis/server.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod redis;
#[path = "../support/skipped.rs"]
mod skipped;
#[path = "../sqlite_common/mod.rs"]
mod sqlite_common;
#[path = "../store/mod.rs"]
mod store;

mod accounts;
mod aura;
mod cancelled;
mod died;
mod jobs;
mod operate;
mod proxy;
mod rest;
mod served;
mod side_by_side;
mod world;
