//! A server's data folder is made beside the present one; then the server is stopped, the two are exchanged, and it is
//! started again.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::ops::Progress;
use crate::ops::restore::restore_new;
use crate::source::access::{Place, Settings};
use crate::source::kind::{Attempt, Check, Reverted, Staged};
use crate::source::open_file;
use crate::source::program::User;
use crate::source::stored::Stored;
use crate::source::swap::FolderSwap;

use super::assemble::fact;
use super::server::{Server, find};
use super::tables::DATA_FOLDER;
use super::throwaway::own_all;

const POLL: Duration = Duration::from_millis(200);
/// How long a server may take to stop or to come up, in polls: two minutes; recovery may take longer, and shows itself.
const POLLS_MAX: usize = 600;
const RECOVERY_POLLS_MAX: usize = 18_000;

/// The restore of one data folder.
pub struct Restore<'s> {
    server: &'s Server,
    settings: &'s Settings,
    place: &'s Place,
    folder: &'s Path,
    swap: FolderSwap,
}

/// Whether an instance says all that a restore needs; in words, what is missing.
pub fn may_be_restored(settings: &Settings) -> Result<(), String> {
    let Some(folder) = &settings.data_directory else {
        return Err("it is restored into a data folder: name that by --data-directory DIR, and how the server is stopped and started by --stop COMMAND and --start COMMAND (`snaphold instance edit`)".into());
    };
    let is_vacant = open_file::is_vacant(folder).map_err(|error| error.to_string())?;
    if is_vacant || settings.stop.is_some() && settings.start.is_some() {
        return Ok(());
    }
    Err("the server has to be stopped and started to exchange its data folder: say how by --stop COMMAND and --start COMMAND (`snaphold instance edit`)".into())
}

/// The data folder that an instance names.
fn data_directory<'s>(server: &Server, settings: &'s Settings) -> Result<&'s Path> {
    match may_be_restored(settings) {
        Err(why) => Err(Error::Refused(format!("{}: {why}", server.shown))),
        Ok(()) => settings.data_directory.as_deref().ok_or_else(|| Error::Refused("there is no data folder".into())),
    }
}

/// Whether nothing is where a clone would go.
pub fn is_vacant(server: &Server, settings: &Settings) -> Result<bool> {
    match &settings.data_directory {
        Some(folder) => open_file::is_vacant(folder),
        None => data_directory(server, settings).map(|_| false),
    }
}

impl<'s> Restore<'s> {
    /// The restore that an attempt is.
    pub fn new(server: &'s Server, settings: &'s Settings, place: &'s Place, attempt: &Attempt) -> Result<Self> {
        let folder = settings.data_directory.as_deref();
        let folder = folder.ok_or_else(|| Error::Refused(format!("{}: there is no --data-directory", server.shown)))?;
        Ok(Self { server, settings, place, folder, swap: FolderSwap::new(folder, attempt)? })
    }

    /// Makes the new folder.
    pub fn stage(&self, stored: &Stored<'_>, progress: &dyn Progress) -> Result<Staged> {
        data_directory(self.server, self.settings)?;
        let is_vacant = open_file::is_vacant(self.folder)?;
        if !is_vacant {
            self.refuse_other_version(stored)?;
        }
        self.swap.clear()?;
        let staged = self.stage_in(self.swap.staged(), stored, is_vacant, progress);
        if staged.is_err() {
            let _ = self.swap.clear();
        }
        staged
    }

    fn stage_in(&self, folder: &Path, stored: &Stored<'_>, is_vacant: bool, progress: &dyn Progress) -> Result<Staged> {
        let entry = stored.find(DATA_FOLDER.as_bytes())?;
        let report = restore_new(stored.reader, &entry, folder, progress)?;
        let failed = |error| Error::target(folder, error);
        progress.stage("checking the data", None);
        let check = verify_backup(self.place, folder, &stored_major(stored)?);
        if let Some(Check { ok: false, detail, .. }) = check {
            return Err(Error::damaged("the snapshot", format!("pg_verifybackup says: {detail}")));
        }
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        self.settle(folder, stored, is_vacant)?;
        if rustix::process::geteuid().is_root() {
            let owner = self.owner();
            own_all(folder, owner.uid, owner.gid)?;
        }
        self.swap.complete()?;
        let facts = BTreeMap::from([
            ("vacant".to_string(), is_vacant.to_string()),
            ("ran".to_string(), is_running(self.folder).to_string()),
        ]);
        Ok(Staged { report, facts })
    }

    /// Who owns the new folder: who owns the present one; else who servers run as here.
    fn owner(&self) -> User {
        let present = fs::metadata(self.folder).ok().filter(|_| self.folder.join("PG_VERSION").exists());
        match present {
            Some(stat) => User { uid: stat.uid(), gid: stat.gid() },
            None => User::for_servers(&["postgres"]).unwrap_or(User { uid: 0, gid: 0 }),
        }
    }

    fn refuse_other_version(&self, stored: &Stored<'_>) -> Result<()> {
        let there = fs::read_to_string(self.folder.join("PG_VERSION")).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::Refused(format!(
                "{} is no data folder of PostgreSQL (it has no PG_VERSION), and not empty either; correct --data-directory",
                self.folder.display()
            )),
            _ => Error::source(self.folder, error),
        })?;
        let snapshot = stored_major(stored)?;
        if there.trim() == snapshot {
            return Ok(());
        }
        Err(Error::Refused(format!(
            "{} is of PostgreSQL {}, and the snapshot of {snapshot}: a data folder fits its own version alone; export the snapshot as .dump and load that into an instance of mode=logical",
            self.folder.display(),
            there.trim()
        )))
    }

    /// Settings of the new server. One that takes the present one's place keeps those of the snapshot, with the port that
    /// the URL says; a clone must also stand by itself.
    fn settle(&self, folder: &Path, stored: &Stored<'_>, is_clone: bool) -> Result<()> {
        let mut settings = String::new();
        if let Some(port) = self.server.port
            && fact(stored, "port") != port.to_string()
        {
            settings.push_str(&format!("port = {port}\n"));
        }
        if is_clone {
            // Two servers that archive to one place would overwrite each other's log.
            settings.push_str("archive_mode = off\n");
            for signal in ["standby.signal", "recovery.signal"] {
                let _ = fs::remove_file(folder.join(signal));
            }
            // A server whose settings are elsewhere (as Debian's are) has none in its data folder.
            for (name, text) in [
                ("postgresql.conf", "# Made by snaphold: the snapshot's server had its settings elsewhere.\n"),
                ("pg_hba.conf", "# Made by snaphold.\nlocal all all peer\n"),
                ("pg_ident.conf", ""),
            ] {
                let path = folder.join(name);
                if !path.exists() {
                    fs::write(&path, text).map_err(|error| Error::target(&path, error))?;
                }
            }
        }
        if settings.is_empty() {
            return Ok(());
        }
        let path = folder.join("postgresql.auto.conf");
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(settings.as_bytes()))
            .map_err(|error| Error::target(&path, error))
    }

    /// Stops the server, exchanges the folders, and starts it.
    pub fn swap(&self) -> Result<()> {
        if !self.swap.is_swapped() {
            self.stop()?;
            self.swap.swap()?;
        }
        self.start()
    }

    /// Stops the server, if it runs. Only its own word counts: the folder of a running server is never touched.
    fn stop(&self) -> Result<()> {
        if !is_running(self.folder) {
            return Ok(());
        }
        let Some(command) = &self.settings.stop else {
            return Err(Error::Refused(format!(
                "{}: a server runs on {}; say how it is stopped by --stop COMMAND",
                self.server.shown,
                self.folder.display()
            )));
        };
        let stopped = self.place.programs.shell("the command that stops the server", command);
        for _ in 0..POLLS_MAX {
            if !is_running(self.folder) {
                return Ok(());
            }
            if stopped.is_err() {
                break;
            }
            sleep(POLL);
        }
        stopped?;
        Err(Error::Failed(format!("the server on {} still runs after --stop", self.folder.display())))
    }

    fn start(&self) -> Result<()> {
        match &self.settings.start {
            Some(command) if !is_running(self.folder) => {
                self.place.programs.shell("the command that starts the server", command)
            }
            _ => Ok(()),
        }
    }

    /// Waits until the server answers, and asks it whether it is a whole one.
    pub fn check(&self) -> Result<Vec<Check>> {
        if self.settings.start.is_none() {
            let how = format!("ready to be started: pg_ctl -D {} start", self.folder.display());
            return Ok(vec![Check::passed("start", how)]);
        }
        let failed = |error: Error| Ok(vec![Check::failed("start", error)]);
        let isready = find(&self.place.programs, "pg_isready", None)?;
        let mut silent = 0;
        for _ in 0..RECOVERY_POLLS_MAX {
            let mut command = self.server.command(&isready, &self.server.database);
            command.arg("-q");
            match self.place.programs.run(command, "pg_isready", None) {
                Ok(_) => return Ok(self.ask()),
                // It says no, and will say yes when recovery is through.
                Err(error) if error.to_string().contains("exit status: 1") => {}
                Err(error) => {
                    silent += 1;
                    if silent > POLLS_MAX || !is_running(self.folder) && silent > 25 {
                        return failed(Error::Failed(format!("the server does not answer after --start ({error})")));
                    }
                }
            }
            sleep(POLL);
        }
        failed(Error::Failed("the server does not come up".into()))
    }

    fn ask(&self) -> Vec<Check> {
        let sql = "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('data_directory', true)";
        match self.server.rows("SELECT pg_catalog.pg_is_in_recovery()") {
            Ok(rows) if rows.concat().first().is_some_and(|state| state == "f") => {
                let folder = self.server.rows(sql).ok().and_then(|rows| rows.concat().into_iter().nth(1));
                match folder {
                    Some(folder) if !is_same(Path::new(&folder), self.folder) => {
                        vec![Check::failed(
                            "start",
                            format!("the server that answers runs on {folder}, not on {}", self.folder.display()),
                        )]
                    }
                    _ => vec![Check::passed("start", "the server answers and is not in recovery")],
                }
            }
            Ok(_) => vec![Check::failed("start", "the server is still in recovery")],
            Err(error) => vec![Check::failed("start", error)],
        }
    }

    /// Removes the old folder.
    pub fn finish(&self) -> Result<()> {
        self.swap.finish()
    }

    /// Puts the old folder back, with a server on it if there was one.
    pub fn revert(&self, staged: Option<&Staged>) -> Result<Reverted> {
        if self.swap.is_swapped() {
            self.stop()?;
        }
        self.swap.revert()?;
        let ran = staged.and_then(|staged| staged.facts.get("ran")).is_some_and(|ran| ran == "true");
        if ran {
            self.start()?;
        }
        Ok(Reverted::Back)
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).unwrap_or(PathBuf::from(path));
    real(one) == real(other)
}

/// The major version in a physical snapshot: what its `PG_VERSION` says.
pub fn stored_major(stored: &Stored<'_>) -> Result<String> {
    let bytes = stored.read_small(format!("{DATA_FOLDER}/PG_VERSION").as_bytes(), 64)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_string())
}

/// Whether a server runs on a data folder: the process that its lock file names is there.
fn is_running(folder: &Path) -> bool {
    let lock = fs::read_to_string(folder.join("postmaster.pid")).unwrap_or_default();
    let pid = lock.lines().next().and_then(|line| line.trim().parse::<u32>().ok());
    pid.is_some_and(|pid| Path::new("/proc").join(pid.to_string()).exists())
}

/// What `pg_verifybackup` says of a restored folder; `None` where there is no such tool, or the backup has no manifest.
pub fn verify_backup(place: &Place, folder: &Path, major: &str) -> Option<Check> {
    if !folder.join("backup_manifest").exists() {
        return None;
    }
    let major = major.parse().ok();
    let tool = find(&place.programs, "pg_verifybackup", major).ok()?;
    let dump = find(&place.programs, "pg_waldump", major);
    let mut command = place.programs.command(&tool);
    command.arg("--quiet");
    if dump.is_err() {
        command.arg("--no-parse-wal");
    }
    command.arg(folder);
    Some(match place.programs.run(command, "pg_verifybackup", None) {
        Ok(_) => Check::passed("pg_verifybackup", "every file is as the server's list of them says"),
        Err(error) => Check::failed("pg_verifybackup", error),
    })
}
