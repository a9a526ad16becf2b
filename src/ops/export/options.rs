//! What an export may be told, the names of formats, and what it says at its end.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::str::FromStr;

use serde::Serialize;

use crate::container::DumpFormat;
use crate::error::{Error, Result};
use crate::format::manifest::Component;

/// What a snapshot is exported as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum ExportFormat {
    /// The database's own dump.
    #[serde(rename = "dump")]
    Dump,
    /// The database's dump as SQL text.
    #[serde(rename = "sql")]
    Sql,
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
    pub const ALL: [ExportFormat; 5] =
        [ExportFormat::Dump, ExportFormat::Sql, ExportFormat::TarGz, ExportFormat::Tar, ExportFormat::Dir];

    /// The word used on the command line and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            ExportFormat::Dump => "dump",
            ExportFormat::Sql => "sql",
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
            .ok_or_else(|| Error::Usage(format!("{text:?} is no export format: use dump, sql, tar.gz, tar or dir")))
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

/// Writes components in their databases' own forms. Only sources know databases, so the caller brings this.
pub trait Dumps {
    /// Whether a component can be written as `format`, [`ExportFormat::Dump`] or [`ExportFormat::Sql`]; in words, why
    /// not. `None`: it is no database of a source's own, and what can be done with its files is all that there is.
    fn available(&self, component: &Component, format: ExportFormat) -> Result<Option<Result<(), String>>>;

    /// Whether a `.tar.gz` of the component holds its dump rather than its files.
    fn in_tar_gz(&self, component: &Component) -> bool;

    /// Writes it, or with `item` only that. Returns how many files or items went in, and their plain bytes.
    fn write(
        &self,
        component: &Component,
        format: ExportFormat,
        item: Option<&ExportItem>,
        out: &mut dyn Write,
    ) -> Result<(u64, u64)>;
}

/// One thing in a database: `table=public.accounts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportItem {
    /// What kind of thing: `table`, `key`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl FromStr for ExportItem {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts = text.split_once('=').filter(|(kind, name)| !kind.is_empty() && !name.is_empty());
        let (kind, name) =
            parts.ok_or_else(|| Error::Usage(format!("{text:?} names no part; say table=NAME or key=NAME")))?;
        Ok(Self { kind: kind.to_string(), name: name.to_string() })
    }
}

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
    /// Only this thing of the database. For dumps.
    pub item: Option<ExportItem>,
    /// Writes databases in their own forms; without it they have no dump but what the engine itself can write.
    pub dumps: Option<&'a dyn Dumps>,
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
