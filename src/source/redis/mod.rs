//! Redis, and what speaks its protocol: Dragonfly.

pub mod rdb;
