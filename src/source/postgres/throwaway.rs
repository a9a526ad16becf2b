//! Servers that are thrown away: started on a socket in a private folder, for an export or a drill, and gone afterwards.

use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;

use crate::error::{Error, Result};
use crate::ops::Progress;
use crate::source::access::Place;
use crate::source::program::{Running, User};
use crate::source::stored::Stored;

use super::server::{Server, find, major_of};
use super::tables::DATA_FOLDER;

/// The port is a part of the socket's name.
const PORT: u16 = 5432;
/// Who the new cluster's superuser is.
const SUPERUSER: &str = "postgres";
const POLL: Duration = Duration::from_millis(50);
/// How often is looked whether the server has started: half an hour, which a long recovery may take.
const POLLS_MAX: usize = 36_000;

/// A folder that a server may use, whoever it runs as.
pub struct Folder {
    folder: tempfile::TempDir,
    user: Option<User>,
}

impl Folder {
    /// A new one. It goes when it is dropped.
    pub fn new(place: &Place) -> Result<Self> {
        let user = User::for_servers(&["postgres"]);
        let folder = place.server_folder("pg", user)?;
        Ok(Self { folder, user })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the server's data folder is.
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Writes the data folder of a physical snapshot.
    pub fn restore(&self, stored: &Stored<'_>, progress: &dyn Progress) -> Result<()> {
        let data = self.data();
        let entry = stored.find(DATA_FOLDER.as_bytes())?;
        crate::ops::restore::restore_new(stored.reader, &entry, &data, progress)?;
        let failed = |error| Error::target(&data, error);
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        match self.user {
            Some(user) => own_all(&data, user.uid, user.gid),
            None => Ok(()),
        }
    }

    /// Makes a new cluster in the data folder.
    pub fn init(&self, place: &Place, major: u32) -> Result<()> {
        let initdb = find(&place.programs, "initdb", Some(major))?;
        let mut command = place.programs.command_as(&initdb, self.user.as_ref())?;
        command.arg("-D").arg(self.data()).args([
            "-U",
            SUPERUSER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "--no-sync",
        ]);
        place.programs.run(command, "initdb", None).map(drop)
    }

    /// Runs a tool on the data folder, as whoever the server runs as.
    pub fn run(&self, place: &Place, tool: &str, major: u32, arguments: &[&str]) -> Result<String> {
        let program = find(&place.programs, tool, Some(major))?;
        let mut command = place.programs.command_as(&program, self.user.as_ref())?;
        command.args(arguments).arg(self.data()).current_dir("/");
        let said = place.programs.run(command, tool, None)?;
        Ok(String::from_utf8_lossy(&said).trim().to_string())
    }
}

/// Gives a folder and all below it to an owner.
pub fn own_all(path: &Path, uid: u32, gid: u32) -> Result<()> {
    let failed = |error| Error::target(path, error);
    lchown(path, Some(uid), Some(gid)).map_err(failed)?;
    if !fs::symlink_metadata(path).map_err(failed)?.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(failed)? {
        own_all(&entry.map_err(failed)?.path(), uid, gid)?;
    }
    Ok(())
}

/// A server that runs in a folder.
pub struct Throwaway<'f> {
    /// How to reach it.
    pub server: Server,
    /// Its major version.
    pub major: u32,
    running: Option<Running>,
    _folder: &'f Folder,
}

impl<'f> Throwaway<'f> {
    /// Starts a server on the folder's data and waits until it takes connections. `superuser` may do everything in it;
    /// `None`: as [`Folder::init`] made it. What the data folder says of addresses, logins, archives and libraries does
    /// not count.
    pub fn start(folder: &'f Folder, place: &Place, major: u32, superuser: Option<&str>) -> Result<Self> {
        let program = find(&place.programs, "postgres", Some(major))?;
        let found = major_of(&place.programs, &program, "postgres")?;
        let data = folder.data();
        let of_data = fs::read_to_string(data.join("PG_VERSION")).unwrap_or_default();
        if of_data.trim() != found.to_string() {
            return Err(Error::Failed(format!(
                "the data is of PostgreSQL {}, and the server that is installed is {found}; install postgresql-{major}",
                of_data.trim()
            )));
        }
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).map_err(|error| Error::target(&path, error))?;
            match folder.user {
                Some(user) => own_all(&path, user.uid, user.gid).map(|()| path),
                None => Ok(path),
            }
        };
        let logins = write("logins", "local all all trust\n")?;
        let nobody = write("identities", "")?;
        let settings = write("settings", "")?;
        // A copy of a standby would go on being one.
        for signal in ["standby.signal", "recovery.signal", "postmaster.pid"] {
            let _ = fs::remove_file(data.join(signal));
        }
        let mut command = place.programs.command_as(&program, folder.user.as_ref())?;
        command.arg("-D").arg(&data).current_dir("/");
        let set = |name: &str, value: &dyn AsRef<std::ffi::OsStr>| {
            let mut text = std::ffi::OsString::from(format!("{name}="));
            text.push(value);
            text
        };
        let quoted = [
            set("config_file", &settings),
            set("hba_file", &logins),
            set("ident_file", &nobody),
            set("unix_socket_directories", &folder.path()),
            set("port", &PORT.to_string()),
            set("listen_addresses", &""),
            set("ssl", &"off"),
            set("archive_mode", &"off"),
            set("shared_preload_libraries", &""),
            set("session_preload_libraries", &""),
            set("local_preload_libraries", &""),
            set("fsync", &"off"),
            set("logging_collector", &"off"),
            set("log_destination", &"stderr"),
            set("max_prepared_transactions", &"100"),
            set("autovacuum", &"off"),
            set("data_directory", &data),
        ];
        quoted.iter().for_each(|setting| _ = command.arg("-c").arg(setting));
        let running = place.programs.start(command, "the throw-away server", None)?;
        running.owns(folder.path());
        let server = Server {
            host: folder.path().to_string_lossy().into_owned(),
            port: Some(PORT),
            user: Some(superuser.unwrap_or(SUPERUSER).to_string()),
            database: "postgres".into(),
            shown: "the throw-away server".into(),
            application: "snaphold".into(),
            variables: vec![("PGSSLMODE", "disable".into())],
            password: None,
            programs: place.programs.clone(),
        };
        let mut started = Self { server, major, running: Some(running), _folder: folder };
        started.wait(&data)?;
        Ok(started)
    }

    fn wait(&mut self, data: &Path) -> Result<()> {
        for _ in 0..POLLS_MAX {
            if let Some(running) = &mut self.running
                && running.ended().is_some()
            {
                let said = self.running.take().map(Running::stop).unwrap_or_default();
                let reason = said.lines().rev().find(|line| line.contains("FATAL") || line.contains("PANIC"));
                let reason = reason.or(said.lines().last()).unwrap_or("it says nothing").to_string();
                return Err(Error::Failed(format!("the throw-away server does not start: {reason}")));
            }
            // The last line of this file says how far the server is.
            let state = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
            if state.lines().nth(7).is_some_and(|line| line.trim() == "ready") {
                return Ok(());
            }
            sleep(POLL);
        }
        Err(Error::Failed("the throw-away server does not get ready".into()))
    }

    /// Stops it cleanly.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(running) = self.running.take() {
            // Waits for its end. Sessions are broken off, and the data is left in a state that needs no recovery.
            running.end(Signal::INT);
        }
    }
}

impl Drop for Throwaway<'_> {
    fn drop(&mut self) {
        self.end();
    }
}
