//! Restoring over a server, step by step.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::format::manifest::Origin;
use crate::ops::Progress;
use crate::ops::restore::RestoreReport;
use crate::source::access::Place;
use crate::source::kind::{Attempt, Check, Material, Reverted, Staged};
use crate::source::open_file::remove_file;

use super::endpoint::{Options, Restore};
use super::keys;
use super::rdb::Counts;
use super::resp::{Client, Endpoint, Reply};
use super::server::{Info, databases, modules, other_counts, rdb_version};
use super::stored::{Written, write_dump, write_stored};
use super::takeover::{self, Stage};

/// A server that is restored over.
pub struct Target<'t> {
    /// The server.
    pub endpoint: &'t Endpoint,
    /// How it wants it.
    pub options: &'t Options,
    /// Where the file waits.
    pub place: &'t Place,
}

impl Target<'_> {
    /// The checked file. Its name is made of the restore's id, so that it is found again.
    fn file(&self, attempt: &Attempt) -> PathBuf {
        self.place.staging.join(format!("snaphold-redis-{}.rdb", attempt.id))
    }

    /// The functions that the server had.
    fn functions(&self, attempt: &Attempt) -> PathBuf {
        self.place.staging.join(format!("snaphold-redis-{}.functions", attempt.id))
    }

    /// Says that the server has had the new data: no later step may take that for untouched, though the server forgets it
    /// when the safety snapshot is put back and that breaks off.
    fn mark(&self, attempt: &Attempt) -> PathBuf {
        self.place.staging.join(format!("snaphold-redis-{}.loaded", attempt.id))
    }

    fn connect(&self) -> Result<(Client, Info)> {
        let mut client = Client::connect(self.endpoint)?;
        let info = Info::of(&mut client)?;
        Ok((client, info))
    }

    /// Checks everything, and puts the file down.
    pub fn stage(&self, material: &Material<'_>, attempt: &Attempt, progress: &dyn Progress) -> Result<Staged> {
        let (mut client, info) = self.connect()?;
        if info.is_replica() {
            return Err(Error::Refused(format!(
                "{} is a replica of {}:{}; restore that one",
                self.endpoint.shown,
                info.get("master_host"),
                info.get("master_port")
            )));
        }
        let file = self.file(attempt);
        let written = match material {
            Material::Stored(stored) => write_stored(stored, &file, progress),
            Material::Dump(dump) => write_dump(dump, &file, &self.place.staging, progress),
        };
        let facts = written.and_then(|written| {
            let wanted = match material {
                Material::Stored(stored) => modules_of(stored.origin()),
                Material::Dump(_) => None,
            };
            let facts = self.prepare((&mut client, &info), attempt, (&written, wanted), progress)?;
            Ok((written, facts))
        });
        let (written, mut facts) = match facts {
            Ok(facts) => facts,
            Err(error) => {
                let _ = remove_file(&file);
                return Err(error);
            }
        };
        facts.extend(written.counts.iter().map(|(db, counts)| (format!("keys{db}"), counts.keys.to_string())));
        let bytes = written.bytes;
        let report = RestoreReport {
            files: 1,
            files_changed: 1,
            bytes_total: bytes,
            bytes_written: bytes,
            ..RestoreReport::default()
        };
        Ok(Staged { report, facts })
    }

    fn prepare(
        &self,
        (client, info): (&mut Client, &Info),
        attempt: &Attempt,
        (written, wanted): (&Written, Option<Vec<String>>),
        progress: &dyn Progress,
    ) -> Result<BTreeMap<String, String>> {
        let reads = rdb_version(client, info)?;
        if written.version > reads {
            return Err(Error::Refused(format!(
                "{} of {} is an RDB of version {}, and {} ({}) reads up to {reads}; restore it into a newer server",
                super::capture::FILE,
                attempt.of,
                written.version,
                self.endpoint.shown,
                info.version()
            )));
        }
        // A server that loads a database or a module's part which it has not exits, data and all.
        let databases = databases(client, info);
        if let Some(beyond) = written.counts.keys().find(|db| **db >= databases) {
            return Err(Error::Refused(format!(
                "the snapshot has a database {beyond}, and the server has {databases} of them (its setting `databases`)"
            )));
        }
        if written.has_modules && self.options.restore == Restore::Replication {
            has_modules(client, wanted)?;
        }
        let facts = match self.options.restore {
            Restore::Replication => takeover::prepare(client, info, self.options)?,
            Restore::Keys => {
                self.keep_functions(client, attempt)?;
                keys::stage(client, attempt, &self.file(attempt), &written.counts, progress)?
            }
        };
        Ok(facts.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
    }

    fn keep_functions(&self, client: &mut Client, attempt: &Attempt) -> Result<()> {
        let path = self.functions(attempt);
        // Once they are exchanged, the server's are the new ones.
        if let Reply::Bulk(payload) = client.ask(&[b"FUNCTION", b"DUMP"])? {
            fs::write(&path, payload).map_err(|error| Error::target(&path, error))?;
        }
        Ok(())
    }

    /// Puts the new data in the place of what is there.
    pub fn swap(&self, attempt: &Attempt, staged: &Staged, progress: &dyn Progress) -> Result<()> {
        let file = self.file(attempt);
        match self.options.restore {
            Restore::Replication => {
                let counts = counts(staged);
                let loaded = |info: &Info| match other_counts(&counts, &info.keys()) {
                    Some(difference) => Err(Error::Failed(format!("the server did not load all of it: {difference}"))),
                    None => Ok(()),
                };
                let of = (attempt, staged);
                takeover::run(self.endpoint, self.options, of, file, self.place, &loaded, progress)
            }
            Restore::Keys => keys::swap(&mut self.connect()?.0, attempt, staged, &file, progress),
        }
    }

    /// Looks whether the server has the new data and is in use. How many keys it has was looked at before others could
    /// write there again.
    pub fn check(&self, attempt: &Attempt, staged: &Staged) -> Result<Vec<Check>> {
        let (mut client, info) = self.connect()?;
        let is_done = match self.options.restore {
            Restore::Replication => takeover::is_done(&info, attempt),
            Restore::Keys => keys::is_done(&mut client, attempt, staged)?,
        };
        let counts: Vec<String> =
            counts(staged).iter().map(|(db, counts)| format!("database {db}: {} keys", counts.keys)).collect();
        let detail = if counts.is_empty() { "no keys".to_string() } else { counts.join(", ") };
        Ok(vec![match is_done {
            true => Check::passed("loaded", detail),
            false => Check::failed("loaded", "the server does not have what it was given; was it started anew?"),
        }])
    }

    /// Removes what was kept aside.
    pub fn finish(&self, attempt: &Attempt, staged: &Staged) -> Result<()> {
        if self.options.restore == Restore::Keys {
            keys::finish(&mut self.connect()?.0, attempt, staged)?;
        }
        self.clean(attempt)
    }

    fn clean(&self, attempt: &Attempt) -> Result<()> {
        remove_file(&self.file(attempt))
            .and(remove_file(&self.functions(attempt)))
            .and(remove_file(&self.mark(attempt)))
    }

    /// Goes back.
    pub fn revert(&self, attempt: &Attempt, staged: Option<&Staged>) -> Result<Reverted> {
        let back = match (self.options.restore, staged) {
            // Staging by replication does nothing to the server.
            (Restore::Replication, None) => true,
            (Restore::Replication, Some(staged)) => {
                let (_, info) = self.connect()?;
                let stage = takeover::undo(self.endpoint, attempt, staged)?;
                // Dragonfly has no way to load beside what it has.
                let mark = self.mark(attempt);
                if stage != Stage::Before || info.is_dragonfly() {
                    fs::write(&mark, []).map_err(|error| Error::target(&mark, error))?;
                }
                !mark.exists()
            }
            (Restore::Keys, None) => {
                keys::clear(&mut self.connect()?.0, attempt)?;
                true
            }
            (Restore::Keys, Some(staged)) => {
                let functions = fs::read(self.functions(attempt)).ok();
                keys::undo(&mut self.connect()?.0, attempt, staged, functions)?
            }
        };
        remove_file(&self.file(attempt)).and(remove_file(&self.functions(attempt)))?;
        Ok(if back { Reverted::Back } else { Reverted::NeedsSafety })
    }
}

/// The modules that the server of a snapshot had.
fn modules_of(origin: &Origin) -> Option<Vec<String>> {
    match origin {
        Origin::Database(origin) => {
            origin.facts.get("modules").map(|names| names.split(',').map(str::to_string).collect())
        }
        _ => None,
    }
}

/// Makes sure that the server has the modules whose data it is to load. Of a dump it is not known which these are.
fn has_modules(client: &mut Client, wanted: Option<Vec<String>>) -> Result<()> {
    let Some(wanted) = wanted else {
        return Err(Error::Refused(
            "the dump has a module's data, and a server without that module would end by it; `?restore=keys` in the URL tries key by key".into(),
        ));
    };
    let present = modules(client)?;
    match wanted.iter().find(|name| !present.contains(name)) {
        Some(absent) => Err(Error::Refused(format!(
            "the snapshot has a module's data, and the server has not loaded the module {absent}; load it first"
        ))),
        None => Ok(()),
    }
}

/// How many keys each database is to have.
fn counts(staged: &Staged) -> BTreeMap<u64, Counts> {
    let count = |(name, value): (&String, &String)| {
        let db = name.strip_prefix("keys")?.parse().ok()?;
        Some((db, Counts { keys: value.parse().ok()?, ..Counts::default() }))
    };
    staged.facts.iter().filter_map(count).collect()
}
