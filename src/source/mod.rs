//! One file a kind of instance.

pub mod files;
pub mod loaded;
mod logs;
pub mod open_file;
pub mod redis;
pub mod sqlite;
mod url;

pub use url::SourceUrl;
