//! Capturing a database's two folders while nobody has it open.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};
use crate::format::manifest::{Component, DatabaseOrigin, Origin};
use crate::format::tree::{Entry, Node};
use crate::ops::Progress;
use crate::ops::capture::{Capture, ListingBuilder, ParentTree, content_of};
use crate::source::files::{FilesOptions, capture_folder};
use crate::source::kind::Capturing;
use crate::source::members::plain_metadata;

use super::database::{DATABASES, Database, NOT_CLOSED, SYSTEM, TRANSACTIONS};
use super::home::Home;
use super::lock::{self, DATABASE_LOCK, Held};
use super::store;

/// Names in a store's folder that are no data.
const LEFT_OUT: [&str; 3] = [DATABASE_LOCK, "store_lock", "quarantine_marker"];

/// A database that nobody has open, and nobody can open until this is dropped.
struct Reading<'s> {
    database: &'s Database,
    home: Home,
    name: String,
    lock: Option<Held>,
    restart: Restart<'s>,
}

/// A server that Snaphold has stopped, and must start again whatever happens.
struct Restart<'s> {
    database: &'s Database,
    start: Option<&'s str>,
}

impl Restart<'_> {
    fn run(&mut self) -> Result<()> {
        let Some(start) = self.start.take() else { return Ok(()) };
        match self.database.start(&self.database.home()?, start)? {
            true => Ok(()),
            false => Err(Error::Failed("the start command ended, but Neo4j does not open the database".into())),
        }
    }
}

impl Drop for Restart<'_> {
    fn drop(&mut self) {
        // Only where capturing was given up: that error is the one to report.
        let _ = self.run();
    }
}

/// Makes sure that nobody has the database open.
pub fn begin<'s>(database: &'s Database, progress: &dyn Progress) -> Result<Box<dyn Capturing + 's>> {
    let home = database.home()?;
    let name = database.name(&home);
    // Says why, where there is no such database.
    database.describe()?;
    let mut restart = Restart { database, start: None };
    if let Some(process) = database.user(&home)? {
        let Some((stop, start)) = database.commands() else {
            return Err(database.in_use(&home, process, "read"));
        };
        restart.start = Some(start);
        database.stop(&home, stop, progress)?;
    }
    let lock = lock::take(&home.store(&name).join(DATABASE_LOCK))?;
    Ok(Box::new(Reading { database, home, name, lock, restart }))
}

impl Capturing for Reading<'_> {
    fn store(mut self: Box<Self>, capture: &Capture<'_>, name: &str) -> Result<Component> {
        let captured = self.capture(capture, name);
        self.lock.take();
        // The server runs again before anything else is told.
        let started = self.restart.run();
        captured.and_then(|component| started.map(|()| component))
    }
}

impl Reading<'_> {
    fn capture(&self, capture: &Capture<'_>, name: &str) -> Result<Component> {
        let (store, logs) = (self.home.store(&self.name), self.home.logs(&self.name));
        let info = store::inspect(&store, &logs)?;
        if info.closed == Some(false) {
            capture.progress.notice(NOT_CLOSED);
        }
        capture.progress.stage("reading", Some(self.database.size(&self.home)));
        let settings = &self.database.settings;
        let options = FilesOptions {
            skip_unreadable: false,
            always_read: settings.always_read,
            excluded: Vec::new(),
            left_out: LEFT_OUT.map(str::to_string).to_vec(),
        };
        let parent = capture
            .parent_component(name)
            .filter(|component| matches!(&component.origin, Origin::Database(database) if database.system == SYSTEM));
        let mut parent = ParentTree::new(capture.contents.reader(), parent.map(|component| component.root.clone()));
        let mut above = |folder: &Path, place: &str| -> Result<Option<Entry>> {
            if !folder.is_dir() {
                return Ok(None);
            }
            let known = parent.find(&[place.as_bytes().to_vec(), self.name.as_bytes().to_vec()])?;
            let mut entry = capture_folder(capture, folder, &options, known.as_ref())?;
            entry.name = self.name.as_bytes().to_vec();
            let known = parent.find(&[place.as_bytes().to_vec()])?;
            folder_of(capture, place, &[entry], known.as_ref()).map(Some)
        };
        let below = [above(&store, DATABASES)?, above(&logs, TRANSACTIONS)?];
        let below: Vec<Entry> = below.into_iter().flatten().collect();
        let root = folder_of(capture, "", &below, parent.find(&[])?.as_ref())?;
        self.still_closed()?;
        let program = self.home.program();
        let facts = [
            ("format", Some(info.format.to_string())),
            ("kernel", info.kernel.map(|kernel| kernel.to_string())),
            ("closed", info.closed.map(|closed| closed.to_string())),
            ("home", program.is_some().then(|| self.home.path.display().to_string())),
        ];
        let facts: BTreeMap<String, String> =
            facts.into_iter().filter_map(|(name, value)| Some((name.to_string(), value?))).collect();
        let origin = Origin::Database(DatabaseOrigin {
            system: SYSTEM.into(),
            mode: "store".into(),
            version: program.map_or_else(|| info.format.to_string(), |program| program.version),
            database: self.name.clone(),
            facts,
        });
        Ok(Component { name: name.to_string(), origin, root, unreadable: 0 })
    }

    /// Where the lock could not be held, a server may have opened the database in the meantime.
    fn still_closed(&self) -> Result<()> {
        match self.lock.is_none().then(|| self.database.user(&self.home)).transpose()?.flatten() {
            Some(_) => {
                Err(Error::Busy("Neo4j has opened the database while it was read; stop it and try again".into()))
            }
            None => Ok(()),
        }
    }
}

/// A folder that only holds others.
fn folder_of(capture: &Capture<'_>, name: &str, below: &[Entry], known: Option<&Entry>) -> Result<Entry> {
    let mut listing = ListingBuilder::default();
    below.iter().try_for_each(|entry| listing.push(entry))?;
    let known = known.filter(|entry| matches!(entry.node, Node::Directory { .. })).and_then(content_of);
    let node = listing.store(&capture.contents, known)?;
    Ok(Entry { name: name.as_bytes().to_vec(), metadata: plain_metadata(0o755, 0), node })
}
