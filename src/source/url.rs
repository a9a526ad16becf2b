//! Sources as they are written: `files:/path`, `sqlite:/path`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::Error;

/// Where an instance's data is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceUrl {
    /// A folder.
    Files(PathBuf),
    /// A SQLite database file.
    Sqlite(PathBuf),
}

impl SourceUrl {
    /// The folder or file.
    pub fn path(&self) -> &Path {
        match self {
            SourceUrl::Files(path) | SourceUrl::Sqlite(path) => path,
        }
    }

    /// The same source with an absolute path, so that it means the same wherever snaphold is started.
    pub fn absolute(self) -> std::io::Result<Self> {
        Ok(match self {
            SourceUrl::Files(path) => SourceUrl::Files(std::path::absolute(path)?),
            SourceUrl::Sqlite(path) => SourceUrl::Sqlite(std::path::absolute(path)?),
        })
    }
}

impl FromStr for SourceUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let known = "sources are files:/path/of/a/folder and sqlite:/path/of/a/database";
        let (scheme, path) =
            text.split_once(':').ok_or_else(|| Error::Usage(format!("{text:?} names no kind of source; {known}")))?;
        if path.is_empty() {
            return Err(Error::Usage(format!("{text:?} has no path; {known}")));
        }
        match scheme {
            "files" => Ok(SourceUrl::Files(path.into())),
            "sqlite" => Ok(SourceUrl::Sqlite(path.into())),
            _ => Err(Error::Usage(format!("{scheme:?} is not a kind of source that this version knows; {known}"))),
        }
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, path) = match self {
            SourceUrl::Files(path) => ("files", path),
            SourceUrl::Sqlite(path) => ("sqlite", path),
        };
        write!(f, "{scheme}:{}", path.display())
    }
}
