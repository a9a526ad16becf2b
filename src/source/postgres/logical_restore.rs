//! A database is restored beside the present one; then the two exchange their names, in one transaction.

use std::collections::BTreeMap;
use std::io::Write;

use crate::error::{Error, Result};
use crate::ops::Progress;
use crate::ops::restore::RestoreReport;
use crate::source::access::Place;
use crate::source::kind::{Attempt, Check, Material, Reverted, Staged};
use crate::source::program::Running;
use crate::source::stored::Stored;

use super::archive::Contents;
use super::assemble::{Archive, origin_of};
use super::create::Recipe;
use super::load::{self, Loaded};
use super::server::{Server, Version, identifier, knows_restrict, literal};

/// Longest name of a database, bytes.
const NAME_LEN_MAX: usize = 63;
/// How often the present database's sessions are ended while the names are exchanged: every tenth of a second.
const EVICTIONS: usize = 100;
const TABLES_COUNT: &str = "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'";

/// The restore of one database.
pub struct Restore<'s> {
    /// Sessions have the attempt's name, so that those are found that a killed process has left.
    server: Server,
    place: &'s Place,
    /// What the new database is called until it takes its place, and the present one afterwards.
    new: String,
    old: String,
}

impl<'s> Restore<'s> {
    /// The restore that an attempt is.
    pub fn new(server: &'s Server, place: &'s Place, attempt: &Attempt) -> Self {
        let name = |word: &str| beside(&server.database, &format!("_snaphold_{word}_{}", attempt.id));
        let (new, old) = (name("new"), name("old"));
        let server = Server { application: format!("snaphold {}", attempt.id), ..server.clone() };
        Self { server, place, new, old }
    }

    fn admin(&self, sql: &str) -> Result<()> {
        self.server.execute(self.server.maintenance(), sql)
    }

    /// Ends sessions of this attempt that a killed process has left: they would go on beside what is done now.
    fn be_alone(&self) -> Result<()> {
        let name = literal(&self.server.application);
        self.admin(&format!(
            "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
 WHERE application_name = {name} AND pid <> pg_catalog.pg_backend_pid();"
        ))
    }

    /// The number of a database; `None` where there is none of that name.
    fn oid_of(&self, database: &str) -> Result<Option<String>> {
        oid_of(&self.server, database)
    }

    /// Removes a database, if it is there, with whoever uses it.
    fn drop_database(&self, database: &str) -> Result<()> {
        if self.oid_of(database)?.is_none() {
            return Ok(());
        }
        let name = identifier(database);
        self.admin(&format!("ALTER DATABASE {name} IS_TEMPLATE false;\nDROP DATABASE IF EXISTS {name} WITH (FORCE);"))
    }

    /// Makes the new database and fills it.
    pub fn stage(&self, material: &Material<'_>, progress: &dyn Progress) -> Result<Staged> {
        let version = self.server.version(self.server.maintenance())?;
        self.be_alone()?;
        let staged = match material {
            Material::Stored(stored) => self.stage_stored(stored, &version, progress),
            Material::Dump(dump) => {
                let loaded = load::look_at(dump, self.place, progress)?;
                // What goes wrong from here on is the dump's doing, and the server says nothing of files.
                self.stage_dump(&loaded, &version, progress).map_err(|error| error.with_context(dump.file_name))
            }
        };
        if staged.is_err() {
            // What is left would be removed by going back, too; a server that is gone keeps it until then.
            let _ = self.drop_database(&self.new);
        }
        staged
    }

    fn stage_stored(&self, stored: &Stored<'_>, version: &Version, progress: &dyn Progress) -> Result<Staged> {
        let archive = Archive::of(stored)?;
        let recipe = Recipe::of(&archive.contents, &self.new).unwrap_or_else(|| Recipe::plain(&self.new));
        let _ = origin_of(stored)?;
        self.create(&recipe)?;
        progress.stage("restoring the database", Some(archive.data_len()));
        restore_into(&self.server, &self.new, version, &mut |out| archive.write(out, progress))?;
        self.settle(&recipe, progress)?;
        let report = stored.whole_report();
        self.staged(report, Some(&archive.contents))
    }

    fn stage_dump(&self, loaded: &Loaded<'_>, version: &Version, progress: &dyn Progress) -> Result<Staged> {
        let recipe = self.recipe_of_present(version)?;
        let recipe = recipe.or_else(|| loaded.contents().and_then(|contents| Recipe::of(contents, &self.new)));
        let recipe = recipe.unwrap_or_else(|| Recipe::plain(&self.new));
        self.create(&recipe)?;
        progress.stage("loading the dump", Some(loaded.len()));
        match loaded.contents() {
            Some(_) => restore_into(&self.server, &self.new, version, &mut |out| loaded.write(false, out, progress))?,
            None => self.run_sql(loaded, version, progress)?,
        }
        self.settle(&recipe, progress)?;
        let bytes = loaded.len();
        let report = RestoreReport {
            files: 1,
            files_changed: 1,
            bytes_total: bytes,
            bytes_written: bytes,
            ..Default::default()
        };
        self.staged(report, loaded.contents())
    }

    /// How the present database was made, with its settings and rights: what a dump that is loaded gets.
    fn recipe_of_present(&self, version: &Version) -> Result<Option<Recipe>> {
        if self.oid_of(&self.server.database)?.is_none() {
            return Ok(None);
        }
        let mut command = self.server.command(&self.server.tool("pg_dump", version)?, &self.server.database);
        command.args(["-Fc", "-Z0", "-w", "--schema-only", "--lock-wait-timeout=300000"]);
        let archive = self.server.run(command, "pg_dump")?;
        let contents =
            Contents::read(&mut archive.as_slice()).map_err(|problem| problem.error("what pg_dump wrote"))?;
        Ok(Recipe::of(&contents, &self.new))
    }

    fn create(&self, recipe: &Recipe) -> Result<()> {
        self.drop_database(&self.new)?;
        self.admin(&recipe.create)
    }

    /// Statistics, then settings: one of them may be that the database is read-only.
    fn settle(&self, recipe: &Recipe, progress: &dyn Progress) -> Result<()> {
        progress.stage("analysing the database", None);
        self.server.execute(&self.new, "ANALYZE;")?;
        self.admin(&recipe.settings)
    }

    fn staged(&self, report: RestoreReport, contents: Option<&Contents>) -> Result<Staged> {
        let found = self.server.value_of(&self.new, TABLES_COUNT)?;
        if let Some(contents) = contents {
            let tables = contents.of_kind("TABLE").count().to_string();
            // Extensions bring tables of their own: there may be more.
            if found.parse::<u64>().unwrap_or_default() < tables.parse().unwrap_or_default() {
                return Err(Error::Failed(format!(
                    "the restored database has {found} tables, and the snapshot {tables}"
                )));
            }
        }
        let oid = self.oid_of(&self.new)?.unwrap_or_default();
        let facts = BTreeMap::from([("oid".to_string(), oid), ("tables".to_string(), found)]);
        Ok(Staged { report, facts })
    }

    fn run_sql(&self, loaded: &Loaded<'_>, version: &Version, progress: &dyn Progress) -> Result<()> {
        let psql = self.server.tool("psql", version)?;
        let restricts = knows_restrict(&self.server.programs, &psql)?;
        let mut command = self.server.command(&psql, &self.new);
        command.args(["-X", "-q", "-w", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1", "--single-transaction", "-f", "-"]);
        self.server.feed(command, "psql", &mut |out| loaded.write(restricts, out, progress))
    }

    /// Whether the restored database has its name.
    fn is_swapped(&self, staged: &Staged) -> Result<bool> {
        let oid = staged.facts.get("oid").filter(|oid| !oid.is_empty());
        Ok(oid.is_some() && self.oid_of(&self.server.database)?.as_ref() == oid)
    }

    /// Exchanges the names.
    pub fn swap(&self, staged: &Staged) -> Result<()> {
        self.be_alone()?;
        if self.is_swapped(staged)? {
            return Ok(());
        }
        let place = self.server.database.as_str();
        match self.oid_of(place)? {
            Some(present) => self.rename(&[(place, &self.old), (&self.new, place)], &[&present]),
            None => self.rename(&[(&self.new, place)], &[]),
        }
    }

    /// Gives databases new names, all or none. A rename locks its database before it waits until nobody uses it, so that
    /// nobody new comes in; who is in is thrown out meanwhile.
    fn rename(&self, names: &[(&str, &str)], evicted: &[&str]) -> Result<()> {
        let renames: String = names
            .iter()
            .map(|(from, to)| format!("ALTER DATABASE {} RENAME TO {};\n", identifier(from), identifier(to)))
            .collect();
        let evicting = match evicted {
            [] => None,
            oids => Some(self.evict(&oids.join(","))?),
        };
        let renamed = self.admin(&format!("BEGIN;\n{renames}COMMIT;"));
        drop(evicting);
        renamed.map_err(|error| match error {
            Error::Failed(text) if text.contains("being accessed by other users") => Error::Busy(format!(
                "{}: sessions or prepared transactions hold the database and cannot be ended: {text}",
                self.server.shown
            )),
            error => error,
        })
    }

    /// Ends the sessions of databases for some seconds, beside what is done here. Killed when it is dropped.
    fn evict(&self, oids: &str) -> Result<Running> {
        let step = format!(
            "SELECT count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity WHERE datid IN ({oids});\nSELECT pg_catalog.pg_sleep(0.1);\n"
        );
        let mut running = self.server.start_psql(self.server.maintenance())?;
        if let Some(mut stdin) = running.stdin() {
            stdin
                .write_all(step.repeat(EVICTIONS).as_bytes())
                .map_err(|error| Error::Failed(format!("cannot ask psql: {error}")))?;
        }
        Ok(running)
    }

    /// Looks whether the database is there and has its tables.
    pub fn check(&self, staged: &Staged) -> Result<Vec<Check>> {
        let place = &self.server.database;
        let wanted = staged.facts.get("tables").cloned().unwrap_or_default();
        Ok(match self.server.value_of(place, TABLES_COUNT) {
            Ok(found) if found == wanted => {
                vec![Check::passed("connect", format!("the database {place} has {found} tables"))]
            }
            Ok(found) => {
                vec![Check::failed("tables", format!("the database {place} has {found} tables, not {wanted}"))]
            }
            Err(error) => vec![Check::failed("connect", error)],
        })
    }

    /// Removes what was there before.
    pub fn finish(&self) -> Result<()> {
        self.drop_database(&self.old)
    }

    /// Gives the old database its name back.
    pub fn revert(&self, staged: Option<&Staged>) -> Result<Reverted> {
        self.be_alone()?;
        let place = self.server.database.as_str();
        if let Some(old) = self.oid_of(&self.old)? {
            match self.oid_of(place)? {
                Some(present) => self.rename(&[(place, &self.new), (&self.old, place)], &[&present, &old])?,
                None => self.rename(&[(&self.old, place)], &[&old])?,
            }
        } else if let Some(staged) = staged
            && self.is_swapped(staged)?
        {
            // There was nothing before.
            self.drop_database(place)?;
        }
        self.drop_database(&self.new)?;
        Ok(Reverted::Back)
    }
}

/// The number of a database; `None` where there is none of that name.
pub fn oid_of(server: &Server, database: &str) -> Result<Option<String>> {
    let sql = format!("SELECT oid FROM pg_catalog.pg_database WHERE datname = {}", literal(database));
    Ok(Some(server.value_of(server.maintenance(), &sql)?).filter(|oid| !oid.is_empty()))
}

/// Whether a database is not there, or has nothing of a user's in it.
pub fn is_vacant(server: &Server) -> Result<bool> {
    if oid_of(server, &server.database)?.is_none() {
        return Ok(true);
    }
    let sql =
        "SELECT (SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%')
 + (SELECT count(*) FROM pg_catalog.pg_largeobject_metadata)
 + (SELECT count(*) FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
   WHERE n.nspname NOT IN ('pg_catalog', 'information_schema'))
 + (SELECT count(*) FROM pg_catalog.pg_namespace
   WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'public') AND nspname NOT LIKE 'pg\\_%')";
    Ok(server.value_of(&server.database, sql)? == "0")
}

/// A name beside another one, short enough, and unlike that of any other database's.
fn beside(database: &str, ending: &str) -> String {
    let mut len = database.len().min(NAME_LEN_MAX.saturating_sub(ending.len()));
    while !database.is_char_boundary(len) {
        len -= 1;
    }
    format!("{}{ending}", database.get(..len).unwrap_or_default())
}

/// Runs `pg_restore` on an archive that `write` writes.
pub fn restore_into(
    server: &Server,
    database: &str,
    version: &Version,
    write: &mut (dyn FnMut(&mut dyn Write) -> Result<()> + Send),
) -> Result<()> {
    let mut command = server.command(&server.tool("pg_restore", version)?, database);
    // Where it goes to must be said, or it writes SQL; the rest of the login is in its environment.
    command.args(["--exit-on-error", "-w"]).arg(format!("--dbname={}", conninfo(database)));
    server.feed(command, "pg_restore", write)
}

/// A database's name as libpq's text of a connection, which cannot be taken for anything else.
fn conninfo(database: &str) -> String {
    format!("dbname='{}'", database.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beside_a_long_one_keep_their_end() {
        assert_eq!(beside("shop", "_snaphold_new_0123abcd"), "shop_snaphold_new_0123abcd");
        let long = "ä".repeat(31);
        let name = beside(&long, "_snaphold_old_0123abcd");
        assert!(name.len() <= 63 && name.ends_with("_snaphold_old_0123abcd"), "{name}");
    }
}
