//! Neo4j databases: the store of a database that is stopped, file by file.
//!
//! Neo4j Community has no way to copy a database while it is in use, and its own tool refuses to dump one. So a database
//! is captured and restored while it is stopped, or Snaphold stops the server for that time and starts it again.

mod capture;
mod drill;
mod home;
mod http;
mod lock;
mod restore;
mod server;
mod stage;
mod store;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::container::Form;
use crate::error::{Error, Result};
use crate::format::manifest::Origin;
use crate::ops::Progress;
use crate::source::access::{Place, Settings};
use crate::source::kind::{
    Attempt, Capturing, Check, Description, Kind, Material, Reverted, Source, Staged,
};
use crate::source::stored::Stored;
use crate::source::{Address, SourceUrl};

use home::Home;
use lock::{DATABASE_LOCK, STORE_LOCK, holder};

/// The kind's name.
const SYSTEM: &str = "neo4j";
/// The folder of a component that the store's folder lies in, as below a server's `data`.
const DATABASES: &str = "databases";
/// The folder of a component that the folder of transaction logs lies in.
const TRANSACTIONS: &str = "transactions";
/// How long a server that was told to stop may take, and one that was told to start.
const CHANGE_MAX: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(100);

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

/// One database of a home.
struct Database {
    path: std::path::PathBuf,
    /// Its name; `None`: the one that the home has by default.
    named: Option<String>,
    settings: Settings,
    place: Place,
}

impl Database {
    fn home(&self) -> Result<Home> {
        let conf = self.place.programs.variable("NEO4J_CONF").map(Path::new);
        Home::open(&self.path, conf, self.settings.data_directory.as_deref())
    }

    fn name(&self, home: &Home) -> String {
        self.named.clone().unwrap_or_else(|| home.default_database().to_string())
    }

    /// The process that has the database open.
    fn user(&self, home: &Home) -> Result<Option<u32>> {
        holder(&home.store(&self.name(home)).join(DATABASE_LOCK))
    }

    /// The commands that stop and start the server, where both are there.
    fn commands(&self) -> Option<(&str, &str)> {
        self.settings.stop.as_deref().zip(self.settings.start.as_deref())
    }

    fn in_use(&self, home: &Home, process: u32, what: &str) -> Error {
        let by = if process == 0 { String::new() } else { format!(" (process {process})") };
        Error::Refused(format!(
            "the database {} is in use{by}, and Neo4j's files can be {what} only while it is stopped: stop Neo4j (`neo4j stop`; in Enterprise STOP DATABASE), or give the instance the commands for that: --stop 'neo4j stop' --start 'neo4j start'",
            self.name(home)
        ))
    }

    /// Stops the server by the instance's command, and waits until the database is not open any more.
    fn stop(&self, home: &Home, stop: &str, progress: &dyn Progress) -> Result<()> {
        progress.stage("stopping Neo4j", None);
        self.place.programs.shell("the stop command", stop)?;
        match wait_for(|| Ok(self.user(home)?.is_none()))? {
            true => Ok(()),
            false => Err(Error::Failed(format!(
                "the stop command ended, but the database is still in use after {} s",
                CHANGE_MAX.as_secs()
            ))),
        }
    }

    fn start(&self, start: &str) -> Result<()> {
        self.place.programs.shell("the start command", start)
    }

    fn size(&self, home: &Home) -> u64 {
        let name = self.name(home);
        bytes_below(&home.store(&name)).saturating_add(bytes_below(&home.logs(&name)))
    }
}

impl Source for Database {
    fn shown(&self) -> String {
        match &self.named {
            Some(name) => format!("{SYSTEM}:{}#{name}", self.path.display()),
            None => format!("{SYSTEM}:{}", self.path.display()),
        }
    }

    fn describe(&self) -> Result<Description> {
        let home = self.home()?;
        let name = self.name(&home);
        if self.is_vacant()? {
            let known = home.names();
            let there = if known.is_empty() { "none".into() } else { known.join(", ") };
            return Err(Error::NotFound(format!(
                "the Neo4j home {} has no database {name:?}; there is {there}",
                self.path.display()
            )));
        }
        let info = store::inspect(&home.store(&name), &home.logs(&name))?;
        let program = home.program();
        let mut notes = vec![format!("store format {}", info.format)];
        match (self.user(&home)?, self.commands()) {
            (Some(_), Some(_)) => notes.push("in use: a snapshot stops Neo4j for its time, and starts it again".into()),
            (Some(process), None) => notes.push(self.in_use(&home, process, "read").to_string()),
            (None, _) if info.closed == Some(false) => notes.push(NOT_CLOSED.into()),
            (None, _) => {}
        }
        if holder(&home.databases().join(STORE_LOCK))?.is_none() {
            notes.push("the server is stopped".into());
        }
        if program.is_none() {
            notes.push("the home has no lib: the version is the store's, and a drill needs NEO4J_HOME".into());
        }
        let version = program.map_or_else(|| info.format.to_string(), |program| program.version);
        Ok(Description { version, bytes: Some(self.size(&home)), notes })
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
        let home = self.home()?;
        let name = self.name(&home);
        for folder in [home.store(&name), home.logs(&name)] {
            if !crate::source::open_file::is_vacant(&folder)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn stage(&self, material: &Material<'_>, attempt: &Attempt, progress: &dyn Progress) -> Result<Staged> {
        restore::stage(self, material, attempt, progress)
    }

    fn swap(
        &self,
        _: Option<&Stored<'_>>,
        attempt: &Attempt,
        staged: &Staged,
        progress: &dyn Progress,
    ) -> Result<()> {
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

/// What is said of a store that was not closed.
const NOT_CLOSED: &str =
    "Neo4j did not close the database properly; its logs are captured with it, and Neo4j recovers from them when it opens it";

/// Waits until something is so, but not for ever.
fn wait_for(mut is_so: impl FnMut() -> Result<bool>) -> Result<bool> {
    let began = Instant::now();
    loop {
        if is_so()? {
            return Ok(true);
        }
        if began.elapsed() > CHANGE_MAX {
            return Ok(false);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// About how much data lies below a folder: holes and room made beforehand do not count where the file system tells.
fn bytes_below(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(stat) if stat.is_dir() => bytes_below(&entry.path()),
        Ok(stat) => stat.len().min(stat.blocks().saturating_mul(512)),
        Err(_) => 0,
    });
    bytes.fold(0, u64::saturating_add)
}
