//! One database of a server, as a source: captured as the text of a dump, restored beside and exchanged.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::format::manifest::Origin;
use crate::ops::Progress;
use crate::ops::restore::RestoreReport;
use crate::source::access::Place;
use crate::source::kind::{Attempt, Capturing, Check, Description, Material, Reverted, Source, Staged};
use crate::source::stored::Stored;

use super::capture::{begin, not_transactional};
use super::checks::{check_tables, total_of};
use super::exchange::Exchange;
use super::feed::{Names, load_stored, load_text, programs_of};
use super::load::{holds_anything, run};
use super::notes::{Programs, Side};
use super::origin::{SYSTEM, charset_of, database_of};
use super::rights::Grants;
use super::server::{Server, literal};

/// A database.
pub struct Logical {
    /// Its server.
    pub server: Server,
    /// Its name.
    pub database: String,
    /// The machine around it.
    pub place: Place,
}

impl Logical {
    fn exchange(&self, attempt: &Attempt) -> Exchange<'_> {
        Exchange::new(&self.server, &self.database, attempt)
    }

    fn exists(&self) -> Result<bool> {
        let sql =
            format!("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {}", literal(&self.database));
        Ok(self.server.ask_number(&sql)? > 0)
    }

    /// The texts of what is there now, for the way back.
    fn programs(&self, progress: &dyn Progress) -> Result<Programs> {
        let options =
            ["--no-data", "--skip-triggers", "--routines", "--events", "--skip-dump-date", "--skip-lock-tables"];
        let attempt = |force: bool| -> Result<(Programs, bool)> {
            let mut command = self.server.command(&self.server.dump_tool()?);
            command.args(options).args(["--default-character-set=utf8mb4", "--single-transaction"]);
            if force {
                command.arg("--force");
            }
            command.arg("--").arg(&self.database);
            let mut running = self.server.programs.start(command, "mariadb-dump", self.server.password())?;
            let stdout = running.stdout().ok_or_else(|| Error::Failed("mariadb-dump has no output".into()))?;
            let (programs, complete) = programs_of(stdout)?;
            match running.finish() {
                Ok(()) => Ok((programs, complete)),
                Err(_) if force && complete => Ok((programs, complete)),
                Err(error) => Err(self.server.explained(error)),
            }
        };
        match attempt(false) {
            Ok((programs, true)) => Ok(programs),
            Ok((_, false)) => Err(Error::Failed("mariadb-dump ended too early".into())),
            // A view whose table is gone cannot be dumped. It must not keep a user from restoring that table.
            Err(error) => {
                let (programs, _) = attempt(true)?;
                progress.notice(&format!("something of what is there now would not come back by going back: {error}"));
                Ok(programs)
            }
        }
    }

    /// That no table of another database refers to one of this.
    fn check_keys(&self) -> Result<()> {
        let rows = self.server.ask(&format!(
            "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME), REFERENCED_TABLE_NAME FROM information_schema.KEY_COLUMN_USAGE \
             WHERE REFERENCED_TABLE_SCHEMA = {0} AND TABLE_SCHEMA <> {0} AND TABLE_SCHEMA NOT LIKE '%\\_snaphold\\_%' LIMIT 1",
            literal(&self.database)
        ))?;
        match rows.first().map(Vec::as_slice) {
            Some([from, to]) => Err(Error::Refused(format!(
                "{from} has a foreign key to {}.{to}: it would go on to refer to the old table; drop that key first",
                self.database
            ))),
            _ => Ok(()),
        }
    }

    fn load(
        &self,
        material: &Material<'_>,
        exchange: &Exchange<'_>,
        progress: &dyn Progress,
    ) -> Result<(Programs, RestoreReport)> {
        let new = exchange.home(Side::New);
        match material {
            Material::Stored(stored) => {
                let (charset, collation) = charset_of(stored);
                exchange.make_new(&charset, &collation)?;
                progress.stage("loading", Some(total_of(stored)));
                let names = Names { of: database_of(stored), into: &new, finally: &self.database };
                Ok((load_stored(&self.server, &names, stored)?, stored.whole_report()))
            }
            Material::Dump(dump) => {
                let ran = run(dump, &self.database, &self.place, progress)?;
                let [charset, collation] = &ran.charset;
                exchange.make_new(charset, collation)?;
                progress.stage("loading", None);
                let names = Names { of: &ran.database, into: &new, finally: &self.database };
                let programs = ran.text(|text| load_text(&self.server, &names, text))?;
                let report = RestoreReport {
                    files: 1,
                    files_changed: 1,
                    bytes_total: ran.bytes,
                    bytes_written: ran.bytes,
                    ..RestoreReport::default()
                };
                Ok((programs, report))
            }
        }
    }
}

impl Source for Logical {
    fn shown(&self) -> String {
        self.server.shown().to_string()
    }

    fn describe(&self) -> Result<Description> {
        let version = self.server.version()?;
        let tool = self.server.dump_tool()?;
        version.fits_dump(&self.server.programs, &tool)?;
        if !self.exists()? {
            return Err(Error::NotFound(format!(
                "{}: there is no database {:?}, or the user may not see it",
                self.server.shown(),
                self.database
            )));
        }
        let grants = Grants::of(&self.server)?;
        grants.allow_dump(&self.server, &self.database)?;
        let bytes = self.server.ask_number(&format!(
            "SELECT COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) DIV 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = {}",
            literal(&self.database)
        ))?;
        let mut notes = Vec::new();
        let without = not_transactional(&self.server, &self.database)?;
        if !without.is_empty() {
            let names: Vec<String> = without.iter().map(|(name, engine)| format!("{name} ({engine})")).collect();
            notes.push(match grants.has("LOCK TABLES", &self.database) {
                true => format!("no transaction covers {}: they are locked against writing while a snapshot is taken", names.join(", ")),
                false => format!(
                    "no transaction covers {}, and they cannot be locked: GRANT LOCK TABLES, or their rows may be of different times",
                    names.join(", ")
                ),
            });
        }
        if !grants.see_routines(&self.database) {
            notes.push(
                "procedures and functions that other users defined are left out: GRANT SELECT ON mysql.proc".into(),
            );
        }
        Ok(Description { version: version.text, bytes: Some(bytes), notes })
    }

    fn begin<'s>(&'s self, progress: &dyn Progress) -> Result<Box<dyn Capturing + 's>> {
        Ok(Box::new(begin(&self.server, &self.database, progress)?))
    }

    fn accepts(&self, origin: &Origin) -> Result<(), String> {
        match origin {
            Origin::Database(origin) if origin.system == SYSTEM && origin.mode == "logical" => Ok(()),
            Origin::Database(origin) if origin.system == SYSTEM => Err(
                "it is of a whole server's files (mode=physical), and this is one database; export it as sql and load that".into(),
            ),
            _ => Err("it is of another kind".into()),
        }
    }

    fn is_vacant(&self) -> Result<bool> {
        self.server.version()?;
        Ok(!self.exists()? || !holds_anything(&self.server, &self.database)?)
    }

    fn stage(&self, material: &Material<'_>, attempt: &Attempt, progress: &dyn Progress) -> Result<Staged> {
        self.server.version()?;
        self.check_keys()?;
        let exchange = self.exchange(attempt);
        let loaded = self.load(material, &exchange, progress).and_then(|(programs, report)| {
            exchange.notes.staged(&programs)?;
            Ok(report)
        });
        match loaded {
            Ok(report) => {
                let facts = BTreeMap::from([("staged".to_string(), exchange.home(Side::New))]);
                Ok(Staged { report, facts })
            }
            Err(error) => {
                let _ = exchange.finish();
                Err(error)
            }
        }
    }

    fn swap(&self, _: Option<&Stored<'_>>, attempt: &Attempt, _: &Staged, progress: &dyn Progress) -> Result<()> {
        progress.stage("exchanging tables", None);
        let exchange = self.exchange(attempt);
        exchange.notes.prepare(|| self.programs(progress))?;
        exchange.show(Side::New)
    }

    fn check(&self, attempt: &Attempt, _: &Staged, progress: &dyn Progress) -> Result<Vec<Check>> {
        progress.stage("checking", None);
        let expected = self.exchange(attempt).notes.new_tables()?;
        let there = self.server.ask_number(&format!(
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_TYPE NOT LIKE '%VIEW%'",
            literal(&self.database)
        ))?;
        let mut checks = vec![match there == expected {
            true => Check::passed("tables", format!("{there} tables are in their place")),
            false => Check::failed("tables", format!("{there} tables are there, and {expected} were restored")),
        }];
        checks.push(check_tables(&self.server, std::slice::from_ref(&self.database), false)?);
        Ok(checks)
    }

    fn finish(&self, attempt: &Attempt, _: &Staged) -> Result<()> {
        self.exchange(attempt).finish()
    }

    fn revert(&self, attempt: &Attempt, _: Option<&Staged>) -> Result<Reverted> {
        self.exchange(attempt).revert()?;
        Ok(Reverted::Back)
    }
}
