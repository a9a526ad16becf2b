//! The two ways to cut a file.

use serde::{Deserialize, Serialize};

/// How a file's bytes are cut into chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Class {
    /// Fixed-size chunks aligned to a database's pages.
    Page {
        /// The database's page size, bytes: a power of two, 512 to 65,536.
        page_size: u32,
    },
    /// Content-defined chunks.
    Stream,
}
