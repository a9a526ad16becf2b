//! Putting a store in the place of a database: two folders, each exchanged for one that was made beside it.
//!
//! A crash between the two exchanges leaves the store of one and the logs of the other. Nobody can open the database
//! then while this process lives, for it holds the locks of both stores; afterwards the restore's own record shows it as
//! unfinished, and doing the step again, or going back, brings a whole state.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::ops::Progress;
use crate::source::kind::{Attempt, Check, Material, Reverted, Staged};
use crate::source::swap::FolderSwap;

use super::database::{CHANGE_MAX_S, Database, connects, wait_for};
use super::home::Home;
use super::lock::{self, DATABASE_LOCK};
use super::stage::Folders;
use super::store;

/// What is remembered of the staged store.
const FORMAT: &str = "format";
/// Remembered where the server ran when the restore began, so that it runs again after it.
const RESTART: &str = "restart";

/// The exchange of a database's two folders.
struct Both {
    store: FolderSwap,
    logs: FolderSwap,
}

impl Both {
    fn of(database: &Database, home: &Home, attempt: &Attempt) -> Result<Self> {
        let name = database.name(home);
        Ok(Self {
            store: FolderSwap::new(&home.store(&name), attempt)?,
            logs: FolderSwap::new(&home.logs(&name), attempt)?,
        })
    }

    fn folders(&self) -> Folders<'_> {
        Folders { store: self.store.staged(), logs: self.logs.staged() }
    }

    fn are_swapped(&self) -> bool {
        self.store.is_swapped() && self.logs.is_swapped()
    }
}

/// Makes the store beside the place, and looks whether this Neo4j can open it.
pub fn stage(
    database: &Database,
    material: &Material<'_>,
    attempt: &Attempt,
    progress: &dyn Progress,
) -> Result<Staged> {
    let home = database.home()?;
    let user = database.user(&home)?;
    if let (Some(process), None) = (user, database.commands()) {
        return Err(database.in_use(&home, process, "exchanged"));
    }
    let both = Both::of(database, &home, attempt)?;
    let like = owner_like(database, &home);
    make_above(&both, &home)?;
    both.store.clear()?;
    both.logs.clear()?;
    let folders = both.folders();
    let done = fill(&folders, material, progress).and_then(|report| {
        let info = store::inspect(folders.store, folders.logs).map_err(|error| match error {
            Error::Refused(_) => Error::Refused(format!("{} holds no Neo4j store", attempt.of)),
            other => other,
        })?;
        if let Some(program) = home.program() {
            let note = store::readable(&info, &program.version, program.is_enterprise)
                .map_err(|why| Error::Refused(format!("{}: {why}", attempt.of)))?;
            note.iter().for_each(|note| progress.notice(note));
        }
        folders.settle(&like)?;
        both.store.complete()?;
        both.logs.complete()?;
        let restart = user.is_some().then(|| (RESTART.to_string(), "yes".to_string()));
        let facts = [Some((FORMAT.to_string(), info.format.to_string())), restart].into_iter().flatten().collect();
        Ok(Staged { report, facts })
    });
    if done.is_err() {
        // The error that is told is the first one; reverting tries again.
        let _ = both.store.revert();
        let _ = both.logs.revert();
    }
    done
}

fn fill(
    folders: &Folders<'_>,
    material: &Material<'_>,
    progress: &dyn Progress,
) -> Result<crate::ops::restore::RestoreReport> {
    match material {
        Material::Stored(stored) => folders.fill_from(stored, progress),
        Material::Dump(dump) => folders.fill_from_dump(dump, progress),
    }
}

/// What the new files' owner is taken from: the database's folder, or what is above it.
fn owner_like(database: &Database, home: &Home) -> PathBuf {
    let store = home.store(&database.name(home));
    let places = [store, home.databases(), home.data().to_path_buf()];
    places.into_iter().find(|path| path.is_dir()).unwrap_or_else(|| home.path.clone())
}

/// Makes the folders above the two, as a server that never ran has none, for the owner of the data folder.
fn make_above(both: &Both, home: &Home) -> Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let stat = fs::metadata(home.data()).map_err(|error| Error::source(home.data(), error))?;
    for above in [&both.store, &both.logs].into_iter().filter_map(|swap| swap.place().parent()) {
        let mut missing: Vec<&std::path::Path> = above.ancestors().take_while(|path| !path.exists()).collect();
        while let Some(folder) = missing.pop() {
            let failed = |error: io::Error| Error::target(folder, error);
            fs::create_dir(folder).map_err(failed)?;
            if rustix::process::geteuid().is_root() {
                chown(folder, Some(stat.uid()), Some(stat.gid())).map_err(failed)?;
            }
        }
    }
    Ok(())
}

/// Exchanges both folders. The server is stopped for it where it runs, and started again.
pub fn swap(database: &Database, attempt: &Attempt, staged: &Staged, progress: &dyn Progress) -> Result<()> {
    let home = database.home()?;
    let both = Both::of(database, &home, attempt)?;
    if !both.are_swapped() {
        close(database, &home, progress, "exchanged")?;
        let at = |folder: &std::path::Path| lock::take(&folder.join(DATABASE_LOCK));
        let _locks = (at(both.store.place())?, at(both.store.staged())?);
        both.store.swap()?;
        both.logs.swap()?;
    }
    start_again(database, &home, Some(staged))
}

/// Makes sure that nobody has the database open.
fn close(database: &Database, home: &Home, progress: &dyn Progress, what: &str) -> Result<()> {
    match (database.user(home)?, &database.settings.stop) {
        (None, _) => Ok(()),
        (Some(_), Some(stop)) => database.stop(home, stop, progress),
        (Some(process), None) => Err(database.in_use(home, process, what)),
    }
}

/// Starts the server, where it ran before the restore and does not now.
fn start_again(database: &Database, home: &Home, staged: Option<&Staged>) -> Result<()> {
    let ran = staged.is_some_and(|staged| staged.facts.contains_key(RESTART));
    match (ran, &database.settings.start) {
        (true, Some(start)) if database.user(home)?.is_none() => database.start(home, start).map(drop),
        _ => Ok(()),
    }
}

/// Looks whether the new store is there; where the server was started, whether it has opened it and listens.
pub fn check(database: &Database, attempt: &Attempt, staged: &Staged, progress: &dyn Progress) -> Result<Vec<Check>> {
    let home = database.home()?;
    let both = Both::of(database, &home, attempt)?;
    let mut checks = vec![in_place(&both, staged)];
    if staged.facts.contains_key(RESTART) && checks.iter().all(|check| check.ok) {
        progress.stage("waiting for Neo4j", None);
        let port = home.bolt_port();
        // Starting it has waited for one of the two.
        let up = match database.user(&home)? {
            Some(_) => wait_for(CHANGE_MAX_S, || Ok(port.is_none_or(connects)))?,
            None => port.is_some_and(connects),
        };
        let open = database.user(&home)?.is_some();
        let shown = port.map_or_else(String::new, |port| format!(", and listens on port {port}"));
        checks.push(match (up, open) {
            (true, true) => Check::passed("server", format!("Neo4j has the database open{shown}")),
            (true, false) => {
                Check::failed("server", "Neo4j runs, but it does not open the database; its debug.log says why")
            }
            (false, _) => Check::failed("server", "Neo4j was started, and does not answer; its neo4j.log says why"),
        });
    }
    Ok(checks)
}

fn in_place(both: &Both, staged: &Staged) -> Check {
    let wanted = staged.facts.get(FORMAT).map(String::as_str).unwrap_or_default();
    match store::inspect(both.store.place(), both.logs.place()) {
        _ if !both.are_swapped() => Check::failed("store", "the store that was restored is not in its place"),
        // A server that was started may have brought the store to its own format.
        Ok(info) if info.format.to_string() == wanted || staged.facts.contains_key(RESTART) => {
            Check::passed("store", format!("its files were checked as they were written; format {}", info.format))
        }
        Ok(info) => Check::failed("store", format!("its format is {}, and {wanted} was restored", info.format)),
        Err(error) => Check::failed("store", error),
    }
}

/// Removes the folders that were kept aside.
pub fn finish(database: &Database, attempt: &Attempt) -> Result<()> {
    let home = database.home()?;
    let both = Both::of(database, &home, attempt)?;
    both.store.finish()?;
    both.logs.finish()
}

/// Puts both old folders back.
pub fn revert(database: &Database, attempt: &Attempt, staged: Option<&Staged>) -> Result<Reverted> {
    let home = database.home()?;
    let both = Both::of(database, &home, attempt)?;
    if both.store.is_swapped() || both.logs.is_swapped() {
        close(database, &home, &crate::ops::Silent, "put back")?;
        let at = |folder: &std::path::Path| lock::take(&folder.join(DATABASE_LOCK));
        let _locks = (at(both.store.place())?, at(both.store.staged())?);
        both.store.revert()?;
        both.logs.revert()?;
    } else {
        both.store.revert()?;
        both.logs.revert()?;
    }
    start_again(database, &home, staged)?;
    Ok(Reverted::Back)
}
