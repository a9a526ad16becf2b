//! What an export may be told, the names of formats, and what it says at its end.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::str::FromStr;

use serde::Serialize;

use crate::container::DumpFormat;
use crate::error::{Error, Result};

/// What a snapshot is exported as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum ExportFormat {
    /// The database's own dump.
    #[serde(rename = "dump")]
    Dump,
    /// A tar, compressed by gzip: of the dump, or of the files.
    #[serde(rename = "tar.gz")]
    TarGz,
    /// A tar of the files.
    #[serde(rename = "tar")]
    Tar,
    /// A folder.
    #[serde(rename = "dir")]
    Dir,
}

impl ExportFormat {
    /// All of them.
    pub const ALL: [ExportFormat; 4] = [ExportFormat::Dump, ExportFormat::TarGz, ExportFormat::Tar, ExportFormat::Dir];

    /// The word used on the command line and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            ExportFormat::Dump => "dump",
            ExportFormat::TarGz => "tar.gz",
            ExportFormat::Tar => "tar",
            ExportFormat::Dir => "dir",
        }
    }
}

impl fmt::Display for ExportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ExportFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        ExportFormat::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| Error::Usage(format!("{text:?} is no export format: use dump, tar.gz, tar or dir")))
    }
}

/// Which readers a Neo4j dump is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Neo4jFormat {
    /// Neo4j 5 and newer.
    #[default]
    Current,
    /// Neo4j 4 and before.
    Neo4j4,
}

impl FromStr for Neo4jFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "current" | "5" => Ok(Neo4jFormat::Current),
            "4" => Ok(Neo4jFormat::Neo4j4),
            _ => Err(Error::Usage(format!("{text:?} is no format of Neo4j dumps: use current or 4"))),
        }
    }
}

impl From<Neo4jFormat> for DumpFormat {
    fn from(format: Neo4jFormat) -> Self {
        match format {
            Neo4jFormat::Current => DumpFormat::Current,
            Neo4jFormat::Neo4j4 => DumpFormat::Neo4j4,
        }
    }
}

/// Writes the text dump of the SQLite database at a path. Only sources know databases, so the caller brings it.
pub type SqliteDump<'a> = dyn Fn(&Path, &mut dyn Write) -> Result<()> + 'a;

/// How to export.
pub struct ExportOptions<'a> {
    /// What kind of file.
    pub format: ExportFormat,
    /// For Neo4j dumps: which readers it is for.
    pub neo4j_format: Neo4jFormat,
    /// Only the folder or file at this path, as bytes from the root on; of several components, from the component's
    /// name on. For formats of files.
    pub only: Option<Vec<u8>>,
    /// Threads that compress; 0 counts as 1. The bytes do not depend on it.
    pub threads: usize,
    /// A folder for files in between: the image of a SQLite database, a dump on its way into a `.tar.gz`. Nothing of it
    /// is left there.
    pub staging: &'a Path,
    /// Writes SQLite's text dump; without it SQLite snapshots have no dump.
    pub sqlite_dump: Option<&'a SqliteDump<'a>>,
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportReport {
    /// What kind of file it is.
    pub format: ExportFormat,
    /// Regular files that went in, hard links not counted.
    pub files: u64,
    /// Their plain bytes.
    pub bytes_plain: u64,
    /// Length of what was written, bytes.
    pub bytes_written: u64,
}
