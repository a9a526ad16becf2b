//! One database of a Neo4j home: where it is, who has it open, and how the server is stopped and started.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};

use crate::error::{Error, Result};
use crate::ops::Progress;
use crate::source::access::{Place, Settings};
use crate::source::kind::Description;
use crate::source::open_file;

use super::home::Home;
use super::lock::{DATABASE_LOCK, STORE_LOCK, holder};
use super::store;

/// The kind's name.
pub const SYSTEM: &str = "neo4j";
/// The folder of a component that the store's folder lies in, as below a server's `data`.
pub const DATABASES: &str = "databases";
/// The folder of a component that the folder of transaction logs lies in.
pub const TRANSACTIONS: &str = "transactions";
/// How long a server that was told to stop may take, and one that was told to start.
pub const CHANGE_MAX_S: u32 = 300;
/// How long a process that gave up its database is given to end.
const END_MAX_S: u32 = 20;
const LOOKS_A_SECOND: u32 = 10;
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// One database of a home.
pub struct Database {
    /// The home.
    pub path: PathBuf,
    /// Its name; `None`: the one that the home has by default.
    pub named: Option<String>,
    /// What the instance says.
    pub settings: Settings,
    /// The machine.
    pub place: Place,
}

impl Database {
    /// Its home, as it is configured now.
    pub fn home(&self) -> Result<Home> {
        let conf = self.place.programs.variable("NEO4J_CONF").map(Path::new);
        Home::open(&self.path, conf, self.settings.data_directory.as_deref())
    }

    /// Its name.
    pub fn name(&self, home: &Home) -> String {
        self.named.clone().unwrap_or_else(|| home.default_database().to_string())
    }

    /// The process that has the database open.
    pub fn user(&self, home: &Home) -> Result<Option<u32>> {
        holder(&home.store(&self.name(home)).join(DATABASE_LOCK))
    }

    /// The commands that stop and start the server, where both are there.
    pub fn commands(&self) -> Option<(&str, &str)> {
        self.settings.stop.as_deref().zip(self.settings.start.as_deref())
    }

    /// That it is in use, and so cannot be `what`.
    pub fn in_use(&self, home: &Home, process: u32, what: &str) -> Error {
        let by = if process == 0 { String::new() } else { format!(" (process {process})") };
        Error::Refused(format!(
            "the database {} is in use{by}, and Neo4j's files can be {what} only while it is stopped: stop Neo4j (`neo4j stop`; in Enterprise STOP DATABASE), or give the instance the commands for that: --stop 'neo4j stop' --start 'neo4j start'",
            self.name(home)
        ))
    }

    /// Stops the server by the instance's command, and waits until the database is not open any more.
    pub fn stop(&self, home: &Home, stop: &str, progress: &dyn Progress) -> Result<()> {
        progress.stage("stopping Neo4j", None);
        let process = self.user(home)?;
        self.place.programs.shell("the stop command", stop)?;
        if !wait_for(CHANGE_MAX_S, || Ok(self.user(home)?.is_none()))? {
            return Err(Error::Failed(format!(
                "the stop command ended, but the database is still in use after {CHANGE_MAX_S} s"
            )));
        }
        // A server lets go of its databases before it has ended, and what it does at its end would meet the next one. One
        // that only has this database stopped goes on.
        let process = process.and_then(|process| Pid::from_raw(i32::try_from(process).ok()?));
        wait_for(END_MAX_S, || Ok(process.is_none_or(|process| test_kill_process(process).is_err()))).map(drop)
    }

    /// Starts the server by the instance's command, and waits until it has the database open: a command may end before
    /// that, and whoever looks next must not take the database for a stopped one. `false`: it does not open it.
    pub fn start(&self, home: &Home, start: &str) -> Result<bool> {
        self.place.programs.shell("the start command", start)?;
        // It listens once it has opened its databases, or has failed to.
        let listens = || home.bolt_port().is_some_and(connects);
        wait_for(CHANGE_MAX_S, || Ok(self.user(home)?.is_some() || listens()))?;
        Ok(self.user(home)?.is_some())
    }

    /// About how much data it has, bytes.
    pub fn size(&self, home: &Home) -> u64 {
        let name = self.name(home);
        bytes_below(&home.store(&name)).saturating_add(bytes_below(&home.logs(&name)))
    }

    /// As it is shown.
    pub fn shown(&self) -> String {
        match &self.named {
            Some(name) => format!("{SYSTEM}:{}#{name}", self.path.display()),
            None => format!("{SYSTEM}:{}", self.path.display()),
        }
    }

    /// What it is, and what stands in the way of its snapshots.
    pub fn describe(&self) -> Result<Description> {
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

    /// Whether neither of its folders has anything in it.
    pub fn is_vacant(&self) -> Result<bool> {
        let home = self.home()?;
        let name = self.name(&home);
        for folder in [home.store(&name), home.logs(&name)] {
            if !open_file::is_vacant(&folder)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// What is said of a store that was not closed.
pub const NOT_CLOSED: &str = "Neo4j did not close the database properly; its logs are captured with it, and Neo4j recovers from them when it opens it";

/// Whether somebody listens on a port of this machine.
pub fn connects(port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), CONNECT_MAX).is_ok()
}

/// Waits until something is so, but not for ever.
pub fn wait_for(seconds: u32, mut is_so: impl FnMut() -> Result<bool>) -> Result<bool> {
    for _ in 0..seconds * LOOKS_A_SECOND {
        if is_so()? {
            return Ok(true);
        }
        std::thread::sleep(Duration::from_secs(1) / LOOKS_A_SECOND);
    }
    Ok(false)
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
