//! Snapshots in throw-away servers: drills, and dumps of data folders.

use std::fs;
use std::io::{Read, Write};

use crate::error::{Error, Result};
use crate::ops::Progress;
use crate::source::access::Place;
use crate::source::kind::{Check, Export, Exported};
use crate::source::stored::Stored;

use super::checks::{answer, check_tables, count_rows, total_of, user_databases};
use super::feed::{Names, load_stored, order_of};
use super::items::none_such;
use super::load::dumped;
use super::origin::{charset_of, database_of, not_written, version_of};
use super::parts::Part;
use super::physical::prepare;
use super::scratch::{Scratch, ScratchFolder};
use super::server::quoted;

/// Up to here every row of every index is looked up, bytes; above, tables are read once.
const EXTENDED_MAX: u64 = 512 << 20;

/// Loads a stored dump into a throw-away server, and looks at what came of it.
pub fn logical(stored: &Stored<'_>, query: Option<&str>, place: &Place, progress: &dyn Progress) -> Result<Vec<Check>> {
    let database = database_of(stored);
    let scratch = Scratch::empty(place, progress)?;
    let server = scratch.server();
    let (charset, collation) = charset_of(stored);
    server.ask(&format!("CREATE DATABASE {} CHARACTER SET {charset} COLLATE {collation}", quoted(database)))?;
    progress.stage("loading", Some(total_of(stored)));
    let names = Names { of: database, into: database, finally: database };
    let loaded = load_stored(server, &names, stored).and_then(|programs| match programs.events.is_empty() {
        true => Ok(()),
        false => server.feed(database, |out| {
            out.write_all(&programs.events).map_err(|error| Error::Failed(format!("mariadb stopped: {error}")))
        }),
    });
    match loaded {
        Ok(()) => {}
        Err(error @ (Error::Storage { .. } | Error::Damaged { .. } | Error::Unsupported { .. })) => return Err(error),
        Err(error) => return Ok(vec![Check::failed("load", error)]),
    }
    progress.stage("checking", None);
    let mut checks = vec![Check::passed("load", format!("{} bytes of SQL", total_of(stored)))];
    checks.push(check_tables(server, &[database.to_string()], total_of(stored) <= EXTENDED_MAX)?);
    checks.push(compare_rows(stored, &count_rows(server, database)?)?);
    checks.extend(query.map(|query| answer(server, database, query)));
    Ok(checks)
}

/// Whether each table has as many rows as the dump has lines for.
fn compare_rows(stored: &Stored<'_>, counted: &[(String, u64)]) -> Result<Check> {
    let mut wrong = Vec::new();
    let mut tables = 0_u64;
    for read in order_of(stored)?.0 {
        let Part::Table(name) = &read.part else { continue };
        tables += 1;
        let there = counted.iter().find(|(table, _)| table == name).map(|(_, rows)| *rows);
        match (there, read.rows) {
            (None, _) => wrong.push(format!("{name} is not there")),
            (Some(there), Some(dumped)) if there != dumped => {
                wrong.push(format!("{name} has {there} rows of {dumped}"))
            }
            _ => {}
        }
    }
    let rows: u64 = counted.iter().map(|(_, rows)| rows).sum();
    Ok(match wrong.as_slice() {
        [] => Check::passed("counts", format!("{tables} tables, {rows} rows, as many as were dumped")),
        wrong => Check::failed("counts", wrong.join("; ")),
    })
}

/// Starts a throw-away server on a stored data folder.
fn on_stored(stored: &Stored<'_>, place: &Place, progress: &dyn Progress) -> Result<Scratch> {
    let folder = ScratchFolder::new(place)?;
    stored.restore_to(&folder.data(), progress)?;
    prepare(&place.programs, &folder.data(), version_of(stored), progress)?;
    folder.give_data()?;
    let mut options = options_of(&fs::read_to_string(folder.data().join("backup-my.cnf")).unwrap_or_default());
    // Passwords of accounts are not known here, and nobody else reaches the socket.
    options.push("--skip-grant-tables".into());
    progress.stage("starting a throw-away server", None);
    folder.start(place, &options)
}

/// What the files were written with, and must be read with: as `mariadb-backup` notes it.
fn options_of(noted: &str) -> Vec<String> {
    const KNOWN: [&str; 4] =
        ["innodb_page_size", "innodb_data_file_path", "innodb_undo_tablespaces", "innodb_checksum_algorithm"];
    let pairs = noted.lines().filter_map(|line| line.split_once('='));
    let known = pairs.filter(|(name, _)| KNOWN.contains(name));
    known.map(|(name, value)| format!("--{}={value}", name.replace('_', "-"))).collect()
}

/// Starts a throw-away server on a stored data folder, and looks at it.
pub fn physical(
    stored: &Stored<'_>,
    query: Option<&str>,
    place: &Place,
    progress: &dyn Progress,
) -> Result<Vec<Check>> {
    let scratch = match on_stored(stored, place, progress) {
        Ok(scratch) => scratch,
        Err(Error::Failed(why)) if why.contains("--prepare") || why.contains("does not start") => {
            return Ok(vec![Check::failed("start", why)]);
        }
        Err(error) => return Err(error),
    };
    let server = scratch.server();
    progress.stage("checking", None);
    let databases = user_databases(server)?;
    let mut checks = vec![Check::passed("start", format!("prepared, and answers as {}", version_of(stored)))];
    let mut all = databases.clone();
    all.push("mysql".into());
    checks.push(check_tables(server, &all, total_of(stored) <= EXTENDED_MAX)?);
    let (mut tables, mut rows) = (0, 0);
    for database in &databases {
        for (_, count) in count_rows(server, database)? {
            tables += 1;
            rows += count;
        }
    }
    checks.push(Check::passed("counts", format!("{tables} tables in {} databases, {rows} rows", databases.len())));
    checks.extend(query.map(|query| answer(server, database_of(stored), query)));
    Ok(checks)
}

/// A dump of a stored data folder: of the database that the instance names, or of all databases of users.
pub fn export_physical(job: &Export<'_>, out: &mut dyn Write) -> Result<Exported> {
    let wanted = match job.only {
        None => None,
        Some(only) => {
            let (database, table) = only.name.split_once('.').unwrap_or((database_of(job.stored), only.name));
            if !matches!(only.kind, "table" | "view") || database.is_empty() {
                return Err(none_such(only, "DATABASE"));
            }
            Some((only, database.to_string(), table.to_string()))
        }
    };
    let scratch = on_stored(job.stored, job.place, job.progress)?;
    let server = scratch.server();
    job.progress.stage("exporting", None);
    let mut exported = Exported::default();
    if let Some((only, database, table)) = wanted {
        let there = count_tables(server, &database, &table)?;
        if there == 0 {
            return Err(none_such(only, &database));
        }
        exported.bytes = dumped(server, &database, &[&table], |text| copy(text, out))?;
        exported.files = 1;
        return Ok(exported);
    }
    let all = user_databases(server)?;
    let named = database_of(job.stored);
    if !named.is_empty() && all.iter().any(|database| database == named) {
        exported.bytes = dumped(server, named, &[], |text| copy(text, out))?;
        exported.files = 1;
        return Ok(exported);
    }
    for database in &all {
        let line = format!("CREATE DATABASE IF NOT EXISTS {0};\nUSE {0};\n", quoted(database));
        out.write_all(line.as_bytes()).map_err(not_written)?;
        exported.bytes += line.len() as u64 + dumped(server, database, &[], |text| copy(text, out))?;
        exported.files += 1;
    }
    Ok(exported)
}

fn count_tables(server: &super::server::Server, database: &str, table: &str) -> Result<u64> {
    server.ask_number(&format!(
        "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
        super::server::literal(database),
        super::server::literal(table)
    ))
}

fn copy(mut text: impl Read, out: &mut dyn Write) -> Result<u64> {
    let mut piece = vec![0; 128 * 1024];
    let mut bytes = 0;
    loop {
        let read = text.read(&mut piece).map_err(|error| Error::Failed(format!("the dump breaks off: {error}")))?;
        let Some(part) = piece.get(..read).filter(|part| !part.is_empty()) else { return Ok(bytes) };
        out.write_all(part).map_err(not_written)?;
        bytes += read as u64;
    }
}
