//! Making a store beside the place where it goes: from a snapshot, or from a dump.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

use crate::container::{Body, Form, MemberKind, MemberReader, Members, open};
use crate::error::{Error, Result};
use crate::format::manifest::Origin;
use crate::format::tree::{Entry, Node};
use crate::ops::Progress;
use crate::ops::restore::{RestoreReport, restore_new};
use crate::source::kind::Dump;
use crate::source::stored::Stored;

use super::database::{DATABASES, TRANSACTIONS};
use super::lock::DATABASE_LOCK;

const BUFFER_LEN: usize = 256 * 1024;

/// The two folders of a database, wherever they are.
pub struct Folders<'a> {
    /// The store's files.
    pub store: &'a Path,
    /// The transaction logs.
    pub logs: &'a Path,
}

impl Folders<'_> {
    /// Writes a stored component into the folders, which are not there yet.
    pub fn fill_from(&self, stored: &Stored<'_>, progress: &dyn Progress) -> Result<RestoreReport> {
        let mut report = RestoreReport::default();
        match stored.origin() {
            Origin::Database(_) => {
                let store = only_folder(stored, DATABASES)?
                    .ok_or_else(|| Error::damaged("the snapshot", "it has no folder of a database"))?;
                report.add(&restore_new(stored.reader, &store, self.store, progress)?);
                match only_folder(stored, TRANSACTIONS)? {
                    Some(logs) => report.add(&restore_new(stored.reader, &logs, self.logs, progress)?),
                    None => make_folder(self.logs)?,
                }
            }
            // As it lay in the dump: all in one folder.
            _ => {
                report.add(&restore_new(stored.reader, &stored.component.root, self.store, progress)?);
                make_folder(self.logs)?;
            }
        }
        self.sort()?;
        Ok(report)
    }

    /// Writes what a dump holds into the folders, which are not there yet. The dump is read to its end, which checks it.
    pub fn fill_from_dump(&self, dump: &Dump<'_>, progress: &dyn Progress) -> Result<RestoreReport> {
        let name = dump.file_name;
        let file = File::open(dump.path).map_err(|error| Error::source(dump.path, error))?;
        let opened = open(Box::new(BufReader::with_capacity(BUFFER_LEN, file)), name)?;
        let (Form::Neo4jDump { .. }, Body::Members(mut members)) = (&opened.form, opened.body) else {
            return Err(Error::Refused(format!(
                "{name} is no Neo4j dump but {}; load what `neo4j-admin database dump` made",
                opened.form.describe()
            )));
        };
        make_folder(self.store)?;
        make_folder(self.logs)?;
        let mut report = RestoreReport::default();
        progress.stage("staging", None);
        while let Some(member) = members.next_member()? {
            let mut path = self.store.to_path_buf();
            path.extend(member.path.components().iter().map(|part| std::ffi::OsStr::from_bytes(part)));
            match member.kind {
                MemberKind::Directory => {
                    fs::create_dir_all(&path).map_err(|error| Error::target(&path, error))?;
                    report.directories += 1;
                }
                MemberKind::File { .. } => {
                    if let Some(above) = path.parent() {
                        fs::create_dir_all(above).map_err(|error| Error::target(above, error))?;
                    }
                    let len = write_member(&path, member.metadata.mode, &mut *members, progress)?;
                    report.files += 1;
                    report.files_changed += 1;
                    report.bytes_total += len;
                    report.bytes_written += len;
                }
                _ => return Err(Error::Refused(format!("{name} holds {}, which is no file", member.path))),
            }
        }
        self.sort()?;
        Ok(report)
    }

    /// Puts the logs where Neo4j wants them, and takes out what is no data.
    fn sort(&self) -> Result<()> {
        let failed = |error| Error::target(self.store, error);
        for entry in fs::read_dir(self.store).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (name, path) = (entry.file_name(), entry.path());
            if is_log(name.as_bytes()) {
                move_file(&path, &self.logs.join(&name))?;
            } else if NOT_DATA.contains(&name.as_bytes()) {
                fs::remove_file(&path).map_err(|error| Error::target(&path, error))?;
            }
        }
        Ok(())
    }

    /// Gives all of it to the owner of `like`, with a lock file that Neo4j finds, and makes it durable.
    pub fn settle(&self, like: &Path) -> Result<()> {
        let lock = self.store.join(DATABASE_LOCK);
        File::create(&lock).map_err(|error| Error::target(&lock, error))?;
        let owner = fs::metadata(like).map_err(|error| Error::source(like, error))?;
        let owner = (owner.uid(), owner.gid());
        for folder in [self.store, self.logs] {
            give(folder, owner)?;
            let failed = |error: io::Error| Error::target(folder, error);
            let open = File::open(folder).map_err(failed)?;
            rustix::fs::syncfs(&open).map_err(|error| failed(error.into()))?;
        }
        Ok(())
    }
}

/// Files of a server's that are no data.
const NOT_DATA: [&[u8]; 3] = [DATABASE_LOCK.as_bytes(), b"store_lock", b"quarantine_marker"];

/// Whether a file of a dump goes to the logs.
pub fn is_log(name: &[u8]) -> bool {
    name.starts_with(b"neostore.transaction.db.") || name.starts_with(b"checkpoint.")
}

/// The one folder in the folder `above` of a component.
fn only_folder(stored: &Stored<'_>, above: &str) -> Result<Option<Entry>> {
    let top = stored.folder(b"")?;
    if !top.iter().any(|entry| entry.name == above.as_bytes()) {
        return Ok(None);
    }
    let mut folders = stored.folder(above.as_bytes())?.into_iter();
    match (folders.next(), folders.next()) {
        (Some(entry), None) if matches!(entry.node, Node::Directory { .. }) => Ok(Some(entry)),
        (None, _) => Ok(None),
        _ => Err(Error::damaged("the snapshot", format!("its {above} holds not exactly one folder"))),
    }
}

fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|error| Error::target(path, error))
}

/// Writes a member as a new file, with holes where it has zeros: a log that was made long beforehand stays short on disk.
fn write_member(path: &Path, mode: u32, members: &mut dyn Members, progress: &dyn Progress) -> Result<u64> {
    let failed = |error| Error::target(path, error);
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode & 0o777 | 0o600).open(path).map_err(|error| {
            match error.kind() {
                io::ErrorKind::AlreadyExists => Error::Refused(format!("the dump holds {} twice", path.display())),
                _ => failed(error),
            }
        })?;
    let mut buffer = vec![0; BUFFER_LEN];
    let mut reader = MemberReader(members);
    let mut len = 0;
    loop {
        let read = reader.read(&mut buffer).map_err(|error| crate::container::read_error("the dump", error))?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        match bytes.iter().all(|byte| *byte == 0) {
            true => _ = io::Seek::seek(&mut file, io::SeekFrom::Current(read as i64)).map_err(failed)?,
            false => file.write_all(bytes).map_err(failed)?,
        }
        len += read as u64;
        progress.advance(read as u64);
    }
    file.set_len(len).map_err(failed)?;
    Ok(len)
}

/// Moves a file into a folder that may be on another file system.
fn move_file(from: &Path, to: &Path) -> Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            fs::copy(from, to).map_err(|error| Error::target(to, error))?;
            fs::remove_file(from).map_err(|error| Error::target(from, error))
        }
        Err(error) => Err(Error::target(to, error)),
        Ok(()) => Ok(()),
    }
}

/// Gives a folder and all in it to an owner, who can then read and write it. Only root can give; anybody else's files
/// are the process's own.
fn give(path: &Path, owner: (u32, u32)) -> Result<()> {
    let failed = |error| Error::target(path, error);
    let stat = fs::symlink_metadata(path).map_err(failed)?;
    if rustix::process::geteuid().is_root() && (stat.uid(), stat.gid()) != owner {
        lchown(path, Some(owner.0), Some(owner.1)).map_err(failed)?;
    }
    if stat.is_symlink() {
        return Ok(());
    }
    let wanted = stat.mode() & 0o7777 | if stat.is_dir() { 0o700 } else { 0o600 };
    if wanted != stat.mode() & 0o7777 {
        fs::set_permissions(path, fs::Permissions::from_mode(wanted)).map_err(failed)?;
    }
    if stat.is_dir() {
        let below: Vec<PathBuf> = fs::read_dir(path)
            .map_err(failed)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()
            .map_err(failed)?;
        below.iter().try_for_each(|path| give(path, owner))?;
    }
    Ok(())
}
