//! One file a kind of instance.

pub mod files;
pub mod loaded;
pub mod sqlite;
