//! Redis, and what speaks its protocol: Dragonfly. docs/sources/redis.md says what a user needs to know.
//!
//! - `rdb`: the data set's file, read whole, checked and put into one order
//! - `resp`: a connection; `server`: what a server says of itself
//! - `replicate`, `save`: the two ways that a data set comes by; `capture` stores it
//! - `restore`: over a server, by `master` (the server becomes a replica for a moment) or by `keys`
//! - `drill`: in a throw-away server

mod capture;
mod drill;
mod endpoint;
mod keys;
mod kind;
mod master;
pub mod rdb;
mod replicate;
mod resp;
mod restore;
mod save;
mod server;
mod stored;
mod takeover;

pub use kind::Redis;
