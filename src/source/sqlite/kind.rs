//! SQLite databases as a kind of source.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::format::manifest::{Component, Origin};
use crate::format::tree::{Entry, Node};
use crate::ops::Progress;
use crate::ops::capture::Capture;
use crate::ops::export::ExportFormat;
use crate::ops::restore::{RestoreReport, restore_new};
use crate::source::access::{Place, Settings};
use crate::source::kind::{
    Attempt, Capturing, Check, Description, Export, Exported, Holds, Item, Kind, Material, Only, Reverted, Source,
    Staged,
};
use crate::source::open_file;
use crate::source::stored::Stored;
use crate::source::url::SourceUrl;

use super::dump::{digest_of, dump_table};
use super::open::{BUSY_TIMEOUT, open_reader, read_error};
use super::{TableKind, describe, dump_sql, make_database, restore_file};

/// SQLite databases.
pub struct Sqlite;

impl Kind for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["sqlite"]
    }

    fn example(&self) -> &'static str {
        "sqlite:/path/of/a/database"
    }

    fn made(&self, origin: &Origin) -> bool {
        matches!(origin, Origin::Sqlite { .. })
    }

    fn source(&self, url: &SourceUrl, _: &Settings, place: &Place) -> Result<Box<dyn Source>> {
        Ok(Box::new(Database { path: url.path()?.to_path_buf(), staging: place.staging.clone() }))
    }

    fn exports(&self, stored: &Stored<'_>, format: ExportFormat) -> Result<Result<(), String>> {
        Ok(match format {
            ExportFormat::Dump | ExportFormat::Sql => only_file(stored).map(drop).map_err(|error| error.to_string()),
            other => Err(format!("sqlite has no {other}")),
        })
    }

    fn tar_gz_holds_dump(&self, _: &Stored<'_>) -> bool {
        true
    }

    fn export(&self, job: &Export<'_>, out: &mut dyn Write) -> Result<Exported> {
        let bytes = only_file(job.stored)?.0;
        let image = unpacked(job.stored, job.place, job.progress)?;
        job.progress.stage("exporting", None);
        let dump = match job.only {
            None => dump_sql(&image.path, out)?,
            Some(Only { kind: "table" | "view", name }) => dump_table(&image.path, name, out)?,
            Some(Only { kind, .. }) => {
                return Err(Error::Usage(format!("a SQLite database has no {kind}s to export; say --only table=NAME")));
            }
        };
        if dump.texts_cut > 0 {
            job.progress.notice(&format!(
                "{} texts hold a NUL byte and end there in the dump, as sqlite3 writes them",
                dump.texts_cut
            ));
        }
        Ok(Exported { files: 1, bytes })
    }

    fn items(&self, stored: &Stored<'_>, place: &Place, visit: &mut dyn FnMut(Item) -> Result<()>) -> Result<bool> {
        let image = unpacked(stored, place, &crate::ops::Silent)?;
        for table in describe(&image.path)? {
            let kind = match table.kind {
                TableKind::View => "view",
                TableKind::Table | TableKind::Virtual | TableKind::Shadow => "table",
            };
            let holds = Holds::Digest(digest_of(&image.path, &table.name)?);
            let bytes = table.bytes.unwrap_or_default();
            visit(Item { kind, name: table.name, bytes, rows: table.rows, holds })?;
        }
        Ok(true)
    }

    fn drill(
        &self,
        stored: &Stored<'_>,
        query: Option<&str>,
        place: &Place,
        progress: &dyn Progress,
    ) -> Result<Vec<Check>> {
        let image = unpacked(stored, place, progress)?;
        progress.stage("checking", None);
        let mut checks = vec![integrity(&image.path)?];
        if checks.iter().all(|check| check.ok) {
            let tables = describe(&image.path)?;
            let rows: u64 = tables.iter().filter_map(|table| table.rows).sum();
            checks.push(Check::passed("counts", format!("{} tables and views, {rows} rows", tables.len())));
            if let Some(query) = query {
                checks.push(answer(&image.path, query)?);
            }
        }
        Ok(checks)
    }
}

struct Database {
    path: PathBuf,
    staging: PathBuf,
}

impl Database {
    /// The file itself, where the path is a link to it.
    fn file(&self) -> PathBuf {
        fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone())
    }

    /// Where a restore makes its image: in the database's own folder, so that it can be renamed over it.
    fn image(&self, attempt: &Attempt) -> PathBuf {
        let file = self.file();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        file.with_file_name(format!(".{name}.snaphold-{}", attempt.id))
    }
}

impl Source for Database {
    fn shown(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }

    fn target(&self) -> String {
        self.path.display().to_string()
    }

    fn describe(&self) -> Result<Description> {
        let stat = fs::metadata(&self.path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::NotFound(format!("the source {} is not there", self.shown())),
            _ => Error::source(&self.path, error),
        })?;
        let version = rusqlite::version().to_string();
        Ok(Description { version, bytes: Some(stat.len()), notes: Vec::new() })
    }

    fn begin<'s>(&'s self, _: &dyn Progress) -> Result<Box<dyn Capturing + 's>> {
        Ok(Box::new(Copying(self)))
    }

    fn accepts(&self, origin: &Origin) -> Result<(), String> {
        match origin {
            Origin::Sqlite { .. } => Ok(()),
            _ => Err("it is of another kind".into()),
        }
    }

    fn is_vacant(&self) -> Result<bool> {
        open_file::is_vacant(&self.path)
    }

    fn plan(&self, stored: &Stored<'_>, _: &dyn Progress) -> Result<RestoreReport> {
        Ok(RestoreReport::of_new(&only_file(stored)?.1))
    }

    fn stage(&self, material: &Material<'_>, attempt: &Attempt, progress: &dyn Progress) -> Result<Staged> {
        let image = self.image(attempt);
        let failed = |error| Error::target(&image, error);
        open_file::remove_file(&image)?;
        if let Some(folder) = image.parent() {
            fs::create_dir_all(folder).map_err(|error| Error::target(folder, error))?;
        }
        let report = match material {
            Material::Stored(stored) => restore_new(stored.reader, &only_file(stored)?.1, &image, progress)?,
            Material::Dump(dump) => {
                let bytes = fs::copy(dump.path, &image).map_err(failed)?;
                make_database(&image, dump.file_name)?;
                RestoreReport {
                    files: 1,
                    files_changed: 1,
                    bytes_total: bytes,
                    bytes_written: bytes,
                    ..Default::default()
                }
            }
        };
        let check = integrity(&image)?;
        if !check.ok {
            open_file::remove_file(&image)?;
            return Err(Error::Damaged {
                object: attempt.of.clone(),
                detail: format!("SQLite says: {}", check.detail),
            });
        }
        Ok(Staged { report, ..Staged::default() })
    }

    fn swap(&self, _: Option<&Stored<'_>>, attempt: &Attempt, _: &Staged, progress: &dyn Progress) -> Result<()> {
        progress.stage("replacing the database", None);
        let image = self.image(attempt);
        // Gone: it was renamed over the database before a crash.
        if image.exists() { restore_file(&image, &self.file()) } else { Ok(()) }
    }

    fn check(&self, _: &Attempt, _: &Staged, _: &dyn Progress) -> Result<Vec<Check>> {
        open_reader(&self.path, BUSY_TIMEOUT)?;
        Ok(vec![Check::passed("open", "the database opens; its image passed integrity_check before")])
    }

    fn finish(&self, attempt: &Attempt, _: &Staged) -> Result<()> {
        open_file::remove_file(&self.image(attempt))
    }

    fn revert(&self, attempt: &Attempt, staged: Option<&Staged>) -> Result<Reverted> {
        let image = self.image(attempt);
        if staged.is_some() && !image.exists() {
            return Ok(Reverted::NeedsSafety);
        }
        open_file::remove_file(&image)?;
        Ok(Reverted::Back)
    }
}

struct Copying<'s>(&'s Database);

impl Capturing for Copying<'_> {
    fn store(self: Box<Self>, capture: &Capture<'_>, name: &str) -> Result<Component> {
        super::capture(capture, name, &self.0.path, &self.0.staging)
    }
}

/// An image out of a snapshot, in a folder that goes with it.
struct Unpacked {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

fn unpacked(stored: &Stored<'_>, place: &Place, progress: &dyn Progress) -> Result<Unpacked> {
    let (len, entry) = only_file(stored)?;
    progress.stage("unpacking the database", Some(len));
    let folder = place.folder("sqlite")?;
    let path = folder.path().join("image");
    restore_new(stored.reader, &entry, &path, progress)?;
    Ok(Unpacked { path, _folder: folder })
}

/// The one file of a snapshot, and its length.
fn only_file(stored: &Stored<'_>) -> Result<(u64, Entry)> {
    let none = || Error::damaged("the snapshot", "it does not hold exactly one file");
    let root = stored.component.root.clone();
    let entry = match &root.node {
        Node::File { .. } => root,
        _ => stored.folder(b"")?.into_iter().next().ok_or_else(none)?,
    };
    match &entry.node {
        Node::File { content, .. } => Ok((content.len(), entry)),
        _ => Err(none()),
    }
}

fn integrity(image: &Path) -> Result<Check> {
    // Nothing stored may pass for sound that cannot even be asked.
    let said = open_reader(image, BUSY_TIMEOUT).and_then(|connection| {
        connection
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0))
            .map_err(|error| read_error(image, error))
    });
    Ok(match said {
        Ok(said) if said == "ok" => Check::passed("integrity_check", said),
        Ok(said) => Check::failed("integrity_check", said.lines().collect::<Vec<_>>().join("; ")),
        Err(error) => Check::failed("integrity_check", error),
    })
}

/// Runs the user's query on the copy, and shows the first row.
fn answer(image: &Path, query: &str) -> Result<Check> {
    let connection: Connection = open_reader(image, BUSY_TIMEOUT)?;
    let first = connection.query_row(query, [], |row| {
        let columns = row.as_ref().column_count();
        let cells: Vec<String> = (0..columns)
            .map(|column| row.get::<_, rusqlite::types::Value>(column).map(|value| shown(&value)))
            .collect::<rusqlite::Result<_>>()?;
        Ok(cells.join("|"))
    });
    Ok(match first {
        Ok(row) => Check::passed("query", row),
        Err(rusqlite::Error::QueryReturnedNoRows) => Check::failed("query", "it gave no rows"),
        Err(error) => Check::failed("query", error),
    })
}

fn shown(value: &rusqlite::types::Value) -> String {
    use rusqlite::types::Value;
    match value {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => format!("{} bytes", bytes.len()),
    }
}
