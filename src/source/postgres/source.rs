//! The two ways in which a PostgreSQL server is a source.

use crate::error::{Error, Result};
use crate::format::manifest::Origin;
use crate::ops::Progress;
use crate::source::access::{Place, Settings};
use crate::source::kind::{Attempt, Capturing, Check, Description, Material, Reverted, Source, Staged};
use crate::source::stored::Stored;

use super::names::{LOGICAL, NAME, PHYSICAL};
use super::server::Server;
use super::{logical, logical_restore, physical, physical_restore};

const DATABASE_LEN: &str = "SELECT pg_catalog.pg_database_size(pg_catalog.current_database())";
const SERVER_LEN: &str = "SELECT sum(pg_catalog.pg_database_size(oid)) FROM pg_catalog.pg_database";

/// One database, by `pg_dump`.
pub struct Logical {
    /// The server.
    pub server: Server,
    /// Where things in between go.
    pub place: Place,
}

/// A whole server, by `pg_basebackup`.
pub struct Physical {
    /// The server.
    pub server: Server,
    /// Its folder and commands.
    pub settings: Settings,
    /// Where things in between go.
    pub place: Place,
}

/// Whether a component of an origin can be restored in a mode; in words, why not.
fn accepts(origin: &Origin, mode: &str) -> Result<(), String> {
    match origin {
        Origin::Database(database) if database.system == NAME && database.mode == mode => Ok(()),
        Origin::Database(database) if database.system == NAME => Err(format!(
            "it is of mode={}, and the instance is of mode={mode}; export it as .dump and load that into an instance of mode=logical",
            database.mode
        )),
        _ => Err("it is not of PostgreSQL".into()),
    }
}

impl Source for Logical {
    fn shown(&self) -> String {
        self.server.shown.clone()
    }

    fn describe(&self) -> Result<Description> {
        let server = &self.server;
        let version = server.version(&server.database)?;
        server.tool("pg_dump", &version)?;
        server.tool("pg_restore", &version)?;
        let bytes = server.value_of(&server.database, DATABASE_LEN)?.parse().ok();
        let notes = vec![
            "exports as .dump (for pg_restore) and as SQL; roles and table spaces are the server's and not in it"
                .into(),
        ];
        Ok(Description { version: version.text, bytes, notes })
    }

    fn begin<'s>(&'s self, progress: &dyn Progress) -> Result<Box<dyn Capturing + 's>> {
        progress.stage("starting pg_dump", None);
        Ok(Box::new(logical::begin(&self.server)?))
    }

    fn accepts(&self, origin: &Origin) -> Result<(), String> {
        accepts(origin, LOGICAL)
    }

    fn is_vacant(&self) -> Result<bool> {
        logical_restore::is_vacant(&self.server)
    }

    fn stage(&self, material: &Material<'_>, attempt: &Attempt, progress: &dyn Progress) -> Result<Staged> {
        self.restore(attempt).stage(material, progress)
    }

    fn swap(&self, _: Option<&Stored<'_>>, attempt: &Attempt, staged: &Staged, progress: &dyn Progress) -> Result<()> {
        progress.stage("exchanging the databases", None);
        self.restore(attempt).swap(staged)
    }

    fn check(&self, attempt: &Attempt, staged: &Staged, _: &dyn Progress) -> Result<Vec<Check>> {
        self.restore(attempt).check(staged)
    }

    fn finish(&self, attempt: &Attempt, _: &Staged) -> Result<()> {
        self.restore(attempt).finish()
    }

    fn revert(&self, attempt: &Attempt, staged: Option<&Staged>) -> Result<Reverted> {
        self.restore(attempt).revert(staged)
    }
}

impl Logical {
    fn restore(&self, attempt: &Attempt) -> logical_restore::Restore<'_> {
        logical_restore::Restore::new(&self.server, &self.place, attempt)
    }
}

impl Source for Physical {
    fn shown(&self) -> String {
        self.server.shown.clone()
    }

    fn describe(&self) -> Result<Description> {
        let server = &self.server;
        let ready = physical::ready(server)?;
        server.tool("pg_basebackup", &ready.version)?;
        let bytes = server.value_of(&server.database, SERVER_LEN)?.parse().ok();
        let mut notes = vec![
            "a copy of the whole server, as of the snapshot's end; .dump and SQL are of the URL's database".to_string(),
        ];
        if self.settings.data_directory.is_none() || self.settings.stop.is_none() || self.settings.start.is_none() {
            notes.push("to be restored in place it needs --data-directory, --stop and --start".into());
        }
        Ok(Description { version: ready.version.text, bytes, notes })
    }

    fn begin<'s>(&'s self, progress: &dyn Progress) -> Result<Box<dyn Capturing + 's>> {
        progress.stage("starting pg_basebackup", None);
        Ok(Box::new(physical::begin(&self.server, &self.place)?))
    }

    fn accepts(&self, origin: &Origin) -> Result<(), String> {
        accepts(origin, PHYSICAL)?;
        physical_restore::may_be_restored(&self.settings)
    }

    fn is_vacant(&self) -> Result<bool> {
        physical_restore::is_vacant(&self.server, &self.settings)
    }

    fn stage(&self, material: &Material<'_>, attempt: &Attempt, progress: &dyn Progress) -> Result<Staged> {
        match material {
            Material::Stored(stored) => self.restore(attempt)?.stage(stored, progress),
            Material::Dump(dump) => Err(Error::Refused(format!(
                "{} is of one database, and {} is a whole server (mode=physical); load it into an instance of mode=logical",
                dump.file_name, self.server.shown
            ))),
        }
    }

    fn swap(&self, _: Option<&Stored<'_>>, attempt: &Attempt, _: &Staged, progress: &dyn Progress) -> Result<()> {
        progress.stage("exchanging the data folders", None);
        self.restore(attempt)?.swap()
    }

    fn check(&self, attempt: &Attempt, _: &Staged, progress: &dyn Progress) -> Result<Vec<Check>> {
        progress.stage("waiting for the server", None);
        self.restore(attempt)?.check()
    }

    fn finish(&self, attempt: &Attempt, _: &Staged) -> Result<()> {
        self.restore(attempt)?.finish()
    }

    fn revert(&self, attempt: &Attempt, staged: Option<&Staged>) -> Result<Reverted> {
        match &self.settings.data_directory {
            Some(_) => self.restore(attempt)?.revert(staged),
            // Without a folder nothing was ever made.
            None => Ok(Reverted::Back),
        }
    }
}

impl Physical {
    fn restore(&self, attempt: &Attempt) -> Result<physical_restore::Restore<'_>> {
        physical_restore::Restore::new(&self.server, &self.settings, &self.place, attempt)
    }
}
