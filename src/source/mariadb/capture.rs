//! Capturing one database as the text of a dump, part by part.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{ChildStdin, ChildStdout, Stdio};

use crate::chunk::Cutting;
use crate::container::RelativePath;
use crate::error::{Error, Result};
use crate::format::manifest::{Component, DatabaseOrigin, Origin};
use crate::ops::Progress;
use crate::ops::capture::Capture;
use crate::source::kind::Capturing;
use crate::source::members::{MemberStore, plain_metadata};
use crate::source::program::Running;

use super::origin::SYSTEM;
use super::parts::{Order, PartRead, Parts};
use super::rights::Grants;
use super::server::{Server, literal, quoted};

/// The file with the list of parts.
pub const ORDER: &str = "order";

/// What `mariadb-dump` is told, beside the database. Every row is on a line of its own, and the same data give the same
/// bytes. A statement ends after about 1 MB: see docs/sources/mariadb.md for what other lengths cost.
pub const DUMP_OPTIONS: [&str; 13] = [
    "--single-transaction",
    "--skip-dump-date",
    "--order-by-primary",
    "--routines",
    "--events",
    "--triggers",
    "--hex-blob",
    "--quick",
    "--default-character-set=utf8mb4",
    "--max-allowed-packet=1G",
    "--net-buffer-length=1M",
    "--skip-lock-tables",
    // With its `LOCK TABLES`, a dump of a table whose default is a sequence's next value cannot be loaded (10.11).
    "--skip-add-locks",
];

/// A dump that has begun: its transaction is open.
pub struct Dumping {
    running: Running,
    parts: Parts<ChildStdout>,
    /// Holds tables that no transaction covers.
    lock: Option<Session>,
    origin: DatabaseOrigin,
    server: Server,
}

/// Begins a dump of `database`.
pub fn begin(server: &Server, database: &str, progress: &dyn Progress) -> Result<Dumping> {
    progress.stage("beginning the dump", None);
    let version = server.version()?;
    let tool = server.dump_tool()?;
    version.fits_dump(&server.programs, &tool)?;
    let facts = facts(server, database)?;
    let grants = Grants::of(server)?;
    grants.allow_dump(server, database)?;
    if !grants.see_routines(database) {
        progress.notice(&format!(
            "procedures and functions that other users defined in {database} are not in the snapshot: GRANT SELECT ON mysql.proc"
        ));
    }
    let lock = Lock::of(server, database, &grants, progress)?;
    let mut command = server.command(&tool);
    command.args(DUMP_OPTIONS).arg("--").arg(database);
    let mut running = server.programs.start(command, "mariadb-dump", server.password())?;
    let stdout = running.stdout().ok_or_else(|| Error::Failed("mariadb-dump has no output".into()))?;
    let mut parts = Parts::new(stdout);
    // The header is printed into a buffer before the transaction begins; what arrives first has more than that.
    parts.wait().map_err(|error| Error::Failed(format!("cannot read from mariadb-dump: {error}")))?;
    let lock = lock.map(Lock::loosen);
    let origin = DatabaseOrigin {
        system: SYSTEM.into(),
        mode: "logical".into(),
        version: version.text,
        database: database.into(),
        facts,
    };
    Ok(Dumping { running, parts, lock, origin, server: server.clone() })
}

/// What a dump of one database does not say: its character set.
fn facts(server: &Server, database: &str) -> Result<BTreeMap<String, String>> {
    let rows = server.ask(&format!(
        "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA \
         WHERE SCHEMA_NAME = {}",
        literal(database)
    ))?;
    let row = rows.into_iter().next().ok_or_else(|| {
        Error::NotFound(format!("{}: there is no database {database:?}, or the user may not see it", server.shown()))
    })?;
    Ok(["charset", "collation"].map(String::from).into_iter().zip(row).collect())
}

impl Capturing for Dumping {
    fn store(self: Box<Self>, capture: &Capture<'_>, name: &str) -> Result<Component> {
        let Dumping { running, mut parts, lock, origin, server } = *self;
        capture.progress.stage("dumping", None);
        let mut store = MemberStore::new(capture, name, "the dump");
        let mtime_ns = 0;
        let mut order = Order::default();
        while let Some(part) = parts.next_part() {
            let path = relative(part.path())?;
            store.file_cut(&path, plain_metadata(0o644, mtime_ns), &mut parts, |_, _| Cutting::Stream)?;
            order.0.push(PartRead { rows: parts.rows(), part });
        }
        let complete = parts.is_complete();
        drop(parts);
        running.finish().map_err(|error| server.explained(error))?;
        drop(lock);
        if !complete {
            return Err(Error::Failed("mariadb-dump ended without `-- Dump completed`: the dump is cut short".into()));
        }
        let text = order.to_text();
        let path = relative(vec![ORDER.into()])?;
        store.file_cut(&path, plain_metadata(0o644, mtime_ns), &mut text.as_bytes(), |_, _| Cutting::Stream)?;
        Ok(Component { name: name.into(), origin: Origin::Database(origin), root: store.finish()?, unreadable: 0 })
    }
}

fn relative(path: Vec<Vec<u8>>) -> Result<RelativePath> {
    RelativePath::from_components(path).map_err(|problem| Error::Failed(format!("a table's name: {problem}")))
}

/// The tables that a transaction does not cover, each with its engine.
pub fn not_transactional(server: &Server, database: &str) -> Result<Vec<(String, String)>> {
    let rows = server.ask(&format!(
        "SELECT TABLE_NAME, ENGINE FROM information_schema.TABLES LEFT JOIN information_schema.ENGINES USING (ENGINE) \
         WHERE TABLE_SCHEMA = {} AND TABLE_TYPE NOT LIKE '%VIEW%' AND COALESCE(TRANSACTIONS, 'NO') <> 'YES' \
         AND COALESCE(ENGINE, '') <> '' ORDER BY TABLE_NAME",
        literal(database)
    ))?;
    Ok(rows
        .into_iter()
        .filter_map(|row| <[String; 2]>::try_from(row).ok())
        .map(|[name, engine]| (name, engine))
        .collect())
}

/// A session that holds the tables that no transaction covers, until the dump has passed; and all others too, until its
/// transaction has begun: so that both are of one moment.
struct Lock {
    all: Session,
    some: Session,
}

impl Lock {
    fn of(server: &Server, database: &str, grants: &Grants, progress: &dyn Progress) -> Result<Option<Self>> {
        let tables = not_transactional(server, database)?;
        if tables.is_empty() {
            return Ok(None);
        }
        let names: Vec<String> = tables.iter().map(|(name, engine)| format!("{name} ({engine})")).collect();
        let shown = some_of(&names);
        if !grants.has("LOCK TABLES", database) {
            progress.notice(&format!(
                "{shown}: no transaction covers these tables, and without the right LOCK TABLES they are not locked: \
                 what is written to them meanwhile may be in the snapshot in part"
            ));
            return Ok(None);
        }
        progress
            .notice(&format!("{shown}: no transaction covers these tables, so they are locked while they are dumped"));
        let everything = server.ask(&format!(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_TYPE NOT LIKE '%VIEW%'",
            literal(database)
        ))?;
        let all: Vec<String> = everything.into_iter().flatten().collect();
        let some: Vec<String> = tables.into_iter().map(|(name, _)| name).collect();
        // In one order, so that the two do not wait for each other: read locks go together.
        Ok(Some(Self { some: held(server, database, &some)?, all: held(server, database, &all)? }))
    }

    /// Lets go of what the transaction covers.
    fn loosen(self) -> Session {
        drop(self.all);
        self.some
    }
}

/// Names in a message: the first few.
fn some_of(names: &[String]) -> String {
    match names.get(..3) {
        Some(first) if names.len() > 3 => format!("{} and {} more", first.join(", "), names.len() - 3),
        _ => names.join(", "),
    }
}

/// A session of the server's, there until it is dropped.
struct Session {
    _running: Running,
    /// The client ends with its input.
    _stdin: ChildStdin,
    _stdout: ChildStdout,
}

/// A session that has read locks on tables. They go with it.
fn held(server: &Server, database: &str, tables: &[String]) -> Result<Session> {
    let list: Vec<String> = tables.iter().map(|name| format!("{}.{} READ", quoted(database), quoted(name))).collect();
    let mut command = server.statements()?;
    command.arg("--unbuffered").stdin(Stdio::piped());
    let mut running = server.programs.start(command, "mariadb", server.password())?;
    let none = || Error::Failed("mariadb has no input or output".into());
    let mut stdin = running.stdin().ok_or_else(none)?;
    let mut stdout = running.stdout().ok_or_else(none)?;
    let text = format!("SET lock_wait_timeout = 60; LOCK TABLES {}; SELECT 'held';\n", list.join(", "));
    let mut answer = [0; 5];
    let said =
        stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()).and_then(|()| stdout.read_exact(&mut answer));
    match said {
        Ok(()) => Ok(Session { _running: running, _stdin: stdin, _stdout: stdout }),
        Err(error) => {
            drop((stdin, stdout));
            let failed = running.finish().err();
            Err(server.explained(failed.unwrap_or_else(|| Error::Failed(format!("cannot lock tables: {error}")))))
        }
    }
}
