//! The ways to cut a file.

use serde::{Deserialize, Serialize};

/// How a file's bytes are cut into chunks, as its entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Class {
    /// Fixed-size chunks aligned to a database's pages.
    Page {
        /// The database's page size, bytes: a power of two, 512 to 65,536.
        page_size: u32,
    },
    /// Chunks that end where the content says so.
    Stream,
}

/// How a writer cuts a file. A [`Class`] does not tell streams and logs apart: to a reader they are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cutting {
    /// Fixed cuts.
    Page {
        /// The database's page size, bytes: a power of two, 512 to 65,536.
        page_size: u32,
    },
    /// Content-defined cuts.
    Stream,
    /// A segment of PostgreSQL's log, cut at the images of pages in it.
    Log,
}

impl Cutting {
    /// The class of a file that is cut so.
    pub fn class(self) -> Class {
        match self {
            Cutting::Page { page_size } => Class::Page { page_size },
            Cutting::Stream | Cutting::Log => Class::Stream,
        }
    }
}

impl From<Class> for Cutting {
    fn from(class: Class) -> Self {
        match class {
            Class::Page { page_size } => Cutting::Page { page_size },
            Class::Stream => Cutting::Stream,
        }
    }
}
