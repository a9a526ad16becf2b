//! Drills: a snapshot is restored into a throw-away server, checked there by PostgreSQL's own tools, and counted.

use std::collections::{BTreeSet, HashMap};

use crate::error::{Error, Result};
use crate::ops::Progress;
use crate::source::access::Place;
use crate::source::kind::Check;
use crate::source::stored::Stored;

use super::archive::Contents;
use super::assemble::{Archive, counts_of, fact, origin_of};
use super::create::Recipe;
use super::export::{major_of_origin, start_on};
use super::logical_restore::restore_into;
use super::names::data_names;
use super::physical_restore::{stored_major, verify_backup};
use super::roles::roles_of;
use super::server::{find, identifier, literal};
use super::throwaway::{Folder, Throwaway};

/// What a logical snapshot is restored as.
const DATABASE: &str = "snaphold_drill";
/// How often a role is added that shows only when it is missed.
const MISSED_ROLES_MAX: usize = 16;
/// Rows of a query's answer that are shown.
const ROWS_SHOWN: usize = 5;

const COUNTS: &str = "
SELECT count(*), coalesce(sum((xpath('/row/n/text()', query_to_xml(
         format('SELECT count(*) AS n FROM %I.%I', n.nspname, c.relname), false, true, '')))[1]::text::bigint), 0)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'";

/// The drill of a logical snapshot.
pub fn logical(stored: &Stored<'_>, query: Option<&str>, place: &Place, progress: &dyn Progress) -> Result<Vec<Check>> {
    let archive = Archive::of(stored)?;
    let major = major_of_origin(stored).ok_or_else(|| Error::damaged("the snapshot", "it has no version"))?;
    let folder = Folder::new(place)?;
    progress.stage("starting a throw-away server", None);
    let program = find(&place.programs, "postgres", Some(major))?;
    let major = super::server::major_of(&place.programs, &program, "postgres")?;
    folder.init(place, major)?;
    let running = Throwaway::start(&folder, place, major, None)?;
    let mut checks = Vec::new();
    progress.stage("restoring the database", Some(archive.data_len()));
    let restored = restore(&running, &archive, progress);
    checks.push(match restored {
        Ok(detail) => Check::passed("pg_restore", detail),
        Err(error @ (Error::Damaged { .. } | Error::Storage { .. })) => return Err(error),
        Err(error) => Check::failed("pg_restore", error),
    });
    if checks.iter().all(|check| check.ok) {
        progress.stage("checking the database", None);
        checks.push(amcheck(&running, place, &["--database", DATABASE])?);
        checks.push(rows(&running, stored, &archive.contents)?);
        let recipe = Recipe::of(&archive.contents, DATABASE).unwrap_or_default();
        // Settings of the database may matter to the query; those of an extension that is not loaded here do not.
        let _ = running.server.execute("postgres", &recipe.settings);
        checks.extend(query.map(|query| answer(&running, DATABASE, query)));
    }
    running.stop();
    Ok(checks)
}

/// Restores the archive; says how.
fn restore(running: &Throwaway<'_>, archive: &Archive<'_>, progress: &dyn Progress) -> Result<String> {
    let server = &running.server;
    let contents = &archive.contents;
    let mut roles: BTreeSet<String> = roles_of(contents);
    let mut detail = String::from("the whole archive, without an error");
    add_roles(running, &roles)?;
    let version = server.version("postgres")?;
    let recipe = Recipe::of(contents, DATABASE).unwrap_or_else(|| Recipe::plain(DATABASE));
    for _ in 0..MISSED_ROLES_MAX {
        server.execute("postgres", &format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE);"))?;
        if server.execute("postgres", &recipe.create).is_err() {
            // The locale is not there on this machine, or the table space.
            server.execute("postgres", &without_locale(&recipe.create))?;
            detail = String::from(
                "the whole archive, without an error; its locale is not installed here, so it was restored with C",
            );
        }
        match restore_into(server, DATABASE, &version, &mut |out| archive.write(out, progress)) {
            Ok(()) => return Ok(detail),
            Err(Error::Refused(text)) if text.contains("there is no role \"") => {
                let role = text.split('"').nth(1).unwrap_or_default().to_string();
                if !roles.insert(role.clone()) {
                    return Err(Error::Refused(text));
                }
                add_roles(running, &BTreeSet::from([role]))?;
            }
            Err(error) => return Err(error),
        }
    }
    Err(Error::Failed("the dump names too many roles that it does not list".into()))
}

fn add_roles(running: &Throwaway<'_>, roles: &BTreeSet<String>) -> Result<()> {
    let present: BTreeSet<String> =
        running.server.rows_of("postgres", "SELECT rolname FROM pg_catalog.pg_roles")?.into_iter().flatten().collect();
    let missing = roles.iter().filter(|role| !present.contains(*role));
    let sql: String = missing.map(|role| format!("CREATE ROLE {};\n", identifier(role))).collect();
    running.server.execute("postgres", &sql)
}

/// The statement that makes a database, with its encoding and no locale.
fn without_locale(create: &str) -> String {
    let encoding = create.split("ENCODING = '").nth(1).and_then(|rest| rest.split('\'').next()).unwrap_or("UTF8");
    format!("CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING {} LOCALE 'C';", literal(encoding))
}

/// Whether every table has as many rows as the snapshot.
fn rows(running: &Throwaway<'_>, stored: &Stored<'_>, contents: &Contents) -> Result<Check> {
    let names = data_names(contents);
    let counts = counts_of(stored)?;
    let counts: HashMap<&str, u64> = counts.iter().map(|counted| (counted.name.as_str(), counted.rows)).collect();
    let wanted = |name: &String| counts.get(name.as_str()).copied();
    let has_extensions = contents.of_kind("EXTENSION").next().is_some();
    let mut questions = Vec::new();
    let mut tables = Vec::new();
    for entry in contents.of_kind("TABLE DATA") {
        let name = (std::str::from_utf8(&entry.schema), std::str::from_utf8(&entry.tag));
        let rows = names.get(&entry.dump_id).and_then(wanted);
        if let ((Ok(schema), Ok(table)), Some(rows)) = (name, rows) {
            let table = format!("{}.{}", identifier(schema), identifier(table));
            questions.push(format!("SELECT {}, count(*) FROM {table}", questions.len()));
            tables.push((table, rows));
        }
    }
    if tables.is_empty() {
        return Ok(Check::passed("counts", "no table has rows"));
    }
    let answers = running.server.rows_of(DATABASE, &format!("{} ORDER BY 1", questions.join(" UNION ALL ")));
    let answers = match answers {
        Ok(answers) => answers,
        Err(error) => return Ok(Check::failed("counts", error)),
    };
    let mut total = 0;
    for ((table, rows), answer) in tables.iter().zip(answers) {
        let found: u64 = answer.get(1).and_then(|count| count.parse().ok()).unwrap_or_default();
        // An extension's own rows come with it, beside those that the dump has.
        if found < *rows || found > *rows && !has_extensions {
            return Ok(Check::failed("counts", format!("{table} has {found} rows, not {rows}")));
        }
        total += found;
    }
    Ok(Check::passed("counts", format!("{} tables, {total} rows, as in the snapshot", tables.len())))
}

/// The drill of a physical snapshot.
pub fn physical(
    stored: &Stored<'_>,
    query: Option<&str>,
    place: &Place,
    progress: &dyn Progress,
) -> Result<Vec<Check>> {
    let folder = Folder::new(place)?;
    progress.stage("unpacking the data folder", None);
    folder.restore(stored, progress)?;
    let major = stored_major(stored)?;
    let mut checks = Vec::new();
    checks.extend(verify_backup(place, &folder.data(), &major));
    progress.stage("starting a throw-away server", None);
    let running = match start_on(&folder, stored, place) {
        Ok(running) => running,
        Err(error) if error.to_string().contains("does not start") => {
            checks.push(Check::failed("start", error));
            return Ok(checks);
        }
        Err(error) => return Err(error),
    };
    let major = running.major;
    checks.push(Check::passed(
        "start",
        format!("PostgreSQL {} runs on the restored folder", running.server.version("postgres")?.text),
    ));
    progress.stage("checking the databases", None);
    checks.push(amcheck(&running, place, &["--all"])?);
    let database = &origin_of(stored)?.database;
    checks.push(match running.server.rows_of(database, COUNTS) {
        Ok(rows) => {
            let cells = rows.concat();
            let cell = |at: usize| cells.get(at).cloned().unwrap_or_default();
            Check::passed("counts", format!("{database}: {} tables, {} rows", cell(0), cell(1)))
        }
        Err(error) => Check::failed("counts", error),
    });
    checks.extend(query.map(|query| answer(&running, database, query)));
    running.stop();
    if fact(stored, "checksums") == "on" {
        checks.push(match folder.run(place, "pg_checksums", major, &["--check", "-D"]) {
            Ok(_) => Check::passed("pg_checksums", "every page's checksum holds"),
            Err(error) => Check::failed("pg_checksums", error),
        });
    }
    Ok(checks)
}

/// Whether tables and indexes hold together, as `pg_amcheck` sees it.
fn amcheck(running: &Throwaway<'_>, place: &Place, which: &[&str]) -> Result<Check> {
    let Ok(program) = find(&place.programs, "pg_amcheck", Some(running.major)) else {
        return Ok(Check::passed("pg_amcheck", "not run: it is not installed (it comes with postgresql-client)"));
    };
    let mut command = running.server.command(&program, "postgres");
    command.args(["--install-missing", "--no-password", "--heapallindexed"]).args(which);
    Ok(match place.programs.run(command, "pg_amcheck", None) {
        Ok(_) => Check::passed("pg_amcheck", "tables and indexes hold together"),
        Err(error) if error.to_string().contains("extension \"amcheck\" is not available") => Check::passed(
            "pg_amcheck",
            "not run: the extension amcheck is not installed (it comes with postgresql-contrib)",
        ),
        Err(error) => Check::failed("pg_amcheck", error),
    })
}

/// What the user's query gives.
fn answer(running: &Throwaway<'_>, database: &str, query: &str) -> Check {
    match running.server.rows_of(database, query) {
        Ok(rows) if rows.is_empty() => Check::failed("query", "it gave no rows"),
        Ok(rows) => {
            let shown: Vec<String> = rows.iter().take(ROWS_SHOWN).map(|row| row.join("|")).collect();
            let more = if rows.len() > ROWS_SHOWN {
                format!(" (and {} rows more)", rows.len() - ROWS_SHOWN)
            } else {
                String::new()
            };
            Check::passed("query", shown.join("; ") + &more)
        }
        Err(error) => Check::failed("query", error),
    }
}
