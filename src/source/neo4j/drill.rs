//! The drill: a store is restored into a throw-away Neo4j, counted, asked, and looked through by Neo4j's own check.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{Error, Result};
use crate::format::manifest::Origin;
use crate::ops::Progress;
use crate::source::access::Place;
use crate::source::kind::Check;
use crate::source::stored::Stored;

use super::home::{Program, program_in};
use super::server::Private;
use super::stage::Folders;
use super::store;

/// The throw-away server's database; the name of the one that was captured may be anything.
const DATABASE: &str = "drill";

/// Holds the drill.
pub fn hold(stored: &Stored<'_>, query: Option<&str>, place: &Place, progress: &dyn Progress) -> Result<Vec<Check>> {
    let program = program_of(stored, place)?;
    let folder = place.folder("drill")?;
    let home = Private::make(folder.path(), &program, DATABASE, place)?;
    let (store, logs) = home.folders();
    let folders = Folders { store: &store, logs: &logs };
    let report = folders.fill_from(stored, progress)?;
    let info = store::inspect(&store, &logs)?;
    let mut checks = Vec::new();
    match store::readable(&info, &program.version, program.is_enterprise) {
        Err(why) => return Ok(vec![Check::failed("format", why)]),
        Ok(note) => {
            let closed = match info.closed {
                Some(true) => ", closed properly",
                Some(false) => ", not closed properly: recovered from its logs",
                None => "",
            };
            checks.push(Check::passed("format", format!("{} in {} files{closed}", info.format, report.files)));
            // A store of Neo4j 4.4 is brought to the newer format first, as its user would do it.
            if note.is_some() && !home.is_before_5() {
                progress.stage("migrating", None);
                let arguments = ["database", "migrate", DATABASE, "--force-btree-indexes-to-range"];
                checks.push(said("database migrate", home.admin(&arguments)?));
            }
        }
    }
    if checks.iter().all(|check| check.ok) {
        progress.stage("starting Neo4j", None);
        match home.start()? {
            Err(why) => checks.push(Check::failed("start", format!("Neo4j {} does not start: {why}", program.version))),
            Ok(server) => {
                checks.extend(asked(|statement| server.run(statement), query)?);
                server.end();
            }
        }
    }
    if checks.iter().all(|check| check.ok) {
        progress.stage("checking", None);
        let database = format!("--database={DATABASE}");
        checks.push(match home.is_before_5() {
            true => said("check-consistency", home.admin(&["check-consistency", &database])?),
            false => said("database check", home.admin(&["database", "check", DATABASE])?),
        });
    }
    Ok(checks)
}

/// The Neo4j to start: that of the home that was captured, or of `NEO4J_HOME`.
fn program_of(stored: &Stored<'_>, place: &Place) -> Result<Program> {
    let captured = match stored.origin() {
        Origin::Database(database) => database.facts.get("home").map(PathBuf::from),
        _ => None,
    };
    let named = place.programs.variable("NEO4J_HOME").map(PathBuf::from);
    let homes: Vec<PathBuf> = named.into_iter().chain(captured).collect();
    homes.iter().find_map(|home| program_in(&home.join("lib"))).ok_or_else(|| {
        Error::Refused(format!(
            "a drill starts a Neo4j of its own, and none is here{}: say where one is by the variable NEO4J_HOME",
            homes.first().map_or_else(String::new, |home| format!(" ({} has no lib)", Path::new(home).display()))
        ))
    })
}

/// Counts, and the user's query.
fn asked(run: impl Fn(&str) -> Result<Result<Vec<Value>, String>>, query: Option<&str>) -> Result<Vec<Check>> {
    let mut counted = Vec::new();
    for (what, statement) in
        [("nodes", "MATCH (n) RETURN count(n)"), ("relationships", "MATCH ()-[r]->() RETURN count(r)")]
    {
        match run(statement)? {
            Ok(rows) => counted.push(format!("{} {what}", shown(rows.first()))),
            Err(why) => return Ok(vec![Check::failed("counts", why)]),
        }
    }
    let mut checks = vec![Check::passed("counts", counted.join(", "))];
    if let Some(query) = query {
        checks.push(match run(query)? {
            Ok(rows) if rows.is_empty() => Check::failed("query", "it gave no rows"),
            Ok(rows) => Check::passed("query", shown(rows.first())),
            Err(why) => Check::failed("query", why),
        });
    }
    Ok(checks)
}

/// A row's cells, with bars between them.
fn shown(row: Option<&Value>) -> String {
    let cell = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    let cells = row.and_then(Value::as_array).into_iter().flatten();
    cells.map(cell).collect::<Vec<_>>().join("|")
}

fn said(name: &str, said: std::result::Result<String, String>) -> Check {
    match said {
        Ok(_) => Check::passed(name, "no complaints"),
        Err(why) => Check::failed(name, why),
    }
}
