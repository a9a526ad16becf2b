//! Dumps and SQL text out of snapshots: of a logical one by putting its archive together again, of a physical one by a
//! server that is started on a copy of it.

use std::io::{self, Read, Write};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::ops::Progress;
use crate::ops::export::ExportFormat;
use crate::source::access::Place;
use crate::source::kind::{Export, Exported, Only};
use crate::source::stored::Stored;

use super::assemble::{Archive, fact, origin_of};
use super::physical_restore::stored_major;
use super::select;
use super::server::{find, knows_restrict};
use super::throwaway::{Folder, Throwaway};

const BUFFER: usize = 1 << 18;
/// Letters of the word that stands for `\restrict` in SQL text.
const KEY_LEN: usize = 32;

/// Exports a logical snapshot.
pub fn logical(job: &Export<'_>, out: &mut dyn Write) -> Result<Exported> {
    let mut archive = Archive::of(job.stored)?;
    if let Some(only) = job.only {
        archive.contents = select::only(&archive.contents, only)?;
    }
    let bytes = archive.selected_len();
    job.progress.stage("exporting", Some(bytes));
    match job.format {
        ExportFormat::Sql => sql_of(job, &archive, out)?,
        _ => archive.write(out, job.progress)?,
    }
    Ok(Exported { files: 1, bytes })
}

/// `pg_restore` makes SQL of the archive.
fn sql_of(job: &Export<'_>, archive: &Archive<'_>, out: &mut dyn Write) -> Result<()> {
    let programs = &job.place.programs;
    let program = find(programs, "pg_restore", major_of_origin(job.stored))?;
    let mut command = programs.command(&program);
    command.args(["-f", "-"]).stdin(Stdio::piped());
    if knows_restrict(programs, &program)? {
        // The same text each time; nothing in the data can know it.
        let digest = fact(job.stored, "digest");
        let key = digest.get(..KEY_LEN).filter(|key| key.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        key.into_iter().for_each(|key| _ = command.arg(format!("--restrict-key={key}")));
    }
    let mut running = programs.start(command, "pg_restore", None)?;
    let stdin = running.stdin().ok_or_else(|| Error::Failed("pg_restore has no input".into()))?;
    let stdout = running.stdout().ok_or_else(|| Error::Failed("pg_restore has no output".into()))?;
    let (fed, copied) = std::thread::scope(|scope| {
        let feeding = scope.spawn(move || {
            let mut stdin = io::BufWriter::with_capacity(BUFFER, stdin);
            archive.write(&mut stdin, job.progress)?;
            stdin.flush().map_err(|error| Error::target("pg_restore's input", error))
        });
        let copied = copy(stdout, out);
        let fed = feeding.join().unwrap_or_else(|_| Err(Error::Failed("the thread that writes broke off".into())));
        (fed, copied)
    });
    match (copied, fed) {
        (Err(error), _) => Err(error),
        // A pg_restore that broke off says why.
        (Ok(_), Err(Error::Target { path, error })) => running.finish().and(Err(Error::Target { path, error })),
        (Ok(_), Err(error)) => Err(error),
        (Ok(_), Ok(())) => running.finish(),
    }
}

fn copy(mut input: impl Read, out: &mut dyn Write) -> Result<u64> {
    let mut buffer = vec![0; BUFFER];
    let mut copied = 0;
    loop {
        let read =
            input.read(&mut buffer).map_err(|error| Error::Failed(format!("cannot read a tool's output: {error}")))?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { return Ok(copied) };
        out.write_all(bytes).map_err(|error| Error::target("the output", error))?;
        copied += read as u64;
    }
}

/// Exports a database of a physical snapshot.
pub fn physical(job: &Export<'_>, out: &mut dyn Write) -> Result<Exported> {
    with_server(job.stored, job.place, job.progress, |running| {
        let database = &origin_of(job.stored)?.database;
        let program = find(&job.place.programs, "pg_dump", Some(running.major))?;
        let mut command: Command = running.server.command(&program, database);
        command.arg("-w");
        match job.format {
            ExportFormat::Sql => {}
            _ => _ = command.args(["-Fc", "-Z0"]),
        }
        match job.only {
            None => {}
            Some(Only { kind: "table" | "view" | "sequence", name }) => _ = command.arg("-t").arg(pattern(name)),
            Some(Only { kind, .. }) => {
                return Err(Error::Usage(format!("a {kind} cannot be exported alone; say --only table=SCHEMA.NAME")));
            }
        }
        job.progress.stage("exporting", None);
        let mut dumping = job.place.programs.start(command, "pg_dump", None)?;
        let stdout = dumping.stdout().ok_or_else(|| Error::Failed("pg_dump has no output".into()))?;
        let bytes = copy(stdout, out)?;
        dumping.finish().map_err(|error| match error {
            Error::Failed(text) if text.contains("no matching tables") => {
                let name = job.only.map(|only| only.name).unwrap_or_default();
                Error::NotFound(format!("the snapshot has no table {name}; `snaphold snapshot ls` lists them"))
            }
            error => error,
        })?;
        Ok(Exported { files: 1, bytes })
    })
}

/// A name that `pg_dump -t` takes as it is: `public.accounts` as `"public"."accounts"`.
fn pattern(name: &str) -> String {
    let quoted = |part: &str| format!("\"{}\"", part.replace('"', "\"\""));
    match name.split_once('.') {
        Some((schema, name)) => format!("{}.{}", quoted(schema), quoted(name)),
        None => quoted(name),
    }
}

/// Lets `work` use a server that runs on a copy of a physical snapshot.
pub fn with_server<R>(
    stored: &Stored<'_>,
    place: &Place,
    progress: &dyn Progress,
    work: impl FnOnce(&Throwaway<'_>) -> Result<R>,
) -> Result<R> {
    let folder = Folder::new(place)?;
    progress.stage("unpacking the data folder", None);
    folder.restore(stored, progress)?;
    progress.stage("starting a throw-away server", None);
    let running = start_on(&folder, stored, place)?;
    let done = work(&running);
    running.stop();
    done
}

/// Starts a server on a folder that a physical snapshot was restored to.
pub fn start_on<'f>(folder: &'f Folder, stored: &Stored<'_>, place: &Place) -> Result<Throwaway<'f>> {
    let major = stored_major(stored)?;
    let major = major.parse().map_err(|_| Error::damaged("the snapshot", format!("its PG_VERSION is {major:?}")))?;
    let superuser = fact(stored, "superuser");
    Throwaway::start(folder, place, major, Some(superuser.as_str()).filter(|name| !name.is_empty()))
}

/// The major version that a snapshot was taken of.
pub fn major_of_origin(stored: &Stored<'_>) -> Option<u32> {
    let version = &origin_of(stored).ok()?.version;
    version.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
}
