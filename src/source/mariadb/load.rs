//! Loading a dump that somebody brings.
//!
//! A dump is a program: it may say `USE`, name tables of other databases, drop what it likes. So it runs in a throw-away
//! server first, and what it made there is dumped anew by `mariadb-dump`, of one database and without a word about any
//! other. Only that goes to the user's server. What is cut short, or of another system, shows before that is reached.

use std::fs::File;
use std::io::Read;

use crate::container::{Body, MemberKind, MemberReader, open, read_error};
use crate::error::{Error, Result};
use crate::ops::Progress;
use crate::source::access::Place;
use crate::source::kind::Dump;

use super::capture::DUMP_OPTIONS;
use super::parts::{ends_with_trailer, keep_tail};
use super::scratch::Scratch;
use super::server::{Server, literal, quoted};

/// What is looked at to tell what a file is, bytes.
const HEAD: usize = 16 * 1024;

/// A dump that ran in a throw-away server.
pub struct Ran {
    scratch: Scratch,
    /// The database that it made there.
    pub database: String,
    /// Its character set and collation.
    pub charset: [String; 2],
    /// Bytes of its text.
    pub bytes: u64,
}

/// Runs a dump in a throw-away server. `database` is what it is loaded as, where it names none.
pub fn run(dump: &Dump<'_>, database: &str, place: &Place, progress: &dyn Progress) -> Result<Ran> {
    // Once for what it is, before a server is started for it.
    head_of(dump)?;
    let scratch = Scratch::empty(place, progress)?;
    let server = scratch.server();
    server.ask(&format!("CREATE DATABASE {}", quoted(database)))?;
    progress.stage("trying the dump", None);
    let bytes = pass(dump, server, database, progress)?;
    let made = databases(server)?;
    let (found, charset) = match made.as_slice() {
        [] => return Err(Error::Refused(format!("{} makes no table, view or routine", dump.file_name))),
        [(name, charset)] => (name.clone(), charset.clone()),
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| name.as_str()).collect();
            return Err(Error::Refused(format!(
                "{} holds several databases ({}); an instance is one: dump and load each by itself",
                dump.file_name,
                names.join(", ")
            )));
        }
    };
    if found != database {
        progress.notice(&format!("{} is of the database {found}; it is loaded as {database}", dump.file_name));
    }
    Ok(Ran { scratch, database: found, charset, bytes })
}

impl Ran {
    /// Lets `read` have what the dump made, as `mariadb-dump` writes it.
    pub fn text<R>(&self, read: impl FnOnce(std::process::ChildStdout) -> Result<R>) -> Result<R> {
        dumped(self.scratch.server(), &self.database, &[], read)
    }
}

/// Lets `read` have a dump of a database, or of one table of it.
pub fn dumped<R>(
    server: &Server,
    database: &str,
    tables: &[&str],
    read: impl FnOnce(std::process::ChildStdout) -> Result<R>,
) -> Result<R> {
    let mut command = server.command(&server.dump_tool()?);
    command.args(DUMP_OPTIONS).arg("--").arg(database).args(tables);
    let mut running = server.programs.start(command, "mariadb-dump", server.password())?;
    let stdout = running.stdout().ok_or_else(|| Error::Failed("mariadb-dump has no output".into()))?;
    let result = read(stdout);
    running.finish().map_err(|error| server.explained(error))?;
    result
}

/// A database's name, and its character set and collation.
type Made = (String, [String; 2]);

/// The databases in which there is anything.
fn databases(server: &Server) -> Result<Vec<Made>> {
    let rows = server.ask(
        "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA \
         WHERE SCHEMA_NAME NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') ORDER BY SCHEMA_NAME",
    )?;
    let mut made = Vec::new();
    for row in rows {
        let Ok([name, charset, collation]) = <[String; 3]>::try_from(row) else { continue };
        if holds_anything(server, &name)? {
            made.push((name, [charset, collation]));
        }
    }
    Ok(made)
}

/// Whether there is a table, a view, a routine or an event in a database.
pub fn holds_anything(server: &Server, database: &str) -> Result<bool> {
    let name = literal(database);
    let count = server.ask_number(&format!(
        "SELECT (SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = {name}) \
         + (SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = {name}) \
         + (SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {name})"
    ))?;
    Ok(count > 0)
}

/// The text of a dump, out of what it is packed in.
fn opened(dump: &Dump<'_>) -> Result<Body> {
    let file = File::open(dump.path).map_err(|error| Error::source(dump.path, error))?;
    Ok(open(Box::new(file), dump.file_name)?.body)
}

/// Reads a dump's beginning, and refuses what is none of MariaDB's.
fn head_of(dump: &Dump<'_>) -> Result<()> {
    let mut head = Vec::new();
    with_text(dump, &mut |text| {
        let mut text = text.take(HEAD as u64);
        text.read_to_end(&mut head).map(drop).map_err(|error| read_error(dump.file_name, error))
    })?;
    match foreign(&head) {
        None => Ok(()),
        Some(what) => Err(Error::Refused(format!(
            "{} is {what}; a MariaDB database takes SQL text, as mariadb-dump writes it",
            dump.file_name
        ))),
    }
}

/// Lets `read` have the text, which may be a tar's one file.
fn with_text(dump: &Dump<'_>, read: &mut dyn FnMut(&mut (dyn Read + Send)) -> Result<()>) -> Result<()> {
    let one = || Error::Refused(format!("{} does not hold exactly one file, the SQL text", dump.file_name));
    match opened(dump)? {
        Body::Single { mut reader, .. } => read(&mut reader),
        Body::Members(mut members) => {
            let mut found = false;
            while let Some(member) = members.next_member()? {
                if !matches!(member.kind, MemberKind::File { .. }) {
                    continue;
                }
                if found {
                    return Err(one());
                }
                found = true;
                read(&mut MemberReader(&mut *members))?;
            }
            if found { Ok(()) } else { Err(one()) }
        }
    }
}

/// What passed by of a dump's text.
#[derive(Default)]
struct Passed {
    bytes: u64,
    head: Vec<u8>,
    tail: Vec<u8>,
    /// All of it was read, and taken.
    whole: bool,
}

impl Passed {
    fn take(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        let room = HEAD.saturating_sub(self.head.len());
        self.head.extend_from_slice(piece.get(..piece.len().min(room)).unwrap_or_default());
        keep_tail(&mut self.tail, piece);
    }

    /// Whether it is a dump that should have a trailer, and has none.
    fn is_cut(&self) -> bool {
        self.whole && announces_trailer(&self.head) && !ends_with_trailer(&self.tail)
    }
}

/// Feeds the text to the throw-away server. Returns its length.
fn pass(dump: &Dump<'_>, server: &Server, database: &str, progress: &dyn Progress) -> Result<u64> {
    let mut passed = Passed::default();
    let mut unreadable = None;
    let fed = server.feed(database, |out| {
        let mut refused = false;
        let read = with_text(dump, &mut |text| {
            let mut piece = vec![0; 128 * 1024];
            loop {
                let len = text.read(&mut piece).map_err(|error| read_error(dump.file_name, error))?;
                let Some(bytes) = piece.get(..len).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
                passed.take(bytes);
                progress.advance(len as u64);
                out.write_all(bytes).map_err(|error| {
                    refused = true;
                    Error::Failed(format!("it is not taken: {error}"))
                })?;
            }
        });
        match read {
            Ok(()) => passed.whole = true,
            Err(error) if refused => return Err(error),
            Err(error) => {
                unreadable = Some(error);
                return Err(Error::Failed("it cannot be read".into()));
            }
        }
        Ok(())
    });
    if let Some(error) = unreadable {
        return Err(error);
    }
    if passed.is_cut() {
        let detail = "the dump is cut short, its last line is not `-- Dump completed`; nothing was touched".into();
        return Err(Error::Damaged { object: dump.file_name.into(), detail });
    }
    let about = format!("{} does not load, and nothing was touched", dump.file_name);
    fed.map_err(|error| match error {
        Error::Failed(text) => Error::Refused(format!("{about}: {text}")),
        error => error.with_context(&about),
    })?;
    Ok(passed.bytes)
}

/// Whether a text begins as the dumps do that end with a trailer.
fn announces_trailer(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head.get(..head.len().min(1024)).unwrap_or_default());
    ["-- MariaDB dump ", "-- MySQL dump "].iter().any(|line| head.lines().any(|text| text.starts_with(line)))
}

/// What a file is, where it is of another system or no SQL text; in words.
fn foreign(head: &[u8]) -> Option<&'static str> {
    let begins = [
        (&b"PGDMP"[..], "a dump of PostgreSQL"),
        (b"SQLite format 3", "a SQLite database"),
        (b"REDIS", "a Redis file"),
        (b"XBSTCK01", "a stream of mariadb-backup, which is no dump"),
        (b"PRAGMA foreign_keys", "a dump of SQLite"),
    ];
    let by_begin = begins.iter().find(|(begin, _)| head.starts_with(begin)).map(|(_, what)| *what);
    let lines = String::from_utf8_lossy(head);
    let by_line = || {
        lines.lines().take(20).any(|line| line.starts_with("-- PostgreSQL database")).then_some("a dump of PostgreSQL")
    };
    let no_text = || (head.contains(&0) || head.is_empty()).then_some("no text");
    by_begin.or_else(by_line).or_else(no_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_systems_are_told_apart() {
        assert_eq!(foreign(b"PGDMP\x01\x0e"), Some("a dump of PostgreSQL"));
        assert_eq!(foreign(b"--\n-- PostgreSQL database dump\n--\n"), Some("a dump of PostgreSQL"));
        assert_eq!(foreign(b"abc\0def"), Some("no text"));
        assert_eq!(foreign(b""), Some("no text"));
        assert_eq!(foreign(b"-- MariaDB dump 10.19\nCREATE TABLE t (a INT);\n"), None);
        assert!(announces_trailer(b"/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19  Distrib\n"));
        assert!(!announces_trailer(b"CREATE TABLE t (a INT);\n"));
    }
}
