//! Redis as a kind of source.

use std::io::Write;

use crate::error::{Error, Result};
use crate::format::manifest::Origin;
use crate::ops::Progress;
use crate::ops::export::ExportFormat;
use crate::source::access::{Place, Settings};
use crate::source::kind::{
    Attempt, Capturing, Check, Description, Export, Exported, Item, Kind, Material, Reverted, Source, Staged,
};
use crate::source::stored::Stored;
use crate::source::url::SourceUrl;

use super::endpoint::{Options, Restore, Via, of_url};
use super::resp::{Client, Endpoint, Reply};
use super::restore::Target;
use super::server::{Info, modules};
use super::{capture, drill, stored};

/// Redis, and what speaks its protocol.
pub struct Redis;

impl Kind for Redis {
    fn name(&self) -> &'static str {
        capture::SYSTEM
    }

    /// The last is refused with the reason.
    fn schemes(&self) -> &'static [&'static str] {
        &["redis", "dragonfly", "rediss"]
    }

    fn example(&self) -> &'static str {
        "redis://user@host:6379/0"
    }

    fn source(&self, url: &SourceUrl, settings: &Settings, place: &Place) -> Result<Box<dyn Source>> {
        let (endpoint, options) = of_url(url, settings)?;
        Ok(Box::new(Server { endpoint, options, place: place.clone() }))
    }

    fn exports(&self, _: &Stored<'_>, format: ExportFormat) -> Result<Result<(), String>> {
        Ok(match format {
            ExportFormat::Dump => Ok(()),
            other => Err(format!("redis has no {other}")),
        })
    }

    fn tar_gz_holds_dump(&self, _: &Stored<'_>) -> bool {
        true
    }

    fn export(&self, job: &Export<'_>, out: &mut dyn Write) -> Result<Exported> {
        stored::export(job, out)
    }

    fn items(&self, stored: &Stored<'_>, _: &Place, visit: &mut dyn FnMut(Item) -> Result<()>) -> Result<bool> {
        stored::items(stored, visit).map(|()| true)
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

/// One server.
struct Server {
    endpoint: Endpoint,
    options: Options,
    place: Place,
}

impl Server {
    fn target(&self) -> Target<'_> {
        Target { endpoint: &self.endpoint, options: &self.options, place: &self.place }
    }

    fn info(&self) -> Result<(Client, Info)> {
        let mut client = Client::connect(&self.endpoint)?;
        let info = Info::of(&mut client)?;
        if info.version().is_empty() {
            return Err(Error::Failed(format!("{} says no version; is it a Redis server?", self.endpoint.shown)));
        }
        if info.get("loading") == "1" {
            return Err(Error::Busy(format!("{} still loads its data; try again when it has", self.endpoint.shown)));
        }
        Ok((client, info))
    }
}

impl Source for Server {
    fn shown(&self) -> String {
        self.endpoint.shown.clone()
    }

    fn describe(&self) -> Result<Description> {
        let (mut client, info) = self.info()?;
        let mut notes = vec!["a snapshot holds all databases, and a restore replaces all of them".to_string()];
        if info.is_replica() {
            notes.push(format!(
                "it is a replica of {}:{}: snapshots can be taken here, and are restored into that one",
                info.get("master_host"),
                info.get("master_port")
            ));
        }
        if info.is_cluster() {
            notes.push("it is a part of a cluster: a snapshot has the keys of this server alone".to_string());
        }
        if info.is_dragonfly() {
            notes.push("Dragonfly empties itself before it loads, so a restore that breaks off needs the snapshot that was taken before".to_string());
        }
        if self.options.restore == Restore::Keys {
            notes.push(
                "it is restored key by key: in one step only where as many databases are empty as hold keys"
                    .to_string(),
            );
        }
        if self.options.via != Via::File
            && let Reply::Error(text) = client.ask(&[b"REPLCONF", b"capa", b"eof"])?
        {
            let refused = client.refused(&[b"REPLCONF"], &text);
            match self.options.via {
                Via::Replication => return Err(refused),
                _ => {
                    notes.push(format!("{refused}; until then the file that it saves is read, which must be reachable"))
                }
            }
        }
        let bytes = info.number("used_memory_dataset").or(info.number("used_memory"));
        Ok(Description { version: info.version(), bytes, notes })
    }

    fn begin<'s>(&'s self, _: &dyn Progress) -> Result<Box<dyn Capturing + 's>> {
        let (mut client, info) = self.info()?;
        let said = capture::Said { version: info.version(), modules: modules(&mut client)? };
        Ok(Box::new(capture::begin(&self.endpoint, &self.options, &self.place, said)?))
    }

    fn accepts(&self, origin: &Origin) -> Result<(), String> {
        match origin {
            Origin::Database(database) if database.system == capture::SYSTEM => Ok(()),
            Origin::Database(database) => Err(format!("it is of {}", database.system)),
            _ => Err("it is of another kind".into()),
        }
    }

    fn is_vacant(&self) -> Result<bool> {
        Ok(self.info()?.1.keys().is_empty())
    }

    fn stage(&self, material: &Material<'_>, attempt: &Attempt, progress: &dyn Progress) -> Result<Staged> {
        self.target().stage(material, attempt, progress)
    }

    fn swap(&self, _: Option<&Stored<'_>>, attempt: &Attempt, staged: &Staged, progress: &dyn Progress) -> Result<()> {
        self.target().swap(attempt, staged, progress)
    }

    fn check(&self, attempt: &Attempt, staged: &Staged, _: &dyn Progress) -> Result<Vec<Check>> {
        self.target().check(attempt, staged)
    }

    fn finish(&self, attempt: &Attempt, staged: &Staged) -> Result<()> {
        self.target().finish(attempt, staged)
    }

    fn revert(&self, attempt: &Attempt, staged: Option<&Staged>) -> Result<Reverted> {
        self.target().revert(attempt, staged)
    }
}
