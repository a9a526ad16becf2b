//! A throw-away Neo4j: a home of its own with the jars of another, which listens on this machine only.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::source::access::Place;
use crate::source::program::Running;

use super::home::Program;
use super::http;

const SERVER: &str = "org.neo4j.server.CommunityEntryPoint";
const ADMIN: &str = "org.neo4j.cli.AdminTool";
/// How often it is looked whether a server has started, which takes long where it has logs to recover from: ten minutes.
const LOOKS: u32 = 6000;
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Packages whose insides Neo4j needs to see.
const OPENED: [&str; 4] = ["java.base/java.lang", "java.base/java.nio", "java.base/java.io", "java.base/sun.nio.ch"];
/// Bytes of what the server prints that are kept.
const PRINTED_MAX: usize = 16 * 1024;

/// A home that a drill made.
pub struct Private<'a> {
    path: &'a Path,
    program: &'a Program,
    java: PathBuf,
    place: &'a Place,
    database: &'a str,
    http_port: u16,
}

impl<'a> Private<'a> {
    /// Makes the home in the empty folder `path`, for the one database `database`.
    pub fn make(path: &'a Path, program: &'a Program, database: &'a str, place: &'a Place) -> Result<Self> {
        let first = place.programs.variable("JAVA_HOME").map(|home| Path::new(home).join("bin"));
        let java =
            place.programs.find("java", &first.into_iter().collect::<Vec<_>>(), "a Java runtime (17 or newer)")?;
        let (http_port, bolt_port) = free_ports()?;
        let conf = path.join("conf");
        for folder in [&conf, &path.join("data/databases"), &path.join("data/transactions"), &path.join("logs")] {
            fs::create_dir_all(folder).map_err(|error| Error::target(folder, error))?;
        }
        let text = match is_before_5(program) {
            true => format!(
                "dbms.default_database={database}\ndbms.default_listen_address=127.0.0.1\n\
                 dbms.connector.http.enabled=true\ndbms.connector.http.listen_address=127.0.0.1:{http_port}\n\
                 dbms.connector.bolt.enabled=true\ndbms.connector.bolt.listen_address=127.0.0.1:{bolt_port}\n\
                 dbms.security.auth_enabled=false\ndbms.allow_upgrade=true\ndbms.memory.pagecache.size=64m\n"
            ),
            false => format!(
                "initial.dbms.default_database={database}\nserver.default_listen_address=127.0.0.1\n\
                 server.http.enabled=true\nserver.http.listen_address=127.0.0.1:{http_port}\n\
                 server.bolt.enabled=true\nserver.bolt.listen_address=127.0.0.1:{bolt_port}\n\
                 dbms.security.auth_enabled=false\ndbms.usage_report.enabled=false\n\
                 server.memory.pagecache.size=64m\ndb.tx_log.preallocate=false\n"
            ),
        };
        let file = conf.join("neo4j.conf");
        fs::write(&file, text).map_err(|error| Error::target(&file, error))?;
        Ok(Self { path, program, java, place, database, http_port })
    }

    /// The folder of the database's store, and that of its logs.
    pub fn folders(&self) -> (PathBuf, PathBuf) {
        (self.path.join("data/databases").join(self.database), self.path.join("data/transactions").join(self.database))
    }

    /// Starts the server, and waits until it answers. Inside: why it did not come up.
    pub fn start(&self) -> Result<Result<Server<'_>, String>> {
        let home = format!("--home-dir={}", self.path.display());
        let conf = format!("--config-dir={}", self.path.join("conf").display());
        let mut running = self.java(SERVER, &[&home, &conf], "neo4j")?;
        running.owns(self.path);
        let printed = drain(&mut running)?;
        let mut server = Server { running, printed, home: self };
        for _ in 0..LOOKS {
            if http::answers(self.http_port) {
                return Ok(Ok(server));
            }
            if server.running.ended().is_some() {
                return Ok(Err(server.last_words()));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(Err("it was started, and does not answer".into()))
    }

    /// Runs Neo4j's own tool. Inside: what it complained.
    pub fn admin(&self, arguments: &[&str]) -> Result<Result<String, String>> {
        let mut running = self.java(ADMIN, arguments, "neo4j-admin")?;
        let mut said = String::new();
        // What is no text is not understood anyway.
        let _ = running.stdout().map(|mut stdout| stdout.read_to_string(&mut said));
        Ok(match running.finish() {
            Ok(()) => Ok(said),
            Err(Error::Failed(why)) => Err(why),
            Err(other) => return Err(other),
        })
    }

    /// Whether it is a Neo4j before 5, whose tool has other words.
    pub fn is_before_5(&self) -> bool {
        is_before_5(self.program)
    }

    fn java(&self, main: &str, arguments: &[&str], name: &str) -> Result<Running> {
        let mut command = self.place.programs.command_as(&self.java, None)?;
        command.args(["-Xmx512m", "-XX:+UseSerialGC"]);
        command.args(OPENED.map(|package| format!("--add-opens={package}=ALL-UNNAMED")));
        command.arg("-cp").arg(self.program.lib.join("*")).arg(main).args(arguments);
        command.env("NEO4J_HOME", self.path).env("NEO4J_CONF", self.path.join("conf")).current_dir(self.path);
        self.place.programs.start(command, name, None)
    }
}

fn is_before_5(program: &Program) -> bool {
    program.version.starts_with("4.") || program.version.starts_with("3.")
}

/// A throw-away server that runs. It is killed when this is dropped.
pub struct Server<'a> {
    running: Running,
    printed: Arc<Mutex<Vec<u8>>>,
    home: &'a Private<'a>,
}

impl Server<'_> {
    /// Runs a statement; inside is the server's own word about it.
    pub fn run(&self, statement: &str) -> Result<Result<Vec<Value>, String>> {
        http::run(self.home.http_port, self.home.database, statement)
    }

    /// Ends it as its user would, so that the store is closed.
    pub fn end(self) {
        self.running.end(Signal::TERM);
    }

    /// What it said last about what went wrong.
    fn last_words(&self) -> String {
        let printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&printed).into_owned();
        let of_error = text.lines().rev().find(|line| line.contains("ERROR") || line.starts_with("Caused by"));
        of_error.or(text.lines().last()).unwrap_or("it ended at once").trim().to_string()
    }
}

/// Reads what the server prints, so that it never waits for a reader.
fn drain(running: &mut Running) -> Result<Arc<Mutex<Vec<u8>>>> {
    let printed = Arc::new(Mutex::new(Vec::new()));
    let Some(mut stdout) = running.stdout() else { return Ok(printed) };
    let kept = printed.clone();
    std::thread::Builder::new()
        .name("neo4j-output".into())
        .spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(len @ 1..) = stdout.read(&mut buffer) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend_from_slice(buffer.get(..len).unwrap_or_default());
                let over = kept.len().saturating_sub(PRINTED_MAX);
                kept.drain(..over);
            }
        })
        .map_err(|error| Error::Failed(format!("cannot start a thread: {error}")))?;
    Ok(printed)
}

/// Two ports of this machine that nobody listens on.
fn free_ports() -> Result<(u16, u16)> {
    let failed = |error| Error::Failed(format!("no free port on this machine: {error}"));
    let bound = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed);
    let (one, other) = (bound()?, bound()?);
    Ok((one.local_addr().map_err(failed)?.port(), other.local_addr().map_err(failed)?.port()))
}
