//! `snaphold load`, `export` and `clone`.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use snaphold::error::{Error, Result};
use snaphold::ops::export::Neo4jFormat;
use snaphold::service::{
    CloneRequest, ExportOutcome, ExportRequest, ExportTarget, ExportWritten, LoadRequest, TakeOptions, open_file,
};

use super::instance::settings_spec;
use super::restore::kept;
use super::snapshot::taken;
use crate::cli::args::{CloneArgs, ExportArgs, LoadArgs, Neo4jChoice};
use crate::cli::confirm::{RESTORE, consent};
use crate::cli::context::Context;
use crate::cli::output::Report;
use crate::cli::table::{count, size};

/// The name of what comes by standard input, where none is given.
const STDIN_NAME: &str = "dump";
/// What is written to standard output at once, bytes.
const STDOUT_BUFFER: usize = 256 * 1024;

pub fn load(context: &Context, arguments: LoadArgs) -> Result<Report> {
    let backend = context.backend()?;
    let from_stdin = arguments.file.as_os_str() == "-";
    let length = arguments.file.metadata().ok().filter(|about| about.is_file() && !from_stdin).map(|about| about.len());
    let input: Box<dyn Read + Send> = match from_stdin {
        true => Box::new(unbuffered(&io::stdin(), "standard input")?),
        false => open_file(&arguments.file)?,
    };
    let file_name = match arguments.name_as {
        Some(name) if name.is_empty() || name.contains('/') => {
            return Err(Error::Usage(format!("{name:?} is no file's name; give --name-as one without a folder")));
        }
        Some(name) => name,
        None if from_stdin => STDIN_NAME.to_string(),
        None => name_of(&arguments.file)?,
    };
    let confirmed = match backend.load_overwrites(&arguments.name)? {
        Some(source) => {
            consent(RESTORE, arguments.confirm.as_deref(), &format!("overwrite {source}"), || Ok(String::new()))?
        }
        None => false,
    };
    let options =
        TakeOptions { description: arguments.description, retain_ns: arguments.retain, ..TakeOptions::default() };
    let (instance, no_safety) = (arguments.name, arguments.no_safety);
    let request = LoadRequest { instance, input, file_name, no_safety, run: None, options };
    let progress = context.progress();
    let outcome = backend.load(request, length, confirmed, &progress)?;
    progress.done();
    let mut text = taken(&outcome.snapshot);
    if let Some(safety) = &outcome.safety_snapshot {
        text.push_str(&kept(safety, &outcome.snapshot.instance));
    }
    Report::new(&outcome, text)
}

fn name_of(file: &Path) -> Result<String> {
    let name = file.file_name().and_then(|name| name.to_str());
    name.map(str::to_string).ok_or_else(|| {
        Error::Usage(format!("{} has no name that could be stored; give one by --name-as", file.display()))
    })
}

/// The stream beneath, without the line-wise buffer that the standard library puts before it.
fn unbuffered(stream: &impl AsFd, name: &str) -> Result<File> {
    let owned = stream.as_fd().try_clone_to_owned();
    Ok(File::from(owned.map_err(|error| Error::Failed(format!("cannot use {name}: {error}")))?))
}

/// Standard output, and whether its reader has gone: that is no news to a user who asked for `head`.
struct Pipe {
    file: File,
    is_broken: bool,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).inspect_err(|error| self.is_broken |= error.kind() == io::ErrorKind::BrokenPipe)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

pub fn export(context: &Context, arguments: ExportArgs) -> Result<Report> {
    let format = arguments.format.parse()?;
    let neo4j_format = match arguments.neo4j_format {
        Neo4jChoice::Four => Neo4jFormat::Neo4j4,
        Neo4jChoice::Five => Neo4jFormat::Current,
    };
    let request = ExportRequest {
        snapshot: arguments.snapshot,
        format,
        neo4j_format,
        component: arguments.component,
        path: arguments.path.map(std::os::unix::ffi::OsStringExt::into_vec),
        item: arguments.only.as_deref().map(str::parse).transpose()?,
    };
    let backend = context.backend()?;
    let progress = context.progress();
    let outcome = match arguments.output.as_os_str() == "-" {
        false => {
            let target = ExportTarget::Path { path: &arguments.output, overwrite: arguments.overwrite };
            backend.export(request, target, &progress)?
        }
        true => {
            let mut pipe = Pipe { file: unbuffered(&io::stdout(), "standard output")?, is_broken: false };
            let mut out = BufWriter::with_capacity(STDOUT_BUFFER, &mut pipe);
            let exported = backend.export(request, ExportTarget::Stream(&mut out), &progress);
            let flushed = out.flush().map_err(|error| Error::target("standard output", error));
            drop(out);
            if pipe.is_broken {
                return Err(Error::target("standard output", io::ErrorKind::BrokenPipe.into()));
            }
            flushed.and(exported)?
        }
    };
    progress.done();
    Report::new(&outcome, exported(&outcome))
}

fn exported(outcome: &ExportOutcome) -> String {
    let ExportOutcome { snapshot, output, report } = outcome;
    let output = if output == "-" { "standard output" } else { output };
    match report {
        ExportWritten::File(report) => format!(
            "exported snapshot {snapshot} to {output}: {} files of {} in {}\n",
            count(report.files),
            size(report.bytes_plain),
            size(report.bytes_written)
        ),
        ExportWritten::Folder { report, .. } => {
            format!(
                "exported snapshot {snapshot} to {output}: {} files of {}\n",
                count(report.files),
                size(report.bytes_total)
            )
        }
    }
}

pub fn clone(context: &Context, arguments: CloneArgs) -> Result<Report> {
    let backend = context.backend()?;
    let progress = context.progress();
    let settings = settings_spec(arguments.settings)?;
    let CloneArgs { snapshot, name, source, .. } = arguments;
    let request = CloneRequest { snapshot: snapshot.clone(), name, source, settings, copy: None };
    let outcome = backend.clone_snapshot(request, &progress)?;
    progress.done();
    let mut text = format!("made instance {} of snapshot {}\n", outcome.instance, snapshot);
    if let Some(restored) = &outcome.restored {
        text.push_str(&super::restore::done(restored));
    }
    Report::new(&outcome, text)
}
