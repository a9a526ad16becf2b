//! Neo4j databases: the store of a database that is stopped, file by file.
//!
//! Neo4j Community has no way to copy a database while it is in use, and its own tool refuses to dump one. So a database
//! is captured and restored while it is stopped, or Snaphold stops the server for that time and starts it again.

mod capture;
mod database;
mod drill;
mod home;
mod http;
mod lock;
mod restore;
mod server;
mod stage;
mod store;

use crate::container::Form;
use crate::error::{Error, Result};
use crate::format::manifest::Origin;
use crate::ops::Progress;
use crate::source::access::{Place, Settings};
use crate::source::kind::{Attempt, Capturing, Check, Description, Kind, Material, Reverted, Source, Staged};
use crate::source::stored::Stored;
use crate::source::url::{Address, SourceUrl};

use database::{Database, SYSTEM};

/// Neo4j databases.
pub struct Neo4j;

impl Kind for Neo4j {
    fn name(&self) -> &'static str {
        SYSTEM
    }

    fn schemes(&self) -> &'static [&'static str] {
        &[SYSTEM]
    }

    fn example(&self) -> &'static str {
        "neo4j:/home/of/neo4j#database"
    }

    /// A dump that was loaded is one of its stores too.
    fn made(&self, origin: &Origin) -> bool {
        match origin {
            Origin::Database(database) => database.system == SYSTEM,
            Origin::Loaded { form: Form::Neo4jDump { .. }, .. } => true,
            _ => false,
        }
    }

    fn source(&self, url: &SourceUrl, settings: &Settings, place: &Place) -> Result<Box<dyn Source>> {
        let Address::Path { path, part } = url.address() else {
            return Err(Error::Usage(format!("{url}: Neo4j is reached through its home folder: {}", self.example())));
        };
        let named = part.as_deref().filter(|name| !name.is_empty());
        if named.is_some_and(|name| name.starts_with('.') || name.contains(['/', '\\', '\0'])) {
            return Err(Error::Usage(format!("{url}: behind the # stands the name of a database")));
        }
        let database = Database {
            path: path.clone(),
            named: named.map(str::to_string),
            settings: settings.clone(),
            place: place.clone(),
        };
        Ok(Box::new(database))
    }

    /// The engine makes dumps of stores, for any reader.
    fn writes_dumps(&self) -> bool {
        false
    }

    fn drill(
        &self,
        stored: &Stored<'_>,
        query: Option<&str>,
        place: &Place,
        progress: &dyn Progress,
    ) -> Result<Vec<Check>> {
        drill::hold(stored, query, place, progress)
    }
}

impl Source for Database {
    fn shown(&self) -> String {
        self.shown()
    }

    fn describe(&self) -> Result<Description> {
        self.describe()
    }

    fn begin<'s>(&'s self, progress: &dyn Progress) -> Result<Box<dyn Capturing + 's>> {
        capture::begin(self, progress)
    }

    fn accepts(&self, origin: &Origin) -> Result<(), String> {
        match Neo4j.made(origin) {
            true => Ok(()),
            false => Err("it is of another kind than Neo4j".into()),
        }
    }

    fn is_vacant(&self) -> Result<bool> {
        self.is_vacant()
    }

    fn stage(&self, material: &Material<'_>, attempt: &Attempt, progress: &dyn Progress) -> Result<Staged> {
        restore::stage(self, material, attempt, progress)
    }

    fn swap(&self, _: Option<&Stored<'_>>, attempt: &Attempt, staged: &Staged, progress: &dyn Progress) -> Result<()> {
        restore::swap(self, attempt, staged, progress)
    }

    fn check(&self, attempt: &Attempt, staged: &Staged, progress: &dyn Progress) -> Result<Vec<Check>> {
        restore::check(self, attempt, staged, progress)
    }

    fn finish(&self, attempt: &Attempt, _: &Staged) -> Result<()> {
        restore::finish(self, attempt)
    }

    fn revert(&self, attempt: &Attempt, staged: Option<&Staged>) -> Result<Reverted> {
        restore::revert(self, attempt, staged)
    }
}
