//! A whole server's data folder, as a source: copied by `mariadb-backup` while the server runs, exchanged while it is
//! stopped.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ChildStdout;
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{FlockOperation, fcntl_lock};

use crate::chunk::{Cutting, cutting_of};
use crate::container::RelativePath;
use crate::error::{Error, Result};
use crate::format::manifest::{Component, DatabaseOrigin, Origin};
use crate::ops::Progress;
use crate::ops::capture::Capture;
use crate::source::access::{Place, Settings};
use crate::source::kind::{Attempt, Capturing, Check, Description, Material, Reverted, Source, Staged};
use crate::source::members::{MemberStore, plain_metadata};
use crate::source::open_file;
use crate::source::program::{Programs, Running, User};
use crate::source::stored::Stored;
use crate::source::swap::FolderSwap;

use super::checks::{check_tables, user_databases};
use super::mbstream::{MbStream, streamed};
use super::origin::{SYSTEM, version_of};
use super::rights::Grants;
use super::scratch::give;
use super::server::{Server, backup_tool};
use super::version::Version;

/// How long a server may take to stop or to answer: 1,200 times a tenth of a second.
const TRIES: u32 = 1200;
const WAIT: Duration = Duration::from_millis(100);
/// Memory for the log that is applied to the files.
const PREPARE_MEMORY: &str = "--use-memory=256M";

/// A server, with all its databases.
pub struct Physical {
    /// The server.
    pub server: Server,
    /// The database that the URL names; may be empty.
    pub database: String,
    /// Where the data folder is, and how the server is stopped and started.
    pub settings: Settings,
    /// The machine around it.
    pub place: Place,
}

/// A backup that runs.
struct Copying {
    running: Running,
    stream: MbStream<ChildStdout>,
    origin: DatabaseOrigin,
    server: Server,
    /// The tool's, and for files that come mixed with others.
    _folder: tempfile::TempDir,
}

impl Physical {
    /// Where the server has its data, as it says itself: readable from here, and all in one folder.
    fn data_folder(&self) -> Result<PathBuf> {
        let rows = self.server.ask(
            "SELECT @@hostname, @@datadir, COALESCE(@@innodb_data_home_dir, ''), COALESCE(@@innodb_log_group_home_dir, ''), \
             COALESCE(@@innodb_undo_directory, '')",
        )?;
        let row = rows.into_iter().next().and_then(|row| <[String; 5]>::try_from(row).ok());
        let [host, data, elsewhere @ ..] =
            row.ok_or_else(|| Error::Failed("the server does not say where its data are".into()))?;
        let data = PathBuf::from(data);
        let names = ["innodb_data_home_dir", "innodb_log_group_home_dir", "innodb_undo_directory"];
        for (name, folder) in names.into_iter().zip(elsewhere) {
            let folder = data.join(&folder);
            if fs::canonicalize(&folder).ok() != fs::canonicalize(&data).ok() {
                return Err(Error::Refused(format!(
                    "{}: {name} is {}, outside the data folder, and a physical snapshot is of one folder; use mode=logical",
                    self.server.shown(),
                    folder.display()
                )));
            }
        }
        let here = rustix::system::uname();
        let is_here = self.server.is_here() || here.nodename().to_bytes() == host.as_bytes();
        let readable = File::open(data.join("ibdata1"));
        match (is_here, readable) {
            (true, Ok(_)) => Ok(data),
            (here, readable) => Err(Error::Refused(format!(
                "{}: mode=physical copies the server's files, and {} {}; run snaphold on the server's machine as a user who may read them, or use mode=logical",
                self.server.shown(),
                data.display(),
                match (here, readable) {
                    (true, Err(error)) => format!("cannot be read from here ({error})"),
                    _ => "is on another machine".to_string(),
                }
            ))),
        }
    }

    /// The folder that a restore goes to.
    fn target(&self) -> Result<&Path> {
        self.settings.data_directory.as_deref().ok_or_else(|| {
            Error::Refused(format!(
                "{}: a physical restore exchanges the server's data folder: say --data-directory, --stop and --start",
                self.server.shown()
            ))
        })
    }

    /// What is needed to exchange the folder.
    fn check_settings(&self) -> Result<()> {
        let target = self.target()?;
        let is_vacant = open_file::is_vacant(target)?;
        if self.settings.start.is_none() || self.settings.stop.is_none() && !is_vacant {
            return Err(Error::Refused(format!(
                "{}: the server must be stopped while {} is exchanged: say --stop and --start",
                self.server.shown(),
                target.display()
            )));
        }
        Ok(())
    }

    /// Whether a server answers: also one that refuses the login, for its accounts are those of its data.
    fn answers(&self) -> bool {
        matches!(self.server.ask("SELECT 1"), Ok(_) | Err(Error::Refused(_)))
    }

    fn stop(&self) -> Result<()> {
        let target = self.target()?;
        if let Some(stop) = &self.settings.stop {
            let stopped = self.place.programs.shell("the stop command", stop);
            // It may have been stopped before.
            if stopped.is_err() && is_used(target) {
                return stopped;
            }
        }
        for _ in 0..TRIES {
            if !is_used(target) {
                return Ok(());
            }
            sleep(WAIT);
        }
        Err(Error::Busy(format!("a server still uses {}; stop it, then restore again", target.display())))
    }

    fn start(&self) -> Result<()> {
        let Some(start) = &self.settings.start else { return Ok(()) };
        self.place.programs.shell("the start command", start)?;
        for _ in 0..TRIES {
            if self.answers() {
                return Ok(());
            }
            sleep(WAIT);
        }
        Err(Error::Failed(format!("{}: the server does not answer after the start command", self.server.shown())))
    }
}

/// Whether a server has a data folder's files open: it locks the first of them.
fn is_used(data: &Path) -> bool {
    let file = fs::OpenOptions::new().read(true).write(true).open(data.join("ibdata1"));
    file.is_ok_and(|file| fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).is_err())
}

/// Brings files that were copied while they were written to one moment, by the log that was copied with them.
pub fn prepare(programs: &Programs, folder: &Path, version: &str, progress: &dyn Progress) -> Result<()> {
    progress.stage("preparing the files", None);
    let tool = backup_tool(programs)?;
    if let Some(version) = Version::of_server(version) {
        version.fits_files(programs, &tool)?;
    }
    let mut command = programs.command(&tool);
    command.args(["--no-defaults", "--prepare", PREPARE_MEMORY]).arg(format!("--target-dir={}", folder.display()));
    programs.run(command, "mariadb-backup --prepare", None).map(drop)
}

impl Source for Physical {
    fn shown(&self) -> String {
        self.server.shown().to_string()
    }

    fn describe(&self) -> Result<Description> {
        let version = self.server.version()?;
        version.fits_files(&self.server.programs, &self.server.backup_tool()?)?;
        Grants::of(&self.server)?.allow_files(&self.server)?;
        self.data_folder()?;
        let bytes = self
            .server
            .ask_number("SELECT COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) DIV 1 FROM information_schema.TABLES")?;
        let mut notes = vec!["a snapshot is of the whole server, with all databases and accounts".to_string()];
        if self.settings.data_directory.is_none() || self.settings.stop.is_none() || self.settings.start.is_none() {
            notes.push("to restore it in place, --data-directory, --stop and --start are needed".into());
        }
        Ok(Description { version: version.text, bytes: Some(bytes), notes })
    }

    fn begin<'s>(&'s self, progress: &dyn Progress) -> Result<Box<dyn Capturing + 's>> {
        progress.stage("beginning the backup", None);
        let version = self.server.version()?;
        let tool = self.server.backup_tool()?;
        version.fits_files(&self.server.programs, &tool)?;
        Grants::of(&self.server)?.allow_files(&self.server)?;
        let data = self.data_folder()?;
        let folder = self.place.folder("mariadb")?;
        let mut command = self.server.command(&tool);
        command.args(["--backup", "--stream=mbstream"]);
        command.arg(format!("--datadir={}", data.display()));
        command.arg(format!("--target-dir={}", folder.path().display()));
        let mut running = self.server.programs.start(command, "mariadb-backup", self.server.password())?;
        let stdout = running.stdout().ok_or_else(|| Error::Failed("mariadb-backup has no output".into()))?;
        let mut stream = MbStream::new(stdout, folder.path());
        if !streamed(stream.wait())? {
            drop(stream);
            running.finish().map_err(|error| self.server.explained(error))?;
            return Err(Error::Failed("mariadb-backup printed nothing".into()));
        }
        let origin = DatabaseOrigin {
            system: SYSTEM.into(),
            mode: "physical".into(),
            version: version.text,
            database: self.database.clone(),
            facts: BTreeMap::new(),
        };
        Ok(Box::new(Copying { running, stream, origin, server: self.server.clone(), _folder: folder }))
    }

    fn accepts(&self, origin: &Origin) -> Result<(), String> {
        match origin {
            Origin::Database(origin) if origin.system == SYSTEM && origin.mode == "physical" => {
                match (&self.settings.data_directory, &self.settings.start) {
                    (Some(_), Some(_)) => Ok(()),
                    _ => Err("the server's data folder is exchanged: name it by --data-directory, and how the server is stopped and started by --stop and --start (`snaphold instance edit`)".into()),
                }
            }
            Origin::Database(origin) if origin.system == SYSTEM => {
                Err("it is one database's dump (mode=logical), and this is a whole server's folder".into())
            }
            _ => Err("it is of another kind".into()),
        }
    }

    fn is_vacant(&self) -> Result<bool> {
        open_file::is_vacant(self.target()?)
    }

    fn stage(&self, material: &Material<'_>, attempt: &Attempt, progress: &dyn Progress) -> Result<Staged> {
        let Material::Stored(stored) = material else {
            return Err(Error::Refused(format!(
                "{} is a whole server's folder (mode=physical), which takes no dumps; load it into an instance of one database",
                self.server.shown()
            )));
        };
        self.check_settings()?;
        let swap = FolderSwap::new(self.target()?, attempt)?;
        let owner = fs::metadata(swap.place()).ok().map(|stat| (stat.uid(), stat.gid(), stat.mode() & 0o777));
        swap.clear()?;
        let report = stored.restore_to(swap.staged(), progress)?;
        prepare(&self.place.programs, swap.staged(), version_of(stored), progress)?;
        let failed = |error| Error::target(swap.staged(), error);
        let mode = owner.map_or(0o700, |(_, _, mode)| mode);
        fs::set_permissions(swap.staged(), fs::Permissions::from_mode(mode)).map_err(failed)?;
        swap.complete()?;
        let server = User::for_servers(&["mysql"]).map(|user| (user.uid, user.gid));
        if let Some((uid, gid)) = owner.map(|(uid, gid, _)| (uid, gid)).or(server) {
            give(swap.staged(), uid, gid)?;
        }
        Ok(Staged { report, ..Staged::default() })
    }

    fn swap(&self, _: Option<&Stored<'_>>, attempt: &Attempt, _: &Staged, progress: &dyn Progress) -> Result<()> {
        let swap = FolderSwap::new(self.target()?, attempt)?;
        if !swap.is_swapped() {
            progress.stage("stopping the server", None);
            self.stop()?;
            swap.swap()?;
        }
        progress.stage("starting the server", None);
        if is_used(swap.place()) && self.answers() { Ok(()) } else { self.start() }
    }

    fn check(&self, _: &Attempt, _: &Staged, progress: &dyn Progress) -> Result<Vec<Check>> {
        progress.stage("checking", None);
        let version = match self.server.version() {
            Ok(version) => version,
            Err(Error::Refused(why)) => {
                return Ok(vec![Check::passed("answers", format!("the accounts are those of the snapshot: {why}"))]);
            }
            Err(error) => return Ok(vec![Check::failed("answers", error)]),
        };
        let mut checks = vec![Check::passed("answers", &version.text)];
        let databases = user_databases(&self.server)?;
        if !databases.is_empty() {
            checks.push(check_tables(&self.server, &databases, false)?);
        }
        Ok(checks)
    }

    fn finish(&self, attempt: &Attempt, _: &Staged) -> Result<()> {
        FolderSwap::new(self.target()?, attempt)?.finish()
    }

    fn revert(&self, attempt: &Attempt, _: Option<&Staged>) -> Result<Reverted> {
        let swap = FolderSwap::new(self.target()?, attempt)?;
        let had_data = !swap.is_swapped() || swap.staged().exists();
        if swap.is_swapped() {
            self.stop()?;
        }
        swap.revert()?;
        // It was stopped by the swap, perhaps: then it goes on with what it had.
        if had_data && swap.place().join("ibdata1").exists() && !is_used(swap.place()) {
            self.start()?;
        }
        Ok(Reverted::Back)
    }
}

impl Capturing for Copying {
    fn store(self: Box<Self>, capture: &Capture<'_>, name: &str) -> Result<Component> {
        let Copying { running, mut stream, origin, server, _folder } = *self;
        capture.progress.stage("copying", None);
        let mut store = MemberStore::new(capture, name, "the backup");
        let mut complete = false;
        while let Some(path) = streamed(stream.next_file())? {
            let shown = String::from_utf8_lossy(&path).into_owned();
            if shown.ends_with(".isl") {
                return Err(Error::Refused(format!(
                    "the table of {shown} has its data outside the data folder (DATA DIRECTORY), and a physical snapshot is of one folder; use mode=logical"
                )));
            }
            complete |= shown.ends_with("_checkpoints");
            let path = RelativePath::parse(&path)
                .map_err(|problem| Error::Failed(format!("mariadb-backup names a file {shown:?}: {problem}")))?;
            store.file_cut(&path, plain_metadata(0o660, 0), &mut stream, |head, len| cutting(&shown, head, len))?;
        }
        drop(stream);
        running.finish().map_err(|error| server.explained(error))?;
        if !complete {
            return Err(Error::Failed(
                "mariadb-backup ended without saying up to where: the backup is cut short".into(),
            ));
        }
        Ok(Component { name: name.into(), origin: Origin::Database(origin), root: store.finish()?, unreadable: 0 })
    }
}

/// How a file of the data folder is cut. A table that was made since the last checkpoint comes as `.new`.
fn cutting(path: &str, head: &[u8], len: u64) -> Cutting {
    let as_table = path.strip_suffix(".new").map(|begin| format!("{begin}.ibd"));
    cutting_of(Path::new(as_table.as_deref().unwrap_or(path)), head, len)
}
