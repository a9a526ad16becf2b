//! One file a kind of instance.

pub mod files;
pub mod loaded;
mod logs;
mod open_file;
pub mod sqlite;
mod url;

pub use url::SourceUrl;
