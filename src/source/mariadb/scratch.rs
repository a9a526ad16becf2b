//! A throw-away server: on a socket in a folder of its own, reached by nobody else, gone when it is dropped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::ops::Progress;
use crate::source::access::Place;
use crate::source::program::{Running, User};

use super::server::{Server, server_tool};

/// The socket's name in the server's folder. Relative, for the path of a socket must be short.
const SOCKET: &str = "socket";
/// How long a server may take to answer: 600 times a tenth of a second. It may have to recover first.
const START_TRIES: u32 = 600;
const START_WAIT: Duration = Duration::from_millis(100);

/// A server that runs until this is dropped.
pub struct Scratch {
    // The server goes before its folder.
    _running: Running,
    server: Server,
    _folder: tempfile::TempDir,
}

/// A folder that a throw-away server can have: its user's.
pub struct ScratchFolder {
    folder: tempfile::TempDir,
    user: Option<User>,
}

impl ScratchFolder {
    /// A new one.
    pub fn new(place: &Place) -> Result<Self> {
        let user = User::for_servers(&["mysql"]);
        let folder = place.server_folder("mariadb", user)?;
        Ok(Self { folder, user })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the server's data go.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Gives everything below the data folder to the server's user.
    pub fn give_data(&self) -> Result<()> {
        match self.user {
            Some(user) => give(&self.data(), user.uid, user.gid),
            None => Ok(()),
        }
    }

    /// A command that runs one of the server's programs there.
    fn command(&self, place: &Place, program: &Path) -> Result<Command> {
        let mut command = place.programs.command_as(program, self.user.as_ref())?;
        command.current_dir(self.path()).env("HOME", self.path()).env("TMPDIR", self.path());
        Ok(command)
    }

    /// Makes new data, of nothing but the system's tables.
    pub fn install(&self, place: &Place) -> Result<()> {
        let tool = server_tool(&place.programs, "mariadb-install-db")?;
        let mut command = self.command(place, &tool)?;
        command
            .args([
                "--no-defaults",
                "--skip-test-db",
                "--skip-name-resolve",
                "--auth-root-authentication-method=normal",
            ])
            .args(["--innodb-flush-log-at-trx-commit=0", "--innodb-log-file-size=16M"])
            .arg(format!("--datadir={}", self.data().display()));
        place.programs.run(command, "mariadb-install-db", None).map(drop)
    }

    /// Starts a server on the data. `options` are its own, beside those that keep it apart.
    pub fn start(self, place: &Place, options: &[String]) -> Result<Scratch> {
        let tool = server_tool(&place.programs, "mariadbd")?;
        let mut command = self.command(place, &tool)?;
        command.args(["--no-defaults", "--skip-networking", "--skip-log-bin", "--performance-schema=OFF"]);
        command.args(["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--sync-frm=0"]);
        command.args(["--max-allowed-packet=1G", "--event-scheduler=OFF", "--local-infile=0", "--skip-slave-start"]);
        command.args(["--innodb-buffer-pool-size=256M", "--log-bin-trust-function-creators=1", "--log-warnings=1"]);
        command
            .arg(format!("--datadir={}", self.data().display()))
            .arg(format!("--socket={}", self.path().join(SOCKET).display()))
            .arg(format!("--pid-file={}", self.path().join("pid").display()))
            .arg(format!("--tmpdir={}", self.path().display()))
            // Statements can read and write files there only.
            .arg(format!("--secure-file-priv={}", self.path().display()))
            .args(options);
        // A path that is too long for a socket is named from the server's folder, which is where it begins.
        if self.path().join(SOCKET).as_os_str().len() > 100 {
            command.arg(format!("--socket=../{SOCKET}"));
        }
        let mut running = place.programs.start(command, "mariadbd", None)?;
        running.owns(self.path());
        drop(running.stdout());
        let server = Server::scratch(&place.programs, self.path(), SOCKET);
        for _ in 0..START_TRIES {
            if running.ended().is_some() {
                break;
            }
            if server.ask("SELECT 1").is_ok() {
                return Ok(Scratch { _running: running, server, _folder: self.folder });
            }
            sleep(START_WAIT);
        }
        let said = running.stop();
        Err(Error::Failed(format!("the throw-away server does not start: {}", complaint(&said))))
    }
}

impl Scratch {
    /// A server with no database.
    pub fn empty(place: &Place, progress: &dyn Progress) -> Result<Self> {
        progress.stage("starting a throw-away server", None);
        let folder = ScratchFolder::new(place)?;
        folder.install(place)?;
        folder.start(place, &[])
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }
}

/// Gives a folder and all below it to a user.
pub fn give(path: &Path, uid: u32, gid: u32) -> Result<()> {
    let failed = |error| Error::target(path, error);
    std::os::unix::fs::lchown(path, Some(uid), Some(gid)).map_err(failed)?;
    if fs::symlink_metadata(path).map_err(failed)?.is_dir() {
        for entry in fs::read_dir(path).map_err(failed)? {
            give(&entry.map_err(failed)?.path(), uid, gid)?;
        }
    }
    Ok(())
}

/// What a server complained of, in a line.
fn complaint(said: &str) -> String {
    let errors: Vec<&str> = said.lines().filter(|line| line.contains("[ERROR]")).collect();
    let lines: Vec<&str> = if errors.is_empty() { said.lines().collect() } else { errors };
    let last = lines.get(lines.len().saturating_sub(3)..).unwrap_or_default();
    if last.is_empty() { "it says nothing".into() } else { last.join("; ") }
}
