//! PostgreSQL: one database by `pg_dump` (`mode=logical`), or a whole server by `pg_basebackup` (`mode=physical`).

mod archive;
mod assemble;
mod blocks;
mod create;
mod drill;
mod errors;
mod export;
mod items;
mod load;
mod logical;
mod logical_restore;
mod names;
mod physical;
mod physical_restore;
mod roles;
mod select;
mod server;
mod source;
mod sql;
mod tables;
mod throwaway;

use std::io::Write;

use crate::error::{Error, Result};
use crate::ops::Progress;
use crate::ops::export::ExportFormat;

use super::access::{Place, Settings};
use super::kind::{Check, Export, Exported, Item, Kind, Source};
use super::stored::Stored;
use super::url::SourceUrl;

use assemble::origin_of;
use names::{LOGICAL, NAME, PHYSICAL};
use server::Server;

/// PostgreSQL.
pub struct Postgres;

impl Kind for Postgres {
    fn name(&self) -> &'static str {
        NAME
    }

    fn schemes(&self) -> &'static [&'static str] {
        &[NAME, "postgresql"]
    }

    fn example(&self) -> &'static str {
        "postgres://user@host:5432/database?mode=logical"
    }

    fn source(&self, url: &SourceUrl, settings: &Settings, place: &Place) -> Result<Box<dyn Source>> {
        let is_physical = match url.server()?.options.get("mode").map(String::as_str) {
            None | Some(LOGICAL) => false,
            Some(PHYSICAL) => true,
            Some(other) => {
                return Err(Error::Usage(format!(
                    "{url}: mode={other} is not known; use mode=logical or mode=physical"
                )));
            }
        };
        let server = Server::of_url(url, settings, &place.programs)?;
        Ok(match is_physical {
            false => Box::new(source::Logical { server, place: place.clone() }),
            true => Box::new(source::Physical { server, settings: settings.clone(), place: place.clone() }),
        })
    }

    fn exports(&self, stored: &Stored<'_>, format: ExportFormat) -> Result<Result<(), String>> {
        origin_of(stored)?;
        Ok(match format {
            ExportFormat::Dump | ExportFormat::Sql => Ok(()),
            other => Err(format!("PostgreSQL has no {other}")),
        })
    }

    fn tar_gz_holds_dump(&self, stored: &Stored<'_>) -> bool {
        !is_physical(stored)
    }

    fn export(&self, job: &Export<'_>, out: &mut dyn Write) -> Result<Exported> {
        match is_physical(job.stored) {
            false => export::logical(job, out),
            true => export::physical(job, out),
        }
    }

    fn items(&self, stored: &Stored<'_>, _: &Place, visit: &mut dyn FnMut(Item) -> Result<()>) -> Result<bool> {
        match is_physical(stored) {
            false => items::logical(stored, visit)?,
            true => tables::items(stored, visit)?,
        }
        Ok(true)
    }

    fn drill(
        &self,
        stored: &Stored<'_>,
        query: Option<&str>,
        place: &Place,
        progress: &dyn Progress,
    ) -> Result<Vec<Check>> {
        match is_physical(stored) {
            false => drill::logical(stored, query, place, progress),
            true => drill::physical(stored, query, place, progress),
        }
    }
}

fn is_physical(stored: &Stored<'_>) -> bool {
    origin_of(stored).is_ok_and(|origin| origin.mode == PHYSICAL)
}
