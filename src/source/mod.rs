//! One file a kind of instance.

pub mod files;
pub mod loaded;
pub mod sqlite;
mod url;

pub use url::SourceUrl;
