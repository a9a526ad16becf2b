//! One file a kind of instance.

pub mod sqlite;
