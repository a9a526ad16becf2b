//! A whole server by `pg_basebackup`: its tar is opened while it comes, and each file is stored by its pages.
//!
//! The write-ahead log that the copy needs comes last. It waits in the staging folder until the pages that it has images
//! of are known, so that an image is stored as what changed in its page.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ChildStdout;

use crate::chunk::{Cutting, cutting_of};
use crate::container::{Body, Member, MemberKind, MemberReader, Members, RelativePath, open, read_error};
use crate::error::{Error, Result};
use crate::format::manifest::{Component, DatabaseOrigin, Origin};
use crate::format::tree::{Class, Entry, Metadata, Node};
use crate::ops::capture::{Capture, Captured, LOGS_MAX, Log, ParentTree, RandomRead, SMALL_FILE, content_of};
use crate::source::access::Place;
use crate::source::kind::Capturing;
use crate::source::members::{MemberStore, plain_metadata};
use crate::source::open_file::OpenFile;
use crate::source::program::Running;

use super::errors::explain;
use super::names::{NAME, PHYSICAL, path_of};
use super::server::{Server, Version};
use super::tables::{DATA_FOLDER, TABLES, describe};

const BACKUP: &str = "backup.tar";
const BUFFER: usize = 1 << 20;

const STATE: &str = "
SELECT (SELECT count(*) FROM pg_catalog.pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')),
       (SELECT rolsuper OR rolreplication FROM pg_catalog.pg_roles WHERE rolname = current_user),
       (SELECT rolname FROM pg_catalog.pg_roles WHERE oid = 10),
       pg_catalog.current_setting('port'), pg_catalog.current_setting('data_checksums'),
       pg_catalog.current_setting('max_wal_senders'), current_user";

/// What is known of a server before it is copied.
pub struct Ready {
    /// Its version.
    pub version: Version,
    /// What is kept with the snapshot.
    pub facts: BTreeMap<String, String>,
}

/// Looks whether the server can be copied; an error says why not.
pub fn ready(server: &Server) -> Result<Ready> {
    let version = server.version(&server.database)?;
    let row = server.rows(STATE)?.into_iter().next().unwrap_or_default();
    let [spaces, may, superuser, port, checksums, senders, user] = row.as_slice() else {
        return Err(Error::Failed(format!("{} does not answer as a PostgreSQL server", server.shown)));
    };
    let shown = &server.shown;
    if spaces != "0" {
        return Err(Error::Refused(format!(
            "{shown}: the server has {spaces} table spaces of its own, and a physical snapshot is of one folder; use mode=logical"
        )));
    }
    if may != "t" {
        return Err(Error::Refused(format!(
            "{shown}: the user {user} may not copy the server; grant it by ALTER ROLE {user} REPLICATION, or use mode=logical"
        )));
    }
    if senders == "0" {
        return Err(Error::Refused(format!(
            "{shown}: the server has max_wal_senders = 0; set it to 2 or more, or use mode=logical"
        )));
    }
    server.check_replication()?;
    let facts = BTreeMap::from([
        ("superuser".to_string(), superuser.clone()),
        ("port".to_string(), port.clone()),
        ("checksums".to_string(), checksums.clone()),
    ]);
    Ok(Ready { version, facts })
}

/// A `pg_basebackup` that runs.
pub struct Copying<'s> {
    server: &'s Server,
    place: &'s Place,
    ready: Ready,
    running: Running,
    input: BufReader<ChildStdout>,
}

/// Starts `pg_basebackup` and waits for the first of what it sends. The copy will be as of its end.
pub fn begin<'s>(server: &'s Server, place: &'s Place) -> Result<Copying<'s>> {
    let ready = ready(server)?;
    let mut command = server.command(&server.tool("pg_basebackup", &ready.version)?, "");
    command.env_remove("PGDATABASE");
    command.args(["-D", "-", "-Ft", "-X", "fetch", "--checkpoint=fast", "--label=snaphold", "--no-password"]);
    let mut running = server.programs.start(command, "pg_basebackup", server.password.as_ref())?;
    let stdout = running.stdout().ok_or_else(|| Error::Failed("pg_basebackup has no output".into()))?;
    let mut input = BufReader::with_capacity(BUFFER, stdout);
    let first = io::BufRead::fill_buf(&mut input).map(<[u8]>::len).unwrap_or_default();
    if first == 0 {
        drop(input);
        running.finish().map_err(|error| explain(error, &server.shown))?;
        return Err(Error::Failed("pg_basebackup sent nothing".into()));
    }
    Ok(Copying { server, place, ready, running, input })
}

impl Capturing for Copying<'_> {
    fn store(self: Box<Self>, capture: &Capture<'_>, name: &str) -> Result<Component> {
        let Copying { server, place, ready, running, input } = *self;
        capture.progress.stage("reading", None);
        let spool = place.folder("pg-wal")?;
        let mut storing = Storing {
            capture,
            name,
            store: MemberStore::new(capture, name, BACKUP),
            spool: spool.path(),
            logs: Vec::new(),
        };
        let stored = storing.members(Box::new(input));
        // Its own word is the better reason, and without a good end nothing counts.
        running.finish().map_err(|error| explain(error, &server.shown))?;
        stored?;
        storing.logs()?;
        let mut store = storing.store;
        let tables = describe(server, capture.progress)?;
        store.file(&path_of(TABLES)?, plain_metadata(0o600, 0), &mut tables.as_bytes())?;
        let origin = Origin::Database(DatabaseOrigin {
            system: NAME.into(),
            mode: PHYSICAL.into(),
            version: ready.version.text,
            database: server.database.clone(),
            facts: ready.facts,
        });
        Ok(Component { name: name.to_string(), origin, root: store.finish()?, unreadable: 0 })
    }
}

struct Storing<'c, 's> {
    capture: &'c Capture<'c>,
    name: &'c str,
    store: MemberStore<'c>,
    spool: &'s Path,
    logs: Vec<SpooledLog>,
}

/// A segment of the log in the staging folder.
struct SpooledLog {
    /// Its path in the snapshot.
    path: RelativePath,
    metadata: Metadata,
    file: PathBuf,
    len: u64,
}

impl Storing<'_, '_> {
    /// Stores what comes, but for the log.
    fn members(&mut self, input: Box<dyn Read + Send>) -> Result<()> {
        let Body::Members(mut members) = open(input, BACKUP)?.body else {
            return Err(Error::Failed("what pg_basebackup sent is no tar".into()));
        };
        while let Some(member) = members.next_member()? {
            let inside = [DATA_FOLDER.as_bytes().to_vec()].into_iter().chain(member.path.components().iter().cloned());
            let path = RelativePath::from_components(inside)
                .map_err(|problem| Error::Failed(format!("pg_basebackup sent a file of a strange name: {problem}")))?;
            let member = Member { path, ..member };
            match member.kind {
                MemberKind::File { len } if is_log(&member.path, len) => self.spool(member, len, &mut *members)?,
                _ => self.store.member(member, &mut *members)?,
            }
        }
        Ok(())
    }

    fn spool(&mut self, member: Member, len: u64, members: &mut dyn Members) -> Result<()> {
        let file = self.spool.join(self.logs.len().to_string());
        let failed = |error| Error::target(&file, error);
        let mut out = File::create(&file).map_err(failed)?;
        io::copy(&mut MemberReader(members), &mut out).map_err(|error| read_error(BACKUP, error))?;
        self.logs.push(SpooledLog { path: member.path, metadata: member.metadata, file, len });
        Ok(())
    }

    /// Stores the log: first the images of pages that the snapshot before has, then all of it.
    fn logs(&mut self) -> Result<()> {
        let contents = &self.capture.contents;
        let root: Option<Entry> = self.capture.parent_component(self.name).map(|component| component.root.clone());
        let mut parent = ParentTree::new(contents.reader(), root);
        let mut found: Vec<Log> = Vec::new();
        for log in self.logs.iter().take(LOGS_MAX) {
            found.push((Box::new(OpenLog::open(&log.file)?), log.len));
        }
        let images = contents.find_images(found);
        let mut left = Vec::new();
        for file in images.files_left() {
            let path = [DATA_FOLDER.as_bytes().to_vec()].into_iter();
            let path: Vec<Vec<u8>> = path.chain(file.iter().map(|name| name.as_encoded_bytes().to_vec())).collect();
            // An image can do without the page.
            if let Some(Entry { node: Node::File { content, .. }, .. }) = parent.find(&path).unwrap_or_default()
                && let Some(images) = images.take(&file)
            {
                left.push((images, content));
            }
        }
        contents.store_images_left(&images, &left)?;
        for log in self.logs.drain(..) {
            let base = parent.find(log.path.components())?;
            let base = base.as_ref().and_then(content_of);
            let opened = OpenLog::open(&log.file)?;
            let content = match log.len <= SMALL_FILE {
                true => {
                    let bytes = fs::read(&log.file).map_err(|error| Error::source(&log.file, error))?;
                    contents.small(&bytes, Cutting::Log, base)?
                }
                false => match contents.side_by_side(&opened, log.len, Cutting::Log, base, None)? {
                    Captured::Whole(content) => content,
                    Captured::Shrunk => {
                        return Err(Error::Failed("a file in the staging folder became shorter".into()));
                    }
                },
            };
            self.capture.progress.advance(log.len);
            let node = Node::File { content, class: Class::Stream, link_group: None, stamp: None };
            self.store.tree().leaf(&log.path, log.metadata, node)?;
        }
        Ok(())
    }
}

fn is_log(path: &RelativePath, len: u64) -> bool {
    cutting_of(Path::new(&path.to_string()), &[], len) == Cutting::Log
}

struct OpenLog {
    file: File,
    path: PathBuf,
}

impl OpenLog {
    fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::source(path, error))?;
        Ok(Self { file, path: path.to_path_buf() })
    }
}

impl RandomRead for OpenLog {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        OpenFile { file: &self.file, path: &self.path }.read_at(offset, buffer)
    }
}
