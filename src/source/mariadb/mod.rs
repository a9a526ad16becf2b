//! MariaDB: one database as the text of a dump (`mode=logical`), or a whole server's files (`mode=physical`).

mod capture;
mod checks;
mod drill;
mod exchange;
mod feed;
mod items;
mod load;
mod logical;
mod mbstream;
mod notes;
mod origin;
mod parts;
mod physical;
mod rights;
mod scratch;
mod server;
mod trigger;
mod triggers;
mod version;

use std::io::Write;

use crate::error::Result;
use crate::ops::Progress;
use crate::ops::export::ExportFormat;

use super::access::{Place, Settings};
use super::kind::{Check, Export, Exported, Item, Kind, Source};
use super::stored::Stored;
use super::url::SourceUrl;
use logical::Logical;
use origin::{SYSTEM, is_logical};
use physical::Physical;
use server::{Mode, Target};

/// MariaDB servers.
pub struct MariaDb;

impl Kind for MariaDb {
    fn name(&self) -> &'static str {
        SYSTEM
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["mariadb", "mysql"]
    }

    fn example(&self) -> &'static str {
        "mariadb://user@host:3306/database"
    }

    fn source(&self, url: &SourceUrl, settings: &Settings, place: &Place) -> Result<Box<dyn Source>> {
        let Target { server, database, mode } = Target::of(url, settings, place)?;
        let (settings, place) = (settings.clone(), place.clone());
        Ok(match mode {
            Mode::Logical => Box::new(Logical { server, database, place }),
            Mode::Physical => Box::new(Physical { server, database, settings, place }),
        })
    }

    fn exports(&self, stored: &Stored<'_>, format: ExportFormat) -> Result<Result<(), String>> {
        Ok(match format {
            ExportFormat::Sql | ExportFormat::Dump => Ok(()),
            ExportFormat::TarGz if is_logical(stored) => Ok(()),
            other => Err(format!("mariadb has no {other}")),
        })
    }

    fn tar_gz_holds_dump(&self, stored: &Stored<'_>) -> bool {
        is_logical(stored)
    }

    fn export(&self, job: &Export<'_>, out: &mut dyn Write) -> Result<Exported> {
        match is_logical(job.stored) {
            true => items::export_logical(job, out),
            false => drill::export_physical(job, out),
        }
    }

    fn items(&self, stored: &Stored<'_>, _: &Place, visit: &mut dyn FnMut(Item) -> Result<()>) -> Result<bool> {
        let items = if is_logical(stored) { items::logical(stored)? } else { items::physical(stored)? };
        items.into_iter().try_for_each(visit)?;
        Ok(true)
    }

    fn drill(
        &self,
        stored: &Stored<'_>,
        query: Option<&str>,
        place: &Place,
        progress: &dyn Progress,
    ) -> Result<Vec<Check>> {
        match is_logical(stored) {
            true => drill::logical(stored, query, place, progress),
            false => drill::physical(stored, query, place, progress),
        }
    }
}
